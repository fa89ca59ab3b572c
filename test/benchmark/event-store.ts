import {
  EventStoreDBClient,
  excludeSystemEvents,
  NO_STREAM as NO_STREAM_YET,
  START,
} from '@eventstore/db-client';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { chainEvent, NO_STREAM, type AppendBatch, type EventStore, type Position } from '#libs/event-store';
import { openEventStoreDb } from '#libs/event-store/eventstoredb';
import { openPostgresEventStore } from '#libs/event-store/postgres';
import { startProtocolServer } from '../support/eventstoredb/start.js';
import type { Comparison } from './comparison.js';
import { inTurns } from './in-turns.js';
import { benchRebuild } from './rebuild.js';

const ROUNDS = 5;
/** As many streams in one call as a busy writer sends, and as many calls in flight. */
const STREAMS_PER_CALL = 64;
const CALLS_IN_FLIGHT = 4;
const CALLS = 60;
/** What the adapter itself keeps in flight on one client. */
const APPENDS_IN_FLIGHT = 15;
const APPENDS = 1500;
const PAGE = 1000;

/** Each adapter beside its driver alone, doing the same; and the rebuild of read models. */
export async function benchEventStore(url: string): Promise<Comparison[]> {
  return [...(await benchPostgres(url)), ...(await benchEventStoreDb()), ...(await benchRebuild(url))];
}

/** Facts as the writer makes them, each the first of its stream. */
function newBatches(count: number): readonly AppendBatch[] {
  return Array.from({ length: count }, () => {
    const stream = `creditAccount-bench_${randomUUID()}`;
    const { event } = chainEvent({
      stream,
      previousHash: null,
      type: 'CreditsConsumed',
      data: {
        consumptionId: randomUUID(),
        unit: 'calls',
        requested: '1',
        consumed: '1',
        shortfall: '0',
        allocations: [{ grantId: randomUUID(), amount: '1', remainingAfter: '999' }],
        balanceAfter: '999',
        debtAfter: '0',
      },
      metadata: {
        tenant: 'bench',
        actor: 'bench',
        correlationId: randomUUID(),
        recordedAt: new Date().toISOString(),
      },
    });
    return { stream, expectedRevision: NO_STREAM, events: [event] };
  });
}

/** Work on every item, so many at once. */
async function each<Item>(
  items: readonly Item[],
  inFlight: number,
  work: (item: Item) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (next < items.length) await work(items[next++]!);
    }),
  );
}

/** What `ours` and `baseline` append is made before either is timed. */
function prepared(count: number) {
  const rounds = Array.from({ length: 2 * (ROUNDS + 1) }, () => newBatches(count));
  return (): readonly AppendBatch[] => rounds.pop()!;
}

/** A subscription from the start of the log to its present end. */
async function catchUp(store: EventStore): Promise<number> {
  const end = await store.head();
  let count = 0;
  await new Promise<void>((resolve, reject) => {
    store.subscribe(null, {
      handle: ({ events, position }) => {
        count += events.length;
        if (position >= end) resolve();
        return Promise.resolve();
      },
      onError: reject,
    });
  });
  return count;
}

const SCHEMA = `
drop schema if exists raw_log cascade;
create schema raw_log;
create table raw_log.events (
  position bigint generated always as identity primary key, stream text collate "C" not null, revision bigint not null,
  id uuid not null, type text not null, data json not null, metadata json not null, unique (stream, revision)
)`;
const INSERT = `insert into raw_log.events (stream, revision, id, type, data, metadata)
  select * from unnest($1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::json[], $6::json[])`;
const SELECT = `select position, stream, revision, id, type, data, metadata from event_store.events
  where position > $1 order by position limit ${PAGE}`;

