import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import {
  EventStoreUnavailable,
  NO_STREAM,
  type AppendBatch,
  type AppendResult,
  type EventStore,
  type RecordedEvent,
} from '#libs/event-store';
import { openPostgresEventStore } from '#libs/event-store/postgres';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { until } from '../support/wait.js';
import { all, batch, event, eventStoreContract, newStream } from './event-store.contract.js';

eventStoreContract('postgres', async () => {
  const database = await createTestDatabase();
  const open = () => openPostgresEventStore({ connectionString: database.url });
  return {
    store: await open(),
    reopen: open,
    checkpointBeyondTheEnd: '999999',
    dispose: () => database.drop(),
  };
});

describe('the log in Postgres', () => {
  let database: TestDatabase;
  let store: EventStore;
  let sql: pg.Client;

  beforeAll(async () => {
    database = await createTestDatabase();
    store = await openPostgresEventStore({ connectionString: database.url });
    sql = new pg.Client({ connectionString: database.url });
    await sql.connect();
  });
  afterAll(async () => {
    await sql.end();
    await store.close();
    await database.drop();
  });

  test.each([
    ["update event_store.events set type = 'Other'"],
    ['update event_store.events set type = type where false'],
    ['delete from event_store.events'],
    ['truncate event_store.events'],
    ['delete from event_store.log_head'],
    ['truncate event_store.log_head'],
  ])('the database refuses: %s', async (statement) => {
    await store.append([batch(newStream(), NO_STREAM, 1)]);
    const count = 'select count(*), (select position from event_store.log_head) from event_store.events';
    const before = (await sql.query(count)).rows;
    await expect(sql.query(statement)).rejects.toThrow('never');
    // not even as a replica, where ordinary triggers sleep
    await expect(sql.query(`set session_replication_role = replica; ${statement}`)).rejects.toThrow('never');
    await sql.query('reset session_replication_role');
    expect((await sql.query(count)).rows).toEqual(before);
  });

  test('keeps the text of data and metadata to the byte', async () => {
    const stream = newStream();
    const text = '{ "b" : 1.50,  "a":"\\u00e9é", "b":2 }\n';
    await store.append([
      { stream, expectedRevision: NO_STREAM, events: [{ ...event(), data: text, metadata: text }] },
    ]);
    const { rows } = await sql.query(
      'select data::text, metadata::text from event_store.events where stream = $1',
      [stream],
    );
    expect(rows).toEqual([{ data: text, metadata: text }]);
  });

  test('keeps ids, and revisions beyond 32 bits', async () => {
    const stream = newStream();
    const revision = 2 ** 40 + 123;
    const { id } = event();
    await sql.query("insert into event_store.events values (-1, $1, $2, $3, 'Far', '{}', '{}')", [
      stream,
      revision,
      id,
    ]);
    const next = batch(stream, revision, 2);
    expect(await store.append([next])).toMatchObject([{ outcome: 'appended', revision: revision + 2 }]);
    const read = await all(store.readStream(stream, revision));
    expect(read.map((recorded) => [recorded.revision, recorded.id])).toEqual(
      [id, ...next.events.map((sent) => sent.id)].map((expected, i) => [revision + i, expected]),
    );
  });
});

test('opened by several at once on an empty database: one schema, one identity', async () => {
  const database = await createTestDatabase();
  const stores = await Promise.all(
    Array.from({ length: 6 }, () => openPostgresEventStore({ connectionString: database.url })),
  );
  expect(new Set(stores.map((store) => store.identity)).size).toBe(1);
  expect(stores[0]!.identity).toMatch(/^postgres:[0-9a-f-]{36}$/);
  const results = await Promise.all(stores.map((store) => store.append([batch(newStream(), NO_STREAM, 1)])));
  expect(results.map(firstPosition).sort()).toEqual([1n, 2n, 3n, 4n, 5n, 6n]);
  await Promise.all(stores.map((store) => store.close()));
  await database.drop();
});

