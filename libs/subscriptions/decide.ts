import { nextPeriodEnd } from '#libs/calendar';
import type { Metadata, PriceComponent } from '#libs/catalog';
import { formatInstant, issue, Problem, DAY, type Decider, type Instant } from '#libs/kernel';
import { dueFacts, nextPeriod, sameCycle } from './due.js';
import type { PlanTerms, Proration, RefusedGrant, SubscriptionEvent } from './events.js';
import { evolve } from './evolve.js';
import { activeSeats, type Subscription } from './subscription.js';

export type SubscriptionCommand =
  | CreateSubscription
  | { readonly type: 'Pause'; readonly now: Instant; readonly reason?: string }
  | { readonly type: 'Resume'; readonly now: Instant; readonly reason?: string }
  | {
      readonly type: 'Cancel';
      readonly now: Instant;
      readonly atPeriodEnd: boolean;
      readonly reason?: string;
    }
  | { readonly type: 'Uncancel'; readonly now: Instant }
  | ChangeSubscription
  | OverrideFeature
  | { readonly type: 'RevokeFeatureOverride'; readonly now: Instant; readonly slug: string }
  | OverridePrice
  | AddSeat
  | RemoveSeat
  | { readonly type: 'SettleDue'; readonly now: Instant }
  | {
      readonly type: 'RecordDriven';
      readonly throughRevision: number;
      readonly refused: readonly RefusedGrant[];
    };

export interface CreateSubscription {
  readonly type: 'Create';
  readonly now: Instant;
  readonly subscriptionId: string;
  readonly customerId: string;
  readonly terms: PlanTerms;
  readonly quantity?: number;
  /** Not after now; absent: now. */
  readonly start?: Instant;
  /** Days of 24 hours, 1 or more; absent: no trial. */
  readonly trialDays?: number;
  /** What it becomes after the trial; absent: it keeps its terms. */
  readonly then?: PlanTerms;
  readonly metadata?: Metadata;
}

export interface ChangeSubscription {
  readonly type: 'Change';
  readonly now: Instant;
  readonly terms: PlanTerms;
  /** Absent: it stays. */
  readonly quantity?: number;
  readonly proration: Proration;
  readonly when: 'now' | 'next_cycle';
}

export interface OverrideFeature {
  readonly type: 'OverrideFeature';
  readonly now: Instant;
  readonly slug: string;
  readonly value: boolean | string;
  readonly reason?: string;
  /** Absent: now. */
  readonly from?: Instant;
  /** After `from`; absent: until it is revoked. */
  readonly until?: Instant;
}

export interface OverridePrice {
  readonly type: 'OverridePrice';
  readonly now: Instant;
  readonly components: readonly PriceComponent[];
  /** Periods it holds for, the current one included: 1 or more. */
  readonly cycles: number;
  readonly reason?: string;
}

export interface AddSeat {
  readonly type: 'AddSeat';
  readonly now: Instant;
  readonly customerId: string;
  readonly externalCustomerId: string;
  readonly metadata?: Metadata;
  /** Within the current period, not after now; absent: now. */
  readonly at?: Instant;
}

export interface RemoveSeat {
  readonly type: 'RemoveSeat';
  readonly now: Instant;
  readonly customerId: string;
  readonly at?: Instant;
}

/** Most periods that may have passed when a subscription is created. */
const MAX_PAST_PERIODS = 200;

/**
 * The choices of a subscription. What time has made due must already be recorded (see {@link dueFacts}).
 * @throws Problem `not_found`; `already_exists`; `subscription_not_active` where its status does not allow it;
 *   `seat_taken` and `seat_not_found`; `validation_failed` for times
 */
