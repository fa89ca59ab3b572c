import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startEmbeddedPostgres } from '#libs/platform';
import type { Comparison } from './comparison.js';
import { benchConsume } from './consume.js';
import { benchEntitlements } from './entitlements.js';
import { benchEventStore } from './event-store.js';
import { benchHttp } from './http.js';
import { benchInvoices } from './invoices.js';
import { benchScaling } from './scaling.js';
import { benchSize } from './size.js';
import { benchLag, benchSoak } from './steady.js';

const BENCHMARKS: Readonly<Record<string, (url: string, seconds: number) => Promise<Comparison[]>>> = {
  consume: benchConsume,
  entitlements: benchEntitlements,
  'event-store': benchEventStore,
  http: benchHttp,
  invoices: benchInvoices,
  scaling: benchScaling,
  lag: benchLag,
  size: benchSize,
  soak: benchSoak,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false }, seconds: { type: 'string', default: '5' } },
});
const names = positionals.length > 0 ? positionals : Object.keys(BENCHMARKS);
const unknown = names.filter((name) => !(name in BENCHMARKS));
if (unknown.length > 0) {
  process.stderr.write(
    `no benchmark ${unknown.join(', ')}; there is ${Object.keys(BENCHMARKS).join(', ')}\n`,
  );
  process.exit(2);
}

// durable settings: a ledger that forgets is not one
const dataDir = mkdtempSync(join(tmpdir(), 'drawdown-bench-'));
const server = await startEmbeddedPostgres({ dataDir });
try {
  const results: Comparison[] = [];
  for (const name of names) results.push(...(await BENCHMARKS[name]!(server.url, Number(values.seconds))));
  if (values.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
  else
    for (const { name, ours, baseline, baselineName, ratio, goal, unit } of results)
      process.stdout.write(
        `${name.padEnd(42)} ${format(ours).padStart(9)} ${unit}, ${baselineName} ${format(baseline).padStart(9)}: ${ratio.toFixed(2)} x (goal ${goal} x)\n`,
      );
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
} finally {
  await server.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
// what failed may have left something running
process.exit();

function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toFixed(3);
}
