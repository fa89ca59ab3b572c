import pg from 'pg';
import { bootstrapOf, makeKeys, startServer } from '../support/server.js';
import type { Comparison } from './comparison.js';
import { openDrawdown } from './our-ledger.js';
import { ownDatabase } from './own-database.js';

const ACCOUNTS = 1_000_000;
const EVENTS = 10_000_000;
/** Seconds a start may take. */
const START_BOUND = 5;

/** Memory with many accounts touched, and the start on a long log. */
export async function benchSize(server: string): Promise<Comparison[]> {
  return [await touched(server), await started(server)];
}

/** Of the process, once half and once all of the accounts have been used: what is kept of them is bounded, and full long before. */
async function touched(server: string): Promise<Comparison> {
  const ledger = await openDrawdown(await ownDatabase(server), ACCOUNTS / 2, 1);
  const used = process.memoryUsage.rss() / 1e6;
  await ledger.grantTo(ACCOUNTS / 2 + 1, ACCOUNTS);
  const all = process.memoryUsage.rss() / 1e6;
  await ledger.close();
  return {
    name: 'memory with 1,000,000 accounts touched',
    ours: all,
    baseline: used,
    baselineName: '500,000 accounts',
    ratio: used / all,
    goal: 0.8,
    unit: 'MB',
  };
}

/** From the start of the process until it says that it is ready; read models are at the end of the log. */
async function started(server: string): Promise<Comparison> {
  const environment = { DATABASE_URL: await ownDatabase(server), ...bootstrapOf(makeKeys('live')) };
  await (await startServer(environment)).stop();
  const client = new pg.Client({ connectionString: environment.DATABASE_URL });
  await client.connect();
  // as large as a consumption; nobody reads them, so they need no chain
  await client.query(
    `insert into event_store.events (position, stream, revision, id, type, data, metadata)
     select h.position + n, 'creditAccount-default_c' || n % 100000, n / 100000, gen_random_uuid(), 'CreditsConsumed',
       json_build_object('consumptionId', n, 'padding', repeat('x', 300)), json_build_object('padding', repeat('x', 200))
     from event_store.log_head h, generate_series(1, $1::bigint) n`,
    [EVENTS],
  );
  await client.query('update event_store.log_head set position = position + $1', [EVENTS]);
  await client.query(
    `update read_models.checkpoints set position = h.position, checkpoint = h.position::text from event_store.log_head h`,
  );
  await client.query('vacuum analyze event_store.events');
  await client.end();
  const begun = performance.now();
  const ready = await startServer(environment);
  const seconds = (performance.now() - begun) / 1000;
  await ready.stop();
  return {
    name: 'start on a log of 10,000,000 events',
    ours: seconds,
    baseline: START_BOUND,
    baselineName: 'bound',
    ratio: START_BOUND / seconds,
    goal: 1,
    unit: 's',
  };
}