export function decide(
  command: SubscriptionCommand,
  subscription: Subscription | null,
): readonly SubscriptionEvent[] {
  if (command.type === 'Create') return create(command, subscription);
  if (!subscription) throw new Problem('not_found', 'There is no such subscription.');
  switch (command.type) {
    case 'SettleDue':
      return dueFacts(subscription, command.now);
    case 'RecordDriven': {
      const { throughRevision, refused } = command;
      const isTold = subscription.pending.every(({ revision }) => revision > throughRevision);
      if (isTold) return [];
      return [
        { type: 'GrantsDriven', data: { throughRevision, ...(refused.length > 0 ? { refused } : {}) } },
      ];
    }
    case 'Pause': {
      if (subscription.status === 'paused') return [];
      requireStatus(subscription, 'active');
      return [{ type: 'SubscriptionPaused', data: { at: formatInstant(command.now), ...reasonOf(command) } }];
    }
    case 'Resume':
      return resume(command.now, subscription, reasonOf(command));
    case 'Cancel':
      return cancel(command, subscription);
    case 'Uncancel':
      requireStatus(subscription, 'active', 'trialing', 'paused');
      return subscription.cancelAtPeriodEnd
        ? [{ type: 'SubscriptionCancellationUnscheduled', data: { at: formatInstant(command.now) } }]
        : [];
    case 'Change':
      return change(command, subscription);
    case 'OverrideFeature':
      return overrideFeature(command, subscription);
    case 'RevokeFeatureOverride':
      return subscription.overrides.some(({ slug }) => slug === command.slug)
        ? [
            {
              type: 'FeatureOverrideRevoked',
              data: { slug: command.slug, at: formatInstant(command.now) },
            },
          ]
        : [];
    case 'OverridePrice': {
      requireStatus(subscription, 'active', 'trialing');
      const { components, cycles, now } = command;
      return [
        {
          type: 'PriceOverridden',
          data: { components, cycles, ...reasonOf(command), at: formatInstant(now) },
        },
      ];
    }
    case 'AddSeat':
      return addSeat(command, subscription);
    case 'RemoveSeat':
      return removeSeat(command, subscription);
  }
}

export const subscriptionDecider: Decider<Subscription | null, SubscriptionCommand, SubscriptionEvent> = {
  initialState: null,
  decide,
  evolve,
};

function create(command: CreateSubscription, before: Subscription | null): readonly SubscriptionEvent[] {
  const { subscriptionId, customerId, terms, quantity, trialDays, then, metadata, now } = command;
  if (before)
    throw new Problem('already_exists', `There is a subscription ${JSON.stringify(subscriptionId)} already.`);
  const start = command.start ?? now;
  if (start > now)
    throw unacceptable('/startDate', 'timestamp_in_future', 'A subscription does not start ahead of now.');
  refuseLongPast(terms, start, now);
  const trialEnd = trialDays === undefined ? undefined : start + trialDays * DAY;
  const first: SubscriptionEvent = {
    type: 'SubscriptionCreated',
    data: {
      subscriptionId,
      customerId,
      terms,
      ...(quantity === undefined ? {} : { quantity }),
      startedAt: formatInstant(start),
      ...(trialEnd === undefined
        ? {}
        : { trial: { endsAt: formatInstant(trialEnd), ...(then ? { then } : {}) } }),
      ...(metadata ? { metadata } : {}),
      at: formatInstant(now),
    },
  };
  const created = evolve(null, first);
  const period: SubscriptionEvent =
    trialEnd === undefined
      ? nextPeriod(created, start)
      : {
          type: 'SubscriptionPeriodBegun',
          data: { number: 0, start: formatInstant(start), end: formatInstant(trialEnd) },
        };
  const facts = [first, period];
  for (let state = evolve(created, period); ;) {
    const due = dueFacts(state, now);
    if (due.length === 0) return facts;
    facts.push(...due);
    state = due.reduce(evolve, state);
  }
}

function refuseLongPast({ rule, zone }: PlanTerms, anchor: Instant, now: Instant): void {
  let start: Instant | null = anchor;
  for (let periods = 0; start !== null && start <= now; periods++) {
    if (periods > MAX_PAST_PERIODS)
      throw unacceptable(
        '/startDate',
        'out_of_range',
        `More than ${MAX_PAST_PERIODS} periods would have passed.`,
      );
    start = nextPeriodEnd({ rule, zone, anchor }, start);
  }
}

function resume(
  now: Instant,
  subscription: Subscription,
  reason: { readonly reason?: string },
): readonly SubscriptionEvent[] {
  requireStatus(subscription, 'paused');
  const resumed: SubscriptionEvent = {
    type: 'SubscriptionResumed',
    data: { at: formatInstant(now), ...reason },
  };
  return [resumed, nextPeriod(evolve(subscription, resumed), now)];
}

function cancel(
  command: SubscriptionCommand & { readonly type: 'Cancel' },
  subscription: Subscription,
): readonly SubscriptionEvent[] {
  const { status, period, cancelAtPeriodEnd } = subscription;
  const at = formatInstant(command.now);
  // what is paused has no period that ends
  if (command.atPeriodEnd) requireStatus(subscription, 'active', 'trialing');
  else if (status === 'canceled') throw notActive(subscription);
  if (!command.atPeriodEnd) return [{ type: 'SubscriptionCancelled', data: { at, ...reasonOf(command) } }];
  if (cancelAtPeriodEnd) return [];
  return [
    {
      type: 'SubscriptionCancellationScheduled',
      data: { endsAt: formatInstant(period.end), at, ...reasonOf(command) },
    },
  ];
}

