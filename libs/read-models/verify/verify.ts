import type pg from 'pg';
import type { Checkpoint, EventStore, LogSlice, Position, RecordedEvent } from '#libs/event-store';
import { assertOurs, loadStandings, type Standing } from '../checkpoints/checkpoints.js';
import { transaction, WRITING_SESSION } from '../database.js';
import { createProgress, type Progress } from '../progress.js';
import { PROJECTIONS } from '../projections.js';
import { databaseError, run } from '../sink.js';
import { LIVE } from '../table.js';
import { createChecks } from './checks.js';
import { compareAccounts, readsBeside } from './compare.js';
import { compareRows, deriveReadModels, type Difference } from './derived.js';
import type { Fault, LogCheck } from './log-check.js';

export type { Difference } from './derived.js';
export type { Fault } from './log-check.js';

export interface VerifyOptions {
  readonly eventStore: EventStore;
  /** Database of the read models, migrated. */
  readonly pool: pg.Pool;
  /** Called a few times a second. */
  readonly onProgress?: (progress: Progress) => void;
  /** Most faults and most differences that are listed; all are counted. Default 1000. */
  readonly maxListed?: number;
  /** Ends the verification. */
  readonly signal?: AbortSignal;
}

/** One thing that was checked. */
export interface CheckResult {
  /** `positions`, `hash chains`, `payloads`, `balances`, `invoices`, `usage`, or `read model` and its name. */
  readonly name: string;
  readonly checked: number;
  /** What was counted. */
  readonly of: LogCheck['of'] | 'rows';
  readonly faults: number;
  /** The first fault by position; no position where it is about a read model as a whole. */
  readonly first: { readonly position: Position | null; readonly reason: string } | null;
  /** Of a read model: the position that its rows reflect and were compared at. */
  readonly at?: Position;
  /** Of a read model: the digest of its rows. */
  readonly digest?: string;
}

export interface Verification {
  readonly eventsChecked: number;
  readonly streams: number;
  readonly seconds: number;
  /** Everything that was checked, also what was found good. */
  readonly checks: readonly CheckResult[];
  /** Positions at which the read models were compared. */
  readonly comparedAt: Readonly<Record<string, Position>>;
  /** The first of what is wrong in the log. */
  readonly faults: readonly (Fault & { readonly check: string })[];
  readonly faultCount: number;
  /** The first rows that are not what the log says. */
  readonly differences: readonly Difference[];
  readonly differenceCount: number;
}

/** Differences are told in UTC. */
const SESSION = `${WRITING_SESSION}; set timezone = 'UTC'`;
const SCANNING = `set local enable_seqscan = on; set local enable_hashjoin = on; set local enable_mergejoin = on`;
const BY_KEY = `set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off`;

/**
 * Derives everything again from the log, read once from its start, and compares: positions, hash chains, every account folded
 * by the decider's own code with conservation of every grant, and all rows of all read models, column by column, at the very
 * position they reflect. For these the log is projected once more into temporary tables of the database, and balances,
 * grants and transactions so made are held against the accounts as well.
 * Reading, writing and rebuilding go on meanwhile. Keeps one hash per stream and what is open of each account in memory.
 *
 * Two things only a copy kept elsewhere shows, such as an export: the last events of a stream or of the log were cut off
 * and all positions, the head and the read models made to fit; or everything behind a changed event was forged anew, with
 * hashes, ids and read models. Events of different streams that changed places show in the rows of read models alone.
 * @throws ReadModelsOfAnotherLog; what the signal was aborted with
 */
export async function verifyLedger(options: VerifyOptions): Promise<Verification> {
  let client: pg.PoolClient;
  try {
    client = await options.pool.connect();
  } catch (error) {
    throw databaseError(error);
  }
  client.on('error', () => {}); // the statement in hand reports it
  try {
    return await verify(options, client);
  } finally {
    client.release(true); // with its temporary tables
  }
}

