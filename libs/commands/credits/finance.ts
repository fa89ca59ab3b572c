import type { Instant } from '#libs/kernel';
import {
  postingsOf,
  totalsOf,
  type CreditEvent,
  type Posting,
  type Totals,
  type TotalsKey,
} from '#libs/credits';
import type { Position, RecordedEvent } from '#libs/event-store';
import { recordedAtOf, streamName, upcast } from '#libs/event-types';
import type { CreditsDeps } from './deps.js';

type Reading = Pick<CreditsDeps, 'eventStore' | 'account'>;

/** Which facts of a tenant: of one customer or of all, after a position. */
export interface Scope {
  readonly tenant: string;
  readonly customerId?: string | undefined;
  /** Exclusive; absent: from the start. */
  readonly after?: Place | undefined;
}

/** Where a reader stands: at an event of the log, and of its stream. */
export interface Place {
  readonly position: Position;
  readonly revision: number;
}

/** A fact of some account of the tenant. */
export interface LedgerFact extends Place {
  readonly fact: CreditEvent;
  readonly event: RecordedEvent;
  readonly customerId: string;
}

/** Events read of the whole log at once. */
const SLICE = 2000;

/**
 * A tenant's facts in the order of the log, up to where it ended when the reading began; of what is passed over the place
 * alone, so that the reader can tell how far it has come. @throws NoSuchPosition
 */
export async function* ledgerFacts(
  { eventStore, account }: Reading,
  { tenant, customerId, after }: Scope,
): AsyncGenerator<LedgerFact | (Place & { readonly fact?: never })> {
  const told = (event: RecordedEvent, of: string): LedgerFact => {
    const { type, data } = upcast(event, account.eventTypes);
    const { position, revision } = event;
    return { fact: { type, data } as unknown as CreditEvent, event, customerId: of, position, revision };
  };
  if (customerId !== undefined) {
    const from = after === undefined ? 0 : after.revision + 1;
    const stream = streamName(account.category, tenant, customerId);
    for await (const event of eventStore.readStream(stream, from)) yield told(event, customerId);
    return;
  }
  const prefix = streamName(account.category, tenant, '');
  const end = await eventStore.head();
  let checkpoint = after === undefined ? null : await eventStore.checkpointBefore(after.position);
  for (;;) {
    const slice = await eventStore.readAll(checkpoint, SLICE);
    for (const event of slice.events) {
      const { position, revision, stream } = event;
      if (position > end) return;
      if (after !== undefined && position <= after.position) continue;
      yield stream.startsWith(prefix)
        ? told(event, decodeURIComponent(stream.slice(prefix.length)))
        : { position, revision };
    }
    if (slice.events.length === 0) return;
    checkpoint = slice.checkpoint;
  }
}

/** What a tenant's or a customer's credit came to, by key; and up to where in the log. */
export async function ledgerTotals(
  deps: Reading,
  scope: Scope,
  keyOf: TotalsKey,
): Promise<{ readonly totals: ReadonlyMap<string, Readonly<Totals>>; readonly position: Position }> {
  const { totals, add } = totalsOf(keyOf);
  let position: Position = 0n;
  for await (const found of ledgerFacts(deps, scope)) {
    ({ position } = found);
    if (found.fact) add(found.fact);
  }
  return { totals, position };
}

/** One fact as the journal books it; its postings add up to nothing in each unit. */
export interface JournalEntry {
  readonly position: Position;
  readonly eventId: string;
  readonly type: string;
  readonly customerId: string;
  readonly recordedAt: string;
  readonly postings: readonly Posting[];
}

/** Half-open, of the time at which a posting counts. */
export interface Period {
  readonly from?: Instant | undefined;
  readonly to?: Instant | undefined;
}

export const within = ({ from = -Infinity, to = Infinity }: Period, at: Instant): boolean =>
  at >= from && at < to;

/** The entry a fact makes in the period; null when it makes none. */
export function journalEntry({ fact, event, customerId }: LedgerFact, period: Period): JournalEntry | null {
  const postings = postingsOf(fact).filter(({ at }) => within(period, at));
  if (postings.length === 0) return null;
  const { position, id, type } = event;
  const recordedAt = new Date(recordedAtOf(event)).toISOString();
  return { position, eventId: id, type, customerId, recordedAt, postings };
}
