import {
  formatAmount,
  formatInstant,
  multiplyAmounts,
  readAmount,
  DAY,
  LAST_INSTANT,
  type Amount,
  type Instant,
} from '#libs/kernel';
import { nextOccurrence, nextPeriodEnd, occurrencesAfter } from '#libs/calendar';
import type { Series } from './account.js';
import type { CreditEvent } from './events.js';

/** Id of a renewal's grant: occurrence and series alone decide it, so nothing can renew twice. */
export const renewalGrantId = (seriesId: string, occurrence: number): string => `${seriesId}~${occurrence}`;

/** Id of the grant in which the n-th carried balance of a series goes on. */
export const carriedGrantId = (seriesId: string, n: number): string => `${seriesId}~carried~${n}`;

/** By which rule a series goes on, as far as it has one. */
export type Cycle = Pick<Series, 'rule' | 'zone' | 'anchor' | 'lifetime'>;

/** The first occurrence of a series after an instant; Infinity: none, or when billing says. */
export const nextAt = ({ rule, zone, anchor }: Cycle, after: Instant): Instant =>
  (rule === null ? null : nextOccurrence({ rule, zone, anchor }, after)) ?? Infinity;

/**
 * When a grant of the series that begins at `start` ends: after its days, or where as many periods of the rule end, also the
 * last of a rule that does not go on. `periodEnd` is where the billing period ends.
 */
export function endOf(cycle: Cycle, start: Instant, periodEnd: Instant = Infinity): Instant {
  const { lifetime, rule, zone, anchor } = cycle;
  if ('days' in lifetime) return Math.min(start + lifetime.days * DAY, LAST_INSTANT);
  if (rule === null) return periodEnd;
  let end: Instant = start;
  for (let period = 0; period < lifetime.periods && end < Infinity; period++)
    end = nextPeriodEnd({ rule, zone, anchor }, end) ?? Infinity;
  return end;
}

/** How much of what is left of the grants that end together is carried; `amount` is that of the grant which renews. */
export function carriedOf({ rollover }: Pick<Series, 'rollover'>, left: Amount, amount: Amount): Amount {
  if (rollover.kind === 'reset') return 0n;
  const caps = [left];
  if (rollover.upTo !== undefined) caps.push(readAmount(rollover.upTo));
  if (rollover.fraction !== undefined) caps.push(downToScale(amount, readAmount(rollover.fraction)));
  return caps.reduce((least, cap) => (cap < least ? cap : least));
}

/** amount x fraction, never rounded up. */
function downToScale(amount: Amount, fraction: Amount): Amount {
  const { amount: product } = multiplyAmounts(amount, fraction, 12);
  const one = readAmount('1');
  return product * one > amount * fraction ? product - 1n : product;
}

/** The grant of an occurrence. Its balance is what the unit has with it. */
export function renewalGrant(
  series: Series,
  grant: {
    readonly grantId: string;
    readonly amount: Amount;
    readonly at: Instant;
    readonly expiresAt: Instant;
    readonly balanceAfter: Amount;
    readonly carried?: true;
  },
): CreditEvent {
  return {
    type: 'GrantIssued',
    data: {
      ...series.template,
      ...(grant.carried ? { kind: 'rollover' } : {}),
      grantId: grant.grantId,
      amount: formatAmount(grant.amount),
      source: grant.carried ? 'rollover' : 'renewal',
      effectiveAt: formatInstant(grant.at),
      ...(grant.expiresAt === Infinity ? {} : { expiresAt: formatInstant(grant.expiresAt) }),
      issuedAt: formatInstant(grant.at),
      balanceAfter: formatAmount(grant.balanceAfter),
    },
  };
}

/** An occurrence that is still to come. */
export interface PlannedRenewal {
  readonly occurrence: number;
  readonly grantId: string;
  readonly amount: Amount;
  readonly at: Instant;
  /** Infinity: never. */
  readonly expiresAt: Instant;
}

/** The next occurrences of a series, `limit` at most; none of one that is paused, cancelled or renewed by billing. */
export function previewRenewals(series: Series, limit: number): readonly PlannedRenewal[] {
  const { rule, zone, anchor, status } = series;
  if (status !== 'active' || rule === null || series.nextAt === Infinity || limit < 1) return [];
  const later = occurrencesAfter({ rule, zone, anchor }, series.nextAt, limit - 1);
  return [series.nextAt, ...later].map((at, index) => ({
    occurrence: series.occurrence + 1 + index,
    grantId: renewalGrantId(series.id, series.occurrence + 1 + index),
    amount: readAmount(series.template.amount),
    at,
    expiresAt: endOf(series, at),
  }));
}
