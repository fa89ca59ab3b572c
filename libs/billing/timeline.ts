import {
  chargesSeatsAtOnce,
  componentsOf,
  evolve,
  type Subscription,
  type SubscriptionEvent,
} from '#libs/subscriptions';
import type { PriceComponent } from '#libs/catalog';
import { canonicalJson, readInstant, type Instant } from '#libs/kernel';
import type { BillingCycle } from './periods.js';

/** A stretch of time `[from, to)` in which a subscription is charged by the same components, terms and quantity. */
export interface Stretch {
  readonly from: Instant;
  /** Of the fact that began it: of one instant, what stands before is in the stretch before. */
  readonly fromRevision: number;
  to: Instant;
  toRevision: number;
  /** What falls due in here belongs to it: where terms change within a period, the instant of the change is the old ones'. */
  readonly duesFrom: Instant;
  duesTo: Instant;
  /** The same for usage: an override of the price counts from where its period began. */
  readonly usageFrom: Instant;
  usageTo: Instant;
  readonly components: readonly PriceComponent[];
  readonly cycle: BillingCycle;
  readonly priceId: string;
  readonly currency: string;
  readonly planId: string;
  readonly quantity: number | null;
}

/** Seats that are counted from an instant on, by the fact at a revision. */
export interface SeatCount {
  readonly at: Instant;
  readonly revision: number;
  readonly seats: number;
}

/** Terms gave way to others within a period: what is left of it is charged anew. */
export interface TermsChange {
  readonly at: Instant;
  readonly revision: number;
  /** When what follows is due: at once, or with the period's end, or the subscription's where that comes before. */
  readonly dueAt: Instant;
  /** Of the fact that makes it due: its own, or the end. */
  readonly dueRevision: number;
  readonly before: Stretch;
  readonly after: Stretch;
}

/** Somebody whose usage the subscription is charged for, while it counts `[from, to)`. */
export interface Member {
  readonly customerId: string;
  readonly from: Instant;
  to: Instant;
}

/** An instant at which charges are closed: a period began, terms changed at once, or it is over. */
export interface Moment {
  readonly at: Instant;
  /** Of the last fact of that instant. */
  readonly revision: number;
}

/** What a subscription's facts say about what it is charged for. */
export interface Timeline {
  readonly state: Subscription;
  readonly stretches: readonly Stretch[];
  readonly changes: readonly TermsChange[];
  readonly seats: readonly SeatCount[];
  /** Revisions of the periods' beginnings, by instant. */
  readonly periods: ReadonlyMap<Instant, readonly number[]>;
  readonly members: readonly Member[];
  readonly moments: readonly Moment[];
}

/** Reads a subscription's facts, from the first one on. Nothing is charged in a trial or while it is paused. */
export function timelineOf(events: readonly SubscriptionEvent[]): Timeline {
  const stretches: Stretch[] = [];
  const changes: TermsChange[] = [];
  const seats: SeatCount[] = [];
  const periods = new Map<Instant, readonly number[]>();
  const members: Member[] = [];
  const moments: Moment[] = [];
  let open = null as { readonly stretch: Stretch; readonly key: string } | null;
  let state: Subscription | null = null;

  for (const [revision, event] of events.entries()) {
    const before: Subscription | null = state;
    state = evolve(before, event);
    const at = instantOf(event);
    if (event.type === 'SubscriptionCreated')
      members.push({ customerId: state.customerId, from: -Infinity, to: Infinity });
    if (at === null) continue;
    seats.push({ at, revision, seats: state.seats.length });
    if (event.type === 'SubscriptionPeriodBegun') periods.set(at, [...(periods.get(at) ?? []), revision]);
    if (event.type === 'SeatAdded')
      members.push({ customerId: event.data.customerId, from: at, to: Infinity });
    if (event.type === 'SeatRemoved') {
      const member = members.findLast(({ customerId }) => customerId === event.data.customerId);
      if (member) member.to = at;
    }
    const key: string | null =
      before && isChargedAlike(before, state) ? (open?.key ?? null) : chargedBy(state);
    if (key !== (open?.key ?? null)) {
      const left: Stretch | undefined = open?.stretch;
      const usageFrom: Instant =
        event.type === 'PriceOverridden' && left ? Math.max(left.usageFrom, state.period.start) : at;
      const isWithin = before !== null && at < before.period.end;
      const restarts = event.type === 'SubscriptionChanged' && event.data.restarts;
      if (left) {
        const duesTo = isWithin ? at + 1 : at;
        Object.assign(left, { to: at, toRevision: revision, usageTo: usageFrom, duesTo });
      }
      const duesFrom = left && isWithin && !restarts ? at + 1 : at;
      open = key === null ? null : { key, stretch: stretchOf(state, at, revision, duesFrom, usageFrom) };
      if (open) stretches.push(open.stretch);
      if (event.type === 'SubscriptionChanged' && left && open && isWithin) {
        const dueAt = event.data.proration === 'immediate' ? at : before.period.end;
        changes.push({ at, revision, dueAt, dueRevision: revision, before: left, after: open.stretch });
      }
    }
    if (event.type === 'SubscriptionCancelled')
      for (const [index, change] of changes.entries())
        if (change.dueAt > at) changes[index] = { ...change, dueAt: at, dueRevision: revision };
    if (closes(event, state)) {
      if (moments.at(-1)?.at === at) moments.pop();
      moments.push({ at, revision });
    }
  }
  if (!state) throw new Error('a subscription begins with its creation');
  return { state, stretches, changes, seats, periods, members, moments };
}

