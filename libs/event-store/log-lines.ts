import { createHash } from 'node:crypto';
import { canonicalJson, type Json } from '#libs/kernel';
import { checkBatches, NO_STREAM, type NewEvent, type Position, type RecordedEvent } from './event-store.js';
import { createChainVerifier } from './hash-chain.js';

/**
 * A log as lines of text, to move it from one store to another. Every line is JSON in RFC 8785 form, in UTF-8, and ends
 * with a line feed:
 *
 *     {"exportedUpTo":"42","format":"drawdown-log","identity":"...","version":1}
 *     {"data":{...},"id":"...","metadata":{...},"revision":0,"stream":"...","type":"..."}     each event, in the order of the log
 *     {"digest":"...","events":42}
 *
 * `identity` names the log that was exported, `exportedUpTo` a position in it (in digits, for it may exceed 2^53) before or
 * at which every event of the file stands. `digest` is the SHA-256, in lower-case hex, over the lines of the events with
 * their line feeds: it guards the order of the whole log, which the hash chains, one per stream, do not.
 * Positions are the store's own and are not part of a file.
 */
export const LOG_FORMAT = 'drawdown-log';
export const LOG_VERSION = 1;

export interface LogHeader {
  readonly identity: string;
  readonly exportedUpTo: Position;
}

export interface LogTrailer {
  readonly events: number;
  readonly digest: string;
}

/** An event of a file, checked, with the very texts that go to the store. */
export interface LogEntry {
  /** From 1. */
  readonly line: number;
  readonly text: string;
  readonly stream: string;
  readonly revision: number;
  readonly event: NewEvent;
  /** At least what the event counts for in the largest batch. */
  readonly bytes: number;
}

/** The log or the file is not as it must be; nothing from the place named on was taken over. */
export class TransferRefused extends Error {
  override readonly name = 'TransferRefused';

  constructor(
    reason: string,
    /** Where in the file, from 1; absent when the fault is not in the file. */
    readonly line?: number,
    options?: ErrorOptions,
  ) {
    super(line === undefined ? reason : `line ${line}: ${reason}`, options);
  }
}

/** Most events handed over at once, and most characters after which no more are added. */
const WINDOW_EVENTS = 1000;
const WINDOW_CHARACTERS = 4 * 1024 * 1024;

const HASH = /^[0-9a-f]{64}$/;

export const headerLine = ({ identity, exportedUpTo }: LogHeader): string =>
  canonicalJson({
    exportedUpTo: exportedUpTo.toString(),
    format: LOG_FORMAT,
    identity,
    version: LOG_VERSION,
  });

export const eventLine = ({ stream, revision, id, type, data, metadata }: Omit<RecordedEvent, 'position'>) =>
  lineOf(stream, revision, {
    id,
    type,
    data: canonicalJson(data as Json),
    metadata: canonicalJson(metadata as Json),
  });

export const trailerLine = ({ events, digest }: LogTrailer): string => canonicalJson({ digest, events });

const lineOf = (stream: string, revision: number, { id, type, data, metadata }: NewEvent): string =>
  `{"data":${data},"id":"${id}","metadata":${metadata},"revision":${revision},"stream":${JSON.stringify(stream)},"type":${JSON.stringify(type)}}`;

/** The digest of a trailer, as the lines come by. */
export function createLogDigest(): { add(line: string): void; digest(): string } {
  const hash = createHash('sha256');
  return {
    add: (line) => void hash.update(`${line}\n`),
    digest: () => hash.digest('hex'),
  };
}

type Members = Readonly<Record<string, unknown>>;

/**
 * Reads and checks the lines of a file, and hands the events over in windows of at most a thousand. An event is handed over
 * only when its line, its place in its stream and its hash are right and so is everything before it; what only the trailer
 * can show (lines of different streams that are swapped, a file that ends early) is known at the end. Keeps one hash per
 * stream.
 * @returns header and trailer, when the file is right to its end
 * @throws TransferRefused naming the line; whatever `lines` throws counts as a fault of the line it should have given
 */
