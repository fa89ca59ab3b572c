import { checkRecurrenceRule } from '#libs/calendar';
import { issue, parseAmount, type Issue, type StoredAmount } from '#libs/kernel';
import { isTimeZone } from './customer.js';

export const ROLLOVER_POLICIES = ['reset', 'carry'] as const;

/** What happens to what is left at a renewal: forfeited, or carried, at most up to an amount or a fraction of the grant. */
export type Rollover = {
  readonly policy: (typeof ROLLOVER_POLICIES)[number];
  /** Most that is carried, above zero. */
  readonly upTo?: StoredAmount | undefined;
  /** Most that is carried, as a part of the ended grant's amount: above 0, at most 1. */
  readonly fraction?: StoredAmount | undefined;
};

/** How grants renew, of a definition or of one grant. */
export type RenewalTerms = {
  /** Canonical RFC 5545 rule without time zone. */
  readonly refillRrule?: string | undefined;
  readonly renewOnBilling?: boolean | undefined;
  /** IANA name of the zone in which the rule's wall clocks are; absent: the customer's, else UTC. */
  readonly timezone?: string | undefined;
  readonly rollover?: Rollover | undefined;
  /** Lifetime of a grant in days. */
  readonly expiryDays?: number | undefined;
  /** Lifetime of a grant in renewals; absent, and without days: until the next one. */
  readonly lifetimePeriods?: number | undefined;
};

/** A hundred years: with it every expiry stays within the range of times. */
export const MAX_EXPIRY_DAYS = 36_500;
/** Most renewals that a grant may live through. */
export const MAX_LIFETIME_PERIODS = 1_000;

/** Whether grants on these terms renew at all. */
export const renews = ({ refillRrule, renewOnBilling }: RenewalTerms): boolean =>
  refillRrule !== undefined || renewOnBilling === true;

/** @param at pointer of the object the terms are in */
export function checkRenewalTerms(terms: RenewalTerms, at = ''): readonly Issue[] {
  const { refillRrule, renewOnBilling, timezone, rollover, expiryDays, lifetimePeriods } = terms;
  const issues: Issue[] = [];
  const fault = refillRrule === undefined ? null : checkRecurrenceRule(refillRrule);
  if (fault) issues.push({ pointer: `${at}/refillRrule`, ...fault });
  if (refillRrule !== undefined && renewOnBilling)
    issues.push(
      issue(`${at}/refillRrule`, 'renewal_ambiguous', 'Renew by refillRrule or on billing, not both.'),
    );
  if (timezone !== undefined && !isTimeZone(timezone))
    issues.push(issue(`${at}/timezone`, 'timezone_unknown', 'timezone must be an IANA time zone.'));
  checkWhole(issues, `${at}/expiryDays`, expiryDays, MAX_EXPIRY_DAYS);
  checkWhole(issues, `${at}/lifetimePeriods`, lifetimePeriods, MAX_LIFETIME_PERIODS);
  if (expiryDays !== undefined && lifetimePeriods !== undefined)
    issues.push(
      issue(
        `${at}/lifetimePeriods`,
        'exclusive',
        'A grant lives so many days or so many renewals, not both.',
      ),
    );
  for (const [member, value] of Object.entries({ timezone, rollover, lifetimePeriods }))
    if (value !== undefined && !renews(terms))
      issues.push(issue(`${at}/${member}`, 'not_applicable', 'Only what renews has it.'));
  return rollover ? [...issues, ...checkRollover(rollover, expiryDays, `${at}/rollover`)] : issues;
}

function checkRollover(
  { policy, upTo, fraction }: Rollover,
  expiryDays: number | undefined,
  at: string,
): readonly Issue[] {
  const issues: Issue[] = [];
  if (policy === 'carry' && expiryDays !== undefined)
    issues.push(
      issue(`${at}/policy`, 'not_applicable', 'A grant that lives days does not end at a renewal.'),
    );
  for (const [member, text] of Object.entries({ upTo, fraction })) {
    if (text === undefined) continue;
    const amount = parseAmount(text);
    if (policy === 'reset')
      issues.push(issue(`${at}/${member}`, 'not_applicable', 'Nothing is carried under reset.'));
    else if (typeof amount !== 'bigint')
      issues.push(issue(`${at}/${member}`, amount, `${member} is not an amount.`));
    else if (amount <= 0n)
      issues.push(issue(`${at}/${member}`, 'amount_not_positive', `${member} must be above zero.`));
    else if (member === 'fraction' && amount > (parseAmount('1') as bigint))
      issues.push(issue(`${at}/${member}`, 'out_of_range', 'fraction must be at most 1.'));
  }
  return issues;
}

function checkWhole(issues: Issue[], pointer: string, value: number | undefined, most: number): void {
  if (value !== undefined && !(Number.isInteger(value) && value >= 1 && value <= most))
    issues.push(issue(pointer, 'out_of_range', `${pointer.slice(1)} must be 1 to ${most}.`));
}
