import {
  MAX_BATCH_BYTES,
  type AppendBatch,
  type Checkpoint,
  type EventStore,
  type LogSlice,
  type NewEvent,
} from './event-store.js';
import { createChainVerifier } from './hash-chain.js';
import {
  createLogDigest,
  eventLine,
  headerLine,
  readLogLines,
  trailerLine,
  TransferRefused,
  type LogEntry,
  type LogHeader,
  type LogTrailer,
} from './log-lines.js';

/** Events read from a log at once. */
const PAGE = 1000;

export type TransferSummary = LogHeader & LogTrailer;

export interface TransferOptions {
  /** Told how many events are done, after every thousand or so. */
  readonly onProgress?: (events: number) => void;
  /** Ends the transfer between two steps. */
  readonly signal?: AbortSignal;
}

export interface ExportOptions extends TransferOptions {
  readonly eventStore: EventStore;
  /** Takes some text, whole lines; awaited before the next. */
  write(text: string): Promise<void>;
}

/**
 * Writes the log as it stands now, in the form of {@link readLogLines}; what is appended meanwhile is left out. Checks the
 * hash chains on the way, for a file with a broken one could not be imported.
 * Memory: two pages of events, and one hash per stream.
 * @throws TransferRefused for a broken chain; EventStoreUnavailable; what the signal was aborted with; what `write` throws
 */
export async function exportLog(options: ExportOptions): Promise<TransferSummary> {
  const { eventStore, write, onProgress, signal } = options;
  signal?.throwIfAborted();
  const header: LogHeader = { identity: eventStore.identity, exportedUpTo: await eventStore.head() };
  await write(`${headerLine(header)}\n`);
  const chains = createChainVerifier();
  const digest = createLogDigest();
  const page = (after: Checkpoint | null): Promise<LogSlice> => {
    const slice = eventStore.readAll(after, PAGE);
    slice.catch(() => undefined); // heard when it is awaited, if it ever is
    return slice;
  };
  let next = page(null);
  for (let ended = false; !ended;) {
    signal?.throwIfAborted();
    const { events, checkpoint, position } = await next;
    ended = events.length === 0 || position >= header.exportedUpTo;
    if (!ended) next = page(checkpoint);
    let text = '';
    for (const event of events) {
      if (event.position > header.exportedUpTo) break;
      const fault = chains.check(event);
      if (fault)
        throw new TransferRefused(
          `the log is damaged at position ${fault.position}, ${fault.stream} revision ${fault.revision}: ${fault.reason}`,
        );
      const line = eventLine(event);
      digest.add(line);
      text += `${line}\n`;
    }
    if (text !== '') await write(text);
    onProgress?.(chains.checked);
  }
  const trailer: LogTrailer = { events: chains.checked, digest: digest.digest() };
  await write(`${trailerLine(trailer)}\n`);
  return { ...header, ...trailer };
}

export interface CheckOptions extends TransferOptions {
  /** Without their line feeds. */
  readonly lines: AsyncIterable<string> | Iterable<string>;
}

/**
 * Checks a file to its end, as an import does. Events can never be removed from a store, so it is better to know all
 * before the first one goes there.
 * @throws TransferRefused naming the line; what the signal was aborted with
 */
export async function checkLog(options: CheckOptions): Promise<TransferSummary> {
  return readThrough(options, async () => undefined);
}

export interface ImportOptions extends CheckOptions {
  /** Empty, or what an interrupted import of this file has left. Nobody else may write to it. */
  readonly eventStore: EventStore;
  /**
   * The store gives positions in the order of the batches of a call, and takes all of a call or none of it; the port
   * promises neither. Then a call takes events until a stream comes back; else a call takes neighbours of one stream only,
   * which is slower and right with every store. Default false.
   */
  readonly callsKeepOrder?: boolean;
}

export interface ImportResult extends TransferSummary {
  /** Events that were not there before. */
  readonly appended: number;
}

/**
 * Appends the events of a file to a store, in the order of the file, with the ids, texts and hashes they have. An import
 * that was interrupted is run again: it compares what is there with the file from the beginning and goes on behind it.
 * Everything is read back as it is appended; the import is done only if the store then holds the events of the file, no
 * other ones, in that order, and their digest is the trailer's.
 *
 * Nothing is appended unless all that is there already is the file's beginning, nor from the first faulty line of the file
 * on, nor after another writer has been noticed. Memory: a few windows of the file, and one hash per stream.
 * @throws TransferRefused for a faulty file, naming the line, for a store that is not empty and not a prefix of the file, and
 *   for another writer (the order of the log is then not that of the file: begin again with an empty store);
 *   EventStoreUnavailable: run it again; what the signal was aborted with
 */
