import { nextPeriodEnd } from '#libs/calendar';
import type { PriceComponent } from '#libs/catalog';
import { canonicalJson, type Amount, type Instant, type Json } from '#libs/kernel';
import type { Charge, FixedCharge, SeatCharge } from './charges.js';
import { dueCharges, type BillingCycle, type DueCharge, type Period } from './periods.js';
import { chargedSeats, ONE } from './rating.js';
import type { Stretch, TermsChange, Timeline } from './timeline.js';

/** Up to where charges are closed: what is due by then and stands at that revision or before. */
export interface Bound {
  readonly at: Instant;
  readonly revision: number;
}

/** A charge, and when it is due. */
export interface Due {
  readonly dueAt: Instant;
  readonly charge: Charge;
}

/** A usage component for as long as it is charged: `[from, to)`. */
export interface UsageSpan {
  readonly component: PriceComponent;
  readonly cycle: BillingCycle;
  readonly priceId: string;
  readonly planId: string;
  readonly from: Instant;
  to: Instant;
}

/** Whether something is due by `closing` that was not by `closed`. */
export const isDueNow = (dueAt: Instant, revision: number, closed: Bound | null, closing: Bound): boolean =>
  dueAt <= closing.at &&
  revision <= closing.revision &&
  (closed === null || dueAt > closed.at || revision > closed.revision);

/**
 * Fixed charges and seats: periods that begin, seats that were added within one, and what changes of terms give back and
 * charge anew. Seats only ever add up within a period; one that is removed is given back by nobody.
 */
export function recurringCharges(
  timeline: Timeline,
  subscriptionId: string,
  closed: Bound | null,
  closing: Bound,
): readonly Due[] {
  // what has ended is closed once more for usage alone
  if (closed?.revision === closing.revision) return [];
  const from = closed?.at ?? -Infinity;
  const found: Due[] = [];
  for (const change of timeline.changes)
    if (isDueNow(change.dueAt, change.dueRevision, closed, closing))
      found.push(...changeCharges(timeline, change, subscriptionId));
  for (const stretch of timeline.stretches) {
    const components = stretch.components.filter(({ type }) => type !== 'usage');
    const window = { from: Math.max(stretch.duesFrom, from), to: Math.min(stretch.duesTo, closing.at + 1) };
    if (window.from < window.to)
      for (const { component, dueAt, period } of dueCharges(components, stretch.cycle, window)) {
        const revision = beginningOf(timeline, stretch, dueAt) ?? stretch.fromRevision;
        if (!isDueNow(dueAt, revision, closed, closing)) continue;
        const base = { component, period, ...named(stretch, subscriptionId) };
        const units = unitsAt(timeline, stretch, dueAt);
        found.push({ dueAt, charge: recurringCharge(base, units) });
      }
    for (const component of components)
      if (component.type === 'per_unit')
        found.push(...seatRises(timeline, stretch, component, subscriptionId, closed, closing));
  }
  return found;
}

type Base = Pick<FixedCharge, 'component' | 'priceId' | 'planId' | 'subscriptionId' | 'period' | 'change'>;

const named = ({ priceId, planId }: Stretch, subscriptionId: string) => ({ priceId, planId, subscriptionId });

const recurringCharge = (base: Base, units: Amount): FixedCharge | SeatCharge =>
  base.component.type === 'fixed' ? { ...base, type: 'fixed' } : { ...base, type: 'per_unit', seats: units };

/** Seats that are counted, or the quantity that was agreed, whichever is more. */
const unitsOf = ({ quantity }: Stretch, seats: number): Amount =>
  BigInt(Math.max(quantity ?? 0, seats)) * ONE;

/** The fact at which a period or a stretch begins: of its instant, what stands after comes on top. */
function beginningOf({ periods }: Timeline, stretch: Stretch, at: Instant): number | undefined {
  const begun = periods.get(at)?.findLast((revision) => revision < stretch.toRevision);
  return at === stretch.from ? Math.max(begun ?? 0, stretch.fromRevision) : begun;
}

/** The same when something falls due; a seat that was added right after a period began comes on top. */
function unitsAt(timeline: Timeline, stretch: Stretch, at: Instant): Amount {
  const begun = beginningOf(timeline, stretch, at);
  const counted = timeline.seats.findLast((one) =>
    begun === undefined ? one.at < at : one.revision <= begun,
  );
  return unitsOf(stretch, counted?.seats ?? 0);
}

function seatRises(
  timeline: Timeline,
  stretch: Stretch,
  component: PriceComponent,
  subscriptionId: string,
  closed: Bound | null,
  closing: Bound,
): readonly Due[] {
  const rises: Due[] = [];
  const begun = timeline.changes.find(({ after }) => after === stretch);
  const ended = timeline.changes.find(({ before: left }) => left === stretch);
  // by where they begin
  const most = new Map<Instant, Amount>();
  let [before, beyond] = [0, 0];
  for (const { at, revision, seats } of timeline.seats) {
    const added = seats - before;
    before = seats;
    if (revision <= stretch.fromRevision || revision > closing.revision) continue;
    if (at > stretch.to || (at === stretch.to && revision > stretch.toRevision)) {
      // what is recorded late may yet come before it
      beyond += added;
      continue;
    }
    const period = recurringPeriod(component, stretch.cycle, Math.max(at, stretch.from));
    if (!period) continue;
    const begins = Math.max(period.start, stretch.from);
    if (at === begins && revision <= (beginningOf(timeline, stretch, begins) ?? -1)) continue;
    const known = most.get(begins) ?? unitsAt(timeline, stretch, begins);
    const units = unitsOf(stretch, seats - beyond);
    if (units <= known) continue;
    most.set(begins, units);
    if (chargedSeats(component, units) === chargedSeats(component, known)) continue;
    const charge = (part: 'unused' | 'rest', from: Instant, dueAt: Instant, since = revision): void => {
      if (from >= period.end || !isDueNow(dueAt, Math.max(since, revision), closed, closing)) return;
      const zone = component.timezone ?? stretch.cycle.zone;
      rises.push({
        dueAt,
        charge: {
          type: 'per_unit',
          component,
          ...named(stretch, subscriptionId),
          period,
          seats: units,
          seatsBefore: known,
          change: { part, at: from, zone },
        },
      });
    };
    if (at >= stretch.from) charge('rest', at, at);
    else if (begun) charge('rest', stretch.from, begun.dueAt, begun.dueRevision);
    // recorded late: the change has given back, and charged anew, what was known of
    if (ended && revision > stretch.toRevision) charge('unused', stretch.to, ended.dueAt, ended.dueRevision);
  }
  return rises;
}

