import { randomInt } from 'node:crypto';
import pg from 'pg';
import {
  accountKind,
  createStreamWriter,
  openPostgresWriteCache,
  type ClosableStreamWriter,
} from '#libs/commands';
import { openPostgresEventStore } from '#libs/event-store/postgres';
import { parseAmount, type Amount } from '#libs/kernel';
import type { CreditCommand } from '#libs/credits';
import { createReadModels, migrateReadModels } from '#libs/read-models';
import { runLoad, type LoadResult } from './load.js';
import {
  GRANT_AMOUNT,
  GRANTS_PER_ACCOUNT,
  openSqlApp,
  openSqlBest,
  prepareSqlLedger,
  type SqlLedger,
} from './sql-ledger.js';
import type { Comparison } from './comparison.js';

const ACCOUNTS = 10_000;
const CONNECTIONS = 16;
const account = accountKind(0);
const one = parseAmount('1') as Amount;

interface Ledger {
  consume(customer: number, key: string): Promise<void>;
  /** Fails unless what remains is what was granted less what was consumed. */
  check(consumed: number): Promise<void>;
  close(): Promise<void>;
}

/** Consumes through the writer with every guarantee on, beside the SQL ledgers in the same run on the same server. */
export async function benchConsume(url: string, seconds: number): Promise<Comparison[]> {
  const results: Comparison[] = [];
  for (const { name, accounts, inFlight, goals } of [
    { name: 'consume, 10,000 accounts, 64 in flight', accounts: ACCOUNTS, inFlight: 64, goals: [5, 2.5] },
    { name: 'consume, 10,000 accounts, 512 in flight', accounts: ACCOUNTS, inFlight: 512, goals: [7, 3.5] },
    { name: 'consume, one hot account, 64 in flight', accounts: 1, inFlight: 64, goals: [25, 15] },
  ] as const) {
    await prepareSqlLedger(url, accounts);
    const app = await measure(sql(openSqlApp(url, CONNECTIONS), accounts), accounts, inFlight, seconds);
    await prepareSqlLedger(url, accounts);
    const best = await measure(sql(openSqlBest(url, CONNECTIONS), accounts), accounts, inFlight, seconds);
    const ours = await measure(await drawdown(url, accounts), accounts, inFlight, seconds);
    for (const [baselineName, baseline, goal] of [
      ['SQL-app', app, goals[0]],
      ['SQL-best', best, goals[1]],
    ] as const)
      results.push({
        name,
        ours: ours.perSecond,
        baseline: baseline.perSecond,
        baselineName,
        ratio: ours.perSecond / baseline.perSecond,
        goal,
        unit: 'consumes/s',
      });
  }
  await prepareSqlLedger(url, ACCOUNTS);
  const app = await measure(sql(openSqlApp(url, CONNECTIONS), ACCOUNTS), ACCOUNTS, 1, seconds);
  const ours = await measure(await drawdown(url, ACCOUNTS), ACCOUNTS, 1, seconds);
  results.push({
    name: 'consume, one at a time, p50',
    ours: ours.p50,
    baseline: app.p50,
    baselineName: 'SQL-app',
    ratio: app.p50 / ours.p50,
    goal: 1,
    unit: 'ms',
  });
  return results;
}

async function measure(
  ledger: Ledger,
  accounts: number,
  inFlight: number,
  seconds: number,
): Promise<LoadResult> {
  const run = `${Date.now()}-${randomInt(1e9)}`;
  const warmup = await runLoad(inFlight, Math.min(1, seconds / 3), (n) =>
    ledger.consume(1 + randomInt(accounts), `${run}-w${n}`),
  );
  const result = await runLoad(inFlight, seconds, (n) =>
    ledger.consume(1 + randomInt(accounts), `${run}-${n}`),
  );
  await ledger.check(warmup.count + result.count);
  await ledger.close();
  return result;
}

function sql(ledger: SqlLedger, accounts: number): Ledger {
  return {
    consume: (customer, key) => ledger.consume(customer, 1, key),
    async check(consumed) {
      const { remaining, movements } = await ledger.totals();
      const granted = BigInt(accounts) * BigInt(GRANTS_PER_ACCOUNT) * BigInt(GRANT_AMOUNT);
      if (movements !== BigInt(consumed) || remaining !== granted - BigInt(consumed))
        throw new Error('the SQL ledger does not add up');
    },
    close: () => ledger.close(),
  };
}

let tenants = 0;

async function drawdown(url: string, accounts: number): Promise<Ledger> {
  const tenant = `bench${Date.now()}x${tenants++}`;
  const pool = new pg.Pool({ connectionString: url, max: 10 });
  const eventStore = await openPostgresEventStore({ connectionString: url });
  await migrateReadModels(url);
  const readModels = await createReadModels({
    eventStore,
    pool,
    project: true,
    onError: (error) => console.error(error),
  });
  const writer = createStreamWriter({
    eventStore,
    clock: () => Date.now(),
    writeCache: await openPostgresWriteCache(pool, eventStore.identity),
  });
  await Promise.all(Array.from({ length: accounts }, (_, index) => grant(writer, tenant, `c${index + 1}`)));
  await readModels.waitForPosition(await eventStore.head(), 600_000);
  return {
    async consume(customer, key) {
      await writer.execute(account, `c${customer}`, {
        context: { tenant, actor: 'bench', correlationId: key, idempotencyKey: key },
        operation: 'credits.consume',
        input: { customerId: `c${customer}`, unit: 'calls', amount: '1' },
        command: (now): CreditCommand => ({
          type: 'Consume',
          now,
          consumptionId: `con_${key}`,
          unit: 'calls',
          amount: one,
          onShortage: 'refuse',
          effectiveAt: now,
          context: {},
        }),
      });
    },
    async check(consumed) {
      await readModels.waitForPosition(await eventStore.head(), 600_000);
      let remaining = 0n;
      for (let customer = 1; customer <= accounts; customer++) {
        const { state } = await writer.read(account, tenant, `c${customer}`, Infinity);
        remaining += state.units.get('calls')!.balance / one;
      }
      const granted = BigInt(accounts) * BigInt(GRANTS_PER_ACCOUNT) * BigInt(GRANT_AMOUNT);
      const { rows } = await pool.query<{ balance: string }>(
        'select sum(balance)::numeric(40, 0)::text as balance from read_models.balances where tenant = $1',
        [tenant],
      );
      if (remaining !== granted - BigInt(consumed) || BigInt(rows[0]!.balance) !== remaining)
        throw new Error('the ledger does not add up');
    },
    async close() {
      await writer.close();
      await readModels.close();
      await eventStore.close();
      await pool.end();
    },
  };
}

async function grant(writer: ClosableStreamWriter, tenant: string, customer: string): Promise<void> {
  await writer.execute(account, customer, {
    context: { tenant, actor: 'bench', correlationId: 'prepare' },
    operation: 'grants.create',
    input: {},
    command: (now): CreditCommand => ({
      type: 'IssueGrants',
      now,
      grants: Array.from({ length: GRANTS_PER_ACCOUNT }, (_, index) => ({
        grantId: `${customer}-g${index}`,
        unit: 'calls',
        amount: BigInt(GRANT_AMOUNT) * one,
        effectiveAt: now,
        expiresAt: now + (365 + index) * 86_400_000,
        priority: 50,
        category: 'promotional' as const,
        source: 'manual',
        kind: 'prepaid' as const,
        scope: 'merchant' as const,
        costBasis: '0',
      })),
    }),
  });
}