export async function importLog(options: ImportOptions): Promise<ImportResult> {
  const { eventStore, callsKeepOrder = false } = options;
  const digest = createLogDigest();
  let checkpoint: Checkpoint | null = null;
  let appended = 0;
  let reading = Promise.resolve();

  /** Compares the store's next events with these. @returns how many of them are there */
  async function compare(entries: readonly LogEntry[], otherwise: string): Promise<number> {
    let found = 0;
    while (found < entries.length) {
      const slice = await eventStore.readAll(checkpoint, entries.length - found);
      if (slice.events.length === 0) break;
      for (const event of slice.events) {
        const line = eventLine(event);
        const entry = entries[found++]!;
        if (line !== entry.text)
          throw new TransferRefused(
            `${otherwise}: ${event.stream} revision ${event.revision} stands at position ${event.position} instead of ${entry.stream} revision ${entry.revision}`,
            entry.line,
          );
        digest.add(line);
      }
      checkpoint = slice.checkpoint;
    }
    return found;
  }

  async function readBack(entries: readonly LogEntry[]): Promise<void> {
    const found = await compare(entries, ANOTHER_WRITER);
    if (found < entries.length)
      throw new TransferRefused('the store does not give back what was appended', entries[found]!.line);
  }

  async function append(entries: readonly LogEntry[]): Promise<void> {
    for (const call of callsOf(entries, callsKeepOrder)) {
      options.signal?.throwIfAborted();
      const results = await eventStore.append(call.batches);
      const conflict = results.findIndex(({ outcome }) => outcome === 'conflict');
      if (conflict !== -1)
        throw new TransferRefused(
          `${ANOTHER_WRITER}: ${call.batches[conflict]!.stream} has moved`,
          call.line,
        );
      appended += call.events;
    }
  }

  let resuming = true;
  try {
    const summary = await readThrough(options, async (window) => {
      const standing = resuming ? await compare(window, NOT_A_PREFIX) : 0;
      if (standing === window.length) return;
      resuming = false;
      const missing = window.slice(standing);
      await append(missing);
      // one window is read back while the next one is on its way
      await reading;
      reading = readBack(missing);
      reading.catch(() => undefined);
    });
    await reading;
    const rest = await eventStore.readAll(checkpoint, 1);
    if (rest.events.length > 0)
      throw new TransferRefused(
        `${resuming ? NOT_A_PREFIX : ANOTHER_WRITER}: position ${rest.events[0]!.position} stands behind the events of the file`,
      );
    if (digest.digest() !== summary.digest)
      throw new TransferRefused('the digest of the store is not that of the file');
    return { ...summary, appended };
  } finally {
    await Promise.allSettled([reading]);
  }
}

const NOT_A_PREFIX = 'the store is not empty and not a prefix of the file';
const ANOTHER_WRITER =
  'somebody else has written to the store, which is of no use now: begin again with an empty one';

interface Call {
  readonly batches: readonly AppendBatch[];
  readonly events: number;
  /** Of its first event. */
  readonly line: number;
}

/**
 * Calls that leave the events in their order: a call takes the next events, neighbours of one stream in one batch, and
 * ends where a stream comes back that has a batch in it already, or where a batch is full.
 */
function* callsOf(entries: readonly LogEntry[], severalStreams: boolean): Generator<Call> {
  let batches: (AppendBatch & { readonly events: NewEvent[] })[] = [];
  let streams = new Set<string>();
  let bytes = 0;
  let events = 0;
  let line = 0;
  for (const entry of entries) {
    const last = batches.at(-1);
    const joins = last?.stream === entry.stream && bytes + entry.bytes <= MAX_BATCH_BYTES;
    if (last && !joins && (!severalStreams || streams.has(entry.stream))) {
      yield { batches, events, line };
      batches = [];
      streams = new Set();
      events = 0;
    }
    if (batches.length === 0) line = entry.line;
    if (joins) {
      last.events.push(entry.event);
      bytes += entry.bytes;
    } else {
      batches.push({ stream: entry.stream, expectedRevision: entry.revision - 1, events: [entry.event] });
      streams.add(entry.stream);
      bytes = entry.bytes;
    }
    events++;
  }
  if (events > 0) yield { batches, events, line };
}

/** Reads a file to its end, window by window. */
async function readThrough(
  { lines, onProgress, signal }: CheckOptions,
  take: (window: readonly LogEntry[]) => Promise<void>,
): Promise<TransferSummary> {
  const windows = readLogLines(lines);
  let events = 0;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { done, value } = await windows.next();
      if (done) return value;
      await take(value);
      onProgress?.((events += value.length));
    }
  } finally {
    await windows.return(undefined as never); // lets go of the file, if it was left early
  }
}
