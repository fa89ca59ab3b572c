import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { Instant } from '#libs/kernel';
import { EventStoreUnavailable, type EventStore } from '#libs/event-store';
import { createMemoryEventStore } from '#libs/event-store/memory';
import { snapshotOf, type CreditCommand } from '#libs/credits';
import {
  createStreamWriter,
  openPostgresWriteCache,
  type CommandRequest,
  type Snapshot,
  type WriteCache,
} from '#libs/commands';
import { accountKind, type AccountKind } from '#libs/commands/credits';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { until } from '../support/wait.js';

const NOW = Date.UTC(2026, 0, 1);
const EVERY = 10;
const account: AccountKind = { ...accountKind(0), snapshots: { ...accountKind(0).snapshots!, every: EVERY } };

function request(
  key: string | undefined,
  command: (now: Instant) => CreditCommand,
  amount = '1',
): CommandRequest<CreditCommand> {
  return {
    context: { tenant: 't', actor: 'key', correlationId: 'r', idempotencyKey: key },
    operation: 'consume',
    input: { amount },
    command,
  };
}

const grant = request(undefined, (now) => ({
  type: 'IssueGrants',
  now,
  grants: [
    {
      grantId: 'g',
      unit: 'calls',
      amount: 1000n * 10n ** 12n,
      effectiveAt: now,
      priority: 50,
      category: 'promotional',
      source: 'manual',
      kind: 'prepaid',
      scope: 'merchant',
      costBasis: '0',
    },
  ],
}));

const consume = (key: string, amount = '1'): CommandRequest<CreditCommand> =>
  request(
    key,
    (now) => ({
      type: 'Consume',
      now,
      consumptionId: `con_${key}`,
      unit: 'calls',
      amount: BigInt(amount) * 10n ** 12n,
      onShortage: 'refuse',
      effectiveAt: now,
      context: {},
    }),
    amount,
  );

