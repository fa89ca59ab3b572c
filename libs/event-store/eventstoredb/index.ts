import { BACKWARDS, END, FORWARDS, START } from '@eventstore/db-client';
import {
  checkBatches,
  EventStoreUnavailable,
  NoSuchPosition,
  type AppendResult,
  type Checkpoint,
  type EventStore,
  type LogSlice,
  type Position,
  type RecordedEvent,
  type Subscription,
} from '../event-store.js';
import { createAppender, prepare, type Appender } from './appending.js';
import { closedError, createConnection, type Connection, type ConnectionNews } from './connection.js';
import { createLimiter, type Limiter } from './limiter.js';
import {
  assertReached,
  fromCheckpoint,
  isInvalidPosition,
  isOwn,
  lastRecord,
  readAllPage,
  readingFailed,
  readStreamPage,
  toCheckpoint,
  toRecorded,
  type LogPosition,
  type Stored,
} from './reading.js';
import type { Session } from './session.js';
import { sharedRead } from './shared-read.js';
import { subscribeTo } from './subscription.js';

export interface EventStoreDbOptions {
  /** `esdb://host:2113?tls=false`, `esdb+discover://...`. Its keep-alive interval is chosen here. */
  readonly connectionString: string;
  /** Bound of every call, what it does again after an outage included. Default 10 s. */
  readonly timeoutMs?: number;
  /** Bound of opening. Default 30 s. */
  readonly openTimeoutMs?: number;
  /** Told of lost connections in the background. They are replaced; nothing needs to be done. */
  readonly onError?: (error: unknown) => void;
  /** Told of each connection that takes the place of a lost one, and of the first. */
  readonly onConnected?: () => void;
}

const STREAM_PAGE = 1000;
/** Of the first page of a stream: most who read one want an event or the tail behind a snapshot. */
const FIRST_STREAM_PAGE = 32;
/** Records read at once from the whole log: at least, because some may not be ours, and at most. */
const LEAST_PAGE = 64;
const LARGEST_PAGE = 4096;
/** Reads at once: each keeps the server busy, and one that is late gives up the connection for all. */
const MAX_READS = 16;

interface Shared {
  readonly connectionString: string;
  readonly connection: Connection;
  readonly appender: Appender;
  /** Bounds the reads of all that are open. */
  readonly reads: Limiter;
  readonly listeners: Set<ConnectionNews>;
  /** Position of the last event of ours that anybody here has seen, to read no further back than that. */
  lastOwn: bigint;
}

let shared: Shared | undefined;

/**
 * Opens the log kept in an EventStoreDB. Positions are commit positions: they rise strictly, with gaps.
 *
 * A process has one client: opening the same connection string again shares it, another one is refused until the first
 * is closed. `timeoutMs` of the first opening bounds the attempts of all.
 * @throws EventStoreUnavailable when the server has not answered within `openTimeoutMs`; from then on outages end by
 *   themselves, and what is called meanwhile throws it after `timeoutMs`
 */