export async function* readLogLines(
  lines: AsyncIterable<string> | Iterable<string>,
): AsyncGenerator<readonly LogEntry[], LogHeader & LogTrailer> {
  const chains = createChainVerifier();
  const digest = createLogDigest();
  let line = 0;
  let header: LogHeader | undefined;
  let trailer: LogTrailer | undefined;
  let window: LogEntry[] = [];
  let characters = 0;

  const next = (text: string): LogEntry | undefined => {
    if (!header) {
      header = toHeader(text, line);
      return undefined;
    }
    if (trailer) throw new TransferRefused('nothing may follow the trailer', line);
    const members = parse(text, line);
    if ('digest' in members) {
      trailer = toTrailer(members, text, line);
      if (trailer.events !== chains.checked)
        throw new TransferRefused(
          `the trailer speaks of ${trailer.events} events, ${chains.checked} stand before it`,
          line,
        );
      if (trailer.digest !== digest.digest())
        throw new TransferRefused('the digest is not that of the events before it', line);
      return undefined;
    }
    const { entry, recorded } = toEntry(members, text, line);
    const fault = chains.check(recorded);
    if (fault) throw new TransferRefused(`${fault.stream} revision ${fault.revision}: ${fault.reason}`, line);
    digest.add(text);
    return entry;
  };

  const source = faultsOf(lines, () => line + 1);
  for await (const text of source) {
    line++;
    const entry = next(text);
    if (!entry) continue;
    window.push(entry);
    characters += text.length;
    if (window.length < WINDOW_EVENTS && characters < WINDOW_CHARACTERS) continue;
    yield window;
    window = [];
    characters = 0;
  }
  if (!header) throw new TransferRefused('the file is empty', 1);
  if (!trailer) throw new TransferRefused('the file ends without its trailer', line + 1);
  if (window.length > 0) yield window;
  return { ...header, ...trailer };
}

/** The same lines, with a fault of the reader (a truncated archive, say) told as one of the line. */
async function* faultsOf(
  lines: AsyncIterable<string> | Iterable<string>,
  line: () => number,
): AsyncGenerator<string> {
  try {
    yield* lines;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TransferRefused(`cannot be read: ${reason}`, line(), { cause });
  }
}

function parse(text: string, line: number): Members {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TransferRefused('is not JSON', line, { cause });
  }
  if (!isObject(value)) throw new TransferRefused('is not a JSON object', line);
  return value;
}

function toHeader(text: string, line: number): LogHeader {
  const { format, version, identity, exportedUpTo } = parse(text, line);
  if (format !== LOG_FORMAT) throw new TransferRefused('is not the header of an exported log', line);
  if (version !== LOG_VERSION)
    throw new TransferRefused(`the file has version ${JSON.stringify(version)}, not ${LOG_VERSION}`, line);
  if (typeof identity !== 'string' || typeof exportedUpTo !== 'string' || !/^\d{1,20}$/.test(exportedUpTo))
    throw new TransferRefused('the header is not complete', line);
  const header = { identity, exportedUpTo: BigInt(exportedUpTo) };
  return canonical(header, headerLine(header), text, line);
}

function toTrailer({ events, digest }: Members, text: string, line: number): LogTrailer {
  if (!Number.isSafeInteger(events) || typeof digest !== 'string' || !HASH.test(digest))
    throw new TransferRefused('the trailer is not complete', line);
  const trailer = { events: events as number, digest };
  return canonical(trailer, trailerLine(trailer), text, line);
}

function toEntry(
  { stream, revision, id, type, data, metadata }: Members,
  text: string,
  line: number,
): { readonly entry: LogEntry; readonly recorded: RecordedEvent } {
  if (
    typeof stream !== 'string' ||
    typeof id !== 'string' ||
    typeof type !== 'string' ||
    !Number.isSafeInteger(revision) ||
    !isObject(data) ||
    !isObject(metadata)
  )
    throw new TransferRefused('is not an event', line);
  const place = { stream, revision: revision as number };
  const event = { id, type, data: canonicalJson(data as Json), metadata: canonicalJson(metadata as Json) };
  canonical(event, lineOf(stream, place.revision, event), text, line);
  try {
    checkBatches([{ stream, expectedRevision: Math.max(place.revision - 1, NO_STREAM), events: [event] }]);
  } catch (cause) {
    throw new TransferRefused((cause as Error).message, line, { cause });
  }
  const bytes = Buffer.byteLength(text);
  return {
    entry: { line, text, ...place, event, bytes },
    recorded: { ...place, id, type, data, metadata, position: BigInt(line - 1) },
  };
}

function canonical<Value>(value: Value, expected: string, text: string, line: number): Value {
  if (text !== expected) throw new TransferRefused('is not in canonical form', line);
  return value;
}

const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