async function benchPostgres(url: string): Promise<Comparison[]> {
  const store = await openPostgresEventStore({ connectionString: url });
  const pool = new pg.Pool({ connectionString: url, max: 8 });
  try {
    await pool.query(SCHEMA);
    const take = prepared(CALLS * STREAMS_PER_CALL);
    const calls = (): readonly (readonly AppendBatch[])[] => {
      const batches = take();
      return Array.from({ length: CALLS }, (_, n) =>
        batches.slice(n * STREAMS_PER_CALL, (n + 1) * STREAMS_PER_CALL),
      );
    };
    const append = await inTurns(
      {
        name: `append to Postgres, ${STREAMS_PER_CALL} streams a call`,
        baselineName: 'one insert',
        goal: 0.9,
        unit: 'events/s',
        async ours() {
          await each(calls(), CALLS_IN_FLIGHT, (batches) => store.append(batches));
          return CALLS * STREAMS_PER_CALL;
        },
        async baseline() {
          await each(calls(), CALLS_IN_FLIGHT, (batches) => {
            const events = batches.flatMap((batch) => batch.events);
            return pool.query({
              name: 'insert',
              text: INSERT,
              values: [
                batches.map(({ stream }) => stream),
                events.map(() => 0),
                events.map(({ id }) => id),
                events.map(({ type }) => type),
                events.map(({ data }) => data),
                events.map(({ metadata }) => metadata),
              ],
            });
          });
          return CALLS * STREAMS_PER_CALL;
        },
      },
      ROUNDS,
    );
    const reading = await inTurns(
      {
        name: 'catch up from Postgres',
        baselineName: 'select in pages',
        goal: 0.8,
        unit: 'events/s',
        ours: () => catchUp(store),
        async baseline() {
          let count = 0;
          for (let last = '0'; ;) {
            const { rows } = await pool.query<{ position: string }>({
              name: 'page',
              text: SELECT,
              values: [last],
            });
            count += rows.length;
            if (rows.length < PAGE) return count;
            last = rows.at(-1)!.position;
          }
        },
      },
      ROUNDS,
    );
    return [append, reading];
  } finally {
    await pool.end();
    await store.close();
  }
}

/** On the server named by TEST_EVENT_STORE_URL, or on the protocol server, which bounds both sides alike. */
async function benchEventStoreDb(): Promise<Comparison[]> {
  const real = process.env['TEST_EVENT_STORE_URL'];
  const server = real === undefined ? await startProtocolServer() : undefined;
  const connectionString = real ?? server!.url;
  const store = await openEventStoreDb({ connectionString });
  const client = EventStoreDBClient.connectionString(connectionString);
  try {
    const take = prepared(APPENDS);
    const append = await inTurns(
      {
        name: `append to EventStoreDB, ${APPENDS_IN_FLIGHT} in flight`,
        baselineName: 'the client alone',
        goal: 0.9,
        unit: 'events/s',
        async ours() {
          await each(take(), APPENDS_IN_FLIGHT, (batch) => store.append([batch]));
          return APPENDS;
        },
        async baseline() {
          await each(take(), APPENDS_IN_FLIGHT, ({ stream, events }) =>
            client.appendToStream(
              stream,
              events.map(({ id, type, data, metadata }) => ({
                id,
                type,
                contentType: 'application/json' as const,
                data: JSON.parse(data) as Record<string, unknown>,
                metadata: Buffer.from(metadata),
              })),
              { expectedRevision: NO_STREAM_YET },
            ),
          );
          return APPENDS;
        },
      },
      ROUNDS,
    );
    const reading = await inTurns(
      {
        name: 'catch up from EventStoreDB',
        baselineName: 'subscribeToAll',
        goal: 0.8,
        unit: 'events/s',
        ours: () => catchUp(store),
        baseline: () => subscribeAlone(client, store),
      },
      ROUNDS,
    );
    return [append, reading];
  } finally {
    await store.close();
    await client.dispose();
    await server?.kill();
  }
}

async function subscribeAlone(client: EventStoreDBClient, { head }: EventStore): Promise<number> {
  const end: Position = await head();
  const subscription = client.subscribeToAll({ fromPosition: START, filter: excludeSystemEvents() });
  let count = 0;
  for await (const { event } of subscription) {
    count++;
    if (event && BigInt(event.position.commit) >= end) break;
  }
  return count;
}
