import { issue, type Instant, type Issue } from '#libs/kernel';
import { occurrencesAfter, recurrenceFault } from '#libs/calendar';
import { checkRenewalTerms, renews, type Document, type RenewalTerms, type Unit } from '#libs/catalog';
import {
  RENEWALS_AT_ONCE,
  type BeginRenewal,
  type Lifetime,
  type NewGrant,
  type RolloverPolicy,
} from '#libs/credits';
import { canonicalRollover, canonicalRule, type RolloverInput } from '../catalog/definitions.handlers.js';
import { positiveAmount, unacceptable } from './amounts.js';

/** How an ad hoc grant renews. */
export interface RenewalRequest {
  /** Exactly one of the two. */
  readonly refillRrule?: string;
  readonly renewOnBilling?: boolean;
  /** IANA name; default the customer's, else UTC. */
  readonly timezone?: string;
  /** Default: the grant's amount. */
  readonly refillAmount?: string | number;
  readonly rollover?: RolloverInput;
  /** At most one of the two; default: until the next renewal. */
  readonly expiryDays?: number;
  readonly lifetimePeriods?: number;
}

/** How the grants of a template renew. */
export interface TemplateRenewal {
  readonly terms: RenewalTerms;
  readonly refillAmount: string | number;
  /** Where in the request the rule comes from. */
  readonly pointer: string;
}

/** The terms that an ad hoc request brings, if it does; what is wrong with them is added to the issues. */
export function adHocRenewal(
  {
    renewal,
    amount,
    accessSchedule,
  }: {
    readonly renewal?: RenewalRequest;
    readonly amount?: string | number;
    readonly accessSchedule?: unknown;
  },
  unit: Document<Unit> | null,
  issues: Issue[],
): TemplateRenewal | undefined {
  if (renewal === undefined) return undefined;
  if (accessSchedule !== undefined)
    issues.push(issue('/renewal', 'exclusive', 'not together with accessSchedule'));
  const { refillAmount, refillRrule, rollover, ...rest } = withoutNulls(renewal);
  const terms: RenewalTerms = {
    ...rest,
    ...(refillRrule === undefined ? {} : { refillRrule: canonicalRule(refillRrule) }),
    ...(rollover === undefined ? {} : { rollover: canonicalRollover(rollover) }),
  };
  if (!renews(terms))
    issues.push(issue('/renewal/refillRrule', 'required', 'refillRrule or renewOnBilling is needed'));
  issues.push(...checkRenewalTerms(terms, '/renewal'));
  if (unit && refillAmount !== undefined) positiveAmount(refillAmount, unit, '/renewal/refillAmount', issues);
  if (unit && terms.rollover?.upTo !== undefined)
    positiveAmount(terms.rollover.upTo, unit, '/renewal/rollover/upTo', issues);
  return { terms, refillAmount: refillAmount ?? amount ?? '0', pointer: '/renewal/refillRrule' };
}

/** Checks what a series needs beside its grant; the rule once it is known from when it counts. */
export function beginningOf(
  { terms, refillAmount, pointer }: TemplateRenewal,
  unit: Document<Unit>,
  customerZone: string | undefined,
): (grant: NewGrant, now: Instant) => BeginRenewal {
  const issues: Issue[] = [];
  const refill = positiveAmount(refillAmount, unit, pointer, issues);
  if (issues.length > 0) throw unacceptable(issues);
  const { refillRrule: rule, timezone: zone = customerZone ?? 'UTC' } = terms;
  return (grant, now) => {
    if (rule !== undefined) checkRule({ rule, zone, anchor: grant.effectiveAt }, now, pointer);
    return {
      type: 'BeginRenewal',
      now,
      seriesId: grant.grantId,
      grant,
      ...(rule === undefined ? {} : { rule }),
      zone,
      lifetime: lifetimeOf(terms) ?? { periods: 1 },
      rollover: rolloverOf(terms) ?? { kind: 'reset' },
      refillAmount: refill,
    };
  };
}

function checkRule(
  recurrence: { readonly rule: string; readonly zone: string; readonly anchor: Instant },
  now: Instant,
  pointer: string,
): void {
  const fault = recurrenceFault(recurrence);
  if (fault) throw unacceptable([issue(pointer, fault.code, fault.message)]);
  if (recurrence.anchor >= now) return;
  const missed = occurrencesAfter(recurrence, recurrence.anchor, RENEWALS_AT_ONCE + 1);
  if (missed.length > RENEWALS_AT_ONCE && missed.at(-1)! <= now)
    throw unacceptable([
      issue('/startDate', 'out_of_range', `more than ${RENEWALS_AT_ONCE} renewals would be due already`),
    ]);
}

/** Undefined when the terms say nothing of it. */
export function lifetimeOf({ expiryDays, lifetimePeriods }: RenewalTerms): Lifetime | undefined {
  if (expiryDays !== undefined) return { days: expiryDays };
  return lifetimePeriods === undefined ? undefined : { periods: lifetimePeriods };
}

/** Undefined when the terms say nothing of it. */
export function rolloverOf({ rollover }: RenewalTerms): RolloverPolicy | undefined {
  if (!rollover) return undefined;
  const { policy, upTo, fraction } = rollover;
  if (policy === 'reset') return { kind: 'reset' };
  return {
    kind: 'carry',
    ...(upTo === undefined ? {} : { upTo }),
    ...(fraction === undefined ? {} : { fraction }),
  };
}

const withoutNulls = (renewal: RenewalRequest): RenewalRequest =>
  Object.fromEntries(Object.entries(renewal).filter(([, value]) => value != null));
