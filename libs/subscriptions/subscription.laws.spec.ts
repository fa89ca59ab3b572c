import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Problem, readInstant } from '#libs/kernel';
import { fold, terms } from '../../test/support/subscription-facts.js';
import { decide, type SubscriptionCommand } from './decide.js';
import { dueFacts, settled } from './due.js';
import type { SubscriptionEvent } from './events.js';
import { evolve } from './evolve.js';
import type { Subscription } from './subscription.js';

const START = Date.UTC(2026, 0, 31, 10);
const DAY = 86_400_000;
const HOUR = DAY / 24;

const PLANS = [
  terms('a'),
  terms('b', { rule: 'FREQ=WEEKLY', zone: 'Europe/Berlin' }),
  terms('c', { credits: [{ definitionId: 'a-seat', seats: 'per_seat' }, { definitionId: 'c-new' }] }),
];
type Wish = (now: number) => SubscriptionCommand;
const plan = fc.constantFrom(...PLANS);
const seat = fc.constantFrom('ada', 'bob', 'cay');
const wish: fc.Arbitrary<Wish> = fc.oneof(
  fc.constantFrom<Wish>(
    (now) => ({ type: 'Pause', now }),
    (now) => ({ type: 'Resume', now }),
    (now) => ({ type: 'Uncancel', now }),
    (now) => ({ type: 'Cancel', now, atPeriodEnd: true }),
  ),
  seat.map((customerId): Wish => (now) => ({
    type: 'AddSeat',
    now,
    customerId,
    externalCustomerId: customerId,
  })),
  seat.map((customerId): Wish => (now) => ({ type: 'RemoveSeat', now, customerId })),
  fc
    .tuple(plan, fc.constantFrom('now' as const, 'next_cycle' as const))
    .map(([next, when]): Wish => (now) => ({
      type: 'Change',
      now,
      terms: next,
      proration: 'immediate',
      when,
    })),
  fc.integer({ min: 1, max: 3 }).map((cycles): Wish => (now) => ({
    type: 'OverridePrice',
    now,
    components: PLANS[0]!.components,
    cycles,
  })),
);
/** What happens, and how many hours after the last thing that did. */
const life = fc.record({
  trialDays: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
  then: fc.option(plan, { nil: undefined }),
  first: plan,
  wishes: fc.array(fc.tuple(fc.integer({ min: 0, max: 40 * 24 }), wish), { maxLength: 12 }),
  /** Where somebody looks in between, as parts of the gap. */
  looks: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 }),
});

/** The facts of a life; settled before each command alone, or also whenever somebody looks in between. */
function live(
  { trialDays, then, first, wishes, looks }: typeof life extends fc.Arbitrary<infer T> ? T : never,
  often: boolean,
) {
  const events: SubscriptionEvent[] = [];
  let state: Subscription | null = null;
  const record = (made: readonly SubscriptionEvent[]): void => {
    for (const event of made) {
      events.push(event);
      state = evolve(state, event);
    }
  };
  const settle = (now: number): void => {
    for (let due = dueFacts(state, now); due.length > 0; due = dueFacts(state, now)) record(due);
  };
  record(
    decide(
      {
        type: 'Create',
        now: START,
        subscriptionId: 's',
        customerId: 'org',
        terms: first,
        ...(trialDays === undefined ? {} : { trialDays, ...(then ? { then } : {}) }),
      },
      null,
    ),
  );
  let now = START;
  for (const [hours, command] of wishes) {
    const next = now + hours * HOUR;
    if (often) for (const part of [...looks].sort()) settle(now + Math.floor((next - now) * part));
    now = next;
    settle(now);
    try {
      record(decide(command(now), state));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
  }
  settle(now);
  return { events, state: state as unknown as Subscription, now };
}

describe('whatever happens to a subscription', () => {
  it('is the same whether time is looked at late or often', () => {
    fc.assert(
      fc.property(life, (one) => {
        expect(live(one, true)).toEqual(live(one, false));
      }),
      { numRuns: 200 },
    );
  });

  it('reads the same from its facts, and from JSON', () => {
    fc.assert(
      fc.property(life, (one) => {
        const { events, state, now } = live(one, false);
        expect(fold(events)).toEqual(state);
        expect(JSON.parse(JSON.stringify(state))).toEqual(state);
        expect(settled(fold(events), now)).toEqual(state);
      }),
      { numRuns: 100 },
    );
  });

  it('has periods that follow one another without gap or overlap, but for a cycle that begins anew', () => {
    fc.assert(
      fc.property(life, (one) => {
        let before: { number: number; end: number } | null = null;
        let anew: number | null = null;
        for (const { type, data } of live(one, false).events) {
          if (type === 'SubscriptionResumed') anew = readInstant(data.at);
          if (type === 'SubscriptionChanged' && data.restarts) anew = readInstant(data.at);
          if (type !== 'SubscriptionPeriodBegun') continue;
          const [start, end] = [readInstant(data.start), readInstant(data.end)];
          expect(end).toBeGreaterThan(start);
          if (before) expect([data.number, start]).toEqual([before.number + 1, anew ?? before.end]);
          before = { number: data.number, end };
          anew = null;
        }
      }),
      { numRuns: 200 },
    );
  });

  it('begins each line of grants once, renews it once a period, ends it at most once, and nothing after', () => {
    fc.assert(
      fc.property(life, (one) => {
        const { state } = live(one, false);
        const lines = new Map<string, { renewedAt: number; ended: boolean }>();
        for (const step of state.pending) {
          if (step.do === 'release') continue;
          const { definitionId, customerId, seat: of, generation } = step.line;
          const key = [definitionId, customerId, of, generation].join(' ');
          const line = lines.get(key);
          if (step.do === 'begin') {
            expect(line).toBeUndefined();
            lines.set(key, { renewedAt: step.at, ended: false });
            continue;
          }
          expect(line?.ended).toBe(false);
          if (step.do === 'renew') {
            expect(step.start).toBeGreaterThan(line!.renewedAt);
            line!.renewedAt = step.start;
          }
          if (step.do === 'end') line!.ended = true;
        }
        // what is alive is what the terms and the seats bring
        const alive = [...lines.values()].filter(({ ended }) => !ended).length;
        const seats = state.seats.filter(({ removedAt }) => removedAt === null).length;
        const each = state.terms.credits.filter((credit) => credit.seats !== undefined).length;
        expect(alive).toBe(state.status === 'canceled' ? 0 : state.terms.credits.length + seats * each);
      }),
      { numRuns: 200 },
    );
  });
});
