import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openPostgresEventStore } from '#libs/event-store/postgres';
import type * as Source from '../../apps/projector/thread.js';
import { allRows, consume, givenLedger, grant, type Ledger } from '../read-models/given.js';
import { onServer } from '../support/postgres.js';
import { until } from '../support/wait.js';

/** The thread that projects, as it is built: a thread runs no TypeScript. */
const BUILT = new URL('../../dist/apps/projector/thread.js', import.meta.url).href;
const { projectInThread } = (await import(BUILT)) as typeof Source;

let ledger: Ledger;
beforeEach(async () => {
  ledger = await givenLedger({ store: (url) => openPostgresEventStore({ connectionString: url }) });
});
afterEach(() => ledger.close());

const name = (): string => new URL(ledger.url).pathname.slice(1);
const inThread = () =>
  projectInThread({ eventStore: 'postgres', databaseUrl: ledger.url }, (error) => ledger.errors.push(error));
const connections = async (): Promise<number> => {
  const { rows } = await ledger.pool.query(
    `select from pg_stat_activity where datname = current_database() and application_name = 'projector'`,
  );
  return rows.length;
};

test('makes the same rows as this thread would, tells who waits, and leaves nothing behind', async () => {
  const models = await ledger.project({ project: inThread() });
  await ledger.write('c1', grant('g1', 10n));
  for (let n = 0; n < 20; n++) await ledger.write('c1', consume(`con_${n}`, 1n));
  await ledger.caughtUp(models);
  expect(models.active).toBe(true);
  const rows = await allRows(ledger.pool);
  expect(rows['usage']).toHaveLength(20);
  await models.close();
  expect(models.active).toBe(false);
  await until(async () => (await connections()) === 0);

  await ledger.pool.query('truncate read_models.checkpoints');
  for (const table of Object.keys(rows)) await ledger.pool.query(`truncate read_models.${table}`);
  await ledger.caughtUp(await ledger.project());
  expect(await allRows(ledger.pool)).toEqual(rows);
  expect(ledger.errors).toEqual([]);
});

test('another thread follows one that could not go on', async () => {
  await ledger.write('c1', grant('g1', 10n));
  await ledger.pool.query('select'); // a connection that is there may be used on
  await onServer(`alter database ${name()} with allow_connections false`);
  const models = await ledger.project({ project: inThread() });
  await until(() => ledger.errors.length >= 2);
  expect(models.active).toBe(false);
  await onServer(`alter database ${name()} with allow_connections true`);
  await ledger.caughtUp(models);
  expect((await allRows(ledger.pool))['grants']).toHaveLength(1);
});

test('can be stopped before it has begun, and while it waits to begin anew', async () => {
  const begun = await ledger.project({ project: inThread() });
  await begun.close();
  await onServer(`alter database ${name()} with allow_connections false`);
  const models = await ledger.project({ project: inThread() });
  await until(() => ledger.errors.length > 0);
  await models.close();
  await onServer(`alter database ${name()} with allow_connections true`);
  expect(await connections()).toBe(0);
});
