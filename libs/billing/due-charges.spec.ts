import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatAmount, Problem, readInstant, DAY, HOUR, type Instant } from '#libs/kernel';
import {
  decide,
  dueFacts,
  evolve,
  type PlanTerms,
  type Subscription,
  type SubscriptionCommand,
  type SubscriptionEvent,
} from '#libs/subscriptions';
import { terms } from '../../test/support/subscription-facts.js';
import { momentAfter, ONE, recurringCharges, timelineOf, type SeatCharge } from './index.js';

const START = Date.UTC(2026, 0, 31, 10);

const seatsAt = (planId: string, cents: string, rule: string, more: object = {}): PlanTerms =>
  terms(planId, {
    rule,
    components: [
      {
        id: `c-${planId}`,
        type: 'per_unit',
        label: 'Seats',
        unit_amount_cents: cents,
        recurrence_rule: rule,
        ...more,
      },
    ],
  });
const MONTHLY = seatsAt('monthly', '3000', 'FREQ=MONTHLY');
const PROMPT = seatsAt('prompt', '3000', 'FREQ=MONTHLY', { bill_immediately: true });
const OTHER = seatsAt('other', '5000', 'FREQ=MONTHLY');
const YEARLY = seatsAt('yearly', '30000', 'FREQ=YEARLY');
const WEEKLY = seatsAt('weekly', '700', 'FREQ=WEEKLY', { bill_immediately: true });