/** The first moment after the ones that are closed; the facts of one instant are closed together. */
export const momentAfter = ({ moments }: Timeline, revision: number): Moment | undefined =>
  moments.find((moment) => moment.revision > revision);

/**
 * What ended is closed once more, for the usage that was reported late: when no more of it is accepted. No fact stands
 * there, so it goes by the time that was closed.
 * @param accepted milliseconds that usage is accepted back
 */
export function lastMoment(
  { state: { endedAt } }: Timeline,
  closed: { readonly at: Instant; readonly revision: number } | null,
  accepted: number,
): Moment | undefined {
  if (endedAt === null || closed === null || closed.at > endedAt) return undefined;
  return { at: endedAt + Math.max(accepted, 1), revision: closed.revision };
}

function instantOf({ type, data }: SubscriptionEvent): Instant | null {
  if (type === 'SubscriptionCreated') return readInstant(data.startedAt);
  if (type === 'SubscriptionPeriodBegun') return readInstant(data.start);
  // what changes nothing of the subscription has none
  return 'at' in data ? readInstant(data.at) : null;
}

/** Whether a fact has left all of it alone, as most do. */
const isChargedAlike = (before: Subscription, after: Subscription): boolean =>
  before.status === after.status &&
  before.terms === after.terms &&
  before.anchor === after.anchor &&
  before.quantity === after.quantity &&
  before.priceOverride === after.priceOverride;

/** What tells one stretch from the next; null: nothing is charged. */
function chargedBy(state: Subscription): string | null {
  const { status, terms, anchor, quantity } = state;
  if (status !== 'active' || terms.priceId === undefined) return null;
  const { priceId, planId, rule, zone } = terms;
  const components = componentsOf(state) as never;
  return canonicalJson({ components, anchor, rule, zone, priceId, planId, quantity });
}

const stretchOf = (
  state: Subscription,
  from: Instant,
  fromRevision: number,
  duesFrom: Instant,
  usageFrom: Instant,
): Stretch => ({
  from,
  fromRevision,
  to: Infinity,
  toRevision: Infinity,
  duesFrom,
  duesTo: Infinity,
  usageFrom,
  usageTo: Infinity,
  components: componentsOf(state),
  cycle: { anchor: state.anchor, zone: state.terms.zone, rule: state.terms.rule },
  priceId: state.terms.priceId!,
  currency: state.terms.currency!,
  planId: state.terms.planId,
  quantity: state.quantity,
});

function closes({ type, data }: SubscriptionEvent, state: Subscription): boolean {
  switch (type) {
    case 'SubscriptionPeriodBegun':
      return data.number > 0;
    case 'SubscriptionChanged':
      return data.proration === 'immediate';
    case 'SubscriptionCancelled':
    case 'SubscriptionPaused':
      return true;
    case 'SeatAdded':
      return state.status === 'active' && chargesSeatsAtOnce(state.terms);
    default:
      return false;
  }
}
