import { afterEach, describe, expect, test } from '@jest/globals';
import type { EventStore } from '#libs/event-store';
import { openEventStoreDb } from '#libs/event-store/eventstoredb';
import { openPostgresEventStore } from '#libs/event-store/postgres';
import { HOUR } from '#libs/kernel';
import {
  asOfSchema,
  createBalancesAsOf,
  dropAsOf,
  NotInTheLog,
  PROJECTIONS,
  READ_MODEL_NAMES,
  rebuildAsOf,
  rebuildReadModels,
  type AsOf,
  type AsOfOptions,
} from '#libs/read-models';
import { startProtocolServer } from '../support/eventstoredb/start.js';
import { allRows, consume, givenLedger, grant, NOW, type Ledger } from './given.js';

const CUSTOMERS = ['c1', 'c2', 'c3'];

const stores: readonly [
  string,
  () => Promise<{ open(url: string): Promise<EventStore>; stop(): unknown }>,
][] = [
  [
    'Postgres',
    async () => ({
      open: (connectionString) => openPostgresEventStore({ connectionString }),
      stop: () => undefined,
    }),
  ],
  [
    'EventStoreDB',
    async () => {
      const server = await startProtocolServer();
      return { open: () => openEventStoreDb({ connectionString: server.url }), stop: () => server.kill() };
    },
  ],
];

