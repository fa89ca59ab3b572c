import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { EventStore } from '#libs/event-store';
import { openPostgresEventStore } from '#libs/event-store/postgres';
import {
  PROJECTIONS,
  READ_MODEL_NAMES,
  readModelsDataSource,
  RebuildRunning,
  rebuildReadModels,
  verifyLedger,
  type Progress,
  type Projection,
  type RebuildOptions,
} from '#libs/read-models';
import { until } from '../support/wait.js';
import { allRows, consume, givenLedger, grant, type Ledger } from './given.js';

describe('a rebuild', () => {
  let ledger: Ledger;
  beforeEach(async () => {
    ledger = await givenLedger({ store: (url) => openPostgresEventStore({ connectionString: url }) });
  });
  afterEach(() => ledger.close());

  const rebuild = (options: Partial<RebuildOptions> = {}) =>
    rebuildReadModels({ eventStore: ledger.eventStore, pool: ledger.pool, ...options });

  async function writeSome(customers: number, rounds: number, name = ''): Promise<void> {
    for (let round = 0; round < rounds; round++)
      await Promise.all(
        Array.from({ length: customers }, (_, n) =>
          ledger.write(
            `c${n}`,
            round === 0 ? grant(`g${name}${n}`, 1000n) : consume(`con${name}_${n}_${round}`, 1n),
          ),
        ),
      );
  }

  /** Writes until told to stop; gives how many were written. */
  function keepWriting(): () => Promise<number> {
    let going = true;
    const done = (async () => {
      let n = 0;
      for (; going; n++) {
        await new Promise((resolve) => setTimeout(resolve, 5)); // slower than a small batch is projected
        await Promise.all(
          Array.from({ length: 10 }, (_, c) =>
            ledger.write(`c${c}`, consume(`live_${n}_${c}`, 1n, { onShortage: 'overage' })),
          ),
        );
      }
      return n * 10;
    })();
    return () => {
      going = false;
      return done;
    };
  }

  const schemas = async (): Promise<readonly string[]> =>
    (
      await ledger.pool.query<{ name: string }>(
        `select nspname as name from pg_namespace where nspname like 'read_models%' order by 1`,
      )
    ).rows.map(({ name }) => name);

  test('makes the same rows, and tables that nothing tells from migrated ones', async () => {
    await writeSome(5, 20);
    const models = await ledger.project();
    await ledger.caughtUp(models);
    const before = await allRows(ledger.pool);
    const progress: Progress[] = [];
    const result = await rebuild({ onProgress: (step) => progress.push(step) });
    expect(result.events).toBe(100);
    expect(result.digests.map(({ name }) => name)).toEqual(READ_MODEL_NAMES);
    expect(result.digests.every(({ same, live, rebuilt }) => same && live === rebuilt)).toBe(true);
    expect(await allRows(ledger.pool)).toEqual(before);
    expect(await schemas()).toEqual(['read_models']);
    expect(progress.at(-1)).toMatchObject({ position: 100n, head: 100n, secondsLeft: 0 });
    const dataSource = await readModelsDataSource(ledger.url);
    const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
    await dataSource.destroy();
    expect(upQueries.map(({ query }) => query)).toEqual([]);
    const fill = await ledger.pool.query(
      `select reloptions from pg_class where oid = 'read_models.grants'::regclass`,
    );
    expect(fill.rows).toEqual([{ reloptions: ['fillfactor=70'] }]);
  });

  test.each([undefined, ['grants'], ['transactions', 'balances']])(
    'of %s goes on while others write and project, and leaves nothing out or twice',
    async (names) => {
      await writeSome(10, 30);
      const models = await ledger.project({ batchSize: 100 });
      const lookingOn = await ledger.project({ project: false });
      await ledger.caughtUp(models);
      const stop = keepWriting();
      for (let turn = 0; turn < 3; turn++) {
        const { digests } = await rebuild({ batchSize: 40, ...(names ? { names } : {}) });
        expect(digests.filter(({ same }) => !same)).toEqual([]);
        await lookingOn.waitForPosition(await ledger.eventStore.head(), 10_000);
      }
      const written = await stop();
      await ledger.caughtUp(models);
      expect(ledger.errors).toEqual([]);
      const rows = await allRows(ledger.pool);
      expect(rows['usage']).toHaveLength(10 * 29 + written);
      expect(await verifyLedger({ eventStore: ledger.eventStore, pool: ledger.pool })).toMatchObject({
        faultCount: 0,
        differenceCount: 0,
      });
      const { digests } = await rebuild();
      expect(digests.every(({ same }) => same)).toBe(true);
    },
  );

  test('lets long readers finish before it swaps, and loses nothing of what is written meanwhile', async () => {
    await writeSome(10, 5);
    const models = await ledger.project();
    await ledger.caughtUp(models);
    const reader = await ledger.pool.connect();
    await reader.query('begin isolation level repeatable read; select count(*) from read_models.usage');
    const rebuilding = rebuild();
    const stop = keepWriting();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(await schemas()).toContain('read_models_shadow');
    expect((await reader.query('select count(*)::int as rows from read_models.usage')).rows).toEqual([
      { rows: 40 },
    ]);
    const written = await stop();
    await reader.query('commit');
    reader.release();
    expect((await rebuilding).digests.every(({ same }) => same)).toBe(true);
    await ledger.caughtUp(models);
    expect((await allRows(ledger.pool))['usage']).toHaveLength(40 + written);
    expect(await verifyLedger({ eventStore: ledger.eventStore, pool: ledger.pool })).toMatchObject({
      faultCount: 0,
      differenceCount: 0,
    });
    expect(ledger.errors).toEqual([]);
  });

  test('mends a read model and says that it was wrong', async () => {
    await writeSome(5, 5);
    const models = await ledger.project();
    await ledger.caughtUp(models);
    const right = await allRows(ledger.pool);
    await ledger.pool.query(`update read_models.balances set balance = balance + 1 where customer_id = 'c3'`);
    await ledger.pool.query(
      `delete from read_models.transactions where customer_id = 'c2' and type = 'grant'`,
    );
    const { digests } = await rebuild();
    expect(digests.filter(({ same }) => !same).map(({ name }) => name)).toEqual(['balances', 'transactions']);
    expect(await allRows(ledger.pool)).toEqual(right);
  });

  test('sets a stopped projection going again, in the process that stopped it', async () => {
    await writeSome(3, 10);
    let broken = true;
    const usage = PROJECTIONS.find(({ name }) => name === 'usage')!;
    const projections: readonly Projection[] = [
      {
        ...usage,
        project: (events, sink) => {
          if (broken && events.some(({ position }) => position === 20n)) throw new Error('poison');
          return usage.project(events, sink);
        },
      },
    ];
    const models = await ledger.project({ projections });
    await until(() => ledger.errors.length === 1);
    expect(await models.status()).toEqual([{ name: 'usage', position: 19n, stopped: expect.any(String) }]);
    broken = false;
    const { digests } = await rebuild({ names: ['usage'] });
    expect(digests).toEqual([expect.objectContaining({ same: true })]);
    await ledger.write('c0', consume('after', 1n));
    await models.waitForPosition(await ledger.eventStore.head(), 5000, ['usage']);
    expect((await models.status()).every(({ stopped }) => stopped === null)).toBe(true);
    expect((await allRows(ledger.pool))['usage']).toHaveLength(28);
  });

  test('that is interrupted leaves the live read models alone and can be run again', async () => {
    await writeSome(5, 30);
    const models = await ledger.project();
    await ledger.caughtUp(models);
    const before = await allRows(ledger.pool);
    for (const after of [1, 4]) {
      const interrupt = new AbortController();
      let reads = 0;
      const eventStore = {
        ...ledger.eventStore,
        readAll: (...args: Parameters<typeof ledger.eventStore.readAll>) => {
          if (++reads > after) interrupt.abort();
          return ledger.eventStore.readAll(...args);
        },
      };
      await expect(rebuild({ eventStore, batchSize: 20, signal: interrupt.signal })).rejects.toThrow('abort');
      expect(await allRows(ledger.pool)).toEqual(before);
    }
    // what a process leaves that was killed
    await ledger.pool.query(
      'create schema if not exists read_models_shadow; create table read_models_shadow.grants (x int)',
    );
    expect((await rebuild()).digests.every(({ same }) => same)).toBe(true);
    await ledger.write('c0', consume('after', 1n));
    await ledger.caughtUp(models);
    expect((await allRows(ledger.pool))['usage']).toHaveLength(5 * 29 + 1);
  });

  test('takes in what is written and projected after it has met the end of the log', async () => {
    await writeSome(2, 3);
    const models = await ledger.project();
    await ledger.caughtUp(models);
    let heads = 0;
    const eventStore: EventStore = {
      ...ledger.eventStore,
      head: async () => {
        const head = await ledger.eventStore.head();
        await ledger.write('c0', consume(`late_${heads++}`, 1n));
        await ledger.caughtUp(models);
        return head;
      },
    };
    const { digests, position } = await rebuild({ eventStore, batchSize: 1 });
    expect(heads).toBe(2);
    expect(position).toBe(8n);
    expect(digests.every(({ same, built }) => same && built.position === 8n)).toBe(true);
    expect((await allRows(ledger.pool))['usage']).toHaveLength(4 + heads);
  });

  test('of a log that nobody has projected says so, and what was built', async () => {
    await writeSome(3, 4);
    const { digests } = await rebuild();
    expect(digests.map(({ name }) => name)).toEqual(READ_MODEL_NAMES);
    for (const { built, ...rest } of digests) {
      expect(rest).toMatchObject({ comparedAt: null, live: null, rebuilt: null, same: null });
      expect(built.position).toBe(12n);
    }
    const rows = await allRows(ledger.pool);
    expect(digests.flatMap(({ built }) => built.tables.map((table) => [table.table, table.rows]))).toEqual(
      expect.arrayContaining(Object.entries(rows).map(([table, { length }]) => [table, length])),
    );
    const again = await rebuild();
    expect(again.digests.map(({ built }) => built)).toEqual(digests.map(({ built }) => built));
    expect(again.digests.every(({ same, comparedAt }) => same && comparedAt === 12n)).toBe(true);
  });

  test('is refused while another one runs', async () => {
    await writeSome(5, 3);
    let goOn = (): void => {};
    const held = new Promise<void>((resolve) => (goOn = resolve));
    let begun = false;
    const eventStore: EventStore = {
      ...ledger.eventStore,
      readAll: async (...args) => {
        begun = true;
        await held;
        return ledger.eventStore.readAll(...args);
      },
    };
    const first = rebuild({ eventStore });
    await until(() => begun);
    await expect(rebuild()).rejects.toThrow(RebuildRunning);
    goOn();
    expect((await first).digests.every(({ same }) => same === null)).toBe(true);
    expect((await rebuild()).digests.every(({ same }) => same)).toBe(true);
    await expect(rebuild({ names: ['nonsense'] })).rejects.toThrow('nonsense');
  });
});
