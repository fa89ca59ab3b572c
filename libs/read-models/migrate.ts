import type { DataSource } from 'typeorm';
import pg from 'pg';
import { ENTITIES } from './entities.js';
import { MIGRATE_LOCK } from './locks.js';
import { ReadModels1760000000000 } from './migrations/1760000000000-read-models.js';
import { Schedules1770000000000 } from './migrations/1770000000000-schedules.js';
import { HoldsAndRenewals1780000000000 } from './migrations/1780000000000-holds-and-renewals.js';
import { DebtWhereItChanges1785000000000 } from './migrations/1785000000000-debt-where-it-changes.js';
import { VersionsAndOrganizations1790000000000 } from './migrations/1790000000000-versions-and-organizations.js';
import { Subscriptions1800000000000 } from './migrations/1800000000000-subscriptions.js';
import { Entitlements1810000000000 } from './migrations/1810000000000-entitlements.js';
import { Invoices1820000000000 } from './migrations/1820000000000-invoices.js';
import { UsageByDay1830000000000 } from './migrations/1830000000000-usage-by-day.js';
import { Collection1840000000000 } from './migrations/1840000000000-collection.js';
import { ConsumptionsOnce1860000000000 } from './migrations/1860000000000-consumptions-once.js';
import { KeysThatDifferFirst1870000000000 } from './migrations/1870000000000-keys-that-differ-first.js';
import { LateUsageOfWhatEnded1880000000000 } from './migrations/1880000000000-late-usage-of-what-ended.js';
import { ChargedCustomers1890000000000 } from './migrations/1890000000000-charged-customers.js';
import { LIVE } from './table.js';

const MIGRATIONS = [
  ReadModels1760000000000,
  Schedules1770000000000,
  HoldsAndRenewals1780000000000,
  DebtWhereItChanges1785000000000,
  VersionsAndOrganizations1790000000000,
  Subscriptions1800000000000,
  Entitlements1810000000000,
  Invoices1820000000000,
  UsageByDay1830000000000,
  Collection1840000000000,
  ConsumptionsOnce1860000000000,
  KeysThatDifferFirst1870000000000,
  LateUsageOfWhatEnded1880000000000,
  ChargedCustomers1890000000000,
];

/** TypeORM's view of the schema `read_models`: entities and migrations. Connected. */
export async function readModelsDataSource(connectionString: string): Promise<DataSource> {
  const typeorm = await import('typeorm'); // takes a while to load, and most starts find nothing to migrate
  const dataSource = new typeorm.DataSource({
    type: 'postgres',
    url: connectionString,
    schema: LIVE,
    entities: ENTITIES,
    migrations: MIGRATIONS,
    migrationsTableName: 'migrations',
    applicationName: 'read-models',
    poolSize: 2,
  });
  return dataSource.initialize();
}

/**
 * Brings the schema `read_models` to the newest migration. Processes that start together wait for each other; one that
 * finds nothing to do needs no right to create anything.
 */
export async function migrateReadModels(connectionString: string): Promise<void> {
  const client = new pg.Client({ connectionString, application_name: 'read-models' });
  client.on('error', () => {}); // the statement in hand reports it
  await client.connect();
  try {
    // held until the connection ends
    await client.query('select pg_advisory_lock($1)', [MIGRATE_LOCK]);
    const { rows } = await client.query<{ there: boolean }>(
      'select to_regnamespace($1) is not null as there',
      [LIVE],
    );
    if (!rows[0]?.there) await client.query(`create schema ${LIVE}`);
    if (await isNewest(client)) return;
    const dataSource = await readModelsDataSource(connectionString);
    try {
      await dataSource.runMigrations({ transaction: 'each' });
    } finally {
      await dataSource.destroy();
    }
  } finally {
    await client.end();
  }
}

/** Asked first, because it is much quicker than to have TypeORM look. */
async function isNewest(client: pg.Client): Promise<boolean> {
  const { rows: tables } = await client.query<{ there: boolean }>(
    'select to_regclass($1) is not null as there',
    [`${LIVE}.migrations`],
  );
  if (!tables[0]?.there) return false;
  const { rowCount } = await client.query(`select from ${LIVE}.migrations where name = any($1)`, [
    MIGRATIONS.map(({ name }) => name),
  ]);
  return rowCount === MIGRATIONS.length;
}