describe.each(stores)('read models as of then, from the log in %s', (_, startStore) => {
  let ledger: Ledger;
  const leave: (() => unknown)[] = [];
  afterEach(async () => {
    for (const left of leave.splice(0).reverse()) await left();
  });

  async function given(): Promise<void> {
    const store = await startStore();
    leave.push(store.stop);
    ledger = await givenLedger({ store: store.open });
    leave.push(() => ledger.close());
    const models = await ledger.project();
    // clocks of three processes: what is recorded does not rise along the log
    for (const [customer, minutes] of [
      ['c1', 0],
      ['c2', 30],
      ['c3', 10],
      ['c1', 20],
      ['c2', 40],
      ['c1', 50],
      ['c3', 25],
    ] as const) {
      ledger.clock.now = NOW + minutes * 60_000;
      await ledger.write(customer, minutes < 35 ? grant(`g${minutes}`, 10n) : consume(`u${minutes}`, 3n));
    }
    await ledger.caughtUp(models);
  }

  const build = (to: AsOf, options: Partial<AsOfOptions> = {}) =>
    rebuildAsOf({ eventStore: ledger.eventStore, pool: ledger.pool, to, now: NOW + HOUR, ...options });
  const positions = async () =>
    (await ledger.eventStore.readAll(null, 100)).events.map(({ position }) => position);
  async function balancesIn(schema: string): Promise<readonly (readonly [string, string])[]> {
    const { rows } = await ledger.pool.query<{ customer: string; balance: string }>(
      `select customer_id as customer, trim_scale(balance)::text as balance from ${schema}.balances order by 1`,
    );
    return rows.map(({ customer, balance }) => [customer, balance]);
  }
  /** What the log itself says of every customer. */
  async function balancesKnown(known: AsOf): Promise<readonly (readonly [string, string])[]> {
    const all = CUSTOMERS.map(async (customer) => {
      const stream = `creditAccount-t_${customer}`;
      const { balances } = await createBalancesAsOf(ledger.eventStore).balancesAsOf(stream, customer, {
        at: NOW + HOUR,
        known,
      });
      return balances.map(({ ledger: sum }) => [customer, sum] as const);
    });
    return (await Promise.all(all)).flat();
  }
  const shape = async (schema: string) =>
    (
      await ledger.pool.query<{ index: string }>(
        `select tablename || ': ' || replace(indexdef, schemaname || '.', '') as index from pg_indexes
         where schemaname = $1 and tablename not in ('checkpoints', 'migrations') order by 1`,
        [schema],
      )
    ).rows.map(({ index }) => index);

  test('a position: what stands there, neither more nor less, wherever a slice ends', async () => {
    await given();
    const live = await allRows(ledger.pool);
    const all = await positions();
    const one: readonly string[] = ['balances'];
    for (const [index, position] of all.entries())
      for (const [batchSize, to, names] of [
        [1, position, one],
        [3, position, one],
        [
          100,
          index + 1 < all.length && all[index + 1]! > position + 1n ? position + 1n : position,
          READ_MODEL_NAMES,
        ],
      ] as const) {
        const result = await build({ position: to }, { batchSize, names });
        expect(result).toMatchObject({
          schema: `read_models_at_${to}`,
          position,
          events: index + 1,
          leftOut: 0,
        });
        expect(result.tables.map(({ table }) => table)).toEqual(
          PROJECTIONS.filter(({ name }) => names.includes(name)).flatMap(({ tables }) =>
            tables.map(({ name }) => name),
          ),
        );
        expect(await balancesIn(result.schema)).toEqual(await balancesKnown({ position }));
      }
    expect(await allRows(ledger.pool)).toEqual(live);
    const { schema } = await build({ position: all[0]! });
    expect(schema).toBe(asOfSchema({ position: all[0]! }));
    expect(await shape(schema)).toEqual(await shape('read_models'));
  });

  test('a time: what was recorded at or before it in each stream, whatever the order in the log', async () => {
    await given();
    const all = await positions();
    const names = ['balances'];
    for (const minutes of [-1, 0, 5, 10, 19, 20, 25, 29, 30, 45, 50]) {
      const to = { recordedAt: NOW + minutes * 60_000 };
      const result = await build(to, { batchSize: 2, names });
      expect([minutes, await balancesIn(result.schema)]).toEqual([minutes, await balancesKnown(to)]);
    }
    expect(await build({ recordedAt: NOW + 25 * 60_000 })).toMatchObject({
      schema: 'read_models_at_20260101t002500000z',
      events: 4,
      position: all[6],
      leftOut: 3,
    });
    // all there is
    const whole = await build({ recordedAt: NOW + HOUR });
    expect(whole).toMatchObject({ events: 7, leftOut: 0, position: all[6] });
    const { digests } = await rebuildReadModels({ eventStore: ledger.eventStore, pool: ledger.pool });
    expect(whole.tables).toEqual(digests.flatMap(({ built }) => built.tables));
  });

  test('what is not in the log yet is refused, and nothing is left behind', async () => {
    await given();
    const end = (await positions()).at(-1)!;
    await expect(build({ position: end + 1n })).rejects.toThrow(NotInTheLog);
    await expect(build({ recordedAt: NOW + HOUR + 1 })).rejects.toThrow(
      '2026-01-01T01:00:00.001Z has not come',
    );
    await expect(build({ position: end }, { names: ['nonsense'] })).rejects.toThrow('nonsense');
    const { rows } = await ledger.pool.query(`select from pg_namespace where nspname like 'read_models_%'`);
    expect(rows).toEqual([]);
    // a test clock is ahead of the time it is
    expect(await build({ recordedAt: NOW + 45 * 60_000 }, { now: NOW })).toMatchObject({ events: 6 });
  });

  test('again replaces it, of what was asked for; the others stay; dropped once', async () => {
    await given();
    const to = { position: (await positions())[3]! };
    const first = await build(to);
    await ledger.pool.query(`update ${first.schema}.balances set balance = 77`);
    let reads = 0;
    const cut = { ...ledger.eventStore, readAll: () => Promise.reject(new Error(`cut ${++reads}`)) };
    await expect(build(to, { eventStore: cut })).rejects.toThrow('cut 1');
    expect((await balancesIn(first.schema)).map(([, balance]) => balance)).toEqual(['77', '77', '77']);
    const other = await build({ position: (await positions())[0]! });
    const second = await build(to, { names: ['balances'] });
    expect(second.tables).toEqual(first.tables.filter(({ table }) => table === 'balances'));
    expect(await balancesIn(second.schema)).toEqual(await balancesKnown(to));
    expect(await balancesIn(other.schema)).toHaveLength(1);
    expect([await dropAsOf(ledger.pool, to), await dropAsOf(ledger.pool, to)]).toEqual([true, false]);
    await expect(balancesIn(second.schema)).rejects.toThrow('does not exist');
  });
});