export async function openEventStoreDb(options: EventStoreDbOptions): Promise<EventStore> {
  const { connectionString, timeoutMs = 10_000, openTimeoutMs = 30_000 } = options;
  // half of the time for an answer that is lost, the other half for sending again
  const patienceMs = timeoutMs / 2;
  const owner = share(connectionString, patienceMs);
  const listener: ConnectionNews = {
    onError: (error) => options.onError?.(error),
    onConnected: () => options.onConnected?.(),
  };
  owner.listeners.add(listener);
  const { connection, appender, reads } = owner;
  const running = new Set<Subscription>();
  let closed = false;

  const open = (): void => {
    if (closed) throw closedError();
  };

  /** Runs a read within `timeoutMs`. */
  const read = <T>(work: (session: Session) => Promise<T>): Promise<T> => {
    const deadline = performance.now() + timeoutMs;
    return reads.run(1, deadline, () => connection.run(deadline, work));
  };

  async function close(): Promise<void> {
    if (closed) return;
    closed = true;
    await Promise.all([...running].map((subscription) => subscription.stop()));
    owner.listeners.delete(listener);
    if (owner.listeners.size > 0) return;
    if (shared === owner) shared = undefined;
    await connection.close();
  }

  function seen(position: bigint): void {
    if (position > owner.lastOwn) owner.lastOwn = position;
  }

  try {
    await connection.run(performance.now() + openTimeoutMs, () => Promise.resolve());
  } catch (error) {
    await close();
    throw error;
  }

  // a server with few threads stands still for seconds when many read the end of its log at once
  const head = sharedRead(async (): Promise<Position> => {
    // the server's own records may stand behind it: readers are not given those, so nobody could wait for them
    let from: LogPosition | undefined;
    for (let size = 1; ; size = Math.min(LARGEST_PAGE, size * LEAST_PAGE)) {
      const known = owner.lastOwn;
      const before: LogPosition | typeof END = from ?? END;
      const page: readonly Stored[] = await read((session) => readAllPage(session, before, size, BACKWARDS));
      const own = page.find((stored) => stored.position.commit <= known || isOwn(stored));
      if (own) seen(own.position.commit <= known ? known : own.position.commit);
      if (own || page.length < size) return owner.lastOwn;
      from = page.at(-1)!.position;
    }
  });

  async function readAll(after: Checkpoint | null, limit: number): Promise<LogSlice> {
    open();
    const start = fromCheckpoint(after);
    if (!Number.isSafeInteger(limit) || limit < 1) throw new Error(`bad limit ${limit}`);
    const events: RecordedEvent[] = [];
    let last: LogPosition | undefined;
    let from = start ?? undefined;
    for (;;) {
      // one more, for the record at which the page begins
      const size = Math.min(LARGEST_PAGE, Math.max(LEAST_PAGE, limit - events.length + 1));
      const page = await read((session) => readAllPage(session, from ?? START, size, FORWARDS)).catch(
        (error: unknown) => {
          throw readingFailed(start, error);
        },
      );
      if (page.length === 0 && start !== null) assertReached(start, await read(lastRecord));
      for (const stored of page) {
        if (events.length === limit) break;
        if (stored.position.commit === from?.commit || !isOwn(stored)) continue;
        events.push(toRecorded(stored));
        last = stored.position;
      }
      from = page.at(-1)?.position ?? from;
      if (events.length === limit || page.length < size) break;
    }
    if (!last) return { events, checkpoint: after, position: start?.commit ?? 0n };
    seen(last.commit);
    return { events, checkpoint: toCheckpoint(last), position: last.commit };
  }

  return {
    identity: connection.identity(),
    dense: false,

    append: async (batches) => {
      open();
      checkBatches(batches);
      const prepared = batches.map(prepare);
      const deadline = performance.now() + timeoutMs;
      const outcomes = await Promise.allSettled(prepared.map((batch) => appender.append(batch, deadline)));
      const results: AppendResult[] = [];
      let failure: { readonly error: unknown } | undefined;
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') results.push(outcome.value);
        // what cannot be settled by sending again is the one to know
        else if (!failure || failure.error instanceof EventStoreUnavailable)
          failure = { error: outcome.reason as unknown };
      }
      if (failure) throw failure.error;
      for (const result of results) if (result.outcome === 'appended') seen(result.positions.at(-1)!);
      return results;
    },

    async *readStream(stream, from = 0) {
      open();
      if (!Number.isSafeInteger(from) || from < 0) throw new Error(`bad revision ${from}`);
      for (let next = from, size = FIRST_STREAM_PAGE; ;) {
        const page = await read((session) => readStreamPage(session, stream, next, size));
        for (const stored of page) yield toRecorded(stored);
        if (page.length < size) return;
        next = Number(page.at(-1)!.revision) + 1;
        size = STREAM_PAGE;
      }
    },

    readAll,

    checkpointBefore: async (position) => {
      open();
      // of one event appended by itself or among others, commit and prepare are the same
      const at: LogPosition = { commit: position, prepare: position };
      if (position < 0n) throw new NoSuchPosition(position);
      const page = (direction: typeof FORWARDS | typeof BACKWARDS) =>
        read((session) => readAllPage(session, at, 1, direction)).catch((error: unknown) => {
          throw isInvalidPosition(error) ? new NoSuchPosition(position) : error;
        });
      const [[here], [before]] = await Promise.all([page(FORWARDS), page(BACKWARDS)]);
      if (here?.position.commit !== position || !isOwn(here)) throw new NoSuchPosition(position);
      return before ? toCheckpoint(before.position) : null;
    },

    subscribe: (after, options) => {
      open();
      const subscription = subscribeTo({ connection, patienceMs }, after, options);
      const stop = (): Promise<void> => subscription.stop().finally(() => running.delete(handle));
      const handle: Subscription = { stop };
      running.add(handle);
      return handle;
    },

    head: async () => {
      open();
      return head();
    },

    close,
  };
}

/** The one client of this process. @throws Error while there is one for another log */
function share(connectionString: string, patienceMs: number): Shared {
  if (shared) {
    if (shared.connectionString === connectionString) return shared;
    throw new Error('an EventStoreDB is open already: a process has one client, close that one first');
  }
  const listeners = new Set<ConnectionNews>();
  const connection = createConnection(connectionString, patienceMs, {
    onError: (error) => listeners.forEach((listener) => listener.onError(error)),
    onConnected: () => listeners.forEach((listener) => listener.onConnected()),
  });
  return (shared = {
    connectionString,
    connection,
    appender: createAppender(connection),
    reads: createLimiter(MAX_READS, MAX_READS),
    listeners,
    lastOwn: 0n,
  });
}