test('a schema made by a newer version is refused', async () => {
  const database = await createTestDatabase();
  await (await openPostgresEventStore({ connectionString: database.url })).close();
  await query(database.url, 'insert into event_store.schema_steps (step) values (9999)');
  const refusal = await openPostgresEventStore({ connectionString: database.url }).catch(
    (error: unknown) => error,
  );
  expect(String(refusal)).toContain('newer version');
  expect(refusal).not.toBeInstanceOf(EventStoreUnavailable);
  await database.drop();
});

test('a database that is not there is unavailable, one that says no is not', async () => {
  const database = await createTestDatabase();
  const nobody = new URL(database.url);
  nobody.port = '1';
  await expect(openPostgresEventStore({ connectionString: nobody.href })).rejects.toThrow(
    EventStoreUnavailable,
  );
  const stranger = new URL(database.url);
  stranger.username = 'stranger';
  await expect(openPostgresEventStore({ connectionString: stranger.href })).rejects.toThrow(pg.DatabaseError);
  await database.drop();
});

test('writers in two processes: dense positions, one winner per revision; a reader sees each event once, in order', async () => {
  const database = await createTestDatabase();
  const store = await openPostgresEventStore({ connectionString: database.url });
  const seen: { id: string; place: string; position: bigint }[] = [];
  const errors: unknown[] = [];
  const subscription = store.subscribe(null, {
    batchSize: 50,
    handle: async ({ events }) => {
      for (const { id, stream, revision, position } of events)
        seen.push({ id, place: `${stream}@${revision}`, position });
    },
    onError: (error) => errors.push(error),
  });

  const won = (await Promise.all(['north', 'south'].map((name) => storm(database.url, name, 6, 120)))).flat();
  await until(() => seen.length >= won.length || errors.length > 0, { timeoutMs: 15_000 });
  await subscription.stop();

  expect(errors).toEqual([]);
  expect(seen.map(({ position }) => position)).toEqual(seen.map((_, i) => BigInt(i + 1)));
  const byPosition = won.sort((a, b) => Number(a.position) - Number(b.position));
  expect(seen).toEqual(
    byPosition.map(({ id, stream, revision, position }) => ({
      id,
      place: `${stream}@${revision}`,
      position: BigInt(position),
    })),
  );
  expect(await store.head()).toBe(BigInt(won.length));
  const revisions = new Map<string, number>();
  for (const { place } of seen) {
    const [stream, revision] = place.split('@') as [string, string];
    expect(Number(revision)).toBe((revisions.get(stream) ?? -1) + 1);
    revisions.set(stream, Number(revision));
  }
  // both met on the same streams, else nothing was tried
  expect(
    new Set(won.filter(({ stream }) => stream.startsWith('shared')).map(({ process }) => process)).size,
  ).toBe(2);
  await store.close();
  await database.drop();
}, 60_000);

test('what a store appends itself, mixed with what others append: its reader sees what the log holds, in order', async () => {
  const database = await createTestDatabase();
  const [store, other] = await Promise.all(
    [1, 2].map(() => openPostgresEventStore({ connectionString: database.url })),
  );
  const seen: RecordedEvent[] = [];
  const errors: unknown[] = [];
  const subscription = store!.subscribe(null, {
    batchSize: 40,
    handle: async ({ events }) => void seen.push(...events),
    onError: (error) => errors.push(error),
  });
  let count = 0;
  const write = async (into: EventStore, rounds: number) => {
    const stream = newStream();
    for (let round = 0, revision = NO_STREAM; round < rounds; round++) {
      // now and then more at once than the reader takes
      const more = batch(newStream(), NO_STREAM, round % 10 === 9 ? 50 : 1);
      await into.append([batch(stream, revision, 2), more]);
      revision += 2;
      count += 2 + more.events.length;
      if (round === rounds >> 1)
        await into.append([batch(stream, revision + 5, 1), batch(newStream(), NO_STREAM, 1)]);
      if (round === rounds >> 1) count += 1;
    }
  };
  await Promise.all([write(store!, 40), write(store!, 40), write(store!, 40), write(other!, 25)]);
  await write(store!, 5);
  await until(() => seen.length >= count || errors.length > 0, { timeoutMs: 15_000 });
  await subscription.stop();
  expect(errors).toEqual([]);
  expect(seen).toEqual((await other!.readAll(null, 10_000)).events);
  await Promise.all([store!.close(), other!.close()]);
  await database.drop();
}, 30_000);

