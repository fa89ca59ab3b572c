import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { NO_STREAM } from '#libs/event-store';
import { createMemoryEventStore } from '#libs/event-store/memory';
import { openPostgresEventStore } from '#libs/event-store/postgres';
import {
  createReadModels,
  ProjectionFailed,
  PROJECTIONS,
  ReadModelsOfAnotherLog,
  rebuildReadModels,
  type Projection,
} from '#libs/read-models';
import { until } from '../support/wait.js';
import { allRows, consume, givenLedger, grant, type Ledger } from './given.js';

const durable = { store: (url: string) => openPostgresEventStore({ connectionString: url }) };

/** What a read model shows that was made from the same log in one go. */
async function fold(ledger: Ledger): Promise<Awaited<ReturnType<typeof allRows>>> {
  await rebuildReadModels({ eventStore: ledger.eventStore, pool: ledger.pool, batchSize: 100_000 });
  return allRows(ledger.pool);
}

async function writeSome(ledger: Ledger, customers: number, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++)
    await Promise.all(
      Array.from({ length: customers }, (_, n) =>
        ledger.write(
          `c${n}`,
          round === 0 ? grant(`g${n}`, 1000n) : consume(`con_${n}_${round}`, BigInt(1 + (round % 5))),
        ),
      ),
    );
}

const failingAt = (position: bigint, name = 'usage'): readonly Projection[] =>
  PROJECTIONS.map((projection) =>
    projection.name === name
      ? {
          ...projection,
          project: (events, sink) => {
            if (events.some((event) => event.position === position)) throw new Error('poison');
            return projection.project(events, sink);
          },
        }
      : projection,
  );

