import {
  DAY,
  formatAmount,
  formatInstant,
  readAmount,
  readInstant,
  type Amount,
  type Instant,
} from '#libs/kernel';
import { unitOf, type AccountState } from './account.js';
import type { UsageContext } from './applicability.js';
import { burnDown } from './burn-down.js';
import { dueFacts } from './due.js';
import type { CreditEvent } from './events.js';
import { evolve } from './evolve.js';
import { movementsOf } from './movements.js';

/** What lies ahead of one unit if usage goes on at a rate. */
export interface UnitOutlook {
  readonly unit: string;
  /** Amount a day. */
  readonly rate: Amount;
  /** The first instant at which nothing is left to draw; null: not up to the horizon. */
  readonly runsOutAt: Instant | null;
  /** Usage up to the horizon that nothing covers. */
  readonly uncovered: Amount;
  /** What grants will forfeit at their end. */
  readonly expiring: readonly { readonly grantId: string; readonly at: Instant; readonly amount: Amount }[];
  /** What renewals will add. */
  readonly renewals: readonly { readonly grantId: string; readonly at: Instant; readonly amount: Amount }[];
}

/** Instants at which the outlook looks again, besides those at which something falls due. */
const MOST_STEPS = 10_000;

/**
 * Plays a unit forward from `now`, the state settled up to then, to `until`: an even rate of usage drawn as the rules say,
 * while grants begin, end and renew. Nothing of it is recorded. Stops early after 10 000 steps.
 */
export function outlook(
  state: AccountState,
  asked: {
    readonly unit: string;
    /** Amount a day, >= 0. */
    readonly rate: Amount;
    readonly now: Instant;
    readonly until: Instant;
    readonly context?: UsageContext;
  },
): UnitOutlook {
  const { unit, rate, now, until, context = {} } = asked;
  let runsOutAt: Instant | null = null;
  let uncovered = 0n;
  const expiring: { grantId: string; at: Instant; amount: Amount }[] = [];
  const renewals: { grantId: string; at: Instant; amount: Amount }[] = [];
  // cut where something falls due, usage still adds up
  const usedUpTo = (time: Instant): Amount => (rate * BigInt(time - now)) / BigInt(DAY);
  let account = state;
  let at = now;
  for (let step = 0; at < until && step < MOST_STEPS; step++) {
    const next = Math.min(until, Math.max(account.nextDue, at + 1));
    const wanted = usedUpTo(next) - usedUpTo(at);
    const { drawn, events } = draw(account, unit, wanted, at, context, step);
    if (drawn < wanted || (rate > 0n && burnDown(unitOf(account, unit), 1n, at, at, context).drawn === 0n)) {
      uncovered += wanted - drawn;
      runsOutAt ??= at + Number((drawn * BigInt(DAY)) / rate);
    }
    account = events.reduce(evolve, account);
    const due = dueFacts(account, next);
    for (const { type, data } of due) {
      if (type === 'GrantExpired' && data.unit === unit)
        expiring.push({
          grantId: data.grantId,
          at: readInstant(data.expiredAt),
          amount: readAmount(data.amount),
        });
      if (type === 'GrantIssued' && data.unit === unit && data.source === 'renewal')
        renewals.push({
          grantId: data.grantId,
          at: readInstant(data.effectiveAt),
          amount: readAmount(data.amount),
        });
    }
    account = due.reduce(evolve, account);
    at = next;
  }
  return {
    unit,
    rate,
    runsOutAt,
    uncovered,
    expiring: expiring.filter(({ amount }) => amount > 0n),
    renewals,
  };
}

/** What usage between two instants at which nothing changes would take, as a fact that is never recorded. */
function draw(
  state: AccountState,
  unit: string,
  wanted: Amount,
  at: Instant,
  context: UsageContext,
  step: number,
): { readonly drawn: Amount; readonly events: readonly CreditEvent[] } {
  const account = unitOf(state, unit);
  const { allocations, drawn } = burnDown(account, wanted, at, at, context);
  if (drawn === 0n) return { drawn, events: [] };
  const event: CreditEvent = {
    type: 'CreditsConsumed',
    data: {
      consumptionId: `ahead ${step}`,
      unit,
      requested: formatAmount(wanted),
      onShortage: 'partial',
      effectiveAt: formatInstant(at),
      allocations: allocations.map(({ grant, amount, remainingAfter }) => ({
        grantId: grant.id,
        amount: formatAmount(amount),
        remainingAfter: formatAmount(remainingAfter),
      })),
      consumed: formatAmount(drawn),
      shortfall: formatAmount(wanted - drawn),
      debt: '0',
      balanceAfter: formatAmount(account.balance - drawn),
      debtAfter: formatAmount(account.debt),
      availableAfter: '0',
    },
  };
  return { drawn, events: [event] };
}

/** Which usage counts when a rate is measured: of a unit, in `[now - days, now)`. */
export interface RateWindow {
  readonly unit: string;
  readonly now: Instant;
  readonly days: number;
}

/** What a fact drew or came to owe within the window, what was taken back counted off. */
export function usedIn(fact: CreditEvent, { unit, now, days }: RateWindow): Amount {
  let used = 0n;
  for (const movement of movementsOf(fact)) {
    const counts = movement.unit === unit && movement.at >= now - days * DAY && movement.at < now;
    if (counts && ['consumption', 'capture', 'debt', 'reversal'].includes(movement.kind))
      used -= movement.amount;
  }
  return used;
}

/**
 * Average amount a day that usage drew or came to owe in the window; never below 0.
 * @param used what all facts together used in the window
 */
export const rateOf = (used: Amount, { days }: Pick<RateWindow, 'days'>): Amount =>
  used > 0n ? used / BigInt(days) : 0n;
