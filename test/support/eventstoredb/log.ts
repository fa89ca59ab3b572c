import { closeSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs';

/** An event as the log keeps it; system records as well. */
export interface Stored {
  readonly id: string;
  readonly stream: string;
  readonly revision: bigint;
  readonly position: bigint;
  readonly type: string;
  readonly contentType: string;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
  /** Milliseconds; the same for all events of an append. */
  readonly created: number;
}

export type Proposed = Pick<Stored, 'id' | 'type' | 'contentType' | 'data' | 'metadata'>;
export type Expected = 'any' | 'no_stream' | 'stream_exists' | bigint;

export type Outcome =
  | { readonly outcome: 'written'; readonly revision: bigint; readonly position: bigint }
  | { readonly outcome: 'conflict'; readonly expected: Expected; readonly current: bigint }
  | { readonly outcome: 'deleted' }
  | { readonly outcome: 'too big' };

export type Visible =
  | { readonly found: 'events'; readonly events: readonly Stored[] }
  | { readonly found: 'nothing' }
  | { readonly found: 'deleted' };

export interface ServerLog {
  readonly all: readonly Stored[];
  append(stream: string, expected: Expected, events: readonly Proposed[]): Outcome;
  /** Soft: the numbering goes on when somebody appends again. */
  remove(stream: string, expected: Expected): Outcome;
  tombstone(stream: string, expected: Expected): Outcome;
  /** The events of a stream that its metadata lets through, oldest first. */
  visible(stream: string): Visible;
  /** Index in `all` of the first record at this position or behind it. */
  indexOf(position: bigint): number;
  /** What a restart forgets: the ids that ANY and STREAM_EXISTS go by. */
  forgetIds(): void;
  /** @returns how to stop listening */
  onAppend(listener: () => void): () => void;
}

export const MAX_APPEND_SIZE = 1_048_576;
const KEPT_IDS = 20_000;
const SOFT_DELETED = 9_223_372_036_854_775_807n;
const NO_EVENT = -1n;

interface Stream {
  readonly events: Stored[];
  tombstoned: boolean;
}

/**
 * The log of the protocol server. What is appended goes to `file` before it is answered, so that it survives the
 * process; a half-written last line is cut off when the file is opened again.
 */
export function openServerLog(file?: string): ServerLog {
  const all: Stored[] = [];
  const streams = new Map<string, Stream>();
  const knownIds = new Map<string, Stored>();
  const listeners = new Set<() => void>();
  let end = 0;

  function store(stream: string, events: readonly Proposed[], created: number, revision?: bigint): Stored[] {
    const standing = streams.get(stream) ?? { events: [], tombstoned: false };
    streams.set(stream, standing);
    const added = events.map((event, i): Stored => {
      const position = BigInt(end);
      end += 120 + 2 * stream.length + event.type.length + event.data.length + event.metadata.length;
      return {
        ...event,
        stream,
        position,
        created,
        revision: revision ?? BigInt(standing.events.length + i),
      };
    });
    all.push(...added);
    if (revision === undefined) standing.events.push(...added);
    else standing.tombstoned = true;
    for (const event of added) {
      // of an id in several streams the first one is remembered
      if (!knownIds.has(event.id)) knownIds.set(event.id, event);
      if (knownIds.size > KEPT_IDS) knownIds.delete(knownIds.keys().next().value!);
    }
    return added;
  }

  const descriptor = file === undefined ? undefined : openFile(file, store);
  if (all.length === 0) {
    // a real log begins with records of its own, too
    for (const type of ['$ProjectionsInitialized', '$UserCreated', '$statsCollected'])
      keep('$system', [proposed(type, '{}')]);
  }

  function keep(stream: string, events: readonly Proposed[], revision?: bigint): Stored[] {
    const created = Date.now();
    if (descriptor !== undefined)
      writeSync(descriptor, `${JSON.stringify({ stream, created, revision, events }, asText)}\n`);
    return store(stream, events, created, revision);
  }

  const lastRevision = (stream: string): bigint => BigInt(streams.get(stream)?.events.length ?? 0) - 1n;

  function metadataOf(stream: string): { $maxCount?: number; $maxAge?: number; $tb?: number } {
    const last = streams.get(`$$${stream}`)?.events.at(-1);
    return last ? (JSON.parse(Buffer.from(last.data).toString()) as object) : {};
  }

  const isSoftDeleted = (stream: string): boolean =>
    streams.has(stream) && (metadataOf(stream).$tb ?? 0) >= Number(SOFT_DELETED);

  function setTruncation(stream: string, before: bigint): void {
    const text = JSON.stringify({ ...metadataOf(stream), $tb: '' }).replace('"$tb":""', `"$tb":${before}`);
    keep(`$$${stream}`, [proposed('$metadata', text)]);
  }

  /** The event that already stands where the last of these would go, when they all stand there. */
  function repeated(
    stream: string,
    expected: Expected,
    events: readonly Proposed[],
  ): Stored | 'partly' | undefined {
    const standing = streams.get(stream)?.events ?? [];
    if (expected === 'any' || expected === 'stream_exists') {
      const known = events
        .map(({ id }) => knownIds.get(id))
        .map((event) => (event?.stream === stream ? event : undefined));
      if (known[0] === undefined) return undefined;
      return known.every((event) => event !== undefined) ? known.at(-1) : 'partly';
    }
    const first = expected === 'no_stream' ? 0 : Number(expected) + 1;
    if (events.length === 0 || !events.every(({ id }, i) => standing[first + i]?.id === id)) return undefined;
    return standing[first + events.length - 1];
  }

  function append(stream: string, expected: Expected, events: readonly Proposed[]): Outcome {
    if (streams.get(stream)?.tombstoned) return { outcome: 'deleted' };
    if (events.reduce((sum, { data }) => sum + data.length, 0) > MAX_APPEND_SIZE)
      return { outcome: 'too big' };
    const current = lastRevision(stream);
    const deleted = isSoftDeleted(stream);
    if (deleted && expected === 'stream_exists') return { outcome: 'deleted' };
    const conflict: Outcome = { outcome: 'conflict', expected, current };
    const known = repeated(stream, expected, events);
    if (known === 'partly') return conflict;
    if (known !== undefined)
      return { outcome: 'written', revision: known.revision, position: known.position };
    if (!matches(expected, current, deleted)) return conflict;
    if (events.length === 0)
      return { outcome: 'written', revision: current, position: all.at(-1)?.position ?? 0n };
    const added = keep(stream, events);
    if (deleted) setTruncation(stream, current + 1n);
    listeners.forEach((listener) => listener());
    const last = added.at(-1)!;
    return { outcome: 'written', revision: last.revision, position: last.position };
  }

  function checked(stream: string, expected: Expected, allowMissing: boolean): Outcome | undefined {
    if (streams.get(stream)?.tombstoned) return { outcome: 'deleted' };
    const current = lastRevision(stream);
    if ((current === NO_EVENT && !allowMissing) || !matches(expected, current, false))
      return { outcome: 'conflict', expected, current };
    return undefined;
  }

  function written(): Outcome {
    listeners.forEach((listener) => listener());
    const { revision, position } = all.at(-1)!;
    return { outcome: 'written', revision, position };
  }

  return {
    all,
    append,

    remove: (stream, expected) => {
      const refused = checked(stream, expected, false);
      if (refused) return refused;
      setTruncation(stream, SOFT_DELETED);
      return written();
    },

    tombstone: (stream, expected) => {
      const refused = checked(stream, expected, expected === 'any' || expected === 'no_stream');
      if (refused) return refused;
      keep(stream, [proposed('$streamDeleted', '')], SOFT_DELETED);
      return written();
    },

    visible: (stream) => {
      const standing = streams.get(stream);
      if (standing?.tombstoned) return { found: 'deleted' };
      if (!standing || standing.events.length === 0 || isSoftDeleted(stream)) return { found: 'nothing' };
      const { $maxCount = Infinity, $maxAge = Infinity, $tb = 0 } = metadataOf(stream);
      const from = Math.max($tb, standing.events.length - $maxCount);
      const since = Date.now() - $maxAge * 1000;
      const events = standing.events.slice(Math.max(0, from)).filter(({ created }) => created > since);
      return { found: 'events', events };
    },

    indexOf: (position) => {
      let low = 0;
      let high = all.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (all[middle]!.position < position) low = middle + 1;
        else high = middle;
      }
      return low;
    },

    forgetIds: () => knownIds.clear(),

    onAppend: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function matches(expected: Expected, current: bigint, softDeleted: boolean): boolean {
  if (expected === 'any') return true;
  if (expected === 'no_stream') return current === NO_EVENT || softDeleted;
  if (expected === 'stream_exists') return current !== NO_EVENT;
  return expected === current && expected >= 0n;
}

let ownIds = 0;

function proposed(type: string, data: string): Proposed {
  return {
    id: `00000000-0000-4000-8000-${String(++ownIds).padStart(12, '0')}`,
    type,
    contentType: 'application/json',
    data: Buffer.from(data),
    metadata: new Uint8Array(),
  };
}

function asText(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const original = this[key]; // Buffer has a toJSON of its own
  if (original instanceof Uint8Array) return { base64: Buffer.from(original).toString('base64') };
  return typeof value === 'bigint' ? { bigint: String(value) } : value;
}

function fromText(_: string, value: unknown): unknown {
  const { base64, bigint } = (value ?? {}) as { base64?: string; bigint?: string };
  if (typeof base64 === 'string') return new Uint8Array(Buffer.from(base64, 'base64'));
  return typeof bigint === 'string' ? BigInt(bigint) : value;
}

interface Line {
  readonly stream: string;
  readonly created: number;
  readonly revision?: bigint;
  readonly events: readonly Proposed[];
}

function openFile(
  file: string,
  store: (stream: string, events: readonly Proposed[], created: number, revision?: bigint) => unknown,
): number {
  const descriptor = openSync(file, 'a+');
  const text = readFileSync(file, 'utf8');
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  if (whole.length < text.length) truncateSync(file, Buffer.byteLength(whole));
  for (const line of whole.split('\n')) {
    if (line === '') continue;
    const { stream, created, revision, events } = JSON.parse(line, fromText) as Line;
    store(stream, events, created, revision);
  }
  process.once('exit', () => closeSync(descriptor));
  return descriptor;
}