describe('the projector', () => {
  let ledger: Ledger;
  beforeEach(async () => {
    ledger = await givenLedger(durable);
  });
  afterEach(() => ledger.close());

  test('stops only the projection that an event poisons, and goes on with it once it is mended', async () => {
    await writeSome(ledger, 5, 12);
    const broken = await ledger.project({ projections: failingAt(33n), batchSize: 10 });
    await ledger.caughtUp(broken);
    await writeSome(ledger, 0, 1);
    await ledger.write('late', grant('late', 1n));
    await ledger.caughtUp(broken);
    const status = await broken.status();
    const head = await ledger.eventStore.head();
    expect(status.find(({ name }) => name === 'usage')).toEqual({
      name: 'usage',
      position: 32n,
      stopped: 'Read model usage cannot go on at position 33: poison',
    });
    expect(status.filter(({ name }) => name !== 'usage').every((one) => one.position === head)).toBe(true);
    expect(await broken.currentPosition()).toBe(head);
    expect(ledger.errors).toEqual([expect.any(ProjectionFailed)]);
    await expect(broken.waitForPosition(33n, 50, ['usage'])).rejects.toMatchObject({
      code: 'read_model_behind',
    });
    const rows = await ledger.pool.query('select max(position)::int as last from read_models.usage');
    expect(rows.rows).toEqual([{ last: 32 }]);

    await broken.close();
    const mended = await ledger.project();
    await mended.waitForPosition(head, 5000, ['usage']);
    expect((await mended.status()).every(({ stopped }) => stopped === null)).toBe(true);
    await mended.close();
    expect(await allRows(ledger.pool)).toEqual(await fold(ledger));
  });

  test('runs once among several processes, and moves over when the one that projects is gone', async () => {
    const pools = [1, 2, 3].map(() => new pg.Pool({ connectionString: ledger.url, max: 4 }));
    pools.forEach((pool) => pool.on('error', () => undefined));
    const all = await Promise.all(pools.map((pool) => ledger.project({ pool, batchSize: 7 })));
    const writing = writeSome(ledger, 8, 40);
    await until(() => all.some(({ active }) => active));
    for (let turn = 0; turn < 2; turn++) {
      const active = all.filter((models) => models.active);
      expect(active).toHaveLength(1);
      // a look at the log through one that only looks on
      const other = all.find((models) => !models.active)!;
      await other.waitForPosition(50n, 10_000);
      await active[0]!.close();
      all.splice(all.indexOf(active[0]!), 1);
      await until(() => all.some((models) => models.active));
    }
    await writing;
    await ledger.caughtUp(all[0]!);
    await all[0]!.close();
    await Promise.all(pools.map((pool) => pool.end()));
    const rows = await allRows(ledger.pool);
    expect(rows).toEqual(await fold(ledger));
    expect(rows['usage']).toHaveLength(8 * 39);
  });

  test('loses and doubles nothing when its connections are cut again and again', async () => {
    const models = await ledger.project({ batchSize: 13 });
    const writing = writeSome(ledger, 8, 60);
    for (let cut = 0; cut < 12; cut++) {
      await new Promise((resolve) => setTimeout(resolve, 30));
      await ledger.pool
        .query(
          `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid()
             and database = (select oid from pg_database where datname = current_database())`,
        )
        .catch(() => undefined);
    }
    await writing;
    await models.waitForPosition(await ledger.eventStore.head(), 25_000);
    expect(ledger.errors.length).toBeGreaterThan(0);
    expect(ledger.errors.every((error) => (error as Error).name === 'DatabaseUnavailable')).toBe(true);
    await models.close();
    expect(await allRows(ledger.pool)).toEqual(await fold(ledger));
  });

  test('goes on from the checkpoints as they are when somebody else has changed them', async () => {
    await writeSome(ledger, 3, 5);
    const models = await ledger.project();
    await ledger.caughtUp(models);
    const before = await allRows(ledger.pool);
    await ledger.pool.query(`
      begin;
      update read_models.checkpoints set position = 0, checkpoint = null;
      truncate read_models.usage, read_models.transactions, read_models.grants, read_models.balances;
      commit`);
    await ledger.write('last', grant('last', 1n));
    await until(async () => (await models.currentPosition()) === (await ledger.eventStore.head()));
    const after = await allRows(ledger.pool);
    expect(after['usage']).toEqual(before['usage']);
    expect(after['grants']).toHaveLength(4);
  });

  test('resolves a wait as soon as the rows are there, and refuses it when they are not in time', async () => {
    const models = await ledger.project();
    const looksOn = await ledger.project({ project: false });
    await ledger.write('c', grant('g', 5n));
    await Promise.all([models, looksOn].map((one) => one.waitForPosition(1n)));
    const refused = { code: 'read_model_behind', status: 503 };
    await expect(models.waitForPosition(2n, 30)).rejects.toMatchObject(refused);
    await expect(looksOn.waitForPosition(2n, 30)).rejects.toMatchObject(refused);
    const waiting = [models, looksOn].map((one) => one.waitForPosition(2n, 5000));
    await ledger.write('c', consume('con', 1n));
    await Promise.all(waiting);
    expect(await looksOn.currentPosition()).toBe(2n);
  });

  test('refuses rows that were made from another log', async () => {
    const models = await ledger.project();
    await ledger.write('c', grant('g', 5n));
    await ledger.caughtUp(models);
    await models.close();
    const eventStore = createMemoryEventStore({ identity: 'postgres:another' });
    const start = createReadModels({ eventStore, pool: ledger.pool, onError: () => undefined });
    await expect(start).rejects.toThrow(ReadModelsOfAnotherLog);
    expect((await allRows(ledger.pool))['grants']).toHaveLength(1);
    await eventStore.close();
  });

  test('refuses rows that were made from more of the log than there is', async () => {
    const models = await ledger.project();
    await ledger.write('c', grant('g', 5n));
    await ledger.write('c', consume('con', 1n));
    await ledger.caughtUp(models);
    await models.close();
    const older = createMemoryEventStore({ identity: ledger.eventStore.identity });
    const { events } = await ledger.eventStore.readAll(null, 1);
    await older.append(
      events.map(({ id, stream, type, data, metadata }) => ({
        stream,
        expectedRevision: NO_STREAM,
        events: [{ id, type, data: JSON.stringify(data), metadata: JSON.stringify(metadata) }],
      })),
    );
    const start = createReadModels({ eventStore: older, pool: ledger.pool, onError: () => undefined });
    await expect(start).rejects.toThrow(/reflect position 2, but the log \S+ ends at 1/);
    await older.close();
    await (await ledger.project()).waitForPosition(2n);
  });

  test('begins anew where a log in memory is gone', async () => {
    const memory = await givenLedger();
    const models = await memory.project();
    await memory.write('c', grant('g', 5n));
    await memory.caughtUp(models);
    await models.close();
    const eventStore = createMemoryEventStore();
    const next = await createReadModels({ eventStore, pool: memory.pool, onError: () => undefined });
    expect(await next.currentPosition()).toBe(0n);
    expect((await allRows(memory.pool))['grants']).toEqual([]);
    await next.close();
    await eventStore.close();
    await memory.close();
  });
});
