import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { createStreamWriter, openPostgresWriteCache } from '#libs/commands';
import { accountKind } from '#libs/commands/credits';
import type { Comparison } from './comparison.js';
import { inTurns } from './in-turns.js';
import { runLoad } from './load.js';
import { openDrawdown, type OurLedger } from './our-ledger.js';
import { ownDatabase } from './own-database.js';

const HISTORIES = [1_000, 1_000_000] as const;
const IN_FLIGHT = 64;
const LOADS = 21;
const ROUNDS = 3;
const account = accountKind(0);

/** What a consumption costs after a long history and with many grants, and what it takes to load an account anew. */
export async function benchScaling(server: string, seconds: number): Promise<Comparison[]> {
  const results: Comparison[] = [];
  const url = await ownDatabase(server);
  const ledger = await openDrawdown(url, 1 + HISTORIES.length * (ROUNDS + 1));
  const old = createRun(ledger, 1);
  let used = 1;
  const loads: number[] = [];
  for (const history of HISTORIES) {
    await old.upTo(history);
    loads.push(await coldLoad(url, ledger));
    results.push(
      await inTurns(
        {
          name: `consume after ${history.toLocaleString('en')} events`,
          baselineName: 'young account',
          goal: 0.9,
          unit: 'consumes/s',
          ours: () => old.for(seconds),
          baseline: () => createRun(ledger, ++used).for(seconds),
        },
        ROUNDS,
      ),
    );
  }
  const [short, long] = loads as [number, number];
  results.push({
    name: 'load an account of 1,000,000 events',
    ours: long,
    baseline: short,
    baselineName: 'of 1,000',
    ratio: short / long,
    goal: 0.9,
    unit: 'ms',
  });
  await ledger.close();

  const one = await openDrawdown(await ownDatabase(server), 1, 1);
  for (const [grants, goal] of [
    [10, 0.9],
    [1000, 0.5],
  ] as const) {
    const many = await openDrawdown(await ownDatabase(server), 1, grants);
    results.push(
      await inTurns(
        {
          name: `consume with ${grants.toLocaleString('en')} live grants`,
          baselineName: 'one grant',
          goal,
          unit: 'consumes/s',
          ours: () => createRun(many, 1).for(seconds),
          baseline: () => createRun(one, 1).for(seconds),
        },
        ROUNDS,
      ),
    );
    await many.close();
  }
  await one.close();
  return results;
}

/** Consumes on one of the ledger's accounts. */
function createRun(ledger: OurLedger, customer: number) {
  const run = randomUUID();
  let done = 0;
  const consume = (): Promise<void> => ledger.consume(customer, `${run}-${done++}`);
  return {
    /** @returns how many */
    for: async (seconds: number): Promise<number> => (await runLoad(IN_FLIGHT, seconds, consume)).count,
    async upTo(events: number): Promise<void> {
      await Promise.all(
        Array.from({ length: IN_FLIGHT * 8 }, async () => {
          while (done < events) await consume();
        }),
      );
      await ledger.readModels.waitForPosition(await ledger.eventStore.head(), 600_000);
    },
  };
}

/** Milliseconds for a writer that knows nothing yet to know the account; the median. */
async function coldLoad(url: string, { eventStore, tenant }: OurLedger): Promise<number> {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  pool.on('error', () => {}); // a connection that was let go of and ends with the server
  const times: number[] = [];
  const writeCache = await openPostgresWriteCache(pool, eventStore.identity);
  for (let n = 0; n < LOADS; n++) {
    const writer = createStreamWriter({ eventStore, clock: () => Date.now(), writeCache });
    const begun = performance.now();
    await writer.read(account, tenant, 'c1');
    times.push(performance.now() - begun);
    await writer.close();
  }
  await pool.end();
  return times.sort((a, b) => a - b)[LOADS >> 1]!;
}
