import type pg from 'pg';
import type { EventStore } from '#libs/event-store';
import { formatInstant, parseInstant } from '#libs/kernel';
import {
  asOfSchema,
  dropAsOf,
  NotInTheLog,
  rebuildAsOf,
  rebuildReadModels,
  type AsOf,
  type AsOfResult,
  type Progress,
  type RebuildResult,
  type TableDigest,
} from '#libs/read-models';
import { interruptible } from './interrupt.js';
import type { TransferBar } from './transfer.js';

export interface RebuildContext {
  readonly pool: pg.Pool;
  readonly eventStore: EventStore;
  readonly bar: (label: string) => TransferBar;
  /** Which read models; none: all. */
  readonly names: readonly string[];
}

export const REBUILD_HELP = `
Serving goes on meanwhile. What is interrupted leaves the live read models as they are and may be run again; one rebuild
runs at a time. The digests are of rows: "unchanged" says that the live ones were those that the log makes.

--to builds beside the live read models, which it does not touch, a schema of its own with the same tables and indexes:
  drawdown rebuild --to 120000                    schema read_models_at_120000: everything up to that position
  drawdown rebuild --to 2026-01-31T23:59:59.999Z  everything recorded at or before it, in each stream
Running it again replaces that schema at once when the new one is complete, and with it what was granted on it:
  grant usage on schema read_models_at_120000 to finance;
  grant select on all tables in schema read_models_at_120000 to finance;
The schema stays until \`drawdown rebuild --to <the same> --drop\`. A time names everything known now; it stays the same
from then on, as long as no process whose clock is behind records into the past.`;

/** A position, or a time with seconds and zone; null for anything else. */
export function asOfFrom(text: string): AsOf | null {
  if (/^\d{1,18}$/.test(text)) return { position: BigInt(text) };
  const recordedAt = parseInstant(text);
  return recordedAt === null ? null : { recordedAt };
}

export function rebuild({ pool, eventStore, bar, names }: RebuildContext): Promise<RebuildResult> {
  const shown = bar('rebuild');
  return interruptible(
    (signal) => rebuildReadModels({ pool, eventStore, ...chosen(names), signal, onProgress: showOn(shown) }),
    'interrupted; the live read models are as they were, and the same command may be run again',
  ).finally(() => shown.stop());
}

export function rebuildTo(
  { pool, eventStore, bar, names }: RebuildContext,
  to: AsOf,
  now: number,
): Promise<AsOfResult> {
  const shown = bar('rebuild');
  return interruptible((signal) =>
    rebuildAsOf({ pool, eventStore, to, now, ...chosen(names), signal, onProgress: showOn(shown) }),
  ).finally(() => shown.stop());
}

/** @throws NotInTheLog when there is no such schema */
export async function dropTo({ pool }: Pick<RebuildContext, 'pool'>, to: AsOf): Promise<{ dropped: string }> {
  if (!(await dropAsOf(pool, to))) throw new NotInTheLog(`There is no schema ${asOfSchema(to)}.`);
  return { dropped: asOfSchema(to) };
}

const chosen = (names: readonly string[]) => (names.length === 0 ? {} : { names });

export const showOn =
  (bar: TransferBar) =>
  ({ position, head, eventsPerSecond }: Progress): void =>
    bar.update(position, head, eventsPerSecond);

export const rebuildLines = ({ events, seconds, digests }: RebuildResult): readonly string[] => [
  `Rebuilt from ${events} events in ${seconds.toFixed(1)} s.`,
  ...digests.map(({ name, comparedAt, live, rebuilt, same, built }) => {
    const was =
      comparedAt === null
        ? 'was empty'
        : same
          ? `unchanged at position ${comparedAt}`
          : `WRONG at position ${comparedAt}: was ${live}, should have been ${rebuilt}`;
    return `  ${name}: ${was}; is at position ${built.position}: ${built.tables.map(rowsOf).join('; ')}`;
  }),
];

export const rebuildToLines = (
  { schema, position, events, leftOut, seconds, tables }: AsOfResult,
  to: AsOf,
): readonly string[] => [
  `Built schema ${schema} from ${events} events, the last at position ${position}, in ${seconds.toFixed(1)} s.`,
  ...('recordedAt' in to
    ? [
        `  everything recorded at or before ${formatInstant(to.recordedAt)}` +
          (leftOut === 0 ? '' : `; left out ${leftOut} events before that position that were recorded later`),
      ]
    : []),
  ...tables.map((table) => `  ${table.table}: ${rowsOf(table)}`),
  `Ask it: select * from ${schema}.${tables[0]?.table} limit 10;`,
];

const rowsOf = ({ rows, digest }: TableDigest): string => `${rows} rows, ${digest}`;