/** What a change gives back of the old terms, and what it charges of the new ones. What stays as it is stands on no line. */
function changeCharges(timeline: Timeline, change: TermsChange, subscriptionId: string): readonly Due[] {
  const { before, after, at, dueAt, revision } = change;
  const seats = timeline.seats.findLast((one) => one.revision < revision)?.seats ?? 0;
  const [unitsBefore, unitsAfter] = [unitsOf(before, seats), unitsOf(after, seats)];
  const price = (component: PriceComponent, { cycle }: Stretch, units: Amount): string =>
    canonicalJson({
      component,
      cycle,
      units: component.type === 'fixed' ? 0 : String(units),
    } as unknown as Json);
  const pricesOf = (stretch: Stretch, units: Amount): readonly string[] =>
    stretch.components.map((component) => price(component, stretch, units));
  const [old, fresh] = [pricesOf(before, unitsBefore), pricesOf(after, unitsAfter)];
  const chargesOf = (stretch: Stretch, units: Amount, part: 'unused' | 'rest', others: readonly string[]) =>
    stretch.components.flatMap((component): readonly Due[] => {
      if (component.type === 'usage' || others.includes(price(component, stretch, units))) return [];
      const period = recurringPeriod(component, stretch.cycle, at);
      // a cycle that begins right then is charged as a whole
      if (!period || (part === 'rest' && stretch.duesFrom === at)) return [];
      const zone = component.timezone ?? stretch.cycle.zone;
      const base = { component, ...named(stretch, subscriptionId), period, change: { part, at, zone } };
      return [{ dueAt, charge: recurringCharge(base, units) }];
    });
  return [...chargesOf(before, unitsBefore, 'unused', fresh), ...chargesOf(after, unitsAfter, 'rest', old)];
}

/** The period of a charge that recurs which contains an instant; null: it is charged for none. */
function recurringPeriod(component: PriceComponent, cycle: BillingCycle, at: Instant): Period | null {
  if (component.recurrence_rule === undefined) return null;
  const period = periodAround(component, cycle, at);
  if (!period) return null;
  const window = { from: period.start, to: period.start + 1 };
  return dueCharges([component], cycle, window).length > 0 ? period : null;
}

function periodAround(component: PriceComponent, cycle: BillingCycle, at: Instant): Period | null {
  const { recurrence_rule: rule = cycle.rule, timezone: zone = cycle.zone } = component;
  const end = nextPeriodEnd({ rule, zone, anchor: cycle.anchor }, at);
  if (end === null) return null;
  const asUsage = { ...component, type: 'usage' as const };
  const [due]: readonly DueCharge[] = dueCharges([asUsage], cycle, { from: end, to: end + 1 });
  return due?.period ?? null;
}

/** Usage components, each for as long as nothing about it changes. */
export function usageSpans({ stretches }: Timeline): readonly UsageSpan[] {
  const spans: UsageSpan[] = [];
  for (const { components, cycle, priceId, planId, usageFrom: from, usageTo: to } of stretches) {
    if (from >= to) continue;
    for (const component of components) {
      if (component.type !== 'usage' || component.metric_id === undefined) continue;
      const goesOn = spans.find(
        (span) =>
          span.to === from &&
          span.priceId === priceId &&
          canonicalJson(termsOf(span)) === canonicalJson(termsOf({ component, cycle })),
      );
      if (goesOn) goesOn.to = to;
      else spans.push({ component, cycle, priceId, planId, from, to });
    }
  }
  return spans;
}

const termsOf = ({ component, cycle }: Pick<UsageSpan, 'component' | 'cycle'>): Json =>
  ({ component, cycle }) as unknown as Json;

/** The part of a span's period that contains an instant of the span; null: nothing is charged then. */
export function usagePeriod({ component, cycle, from, to }: UsageSpan, at: Instant): Period | null {
  const period = periodAround(component, cycle, at);
  return period && { start: Math.max(period.start, from), end: Math.min(period.end, to) };
}

/** The periods of a span that end after `closed` and by `closing`. */
export function endedPeriods(span: UsageSpan, closed: Bound | null, closing: Bound): readonly Period[] {
  const { component, cycle, from, to } = span;
  const after = closed === null ? -Infinity : closed.at;
  const window = { from: Math.max(from, after) + 1, to: Math.min(to, closing.at) + 1 };
  const whole =
    window.from < window.to
      ? dueCharges([component], cycle, window).map(({ period }) => ({
          start: Math.max(period!.start, from),
          end: period!.end,
        }))
      : [];
  if (to > closing.at || to <= after || whole.at(-1)?.end === to) return whole;
  const last = usagePeriod(span, to - 1);
  return last ? [...whole, last] : whole;
}
