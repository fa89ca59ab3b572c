import { setTimeout as pause } from 'node:timers/promises';
import { randomInt } from 'node:crypto';
import type { Comparison } from './comparison.js';
import { runLoad } from './load.js';
import { openDrawdown, type OurLedger } from './our-ledger.js';
import { ownDatabase } from './own-database.js';

const ACCOUNTS = 10_000;
const IN_FLIGHT = 512;
/** A read model may be so many milliseconds behind the log. */
const LAG_BOUND = 250;
const SAMPLE_EVERY = 20;

/** How far the read models are behind while the writer is given all that it takes. */
export async function benchLag(server: string, seconds: number): Promise<Comparison[]> {
  const ledger = await openDrawdown(await ownDatabase(server), ACCOUNTS);
  const { lags } = await underLoad(ledger, 4 * seconds);
  await ledger.close();
  const third = Math.floor(lags.length / 3);
  const [early, late] = [lags.slice(0, third), lags.slice(-third)].map((some) => quantile(some, 0.5)) as [
    number,
    number,
  ];
  const p99 = quantile(lags, 0.99);
  return [
    {
      name: 'lag of the read models under full load, p99',
      ours: p99,
      baseline: LAG_BOUND,
      baselineName: 'bound',
      ratio: LAG_BOUND / p99,
      goal: 1,
      unit: 'ms',
    },
    {
      name: 'lag in the last third of the load, p50',
      ours: late,
      baseline: early,
      baselineName: 'first third',
      ratio: early / late,
      goal: 0.8,
      unit: 'ms',
    },
  ];
}

/** The same for minutes, with the memory of the process beside the lag, as charts. 5 seconds stand for 10 minutes. */
export async function benchSoak(server: string, seconds: number): Promise<Comparison[]> {
  const ledger = await openDrawdown(await ownDatabase(server), ACCOUNTS);
  const { lags, memory, perSecond } = await underLoad(ledger, 120 * seconds);
  await ledger.close();
  const parts = 20;
  const means = (values: readonly number[]): number[] =>
    Array.from({ length: parts }, (_, part) => {
      const own = values.slice((part * values.length) / parts, ((part + 1) * values.length) / parts);
      return own.reduce((sum, value) => sum + value, 0) / own.length;
    });
  process.stderr.write(
    chart('Resident memory, MB', means(memory)) + chart('Lag of the read models, ms', means(lags)),
  );
  const [first, last] = [means(memory)[parts / 2]!, means(memory).at(-1)!];
  return [
    {
      name: `memory after ${2 * seconds} minutes at ${Math.round(perSecond).toLocaleString('en')}/s`,
      ours: last,
      baseline: first,
      baselineName: 'half-way',
      ratio: first / last,
      goal: 0.9,
      unit: 'MB',
    },
  ];
}

const chart = (title: string, values: readonly number[]): string =>
  `\n\`\`\`mermaid\nxychart-beta\n  title "${title}"\n  x-axis "part of the run" 1 --> ${values.length}\n  line [${values.map((value) => value.toFixed(1)).join(', ')}]\n\`\`\`\n`;

/** Loads the ledger; looks at its lag (ms) and at the memory of the process (MB) at regular times. */
async function underLoad({ consume, readModels, eventStore }: OurLedger, seconds: number) {
  const lags: number[] = [];
  const memory: number[] = [];
  let loading = true;
  await runLoad(IN_FLIGHT, 2, (n) => consume(1 + randomInt(ACCOUNTS), `warm${n}`));
  const watch = async (): Promise<void> => {
    const open: { readonly position: bigint; readonly at: number }[] = [];
    while (loading || open.length > 0) {
      // looked at, not waited for: somebody who waits is served at once
      const reached = await readModels.currentPosition();
      while (open[0] && open[0].position <= reached) lags.push(performance.now() - open.shift()!.at);
      if (loading) {
        open.push({ position: await eventStore.head(), at: performance.now() });
        memory.push(process.memoryUsage.rss() / 1e6);
      }
      await pause(SAMPLE_EVERY);
    }
  };
  const watching = watch();
  const { perSecond } = await runLoad(IN_FLIGHT, seconds, (n) => consume(1 + randomInt(ACCOUNTS), `k${n}`));
  loading = false;
  await watching;
  return { lags, memory, perSecond };
}

function quantile(values: readonly number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * q)] ?? NaN;
}
