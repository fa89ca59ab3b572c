import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { createStreamWriter } from '#libs/commands';
import { accountKind } from '#libs/commands/credits';
import type { CreditCommand } from '#libs/credits';
import { openPostgresEventStore } from '#libs/event-store/postgres';
import type { Instant } from '#libs/kernel';
import { migrateReadModels, PROJECTIONS, rebuildReadModels } from '#libs/read-models';
import type { Comparison } from './comparison.js';
import { inTurns } from './in-turns.js';
import { ownDatabase } from './own-database.js';

const EVENTS = 150_000;
const ACCOUNTS = 1000;
const ROUNDS = 3;
const BALANCES_GOAL = 200_000;
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
    for (const { name } of PROJECTIONS.flatMap(({ tables: own }) => own)) {
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
          name: `rebuild of all read models, ${EVENTS.toLocaleString('en')} events`,
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
      await balancesAlone(() => rebuildReadModels({ eventStore, pool, names: ['balances'] })),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await pool.end();
    await eventStore.close();
  }
}

/** Balances fold to few rows, so this is how fast events are read and folded; the best of some rounds. */
async function balancesAlone(rebuild: () => Promise<{ readonly events: number }>): Promise<Comparison> {
  let best = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const begun = performance.now();
    const { events } = await rebuild();
    best = Math.max(best, (1000 * events) / (performance.now() - begun));
  }
  return {
    name: 'rebuild of the balances alone',
    ours: best,
    baseline: BALANCES_GOAL,
    baselineName: 'goal',
    ratio: best / BALANCES_GOAL,
    goal: 1,
    unit: 'events/s',
  };
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
