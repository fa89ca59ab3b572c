import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { accountKind, createStreamWriter } from '#libs/commands';
import type { CreditCommand } from '#libs/credits';
import { openPostgresEventStore } from '#libs/event-store/postgres';
import type { Instant } from '#libs/kernel';
import { migrateReadModels, READ_MODEL_NAMES, rebuildReadModels } from '#libs/read-models';
import type { Comparison } from './comparison.js';
import { inTurns } from './in-turns.js';

const EVENTS = 30_000;
const ACCOUNTS = 1000;
const ROUNDS = 3;
const account = accountKind(0);
const ONE = 10n ** 12n;

/**
 * All read models made from the log, digests, indexes and swap included, beside a COPY of the very same rows out of files on
 * the server into tables of the same kind, whose indexes are made afterwards.
 */
export async function benchRebuild(server: string): Promise<Comparison[]> {
  const url = await ownDatabase(server);
  const eventStore = await openPostgresEventStore({ connectionString: url });
  await migrateReadModels(url);
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  const folder = mkdtempSync(join(tmpdir(), 'drawdown-copy-'));
  chmodSync(folder, 0o777); // the server may run under another account
  try {
    const writer = createStreamWriter({ eventStore, clock: () => Date.now() });
    await Promise.all(Array.from({ length: ACCOUNTS }, (_, n) => spend(writer, `rebuild${n}`)));
    await writer.close();
    await rebuildReadModels({ eventStore, pool });
    const tables: { name: string; indexes: string[] }[] = [];
    let rows = 0;
    for (const name of READ_MODEL_NAMES) {
      rows += (await pool.query(`copy read_models.${name} to '${join(folder, name)}'`)).rowCount ?? 0;
      const { rows: found } = await pool.query<{ index: string }>(
        `select replace(indexdef, ' ON read_models.', ' ON copied.') as index from pg_indexes
         where schemaname = 'read_models' and tablename = $1`,
        [name],
      );
      tables.push({ name, indexes: found.map(({ index }) => index) });
    }
    return [
      await inTurns(
        {
          name: `rebuild of all read models, ${EVENTS} events`,
          baselineName: 'COPY',
          goal: 0.5,
          unit: 'rows/s',
          async ours() {
            await rebuildReadModels({ eventStore, pool });
            return rows;
          },
          async baseline() {
            await pool.query('drop schema if exists copied cascade; create schema copied');
            for (const { name, indexes } of tables) {
              await pool.query(
                `create table copied.${name} (like read_models.${name} including all excluding indexes)`,
              );
              await pool.query(`copy copied.${name} from '${join(folder, name)}'`);
              for (const index of indexes) await pool.query(index);
              await pool.query(`analyze copied.${name}`);
            }
            return rows;
          },
        },
        ROUNDS,
      ),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await pool.end();
    await eventStore.close();
  }
}

/** A database with a log of its own. */
async function ownDatabase(server: string): Promise<string> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  await client.query('drop database if exists bench_rebuild with (force)');
  await client.query('create database bench_rebuild');
  await client.end();
  const url = new URL(server);
  url.pathname = '/bench_rebuild';
  return url.href;
}

/** One grant, then consumptions one after the other. */
async function spend(writer: ReturnType<typeof createStreamWriter>, customer: string): Promise<void> {
  const execute = (command: (now: Instant) => CreditCommand) =>
    writer.execute(account, customer, {
      context: { tenant: 'bench', actor: 'bench', correlationId: 'prepare' },
      operation: 'bench',
      input: {},
      command,
    });
  await execute((now) => ({
    type: 'IssueGrants',
    now,
    grants: [
      {
        grantId: `${customer}-g`,
        unit: 'calls',
        amount: 1_000_000n * ONE,
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
  for (let n = 1; n < EVENTS / ACCOUNTS; n++)
    await execute((now) => ({
      type: 'Consume',
      now,
      consumptionId: `${customer}-${n}`,
      unit: 'calls',
      amount: ONE,
      onShortage: 'refuse',
      effectiveAt: now,
      context: {},
    }));
}
