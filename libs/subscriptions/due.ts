import { formatInstant, type Instant } from '#libs/kernel';
import { periodEnd } from './cycle.js';
import type { SubscriptionEvent } from './events.js';
import { evolve } from './evolve.js';
import type { Subscription } from './subscription.js';

/** Most periods that one call begins. What is left is due still: the caller asks again. */
export const PERIODS_AT_ONCE = 50;

/** When time next makes something of a subscription due; null: never. */
export const nextDue = ({ status, period }: Subscription): Instant | null =>
  status === 'trialing' || status === 'active' ? period.end : null;

/**
 * What time has made due up to and including `now`, each at its own instant: the end of a trial and of a period, with what
 * was planned for then. After {@link PERIODS_AT_ONCE} periods it stops: ask again with what it says folded in, until it says
 * nothing.
 */
export function dueFacts(subscription: Subscription | null, now: Instant): readonly SubscriptionEvent[] {
  const facts: SubscriptionEvent[] = [];
  let state = subscription;
  for (let periods = 0; state && periods < PERIODS_AT_ONCE; periods++) {
    const due = nextDue(state);
    if (due === null || due > now) break;
    const made = periodOver(state, due);
    facts.push(...made);
    state = made.reduce(evolve, state);
  }
  return facts;
}

/** All that time has made due, however many periods that is. */
export function settled(subscription: Subscription, now: Instant): Subscription {
  for (let state = subscription; ;) {
    const due = dueFacts(state, now);
    if (due.length === 0) return state;
    state = due.reduce(evolve, state);
  }
}

function periodOver(before: Subscription, instant: Instant): readonly SubscriptionEvent[] {
  const at = formatInstant(instant);
  if (before.cancelAtPeriodEnd) return [{ type: 'SubscriptionCancelled', data: { at } }];
  const facts: SubscriptionEvent[] = [];
  let state = before;
  const record = (event: SubscriptionEvent): void => {
    facts.push(event);
    state = evolve(state, event);
  };
  const wasTrial = before.status === 'trialing';
  if (wasTrial) record({ type: 'SubscriptionTrialEnded', data: { at } });
  const planned = before.change ?? (wasTrial && before.trial?.then ? { terms: before.trial.then } : null);
  if (planned) {
    const { terms } = planned;
    const quantity = before.change?.quantity ?? null;
    const restarts = wasTrial || !sameCycle(terms, before.terms);
    const data = { terms, proration: 'next_cycle' as const, restarts, at };
    record({ type: 'SubscriptionChanged', data: quantity === null ? data : { ...data, quantity } });
  }
  if (before.priceOverride && before.priceOverride.lastPeriod <= before.period.number)
    record({ type: 'PriceOverrideEnded', data: { at } });
  record(nextPeriod(state, instant));
  return facts;
}

/** The period that begins at an instant of the cycle. */
export function nextPeriod({ terms, anchor, period }: Subscription, start: Instant): SubscriptionEvent {
  const end = periodEnd(terms, anchor, start);
  return {
    type: 'SubscriptionPeriodBegun',
    data: {
      // the trial has taken 0; without one the first is 1 all the same
      number: Math.max(period.number, 0) + 1,
      start: formatInstant(start),
      end: formatInstant(end),
    },
  };
}

export const sameCycle = (
  a: { readonly rule: string; readonly zone: string },
  b: { readonly rule: string; readonly zone: string },
): boolean => a.rule === b.rule && a.zone === b.zone;
