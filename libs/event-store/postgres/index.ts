import {
  checkBatches,
  NoSuchPosition,
  type AppendResult,
  type Checkpoint,
  type EventStore,
  type LogSlice,
  type RecordedEvent,
} from '../event-store.js';
import { createAnnouncer } from './announcer.js';
import { bigintArray, jsonArray, textArray, uuidArray } from './arrays.js';
import { openDatabase, type Row } from './connection.js';
import { migrate } from './migrate.js';
import { createStreamReads, EVENT_COLUMNS } from './stream-reads.js';
import { createSubscriptions } from './subscriptions.js';
import { TextEvent } from './text-event.js';

export { bigintArray, textArray } from './arrays.js';
export { unavailable } from './connection.js';

export interface PostgresEventStoreOptions {
  readonly connectionString: string;
  /** Connections for appends and reads, besides one that listens. Appends run one at a time, so few are enough. Default 8. */
  readonly maxConnections?: number;
  /** Bound of every statement, waiting for a connection and for the log's lock included. Default 10 s. */
  readonly timeoutMs?: number;
  /** Told of lost connections in the background. They are replaced; nothing needs to be done. */
  readonly onError?: (error: unknown) => void;
}

const APPEND = {
  name: 'event-store-append',
  text: 'select base, unwritten from event_store.append($1, $2, $3, $4, $5, $6, $7, $8)',
};
const READ_ALL = {
  name: 'event-store-read-all',
  text: `select ${EVENT_COLUMNS} from event_store.events where position > $1 order by position limit $2`,
};
const HEAD = {
  name: 'event-store-head',
  text: 'select position, identity from event_store.log_head where id = 1',
};

/**
 * Opens the log kept in schema `event_store` of a Postgres database, creating or upgrading the schema first.
 * Positions are dense: 1, 2, 3, ... in the order in which they become visible.
 * @throws EventStoreUnavailable when the database does not answer
 */
export async function openPostgresEventStore(options: PostgresEventStoreOptions): Promise<EventStore> {
  const { connectionString, maxConnections = 8, timeoutMs = 10_000, onError = () => {} } = options;
  await migrate(connectionString);
  const database = openDatabase(connectionString, maxConnections, timeoutMs, onError);
  const announcer = createAnnouncer(database.query);
  const readPages = createStreamReads(database.query);
  const subscriptions = createSubscriptions({ connectionString, isOwn: database.isOwn, readAll, onError });

  async function head(): Promise<{ position: bigint; identity: string }> {
    const [row] = await database.query(HEAD);
    if (!row) throw new Error('event_store.log_head has lost its row');
    return { position: BigInt(row[0]!), identity: row[1]! };
  }

  async function readAll(after: Checkpoint | null, limit: number): Promise<LogSlice> {
    const start = toPosition(after);
    if (!Number.isSafeInteger(limit) || limit < 1) throw new Error(`bad limit ${limit}`);
    const events = (await database.query(READ_ALL, [start.toString(), limit])).map(toEvent);
    const last = events.at(-1);
    if (last) return { events, checkpoint: last.position.toString(), position: last.position };
    const end = start === 0n ? 0n : (await head()).position;
    if (start > end)
      throw new Error(
        `checkpoint ${start} lies beyond the end of the log, ${end}: it belongs to another log`,
      );
    return { events, checkpoint: after, position: start };
  }

  let identity: string;
  try {
    identity = `postgres:${(await head()).identity}`;
  } catch (error) {
    await database.close();
    throw error;
  }

  return {
    identity,
    dense: true,

    append: async (batches) => {
      checkBatches(batches);
      if (batches.length === 0) return [];
      const streams: string[] = [];
      const revisions: number[] = [];
      for (const { stream, expectedRevision, events } of batches)
        for (let i = 1; i <= events.length; i++) {
          streams.push(stream);
          revisions.push(expectedRevision + i);
        }
      const events = batches.flatMap((batch) => batch.events);
      const [row] = await database
        .query(APPEND, [
          textArray(batches.map((batch) => batch.stream)),
          bigintArray(batches.map((batch) => batch.expectedRevision)),
          textArray(streams),
          bigintArray(revisions),
          uuidArray(events.map((event) => event.id)),
          textArray(events.map((event) => event.type)),
          jsonArray(events.map((event) => event.data)),
          jsonArray(events.map((event) => event.metadata)),
        ])
        .catch((error: unknown) => {
          subscriptions.look(); // it may have been written all the same
          announcer.announce();
          throw error;
        });
      announcer.announce();
      if (row![1] === null) subscriptions.appended(BigInt(row![0]!), batches);
      else subscriptions.look();
      const unwritten = new Map<number, AppendResult>();
      for (const [index, currentRevision, positions] of JSON.parse(row![1] ?? '[]') as [
        number,
        number,
        string[] | null,
      ][])
        unwritten.set(
          index,
          positions
            ? {
                outcome: 'appended',
                revision: batches[index]!.expectedRevision + positions.length,
                positions: positions.map(BigInt),
              }
            : { outcome: 'conflict', currentRevision },
        );
      let position = BigInt(row![0]!);
      return batches.map(
        (batch, index) =>
          unwritten.get(index) ?? {
            outcome: 'appended',
            revision: batch.expectedRevision + batch.events.length,
            positions: batch.events.map(() => (position += 1n)),
          },
      );
    },

    async *readStream(stream, from = 0) {
      if (!Number.isSafeInteger(from) || from < 0) throw new Error(`bad revision ${from}`);
      for await (const rows of readPages(stream, from)) for (const row of rows) yield toEvent(row);
    },

    readAll,
    checkpointBefore: async (position) => {
      if (position < 1n || position > (await head()).position) throw new NoSuchPosition(position);
      return position === 1n ? null : String(position - 1n);
    },
    subscribe: subscriptions.subscribe,
    head: async () => (await head()).position,
    close: async () => {
      await subscriptions.close();
      await announcer.close();
      await database.close();
    },
  };
}

function toPosition(checkpoint: Checkpoint | null): bigint {
  if (checkpoint === null) return 0n;
  if (!/^\d{1,18}$/.test(checkpoint))
    throw new Error(`${JSON.stringify(checkpoint)} is no checkpoint of this log`);
  return BigInt(checkpoint);
}

const toEvent = ([position, stream, revision, id, type, data, metadata]: Row): RecordedEvent =>
  new TextEvent(stream!, Number(revision), BigInt(position!), {
    id: id!,
    type: type!,
    data: data!,
    metadata: metadata!,
  });
