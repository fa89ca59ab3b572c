import pg from 'pg';
import { createStreamWriter, openPostgresWriteCache } from '#libs/commands';
import { accountKind } from '#libs/commands/credits';
import type { Comparison } from './comparison.js';
import { runLoad } from './load.js';
import { openDrawdown, type OurLedger } from './our-ledger.js';
import { ownDatabase } from './own-database.js';

const HISTORIES = [1_000, 1_000_000] as const;
const IN_FLIGHT = 64;
const LOADS = 21;
const account = accountKind(0);

/** What a consumption costs after a long history and with many grants, and what it takes to load an account anew. */
export async function benchScaling(server: string, seconds: number): Promise<Comparison[]> {
  const results: Comparison[] = [];
  const url = await ownDatabase(server);
  const ledger = await openDrawdown(url, 1);
  const run = createRun(ledger);
  await run.for(1);
  const young = await run.for(seconds);
  const loads: number[] = [];
  for (const history of HISTORIES) {
    await run.upTo(history);
    loads.push(await coldLoad(url, ledger));
    const old = await run.for(seconds);
    results.push(
      ratio(`consume after ${history.toLocaleString('en')} events`, old, young, 'young account', 0.9),
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

  const rates: number[] = [];
  for (const grants of [1, 10, 1000]) {
    const many = await openDrawdown(await ownDatabase(server), 1, grants);
    const on = createRun(many);
    await on.for(1);
    rates.push(await on.for(seconds));
    await many.close();
  }
  const [one, ten, thousand] = rates as [number, number, number];
  results.push(ratio('consume with 10 live grants', ten, one, 'one grant', 0.9));
  results.push(ratio('consume with 1,000 live grants', thousand, one, 'one grant', 0.5));
  return results;
}

const ratio = (
  name: string,
  ours: number,
  baseline: number,
  baselineName: string,
  goal: number,
): Comparison => ({ name, ours, baseline, baselineName, ratio: ours / baseline, goal, unit: 'consumes/s' });

/** Consumes on the ledger's first account, and counts. */
function createRun(ledger: OurLedger) {
  let done = 0;
  const consume = (): Promise<void> => ledger.consume(1, `n${done++}`);
  return {
    /** @returns consumes a second */
    for: async (seconds: number): Promise<number> => (await runLoad(IN_FLIGHT, seconds, consume)).perSecond,
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
  for (let n = 0; n < LOADS; n++) {
    const writeCache = await openPostgresWriteCache(pool, eventStore.identity);
    const writer = createStreamWriter({ eventStore, clock: () => Date.now(), writeCache });
    const begun = performance.now();
    await writer.read(account, tenant, 'c1');
    times.push(performance.now() - begun);
    await writer.close();
  }
  await pool.end();
  return times.sort((a, b) => a - b)[LOADS >> 1]!;
}