test('what another store appends is told of, each time: nobody waits until the log is looked at anyway', async () => {
  const database = await createTestDatabase();
  const [store, other] = await Promise.all([
    openPostgresEventStore({ connectionString: database.url }),
    openPostgresEventStore({ connectionString: database.url }),
  ]);
  let seen = 0;
  const subscription = store.subscribe(null, {
    handle: async ({ events }) => void (seen += events.length),
    onError: (error) => expect(error).toBeUndefined(),
  });
  await until(async () => (await query(database.url, LISTENERS)).length === 1);
  const begun = performance.now();
  for (let round = 1; round <= 10; round++) {
    // most of them right behind one that has just been told of
    for (let i = 0; i < 8; i++) await other.append([batch(newStream(), NO_STREAM, 1)]);
    await until(() => seen === 8 * round);
  }
  // a look every second would have taken ten
  expect(performance.now() - begun).toBeLessThan(5_000);
  await subscription.stop();
  await Promise.all([store.close(), other.close()]);
  await database.drop();
});

test('lost connections: the subscription goes on, and what is sent again settles', async () => {
  const database = await createTestDatabase();
  const background: unknown[] = [];
  const store = await openPostgresEventStore({
    connectionString: database.url,
    onError: (error) => background.push(error),
  });
  const seen: string[] = [];
  const errors: unknown[] = [];
  const subscription = store.subscribe(null, {
    handle: async ({ events }) => void seen.push(...events.map(({ id }) => id)),
    onError: (error) => errors.push(error),
  });
  const sent: string[] = [];
  const unknown: unknown[] = [];
  let writing = true;
  const writer = (async () => {
    const stream = newStream();
    for (let i = 0; writing; i++) {
      const next = batch(stream, i - 1, 1);
      const [result] = await settle(store, next, unknown);
      expect(result).toMatchObject({ outcome: 'appended', revision: i });
      sent.push(next.events[0]!.id);
    }
  })();

  for (let round = 1; round <= 5; round++) {
    const before = { sent: sent.length, unknown: unknown.length, background: background.length };
    await until(async () => {
      await query(
        database.url,
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'event-store' and datname = current_database()",
      );
      return unknown.length > before.unknown && background.length > before.background;
    });
    await until(async () => (await query(database.url, LISTENERS)).length === 1, { timeoutMs: 15_000 });
    await until(() => sent.length > before.sent + 5 && seen.length > before.sent + 5, { timeoutMs: 15_000 });
  }
  writing = false;
  await writer;
  await until(() => seen.length >= sent.length, { timeoutMs: 15_000 });
  await subscription.stop();
  expect(errors).toEqual([]);
  expect(unknown.every((error) => (error as Error).cause instanceof Error)).toBe(true);
  expect(seen).toEqual(sent);
  expect(await store.head()).toBe(BigInt(sent.length));
  await store.close();
  await database.drop();
}, 60_000);

test('a reply that never comes: unavailable after the time is up, and what was written is found when sent again', async () => {
  const database = await createTestDatabase();
  const line = await openLine(database.url);
  const store = await openPostgresEventStore({ connectionString: line.url, timeoutMs: 500 });
  const observer = await openPostgresEventStore({ connectionString: database.url });
  const stream = newStream();
  await store.append([batch(stream, NO_STREAM, 1)]);
  await Promise.all([store.head(), store.head()]); // connections that are open already

  line.muteReplies(true);
  const next = batch(stream, 0, 2);
  await expect(store.append([next])).rejects.toThrow(EventStoreUnavailable);
  await expect(store.head()).rejects.toThrow(EventStoreUnavailable);
  expect(await observer.head()).toBe(3n);
  line.muteReplies(false);
  expect(await store.append([next])).toEqual([{ outcome: 'appended', revision: 2, positions: [2n, 3n] }]);
  expect(await all(store.readStream(stream))).toHaveLength(3);

  await Promise.all([store.close(), observer.close()]);
  await line.close();
  await database.drop();
});

