import type pg from 'pg';
import type { EventStore } from '#libs/event-store';
import { verifyLedger, type CheckResult, type Verification } from '#libs/read-models';
import { interruptible } from './interrupt.js';
import { showOn } from './rebuild.js';
import type { TransferBar } from './transfer.js';

export const VERIFY_HELP = `
The log is read once from its start and checked: positions without a gap (where the store numbers them densely) and
revisions of every stream, the hash chain of every stream, every account folded by the decider itself. Read models are made
once more in temporary tables, as large as they are, and compared column by column at the position their rows reflect.
Each usage that subscriptions count is on exactly one line of an issued invoice, covered by credits there or not, or still
unbilled, and what lines say of it is what the accounts say: for that the accounts are read a second time. Reading, writing and rebuilding go on. Exit code 1 on any difference.

What it cannot know without a copy kept elsewhere, such as an export or its digest:
  - the last events of a stream or of the log are cut off, and positions, the log's head and read models made to fit;
  - everything behind a changed event is forged anew with hashes and ids, and read models with it.
Events of different streams that changed places show in the rows of read models only: verify before a rebuild.`;

export function verify(
  { pool, eventStore }: { readonly pool: pg.Pool; readonly eventStore: EventStore },
  bar: (label: string) => TransferBar,
): Promise<Verification> {
  const shown = bar('verify');
  return interruptible((signal) =>
    verifyLedger({ pool, eventStore, signal, onProgress: showOn(shown) }),
  ).finally(() => shown.stop());
}

export const isSound = ({ checks }: Verification): boolean => checks.every(({ faults }) => faults === 0);

/** Most findings printed one by one; all are counted. */
const PRINTED = 50;

export const verifyLines = (result: Verification): readonly string[] => [
  ...result.checks.map(lineOf),
  `${result.eventsChecked} events of ${result.streams} streams checked in ${result.seconds.toFixed(1)} s.`,
  `${result.faultCount} faults in the log, ${result.differenceCount} differences in the read models.`,
  ...[...result.faults, ...result.differences]
    .slice(0, PRINTED)
    .map(
      (finding) =>
        `  ${JSON.stringify(finding, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value))}`,
    ),
];

function lineOf({ name, checked, of, faults, first, at, digest }: CheckResult): string {
  const what = `${checked} ${of}${at === undefined ? '' : ` at position ${at}`}${digest ? `, digest ${digest.split(', ').at(-1)}` : ''}`;
  const found = first
    ? `: ${faults} wrong, first ${first.position === null ? '' : `at position ${first.position}: `}${first.reason}`
    : '';
  return `${faults === 0 ? 'ok   ' : 'WRONG'} ${name.padEnd(24)} ${what}${found}`;
}