describe('snapshots and receipts in Postgres', () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  let eventStore: EventStore;
  let cache: WriteCache;

  beforeAll(async () => {
    database = await createTestDatabase();
    pool = new pg.Pool({ connectionString: database.url, max: 4 });
  });
  afterAll(async () => {
    await pool.end();
    await database.drop();
  });
  beforeEach(async () => {
    eventStore = createMemoryEventStore();
    cache = await openPostgresWriteCache(pool, eventStore.identity);
  });

  const writer = () => createStreamWriter({ eventStore, clock: () => NOW, writeCache: cache });
  const count = async (table: string): Promise<number> =>
    (await pool.query<{ n: number }>(`select count(*)::int as n from write_cache.${table}`)).rows[0]!.n;

  /** An account with 35 consumptions, three snapshots and the receipts behind them. */
  async function history(): Promise<void> {
    const first = writer();
    await first.execute(account, 'c', grant);
    for (let n = 1; n <= 35; n++) await first.execute(account, 'c', consume(`k${n}`));
    await until(async () => (await count('receipts')) >= 29);
    await first.close();
  }

  it('are made as the stream grows, the receipts of every command with them', async () => {
    await history();
    expect(await count('snapshots')).toBe(1);
    const { rows } = await pool.query<{ revision: string }>('select revision from write_cache.snapshots');
    expect(Number(rows[0]!.revision)).toBe(29);
    expect(await count('receipts')).toBe(29);
  });

  it('answer a key behind the snapshot as one in the tail, after a restart too', async () => {
    await history();
    const restarted = writer();
    for (const key of ['k1', 'k29', 'k30', 'k35']) {
      const again = await restarted.execute(account, 'c', consume(key));
      expect(again).toMatchObject({ replayed: true, revision: Number(key.slice(1)) });
      await expect(restarted.execute(account, 'c', consume(key, '2'))).rejects.toMatchObject({
        code: 'idempotency_key_reused',
        errors: [{ pointer: '/amount', code: 'differs' }],
      });
    }
    expect(await eventStore.head()).toBe(36n);
  });

  it('refuse a key that was first used on another stream, once they know it', async () => {
    await history();
    const other = writer();
    await other.execute(account, 'd', grant);
    await expect(other.execute(account, 'd', consume('k1'))).rejects.toMatchObject({
      code: 'idempotency_key_reused',
    });
    await expect(other.execute(account, 'd', consume('fresh'))).resolves.toMatchObject({ replayed: false });
  });

  it('are out of reach as the log is: whoever waits may try again', async () => {
    const holder = await pool.connect();
    try {
      await holder.query('begin; lock table write_cache.snapshots in access exclusive mode');
      const loading = cache.load(['creditAccount-t_c'], []);
      const refused = expect(loading).rejects.toBeInstanceOf(EventStoreUnavailable);
      await until(async () => {
        const { rowCount } = await pool.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where wait_event_type = 'Lock' and query like '%from write_cache.snapshots%' and pid <> pg_backend_pid()`,
        );
        return rowCount === 1;
      });
      await refused;
    } finally {
      await holder.query('rollback');
      holder.release();
    }
  });

  it('change no answer by being there, being old or being gone', async () => {
    await history();
    const stateNow = async (): Promise<unknown> => {
      const { state, revision } = await writer().read(account, 't', 'c');
      return [revision, snapshotOf(state)];
    };
    const withCaches = await stateNow();
    await pool.query(`update write_cache.snapshots set version = 999`);
    expect(await stateNow()).toEqual(withCaches);
    await pool.query('delete from write_cache.receipts');
    expect(await count('snapshots')).toBe(0);
    expect(await stateNow()).toEqual(withCaches);
    const again = await writer().execute(account, 'c', consume('k3'));
    expect(again).toMatchObject({ replayed: true, revision: 3 });
  });

  it('are found in a table as it was made before keys were hashed', async () => {
    await history();
    await pool.query(`drop index write_cache.receipts_by_key;
      alter table write_cache.receipts add primary key (tenant, command_id, stream)`);
    cache = await openPostgresWriteCache(pool, eventStore.identity);
    const restarted = writer();
    await expect(restarted.execute(account, 'c', consume('k3'))).resolves.toMatchObject({ revision: 3 });
    await restarted.execute(account, 'c', consume('k36'));
    const { rows } = await pool.query(
      `select indexname from pg_indexes where schemaname = 'write_cache' order by 1`,
    );
    expect(rows.map(({ indexname }) => indexname)).toEqual([
      'log_pkey',
      'receipts_by_key',
      'receipts_saved',
      'snapshots_pkey',
    ]);
  });

  it('of many streams are saved together, each receipt once, though two processes save them', async () => {
    const both = [writer(), writer()];
    await Promise.all(Array.from({ length: 60 }, (_, n) => both[n % 2]!.execute(account, `c${n}`, grant)));
    for (let round = 0; round < 3; round++)
      for (const one of both)
        await Promise.all(
          Array.from({ length: 60 * EVERY }, (_, n) =>
            one.execute(account, `c${n % 60}`, consume(`${round}-${both.indexOf(one)}-${n}`)),
          ),
        );
    await until(async () => (await count('snapshots')) === 60 && (await count('receipts')) >= 60 * 5 * EVERY);
    for (const one of both) await one.close();
    const { rows } = await pool.query<{ saved: number; distinct: number; missing: number }>(
      `select count(*)::int as saved, count(distinct (r.tenant, r.command_id, r.stream))::int as distinct,
         (select sum(s.revision - (select count(*) from write_cache.receipts r where r.stream = s.stream))::int
            from write_cache.snapshots s) as missing
       from write_cache.receipts r`,
    );
    expect(rows[0]!.distinct).toBe(rows[0]!.saved);
    expect(rows[0]!.missing).toBe(0); // every event but the grant has a receipt
  });

  it('are saved though one among them cannot be', async () => {
    const at = (stream: string): Snapshot => ({
      ...{ stream, version: 1, revision: 0, position: 1n, hash: 'h', recordedAt: NOW, state: {} },
    });
    const saved = await Promise.allSettled(['a', 'b\0', 'c'].map((stream) => cache.save(at(stream), [])));
    expect(saved.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await count('snapshots')).toBe(2);
  });

  it('of one stream are saved one after the other', async () => {
    await history();
    const { rows } = await pool.query<Snapshot>(
      'select stream, version, revision::int as revision, position, hash, recorded_at::float8 as "recordedAt", state from write_cache.snapshots',
    );
    const [last] = rows;
    const later = [31, 33, 32].map((revision) => ({ ...last!, revision, position: BigInt(revision + 1) }));
    await Promise.all(later.map((snapshot) => cache.save(snapshot, [])));
    const { snapshots } = await cache.load([last!.stream], []);
    expect(snapshots.get(last!.stream)).toEqual(later[1]);
  });

  it('are dropped when they belong to another log', async () => {
    await history();
    const otherLog = createMemoryEventStore();
    await openPostgresWriteCache(pool, otherLog.identity);
    expect([await count('snapshots'), await count('receipts')]).toEqual([0, 0]);
  });

  it('never forget a key between memory and table, however commands and snapshots interleave', async () => {
    const busy = writer();
    await busy.execute(account, 'c', grant);
    const keys = Array.from({ length: 400 }, (_, n) => `k${n % 100}`);
    const outcomes = await Promise.all(keys.map((key) => busy.execute(account, 'c', consume(key))));
    expect(outcomes.filter(({ replayed }) => !replayed)).toHaveLength(100);
    const later = await Promise.all(keys.map((key) => busy.execute(account, 'c', consume(key))));
    expect(later.every(({ replayed }) => replayed)).toBe(true);
    expect(await eventStore.head()).toBe(101n);
  });

  it('look a key up again when its receipt moved from memory to the table in between', async () => {
    const gate: { closed?: Promise<void> } = {};
    let lookedUp = (): void => undefined;
    const looked = new Promise<void>((resolve) => (lookedUp = resolve));
    const slow: WriteCache = {
      mayHold: () => true,
      load: async (streams, commandIds) => {
        const found = await cache.load(streams, commandIds);
        if (gate.closed) lookedUp();
        await gate.closed;
        return found;
      },
      save: async (snapshot, receipts) => {
        await looked;
        await cache.save(snapshot, receipts);
      },
    };
    const busy = createStreamWriter({ eventStore, clock: () => NOW, writeCache: slow });
    await busy.execute(account, 'c', grant);
    await busy.execute(account, 'c', consume('k1'));
    let release = (): void => undefined;
    gate.closed = new Promise((resolve) => (release = resolve));
    const ahead = Array.from({ length: EVERY }, () =>
      busy.execute(account, 'c', {
        ...consume('none'),
        context: { tenant: 't', actor: 'key', correlationId: 'r' },
      }),
    );
    // looked up before the snapshot takes k1 out of memory, decided after it
    const again = busy.execute(account, 'c', consume('k1'));
    await Promise.all(ahead);
    await until(async () => (await count('receipts')) > 0);
    release();
    expect(await again).toMatchObject({ replayed: true, revision: 1 });
  });

  describe('of which a process knows the keys', () => {
    /** The cache as another process has it, with the names of what it asks, once it has read all keys. */
    async function anotherProcess() {
      const asked: string[] = [];
      const query = (statement: { readonly name?: string }) => {
        asked.push(statement.name ?? '');
        return pool.query(statement as pg.QueryConfig);
      };
      const own = await openPostgresWriteCache(
        { connect: () => pool.connect(), query } as unknown as pg.Pool,
        eventStore.identity,
      );
      const looksUp = async (key: string): Promise<boolean> => {
        asked.length = 0;
        await own.load([], [{ tenant: 't', commandId: `consume:${key}` }]);
        return asked.includes('load-receipts');
      };
      const ready = () => until(async () => !(await looksUp('never used')));
      await ready();
      return { own, looksUp, ready };
    }

    it('asks for those alone that may be there', async () => {
      await history();
      const { looksUp } = await anotherProcess();
      expect(await looksUp('k1')).toBe(true);
      expect(await looksUp('k29')).toBe(true);
      expect(await looksUp('k35')).toBe(false);
    });

    it('knows its own as soon as they leave the memory of the writer', async () => {
      const { own, looksUp } = await anotherProcess();
      const busy = createStreamWriter({ eventStore, clock: () => NOW, writeCache: own });
      await busy.execute(account, 'c', grant);
      for (let n = 1; n <= EVERY; n++) await busy.execute(account, 'c', consume(`k${n}`));
      await until(async () => (await count('receipts')) > 0);
      expect(await looksUp('k1')).toBe(true);
      expect(await busy.execute(account, 'c', consume('k1'))).toMatchObject({ replayed: true });
    });

    it('learns of what others have saved with the snapshot that vouches for it', async () => {
      const { own, looksUp } = await anotherProcess();
      await history();
      expect(await looksUp('k1')).toBe(false);
      const late = createStreamWriter({ eventStore, clock: () => NOW, writeCache: own });
      expect(await late.execute(account, 'c', consume('k1'))).toMatchObject({ replayed: true, revision: 1 });
      expect(await looksUp('k2')).toBe(true);
    });

    it('looks all of them up until it has read what is too much to wait for', async () => {
      const { own, looksUp, ready } = await anotherProcess();
      await history();
      await pool.query(`
        insert into write_cache.receipts (tenant, command_id, stream, revision, events, fingerprint)
        select 't', 'consume:many' || n, 'credits-t-many', n, 1, '' from generate_series(1, 20001) n`);
      const late = createStreamWriter({ eventStore, clock: () => NOW, writeCache: own });
      expect(await late.execute(account, 'c', consume('k1'))).toMatchObject({ replayed: true, revision: 1 });
      await ready();
      expect(await looksUp('many1')).toBe(true);
      expect(await looksUp('many20001')).toBe(true);
      expect(await looksUp('k29')).toBe(true);
    });
  });
});
