import pg from 'pg';
import { unavailable } from './connection.js';
import { SCHEMA_STEPS } from './schema.js';

/** Any number that nothing else in the database locks. */
const SCHEMA_LOCK = 7_013_254_210;

/**
 * Brings the schema `event_store` to the newest step in one transaction; processes that start together wait for each other.
 * Touches nothing when it is there already, so a role without the right to create is enough from the second start on.
 * @throws EventStoreUnavailable when the database does not answer; Error when it was made by a newer version
 */
export async function migrate(connectionString: string): Promise<void> {
  const client = new pg.Client({
    connectionString,
    application_name: 'event-store',
    connectionTimeoutMillis: 10_000,
  });
  client.on('error', () => {}); // the statement in hand reports it
  const rethrow = (error: unknown): never => {
    throw unavailable(error);
  };
  const run = (sql: string, values?: unknown[]) =>
    client.query<{ exists?: boolean; last?: number }>(sql, values).catch(rethrow);
  await client.connect().catch(rethrow);
  try {
    await run('begin');
    await run('select pg_advisory_xact_lock($1)', [SCHEMA_LOCK]);
    const found = await run(`select to_regclass('event_store.schema_steps') is not null as exists`);
    if (!found.rows[0]?.exists)
      await run(`
        create schema if not exists event_store;
        create table event_store.schema_steps (step int primary key, applied_at timestamptz not null default now())`);
    const steps = await run('select coalesce(max(step), 0)::int as last from event_store.schema_steps');
    const last = Number(steps.rows[0]?.last);
    if (last > SCHEMA_STEPS.length)
      throw new Error(
        `schema event_store is at step ${last}, this version knows ${SCHEMA_STEPS.length}: start the newer version`,
      );
    for (const [index, sql] of SCHEMA_STEPS.entries()) {
      if (index < last) continue;
      await run(sql);
      await run('insert into event_store.schema_steps (step) values ($1)', [index + 1]);
    }
    await run('commit');
  } finally {
    await client.end();
  }
}