async function verify(
  { eventStore, onProgress, maxListed = 1000, signal }: VerifyOptions,
  client: pg.PoolClient,
): Promise<Verification> {
  const names = PROJECTIONS.map(({ name }) => name);
  const progress = createProgress(eventStore, onProgress);
  const { checks, chain, accounts } = createChecks(eventStore);
  const faults = createTally<Verification['faults'][number]>(maxListed);
  const differences = createTally<Difference>(maxListed);
  await run(client, SESSION);
  const derived = await deriveReadModels(client, PROJECTIONS);
  const first = await loadStandings(client, names);
  const everywhere = names.reduce(
    (least, name) => min(least, first.get(name)?.position ?? 0n),
    await eventStore.head(),
  );
  /** The read models' rows in one snapshot: taken as late as possible, so as to hold up nobody for long. */
  let standings: ReadonlyMap<string, Standing> | undefined;
  const positionOf = (name: string): Position => standings?.get(name)?.position ?? 0n;
  const pending = new Set(names);

  async function takeSnapshot(): Promise<void> {
    await run(client, 'begin isolation level repeatable read read only'); // temporary tables are written all the same
    // before the snapshot is taken, so that no rebuild swaps the tables under it
    const tables = PROJECTIONS.flatMap((projection) =>
      projection.tables.map(({ name }) => `${LIVE}.${name}`),
    );
    await run(client, `lock table ${tables.join(', ')} in access share mode`);
    standings = await loadStandings(client, names);
    assertOurs(standings, [...standings.keys()], eventStore);
  }

  /** Holds what was derived of the read models whose rows reflect nothing behind this position against the accounts. */
  async function compareBefore(position: Position | null): Promise<void> {
    for (const name of pending) {
      if (position !== null && position <= positionOf(name)) continue;
      pending.delete(name);
      const compared = [name, ...readsBeside(name)];
      if (compared.some((one) => derived.failed.has(one) || positionOf(one) !== positionOf(name))) continue;
      await run(client, SCANNING);
      await compareAccounts(client, name, accounts, (difference) => differences.add(name, difference));
      await run(client, BY_KEY);
    }
  }

  async function checkAll(event: RecordedEvent): Promise<void> {
    if (standings && pending.size > 0) await compareBefore(event.position);
    const { stream, revision, position } = event;
    for (const { name: check, check: examine } of checks)
      for (const reason of reasonsOf(() => examine(event)))
        faults.add(check, { check, stream, revision, position, reason });
  }

  const read = (after: Checkpoint | null): Promise<LogSlice> => {
    const slice = eventStore.readAll(after, PAGE);
    slice.catch(() => undefined); // whoever asks for it is told
    return slice;
  };

  let last = 0n;
  let head: Position;
  let missed: Position | undefined;
  for (let next = read(null); ;) {
    signal?.throwIfAborted();
    const slice = await next;
    const { events, checkpoint, position } = slice;
    const full = events.length === PAGE;
    if (full) next = read(checkpoint);
    if (!standings && position > everywhere) await takeSnapshot();
    if (standings) await derived.take(slice, positionOf);
    else await transaction(client, () => derived.take(slice, () => position));
    for (const event of events) await checkAll(event);
    last = events.at(-1)?.position ?? last;
    await progress.read(events.length, position);
    if (full) continue;
    // what was appended since is read too; what is missing at the end stays missing
    head = await eventStore.head();
    if (head <= last || (events.length === 0 && head === missed)) break;
    missed = head;
    next = read(checkpoint);
  }
  if (!standings) await takeSnapshot();
  await compareBefore(null);
  for (const { name: check, end } of checks)
    for await (const fault of end?.(last, head) ?? []) faults.add(check, { check, ...fault });

  await run(client, SCANNING);
  const readModels: CheckResult[] = [];
  for (const projection of PROJECTIONS) {
    signal?.throwIfAborted();
    const { name } = projection;
    const whole = (member: string, expected: string | null, found: string): void =>
      differences.add(name, { ...WHOLE, readModel: name, member, expected, found });
    const at = positionOf(name);
    if (at > head) whole('position', `at most ${head}`, at.toString());
    const stopped = standings!.get(name)?.stopped;
    if (stopped) whole('stopped', null, stopped);
    const failure = derived.failed.get(name);
    if (failure)
      differences.add(name, {
        ...WHOLE,
        readModel: name,
        position: failure.position,
        member: 'all rows',
        expected: `none: ${failure.reason}`,
        found: 'not compared',
      });
    const { rows, digest } = await compareRows(
      client,
      failure ? { ...projection, tables: [] } : projection,
      maxListed,
      (some, count) => differences.addSome(name, some, count),
    );
    const { count, listed } = differences.of(name);
    const earliest = listed.reduce<Difference | null>((a, b) => (a && before(a, b) ? a : b), null);
    readModels.push({
      name: `read model ${name}`,
      checked: rows,
      of: 'rows',
      faults: count,
      first: earliest && { position: earliest.position, reason: textOf(earliest) },
      at,
      digest,
    });
  }
  await run(client, 'commit');
  await progress.read(0, head, true);
  return {
    eventsChecked: chain.checked,
    streams: chain.heads.size,
    seconds: progress.seconds(),
    checks: [
      ...checks.map(({ name, of, checked }): CheckResult => {
        const { count, listed } = faults.of(name);
        const [one] = listed;
        const firstFault = one
          ? { position: one.position, reason: `${one.stream} ${one.reason}`.trim() }
          : null;
        return { name, checked: checked(), of, faults: count, first: firstFault };
      }),
      ...readModels,
    ],
    comparedAt: Object.fromEntries(names.map((name) => [name, positionOf(name)])),
    faults: faults.listed,
    faultCount: faults.count(),
    differences: differences.listed,
    differenceCount: differences.count(),
  };
}

/** Events read at once. */
const PAGE = 2000;
/** Of a read model as a whole. */
const WHOLE = { position: null, tenant: '', customerId: '', key: '' };

const min = (a: Position, b: Position): Position => (a < b ? a : b);
const before = (a: Difference, b: Difference): boolean =>
  a.position !== null && (b.position === null || a.position <= b.position);

/** A check that cannot make sense of an event has found something. */
function reasonsOf(examine: () => readonly string[]): readonly string[] {
  try {
    return examine();
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}

const textOf = ({ tenant, customerId, key, member, expected, found }: Difference): string =>
  [tenant, customerId, key, `${member}: expected ${expected ?? 'nothing'}, found ${found ?? 'nothing'}`]
    .filter((part) => part !== '')
    .join(' ');

/** Findings by the check that found them: all counted, the first of each listed. */
function createTally<Finding>(most: number) {
  const listed: Finding[] = [];
  const byCheck = new Map<string, { count: number; readonly listed: Finding[] }>();
  const of = (check: string) => {
    let own = byCheck.get(check);
    if (!own) byCheck.set(check, (own = { count: 0, listed: [] }));
    return own;
  };
  function addSome(check: string, some: readonly Finding[], count: number): void {
    const own = of(check);
    own.count += count;
    for (const finding of some) {
      if (own.listed.length < most) own.listed.push(finding);
      if (listed.length < most) listed.push(finding);
    }
  }
  return {
    listed,
    of,
    addSome,
    add: (check: string, finding: Finding): void => addSome(check, [finding], 1),
    count: () => [...byCheck.values()].reduce((sum, { count }) => sum + count, 0),
  };
}
