/**
 * The log: the only place where facts are kept. An event, once appended, is never changed or removed.
 *
 * What is atomic: the events of one stream in one call, all or none. Batches of several streams in one call are
 * independent: each is appended or in conflict by itself. (An adapter may do better; nothing may rely on it.)
 */
export interface EventStore {
  /** Names this log and no other: read models refuse to continue from a log with another identity. */
  readonly identity: string;

  /** Whether positions count the events, 1, 2, 3 and so on; where they do not, they rise with gaps. */
  readonly dense: boolean;

  /**
   * Appends each batch at its expected revision; one result per batch, in order. A stream stands at most once in a call.
   * Sending a batch again, with the same ids at the same revision, answers `appended` with the first positions and writes nothing.
   * @throws EventStoreUnavailable when the outcome is unknown: sending the same call again is safe and settles it
   */
  append(batches: readonly AppendBatch[]): Promise<readonly AppendResult[]>;

  /** A stream's events from the inclusive revision `from` on, oldest first; nothing for a stream that does not exist. */
  readStream(stream: string, from?: number): AsyncIterable<RecordedEvent>;

  /** Up to `limit` events of all streams after the checkpoint (null: from the start), in the order of their positions. */
  readAll(after: Checkpoint | null, limit: number): Promise<LogSlice>;

  /**
   * Where to read on so that the event at `position` comes first.
   * @throws NoSuchPosition when no event of this log stands there
   */
  checkpointBefore(position: Position): Promise<Checkpoint | null>;

  /**
   * Everything after the checkpoint, then whatever follows, in order, each event once. The handler is awaited before
   * the next batch; when it throws, the subscription ends and `onError` is told. Lost connections are resumed.
   */
  subscribe(after: Checkpoint | null, options: SubscribeOptions): Subscription;

  /** The end of the log: the position of the last event, 0 when there is none. */
  head(): Promise<Position>;

  close(): Promise<void>;
}

/** Where an event stands in the whole log. Compare positions, never calculate with them: there may be gaps between them. */
export type Position = bigint;

/** The furthest of some positions; 0 when there is none. */
export const latest = (positions: Iterable<Position>): Position => {
  let furthest = 0n;
  for (const position of positions) if (position > furthest) furthest = position;
  return furthest;
};

/** Where a reader stands, to be stored and handed back as it came; only the adapter that made it reads it. */
export type Checkpoint = string;

/** The revision of a stream that does not exist yet. The first event has revision 0. */
export const NO_STREAM = -1;

export interface NewEvent {
  /** A UUID in lower case, unique within the stream. */
  readonly id: string;
  readonly type: string;
  /** JSON text of an object, stored to the byte. */
  readonly data: string;
  /** JSON text of an object, stored to the byte. */
  readonly metadata: string;
}

export interface AppendBatch {
  readonly stream: string;
  /** Revision of the last event the writer knows, or NO_STREAM. Always explicit. */
  readonly expectedRevision: number;
  /** At least one. */
  readonly events: readonly NewEvent[];
}

export type AppendResult =
  | {
      readonly outcome: 'appended';
      /** Revision of the batch's last event. */
      readonly revision: number;
      /** Position of each event of the batch, in order. */
      readonly positions: readonly Position[];
    }
  | {
      readonly outcome: 'conflict';
      /** Revision at which the stream really stood, or NO_STREAM. */
      readonly currentRevision: number;
    };

export interface RecordedEvent {
  readonly id: string;
  readonly stream: string;
  readonly revision: number;
  readonly position: Position;
  readonly type: string;
  /** Parsed. */
  readonly data: Readonly<Record<string, unknown>>;
  /** The text of `data`, where the store handed it over as text: whoever copies it need not write it again. */
  readonly dataText?: string | undefined;
  /** Parsed. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** The text of `metadata`, where the store handed it over as text. */
  readonly metadataText?: string | undefined;
}

export interface LogSlice {
  readonly events: readonly RecordedEvent[];
  /** Where to read on: after the slice's last event, or what was asked for when there was none. */
  readonly checkpoint: Checkpoint | null;
  /** Position this slice reaches. */
  readonly position: Position;
}

export interface SubscribeOptions {
  /** Most events handed over at once. Default 1000. */
  readonly batchSize?: number;
  handle(slice: LogSlice): Promise<void>;
  /**
   * Called whenever the subscription stands at the end of the log; may be called often.
   * @param asOf everything that was recorded before has been handed over (ms of `performance.now`)
   */
  onCaughtUp?(asOf: number): void;
  onError(error: unknown): void;
}

export interface Subscription {
  /** Resolves when the batch in hand, if any, is done and nothing more will be handed over. */
  stop(): Promise<void>;
}

/** The store did not answer, or answered in a way that leaves the outcome unknown. */
export class EventStoreUnavailable extends Error {
  override readonly name = 'EventStoreUnavailable';
}

/** No event stands at a position that was asked for. */
export class NoSuchPosition extends Error {
  override readonly name = 'NoSuchPosition';

  constructor(readonly position: Position) {
    super(`no event stands at position ${position}`);
  }
}

/** The largest batch of one stream, in bytes of ids, types, data and metadata: what every adapter accepts. */
export const MAX_BATCH_BYTES = 900 * 1024;

/**
 * What an adapter checks before it sends: a wrong request is a programming error and must not reach the store.
 * @throws Error naming what is wrong
 */
export function checkBatches(batches: readonly AppendBatch[]): void {
  const streams = new Set<string>();
  for (const { stream, expectedRevision, events } of batches) {
    if (!/^[a-zA-Z]+-[^\s]+$/.test(stream)) throw new Error(`bad stream name ${JSON.stringify(stream)}`);
    if (streams.has(stream)) throw new Error(`stream ${stream} stands twice in one append`);
    streams.add(stream);
    if (!Number.isSafeInteger(expectedRevision) || expectedRevision < NO_STREAM)
      throw new Error(`bad expected revision ${expectedRevision} for ${stream}`);
    if (events.length === 0) throw new Error(`no events for ${stream}`);
    let length = 0;
    const ids = events.length > 1 ? new Set<string>() : null;
    for (const { id, type, data, metadata } of events) {
      if (!/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(id))
        throw new Error(`bad event id ${id}`);
      if (ids?.has(id)) throw new Error(`event id ${id} stands twice in one append`);
      ids?.add(id);
      if (type === '') throw new Error(`empty event type in ${stream}`);
      if (data[0] !== '{' || metadata[0] !== '{')
        throw new Error(`data and metadata of ${type} must be JSON objects`);
      length += id.length + type.length + data.length + metadata.length;
    }
    // a UTF-16 unit takes up to 3 bytes: most batches need not be counted
    const bytes = 3 * length > MAX_BATCH_BYTES ? bytesOf(events) : 0;
    if (bytes > MAX_BATCH_BYTES) throw new Error(`${bytes} bytes for ${stream} in one append`);
  }
}

const bytesOf = (events: readonly NewEvent[]): number =>
  events.reduce(
    (bytes, { id, type, data, metadata }) =>
      bytes + id.length + Buffer.byteLength(type) + Buffer.byteLength(data) + Buffer.byteLength(metadata),
    0,
  );
