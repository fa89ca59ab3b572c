import type pg from 'pg';
import {
  createChainVerifier,
  type Checkpoint,
  type EventStore,
  type LogSlice,
  type Position,
  type RecordedEvent,
} from '#libs/event-store';
import { EVENT_TYPES, UnknownEvent, upcast } from '#libs/event-types';
import { assertOurs, loadStandings } from '../checkpoints/checkpoints.js';
import { inTransaction } from '../database.js';
import { createProgress, type Progress } from '../progress.js';
import { categoryOf, projectedEvent } from '../projection.js';
import { PROJECTIONS } from '../projections.js';
import { run } from '../sink.js';
import { LIVE } from '../table.js';
import { checkEvent, unbalanced, uncheckedAccount, type CheckedAccount } from './account-check.js';
import { accountKey, COMPARED, compareReadModel, type Difference } from './compare.js';

export type { Difference } from './compare.js';

export interface VerifyOptions {
  readonly eventStore: EventStore;
  /** Database of the read models, migrated. */
  readonly pool: pg.Pool;
  /** Called a few times a second. */
  readonly onProgress?: (progress: Progress) => void;
  /** Most faults and most differences that are listed; all are counted. Default 1000. */
  readonly maxListed?: number;
}

/** Something wrong in the log itself. */
export interface Fault {
  readonly stream: string;
  readonly revision: number;
  readonly position: Position;
  readonly reason: string;
}

export interface Verification {
  readonly eventsChecked: number;
  readonly streams: number;
  readonly seconds: number;
  /** Positions at which the read models were compared. */
  readonly comparedAt: Readonly<Record<string, Position>>;
  /** The first of what is wrong in the log: broken hash chains, history that contradicts itself, sums that do not add up. */
  readonly faults: readonly Fault[];
  readonly faultCount: number;
  /** The first rows that are not what the log says. */
  readonly differences: readonly Difference[];
  readonly differenceCount: number;
}

const CREDIT_ACCOUNT = 'creditAccount';

/**
 * Derives everything again from the log, read once from its start, and compares: hash chains, every account folded by the
 * decider's own code, conservation of every grant, and the rows of the read models at the very position they reflect.
 * Reading and writing go on meanwhile. Keeps one hash per stream and what is open of each account in memory.
 */
export async function verifyLedger(options: VerifyOptions): Promise<Verification> {
  const { eventStore, pool } = options;
  const tables = PROJECTIONS.filter(({ name }) => COMPARED.includes(name)).flatMap(
    (projection) => projection.tables,
  );
  return inTransaction(
    pool,
    async (client) => {
      // before the snapshot is taken, so that no rebuild swaps the tables under it
      await run(
        client,
        `lock table ${tables.map(({ name }) => `${LIVE}.${name}`).join(', ')} in access share mode`,
      );
      const standings = await loadStandings(client, COMPARED);
      if (standings.size > 0) assertOurs(standings, COMPARED, eventStore);
      return verify(options, client, new Map(COMPARED.map((name) => [name, standings.get(name)])));
    },
    'begin isolation level repeatable read read only',
  );
}

async function verify(
  { eventStore, onProgress, maxListed = 1000 }: VerifyOptions,
  client: pg.PoolClient,
  standings: ReadonlyMap<
    string,
    { readonly position: Position; readonly stopped: string | null } | undefined
  >,
): Promise<Verification> {
  const chain = createChainVerifier();
  const progress = createProgress(eventStore, onProgress);
  const accounts = new Map<string, CheckedAccount>();
  const pending = new Map([...standings].map(([name, standing]) => [name, standing?.position ?? 0n]));
  const faults = counted<Fault>(maxListed);
  const differences = counted<Difference>(maxListed);

  /** Compares the read models whose rows reflect nothing at or behind this position. */
  async function compareBefore(position: Position | null): Promise<void> {
    for (const [name, at] of pending)
      if (position === null || position > at) {
        pending.delete(name);
        await compareReadModel(client, name, accounts, differences.add);
      }
  }

  let next: Promise<LogSlice> = eventStore.readAll(null, PAGE);
  for (;;) {
    const { events, checkpoint, position } = await next;
    if (events.length === 0) break;
    next = readAhead(eventStore, checkpoint);
    for (const event of events) {
      if (pending.size > 0) await compareBefore(event.position);
      const fault = chain.check(event);
      if (fault) faults.add(fault);
      const known = knownEvent(event);
      if (typeof known === 'string')
        faults.add({
          stream: event.stream,
          revision: event.revision,
          position: event.position,
          reason: known,
        });
      if (categoryOf(event.stream) !== CREDIT_ACCOUNT) continue;
      const projected = projectedEvent(typeof known === 'string' ? event : known);
      const key = accountKey(projected.tenant, projected.entityId);
      const account = accounts.get(key) ?? uncheckedAccount();
      if (account.state.revision < 0) accounts.set(key, account);
      // what follows an event that is not known cannot be folded
      if (typeof known === 'string') account.broken = true;
      const { stream, revision } = event;
      for (const reason of checkEvent(account, projected))
        faults.add({ stream, revision, position: event.position, reason });
    }
    await progress.read(events.length, position);
  }
  const end = await eventStore.head();
  for (const [name, at] of pending)
    if (at > end)
      differences.add({
        ...WHOLE,
        readModel: name,
        member: 'position',
        expected: `at most ${end}`,
        found: at.toString(),
      });
  await compareBefore(null);
  for (const [key, account] of accounts)
    for (const reason of unbalanced(account)) {
      const [tenant, customerId] = key.split('\n');
      const stream = `${CREDIT_ACCOUNT}-${tenant}_${customerId}`;
      faults.add({ stream, revision: account.state.revision, position: end, reason });
    }
  for (const [name, standing] of standings)
    if (standing && standing.stopped !== null)
      differences.add({
        ...WHOLE,
        readModel: name,
        member: 'stopped',
        expected: null,
        found: standing.stopped,
      });
  await progress.read(0, end, true);
  return {
    eventsChecked: chain.checked,
    streams: chain.heads.size,
    seconds: progress.seconds(),
    comparedAt: Object.fromEntries(
      [...standings].map(([name, standing]) => [name, standing?.position ?? 0n]),
    ),
    faults: faults.listed,
    faultCount: faults.count(),
    differences: differences.listed,
    differenceCount: differences.count(),
  };
}

/** The event in its newest shape, or why it is not known here; what others keep in the log is left alone. */
function knownEvent(event: RecordedEvent): RecordedEvent | string {
  const types = EVENT_TYPES.get(categoryOf(event.stream));
  if (types === undefined) return event;
  try {
    return upcast(event, types);
  } catch (error) {
    if (error instanceof UnknownEvent) return error.detail;
    throw error;
  }
}

/** Events read at once. */
const PAGE = 2000;
/** Of a read model as a whole. */
const WHOLE = { tenant: '', customerId: '', key: '' };

function readAhead(eventStore: EventStore, checkpoint: Checkpoint | null): Promise<LogSlice> {
  const slice = eventStore.readAll(checkpoint, PAGE);
  slice.catch(() => undefined); // whoever asks for it is told
  return slice;
}

function counted<Finding>(most: number) {
  const listed: Finding[] = [];
  let count = 0;
  return {
    listed,
    count: () => count,
    add(finding: Finding): void {
      count++;
      if (listed.length < most) listed.push(finding);
    },
  };
}