test('a log that is locked: unavailable after the time is up, and nothing is written later', async () => {
  const database = await createTestDatabase();
  const store = await openPostgresEventStore({ connectionString: database.url, timeoutMs: 300 });
  const holder = new pg.Client({ connectionString: database.url });
  await holder.connect();
  await holder.query('begin; select from event_store.log_head for update');
  const late = batch(newStream(), NO_STREAM, 1);
  await expect(store.append([late])).rejects.toThrow(EventStoreUnavailable);
  const waiting =
    "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
  await until(async () => (await holder.query(waiting)).rowCount === 0);
  await holder.query('commit');
  expect(await store.append([batch(newStream(), NO_STREAM, 1)])).toMatchObject([
    { outcome: 'appended', positions: [1n] },
  ]);
  expect(await all(store.readStream(late.stream))).toEqual([]);
  await holder.end();
  await store.close();
  await database.drop();
});

test('a hole in the log stops a subscription loudly', async () => {
  const database = await createTestDatabase();
  const store = await openPostgresEventStore({ connectionString: database.url });
  const errors: unknown[] = [];
  let handled = 0;
  const subscription = store.subscribe(null, {
    handle: async ({ events }) => void (handled += events.length),
    onError: (error) => errors.push(error),
  });
  await store.append([batch(newStream(), NO_STREAM, 3)]);
  await until(() => handled === 3);
  await query(database.url, 'update event_store.log_head set position = position + 1');
  await store.append([batch(newStream(), NO_STREAM, 1)]);
  await until(() => errors.length > 0);
  await subscription.stop();
  expect(String(errors[0])).toContain('position 5 follows 3');
  expect(handled).toBe(3);
  await store.close();
  await database.drop();
});

function firstPosition([result]: readonly AppendResult[]): bigint {
  if (result?.outcome !== 'appended') throw new Error('not appended');
  return result.positions[0]!;
}

const LISTENERS =
  "select pid from pg_stat_activity where datname = current_database() and query = 'listen event_store'";

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query(text);
  await client.end();
  return rows as unknown[];
}

/** Sends until the outcome is known. */
async function settle(
  store: EventStore,
  next: AppendBatch,
  unknown: unknown[],
): Promise<readonly AppendResult[]> {
  for (;;) {
    try {
      return await store.append([next]);
    } catch (error) {
      if (!(error instanceof EventStoreUnavailable)) throw error;
      unknown.push(error);
    }
  }
}

interface Won {
  readonly process: string;
  readonly stream: string;
  readonly revision: number;
  readonly position: string;
  readonly id: string;
}

async function storm(url: string, name: string, writers: number, rounds: number): Promise<Won[]> {
  const script = fileURLToPath(new URL('../support/append-storm.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, url, name, String(writers), String(rounds)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let problems = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (problems += chunk));
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  if (code !== 0) throw new Error(`the storm ${name} ended with ${String(code)}: ${problems}`);
  return (JSON.parse(out) as Omit<Won, 'process'>[]).map((won) => ({ ...won, process: name }));
}

/** A line to the database on which replies can be held back. */
async function openLine(
  url: string,
): Promise<{ url: string; muteReplies(mute: boolean): void; close(): Promise<void> }> {
  const target = new URL(url);
  let muted = false;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => [near, far].forEach((end) => end.destroy()));
    }
    near.pipe(far);
    far.on('data', (chunk) => void (muted || near.write(chunk)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const through = new URL(url);
  through.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: through.href,
    muteReplies: (mute) => (muted = mute),
    close: async () => {
      sockets.forEach((socket) => socket.destroy());
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
