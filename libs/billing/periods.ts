import { dayOf, nextOccurrence, nextPeriodEnd, wallClockAt, type Recurrence } from '#libs/calendar';
import type { PriceComponent } from '#libs/catalog';
import { DAY, type Instant } from '#libs/kernel';

/** `[start, end)`. */
export interface Period {
  readonly start: Instant;
  readonly end: Instant;
}

/** Where the components of a subscription recur from. */
export interface BillingCycle {
  /** Beginning of the subscription, or of its cycle since it was resumed. */
  readonly anchor: Instant;
  /** IANA name; a component may have its own. */
  readonly zone: string;
  /** Canonical RFC 5545 rule: when usage is billed whose component says nothing. */
  readonly rule: string;
}

export interface DueCharge {
  readonly component: PriceComponent;
  readonly dueAt: Instant;
  /** What it is charged for; absent: charged once. */
  readonly period?: Period;
}

/**
 * What falls due in a window `[from, to)`, in the order of time, then of the components.
 *
 * Fixed charges and seats are due when their period begins, usage when it ends. Their periods begin at the occurrences of
 * the component's rule, from the anchor on; the time between the anchor and a first occurrence after it costs nothing for
 * the former, and is the first period of the latter, so that no usage is lost. Without a rule a charge is due once, at the anchor.
 */
export function dueCharges(
  components: readonly PriceComponent[],
  cycle: BillingCycle,
  window: { readonly from: Instant; readonly to: Instant },
): readonly DueCharge[] {
  return components
    .flatMap((component): DueCharge[] => {
      const { type, recurrence_rule, timezone } = component;
      if (type !== 'usage' && recurrence_rule === undefined) {
        const due = cycle.anchor >= window.from && cycle.anchor < window.to;
        return due ? [{ component, dueAt: cycle.anchor }] : [];
      }
      const recurrence: Recurrence = {
        rule: recurrence_rule ?? cycle.rule,
        anchor: cycle.anchor,
        zone: timezone ?? cycle.zone,
      };
      const arrears = type === 'usage';
      return periodsOf(recurrence, window, arrears).map((period) => ({
        component,
        dueAt: arrears ? period.end : period.start,
        period,
      }));
    })
    .sort((a, b) => a.dueAt - b.dueAt);
}

/** The periods that begin, or in arrears end, within `[from, to)`. */
function periodsOf(
  recurrence: Recurrence,
  { from, to }: { readonly from: Instant; readonly to: Instant },
  arrears: boolean,
): readonly Period[] {
  const found: Period[] = [];
  let start: Instant | null = startBefore(recurrence, from, arrears);
  while (start !== null && start < to) {
    const end = nextPeriodEnd(recurrence, start);
    if (end === null || (arrears && end >= to)) break;
    if ((arrears ? end : start) >= from) found.push({ start, end });
    start = nextOccurrence(recurrence, start);
  }
  return found;
}

/** A start of a period that does not miss one due from `from` on: looked for further and further back, never before the anchor. */
function startBefore(recurrence: Recurrence, from: Instant, arrears: boolean): Instant | null {
  const { anchor } = recurrence;
  for (let back = DAY; from - back > anchor; back *= 2) {
    const start = nextOccurrence(recurrence, from - back);
    if (start !== null && start < from) return start;
  }
  return arrears ? anchor : nextOccurrence(recurrence, anchor - 1);
}

/** So many days of the days of a period. */
export interface Share {
  readonly days: number;
  readonly of: number;
}

/**
 * What a change leaves of a period, by whole local calendar days: the day of the change counts, so does a day that the zone
 * skipped. A period within one day is one day.
 * @throws Error for a change outside `[start, end)`: at the very end it belongs to the next period
 */
export function shareLeft({ start, end }: Period, at: Instant, zone: string): Share {
  if (at < start || at >= end) throw new Error('a change lies within the period that it divides');
  const day = (instant: Instant): number => dayOf(wallClockAt(instant, zone)) / DAY;
  const of = day(end) - day(start);
  return of === 0 ? { days: 1, of: 1 } : { days: day(end) - day(at), of };
}