/** A life of a subscription from START on, settled before each command; `bill` closes what stands then. */
function life(first: PlanTerms, created: object = {}) {
  const events: SubscriptionEvent[] = [];
  const charges: SeatCharge[] = [];
  let state: Subscription | null = null;
  let closed: { at: Instant; revision: number } | null = null;
  const record = (made: readonly SubscriptionEvent[]): void => {
    events.push(...made);
    state = made.reduce<Subscription | null>(evolve, state);
  };
  const settle = (now: Instant): void => {
    for (let due = dueFacts(state, now); due.length > 0; due = dueFacts(state, now)) record(due);
  };
  const take = (command: SubscriptionCommand): void => {
    if ('now' in command) settle(command.now);
    try {
      record(decide(command, state));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
  };
  const bill = (now: Instant): readonly SeatCharge[] => {
    const before = charges.length;
    settle(now);
    for (;;) {
      const moment = momentAfter(timelineOf(events), closed?.revision ?? -1);
      if (!moment) return charges.slice(before);
      const timeline = timelineOf(events.slice(0, moment.revision + 1));
      const bound = { at: Math.max(moment.at, closed?.at ?? moment.at), revision: moment.revision };
      for (const { charge } of recurringCharges(timeline, 's', closed, bound))
        charges.push(charge as SeatCharge);
      closed = bound;
    }
  };
  record(
    decide(
      { type: 'Create', now: START, subscriptionId: 's', customerId: 'org', terms: first, ...created },
      null,
    ),
  );
  return { events, charges, take, bill };
}

const seat = (customerId: string, now: Instant, at = now) => ({
  add: { type: 'AddSeat', customerId, externalCustomerId: customerId, now, at } as const,
  remove: { type: 'RemoveSeat', customerId, now } as const,
});
const changeTo = (next: PlanTerms, now: Instant, more: object = {}): SubscriptionCommand => ({
  type: 'Change',
  now,
  terms: next,
  proration: 'immediate',
  when: 'now',
  ...more,
});
const told = ({ component, seats, seatsBefore = 0n, change }: SeatCharge): string =>
  `${component.id} ${formatAmount(seats - seatsBefore)}${change ? ` ${change.part}` : ''}`;

describe('a seat that was removed', () => {
  const removed = (created: object = {}) => {
    const one = life(PROMPT, created);
    one.take(seat('a', START + HOUR).add);
    one.take(seat('b', START + 2 * HOUR).add);
    one.bill(START + DAY);
    one.take(seat('b', START + 5 * DAY).remove);
    return one;
  };
  const END = Date.UTC(2026, 1, 28, 10);

  it('is not charged again when the subscription is resumed', () => {
    const one = removed();
    one.take({ type: 'Pause', now: START + 10 * DAY });
    one.bill(START + 10 * DAY);
    one.take({ type: 'Resume', now: START + 11 * DAY });
    expect(one.bill(START + 11 * DAY).map(told)).toEqual(['c-prompt 1']);
    one.take(seat('c', START + 12 * DAY).add);
    one.take({ type: 'Cancel', now: START + 13 * DAY, atPeriodEnd: false });
    expect(one.bill(START + 13 * DAY).map(told)).toEqual(['c-prompt 1 rest']);
  });

  it('is not charged when the trial ends', () => {
    const one = removed({ trialDays: 14 });
    expect(one.bill(START + 15 * DAY).map(told)).toEqual(['c-prompt 1']);
  });

  it('is not charged for a cycle that a change begins', () => {
    const one = removed();
    one.take(changeTo(YEARLY, START + 10 * DAY));
    expect(one.bill(START + 10 * DAY).map(told)).toEqual(['c-prompt 2 unused', 'c-yearly 1']);
  });

  it.each([
    ['a yearly plan', YEARLY, {}, 'c-yearly 1'],
    ['another monthly plan', OTHER, {}, 'c-other 1'],
    ['a quantity', PROMPT, { quantity: 1 }, 'c-prompt 1'],
  ])('is not charged when a planned change to %s takes effect', (_, next, more, line) => {
    const one = removed();
    one.take(changeTo(next, START + 10 * DAY, { when: 'next_cycle', ...more }));
    one.bill(END - 1);
    expect(one.bill(END).map(told)).toEqual([line]);
  });
});

describe('facts of one instant', () => {
  it('charge a seat that is added right before a change, and one right after it, once each', () => {
    const one = life(MONTHLY);
    const now = START + 5 * DAY;
    one.take(seat('a', now).add);
    one.take(changeTo(PROMPT, now));
    one.take(seat('b', now).add);
    const rest = ['c-monthly 1 rest', 'c-monthly 1 unused', 'c-prompt 1 rest', 'c-prompt 1 rest'];
    expect(one.bill(now).map(told).sort()).toEqual(['c-monthly 0', ...rest]);
  });

  it('charge a cycle that begins anew where what stood before was charged already', () => {
    const one = life(MONTHLY, { quantity: 2 });
    one.bill(START);
    one.take(changeTo(YEARLY, START));
    expect(one.bill(START).map(told)).toEqual(['c-monthly 2 unused', 'c-yearly 2']);
  });
});

type Wish = (now: Instant, isLate: boolean) => SubscriptionCommand | 'bill';
const name = fc.constantFrom('a', 'b', 'c', 'd');
const wish: fc.Arbitrary<Wish> = fc.oneof(
  {
    // recorded up to two weeks late
    arbitrary: fc.tuple(name, fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 14 * 24 }))).map(
      ([customerId, late]): Wish =>
        (now, isLate) =>
          seat(customerId, now, isLate ? now - late * HOUR : now).add,
    ),
    weight: 4,
  },
  {
    arbitrary: name.map(
      (customerId): Wish =>
        (now) =>
          seat(customerId, now).remove,
    ),
    weight: 3,
  },
  { arbitrary: fc.constant<Wish>(() => 'bill'), weight: 3 },
  fc.constant<Wish>((now) => ({ type: 'Pause', now })),
  {
    // what was paid is paid up to the pause: it is told apart by its time
    arbitrary: fc.constant<Wish>((now) => ({ type: 'Resume', now: now + HOUR })),
    weight: 2,
  },
  fc
    .record({
      terms: fc.constantFrom(MONTHLY, PROMPT, YEARLY, WEEKLY),
      proration: fc.constantFrom('immediate' as const, 'next_cycle' as const),
      when: fc.constantFrom('now' as const, 'next_cycle' as const),
      quantity: fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }),
    })
    .map(({ quantity, ...change }): Wish => (now, isLate) => ({
      type: 'Change',
      now,
      ...change,
      ...(quantity === undefined || isLate ? {} : { quantity }),
    })),
);

