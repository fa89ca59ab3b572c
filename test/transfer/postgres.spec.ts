import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { importLog, type EventStore } from '#libs/event-store';
import { createMemoryEventStore } from '#libs/event-store/memory';
import { openPostgresEventStore } from '#libs/event-store/postgres';
import { createReadModels, migrateReadModels, rebuildReadModels, verifyLedger } from '#libs/read-models';
import { allRows, consume, givenLedger, grant, NOW, revoke, settle } from '../read-models/given.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { failing, fill, historyOf, linesOf, randomFrom, withoutHeader } from './given.js';

const opened: EventStore[] = [];
const databases: TestDatabase[] = [];
let source: EventStore;
let lines: readonly string[];

async function emptyStore(): Promise<{ url: string; eventStore: EventStore }> {
  const database = await createTestDatabase();
  databases.push(database);
  const eventStore = await openPostgresEventStore({ connectionString: database.url });
  opened.push(eventStore);
  return { url: database.url, eventStore };
}

/** What stands in the table, as it stands there. */
async function rowsOf(url: string): Promise<readonly unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ row: string }>(
      'select e::text as row from event_store.events e order by position',
    );
    return rows.map(({ row }) => row);
  } finally {
    await client.end();
  }
}

beforeAll(async () => {
  source = createMemoryEventStore({ identity: 'memory:one' });
  await fill(source, historyOf({ seed: 40, events: 3300, streams: 90 }));
  lines = await linesOf(source);
});
afterAll(async () => {
  await Promise.all(opened.map((store) => store.close()));
  await Promise.all(databases.map((database) => database.drop()));
});

test('memory to Postgres and back gives the same file', async () => {
  const { eventStore } = await emptyStore();
  await importLog({ eventStore, lines, callsKeepOrder: true });
  const between = await linesOf(eventStore);
  expect(withoutHeader(between)).toEqual(withoutHeader(lines));
  const back = createMemoryEventStore({ identity: 'memory:one' });
  await importLog({ eventStore: back, lines: between, callsKeepOrder: true });
  expect(await linesOf(back)).toEqual(lines);
});

test.each([true, false])(
  'Postgres to Postgres gives the same rows; calls keep order: %s',
  async (callsKeepOrder) => {
    const [one, other] = [await emptyStore(), await emptyStore()];
    await fill(one.eventStore, historyOf({ seed: 41, events: 1500, streams: 8 }));
    await importLog({ eventStore: other.eventStore, lines: await linesOf(one.eventStore), callsKeepOrder });
    expect(await rowsOf(other.url)).toEqual(await rowsOf(one.url));
  },
);

test('an import that is interrupted, with the outcome unknown or known, goes on', async () => {
  const { eventStore } = await emptyStore();
  let done = false;
  for (let round = 0; !done; round++) {
    const cut = failing(eventStore, 40, round % 2 === 0 ? 'before' : 'after');
    const before = Number(await eventStore.head());
    const outcome = await importLog({ eventStore: cut, lines, callsKeepOrder: true }).catch(
      (error: Error) => error.message,
    );
    expect(typeof outcome === 'string' ? outcome : outcome.appended).toEqual(
      typeof outcome === 'string' ? 'cut' : 3300 - before,
    );
    done = typeof outcome !== 'string';
    if (!done) expect(Number(await eventStore.head())).toBeGreaterThan(before);
  }
  expect(withoutHeader(await linesOf(eventStore))).toEqual(withoutHeader(lines));
});

test('two imports at once into one store: at most one says that all is well, and then it is', async () => {
  const { eventStore } = await emptyStore();
  const outcomes = await Promise.allSettled(
    [0, 1].map(() => importLog({ eventStore, lines, callsKeepOrder: true })),
  );
  const good = outcomes.filter(({ status }) => status === 'fulfilled');
  if (good.length > 0) expect(withoutHeader(await linesOf(eventStore))).toEqual(withoutHeader(lines));
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') expect(String(outcome.reason)).toContain('somebody else has written');
});

describe('read models of the imported log', () => {
  test('are those of the original', async () => {
    const random = randomFrom(42);
    const ledger = await givenLedger({
      store: (connectionString) => openPostgresEventStore({ connectionString }),
    });
    try {
      for (let n = 0; n < 150; n++) {
        ledger.clock.now = NOW + n * 60_000;
        const customer = `c${random(6)}`;
        const expiresAt = ledger.clock.now + 3_600_000 * (1 + random(3));
        const step = [
          grant(`g${n}`, BigInt(1 + random(20)), random(2) === 0 ? { expiresAt } : {}),
          consume(`u${n}`, BigInt(1 + random(9)), { onShortage: 'pending' }),
          settle,
          revoke(`g${random(n + 1)}`),
        ][random(4)]!;
        await ledger.write(customer, step).catch(() => undefined);
      }
      await ledger.caughtUp(await ledger.project());

      const { url, eventStore } = await emptyStore();
      await importLog({ eventStore, lines: await linesOf(ledger.eventStore), callsKeepOrder: true });
      await migrateReadModels(url);
      const pool = new pg.Pool({ connectionString: url, max: 4 });
      const readModels = await createReadModels({ eventStore, pool, onError: () => undefined });
      try {
        await readModels.waitForPosition(await eventStore.head(), 20_000);
        const rows = await allRows(pool);
        expect(rows.transactions!.length).toBeGreaterThan(80);
        expect(rows).toEqual(await allRows(ledger.pool));
        const original = await rebuildReadModels({ eventStore: ledger.eventStore, pool: ledger.pool });
        const imported = await rebuildReadModels({ eventStore, pool });
        expect(imported.digests).toEqual(original.digests);
        expect(imported.digests.every(({ same }) => same)).toBe(true);
        expect(await verifyLedger({ eventStore, pool })).toMatchObject({ faultCount: 0, differenceCount: 0 });
      } finally {
        await readModels.close();
        await pool.end();
      }
    } finally {
      await ledger.close();
    }
  });
});
