import { randomInt } from 'node:crypto';
import type { Comparison } from './comparison.js';
import { runLoad, type LoadResult } from './load.js';
import { openDrawdown, type Ledger } from './our-ledger.js';
import {
  GRANT_AMOUNT,
  GRANTS_PER_ACCOUNT,
  openSqlApp,
  openSqlBest,
  prepareSqlLedger,
  type SqlLedger,
} from './sql-ledger.js';

const ACCOUNTS = 10_000;
const CONNECTIONS = 16;

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
    const ours = await measure(await openDrawdown(url, accounts), accounts, inFlight, seconds);
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
  const ours = await measure(await openDrawdown(url, ACCOUNTS), ACCOUNTS, 1, seconds);
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