function change(command: ChangeSubscription, subscription: Subscription): readonly SubscriptionEvent[] {
  const { terms, proration, when, now } = command;
  const { status } = subscription;
  const quantity = command.quantity === undefined ? {} : { quantity: command.quantity };
  const at = formatInstant(now);
  requireStatus(subscription, 'active', 'trialing');
  if (when === 'next_cycle') {
    const { change: planned } = subscription;
    const isPlanned =
      planned?.terms.planId === terms.planId &&
      planned.terms.priceId === terms.priceId &&
      planned.quantity === (command.quantity ?? null);
    return isPlanned ? [] : [{ type: 'SubscriptionChangeScheduled', data: { terms, ...quantity, at } }];
  }
  const restarts = status === 'active' && !sameCycle(terms, subscription.terms);
  const changed: SubscriptionEvent = {
    type: 'SubscriptionChanged',
    data: { terms, ...quantity, proration, restarts, at },
  };
  return restarts ? [changed, nextPeriod(evolve(subscription, changed), now)] : [changed];
}

function overrideFeature(command: OverrideFeature, subscription: Subscription): readonly SubscriptionEvent[] {
  const { slug, value, now, from = now, until } = command;
  requireStatus(subscription, 'active', 'trialing', 'paused');
  if (until !== undefined && until <= from)
    throw unacceptable('/effectiveUntil', 'not_after_start', 'effectiveUntil must lie after effectiveFrom.');
  return [
    {
      type: 'FeatureOverridden',
      data: {
        slug,
        value,
        ...reasonOf(command),
        from: formatInstant(from),
        until: until === undefined ? null : formatInstant(until),
        at: formatInstant(now),
      },
    },
  ];
}

function addSeat(command: AddSeat, subscription: Subscription): readonly SubscriptionEvent[] {
  const { customerId, externalCustomerId, metadata } = command;
  requireStatus(subscription, 'active', 'trialing');
  const at = withinPeriod(command, subscription);
  if (activeSeats(subscription).some((seat) => seat.customerId === customerId))
    throw new Problem('seat_taken', `${JSON.stringify(externalCustomerId)} has a seat already.`);
  const data = { customerId, externalCustomerId, ...(metadata ? { metadata } : {}), at: formatInstant(at) };
  return [{ type: 'SeatAdded', data }];
}

function removeSeat(command: RemoveSeat, subscription: Subscription): readonly SubscriptionEvent[] {
  requireStatus(subscription, 'active', 'trialing', 'paused');
  const seat = activeSeats(subscription).find(({ customerId }) => customerId === command.customerId);
  if (!seat) throw new Problem('seat_not_found', `${command.customerId} has no seat.`);
  const at = withinPeriod(command, subscription);
  if (at < seat.addedAt)
    throw unacceptable('/timestamp', 'out_of_range', 'The seat was not taken yet at that time.');
  const { customerId, externalCustomerId } = seat;
  const countedUntil = formatInstant(Math.max(subscription.period.end, at));
  return [
    { type: 'SeatRemoved', data: { customerId, externalCustomerId, countedUntil, at: formatInstant(at) } },
  ];
}

/** When a seat changes: within the current period, which alone is still open. */
function withinPeriod({ at, now }: AddSeat | RemoveSeat, { period }: Subscription): Instant {
  if (at === undefined) return now;
  if (at > now) throw unacceptable('/timestamp', 'timestamp_in_future', 'timestamp lies ahead of now.');
  if (at < period.start)
    throw unacceptable('/timestamp', 'out_of_range', 'timestamp lies before the current period.');
  return at;
}

const reasonOf = ({ reason }: { readonly reason?: string }): { readonly reason?: string } =>
  reason === undefined ? {} : { reason };

function requireStatus(subscription: Subscription, ...allowed: readonly Subscription['status'][]): void {
  if (!allowed.includes(subscription.status)) throw notActive(subscription);
}

const notActive = ({ id, status }: Subscription): Problem =>
  new Problem('subscription_not_active', `The subscription ${id} is ${status}.`);

const unacceptable = (pointer: string, code: Parameters<typeof issue>[1], message: string): Problem =>
  new Problem('validation_failed', message, [issue(pointer, code, message)]);