/** Units that count at an instant; null: nothing is charged then. */
function countedAt(events: readonly SubscriptionEvent[], t: Instant): number | null {
  let seats: { id: string; from: Instant; isRemoved: boolean; to: Instant }[] = [];
  let quantity = 0;
  let isActive = false;
  for (const { type, data } of events) {
    const at = 'at' in data && type !== 'SubscriptionCreated' ? readInstant(data.at) : START;
    if (type === 'SeatAdded') seats.push({ id: data.customerId, from: at, isRemoved: false, to: Infinity });
    if (type === 'SeatRemoved') seats.findLast(({ id }) => id === data.customerId)!.isRemoved = true;
    if (type === 'SubscriptionPeriodBegun')
      seats = seats.map((one) =>
        one.isRemoved && one.to === Infinity ? { ...one, to: readInstant(data.start) } : one,
      );
    if (at > t) continue;
    if (type === 'SubscriptionCreated') [quantity, isActive] = [data.quantity ?? 0, !data.trial];
    if (type === 'SubscriptionChanged') quantity = data.quantity ?? quantity;
    if (type === 'SubscriptionTrialEnded' || type === 'SubscriptionResumed') isActive = true;
    if (type === 'SubscriptionPaused' || type === 'SubscriptionCancelled') isActive = false;
  }
  return isActive ? Math.max(quantity, seats.filter(({ from, to }) => from <= t && t < to).length) : null;
}

describe('whatever happens', () => {
  it('each seat is charged exactly once for any instant at which it counts', () => {
    const steps = fc.array(fc.tuple(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 20 * 24 })), wish), {
      minLength: 3,
      maxLength: 14,
    });
    fc.assert(
      fc.property(
        fc.constantFrom(MONTHLY, PROMPT, WEEKLY),
        fc.record({ trialDays: fc.integer({ min: 1, max: 20 }) }, { requiredKeys: [] }),
        // what a quantity has paid for is not told again when a seat of before is recorded late
        fc.boolean(),
        fc.boolean(),
        steps,
        (first, created, isLate, ends, wishes) => {
          const one = life(first, created);
          let now = START;
          for (const [hours, made] of wishes) {
            now += hours * HOUR;
            const command = made(now, isLate);
            if (command === 'bill') one.bill(now);
            else {
              now = 'now' in command ? command.now : now;
              one.take(command);
            }
          }
          // what is owed for changes is due with the end of the period, and asked for once it goes on, or with its own end
          if (ends) one.take({ type: 'Cancel', now, atPeriodEnd: false });
          one.take({ type: 'Resume', now: now + HOUR });
          now += 400 * DAY;
          one.bill(now);
          const pauses = one.events.flatMap(({ type, data }) =>
            type === 'SubscriptionPaused' ? [readInstant(data.at)] : [],
          );
          const spans = one.charges.map(({ seats, seatsBefore = 0n, period, change }) => {
            const from = change?.at ?? period!.start;
            const to = Math.min(period!.end, ...pauses.filter((at) => from <= at));
            return { from, to, units: (change?.part === 'unused' ? -1n : 1n) * (seats - seatsBefore) };
          });
          const instants = [...new Set(spans.flatMap(({ from, to }) => [from, to - 1, to]))];
          for (const t of instants.filter((at) => at < now)) {
            const counted = countedAt(one.events, t);
            if (counted === null) continue;
            const charged = spans
              .filter(({ from, to }) => from <= t && t < to)
              .reduce((sum, { units }) => sum + units, 0n);
            expect([t, charged / ONE]).toEqual([t, BigInt(counted)]);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
