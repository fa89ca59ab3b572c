import { nextPeriodEnd, readRecurrenceRule } from '#libs/calendar';
import type { PriceComponent } from '#libs/catalog';
import { LAST_INSTANT, type Instant } from '#libs/kernel';
import type { PlanTerms } from './events.js';

/** What a plan is renewed by when nothing it charges recurs. */
const MONTHLY = 'FREQ=MONTHLY';

/**
 * The billing cycle of components: the rule of the one that recurs soonest after `start`, the first of those that do. It has
 * no end: where a component's rule has one, its charge ends and the cycle goes on.
 */
export function cycleOf(
  components: readonly PriceComponent[],
  zone: string,
  start: Instant,
): Pick<PlanTerms, 'rule' | 'zone'> {
  let shortest = { rule: MONTHLY, zone };
  let soonest = Infinity;
  for (const { recurrence_rule, timezone = zone } of components) {
    if (recurrence_rule === undefined) continue;
    const rule = withoutEnd(recurrence_rule);
    const end = nextPeriodEnd({ rule, zone: timezone, anchor: start }, start);
    if (end === null || end >= soonest) continue;
    soonest = end;
    shortest = { rule, zone: timezone };
  }
  return shortest;
}

function withoutEnd(text: string): string {
  const rule = readRecurrenceRule(text);
  if ('code' in rule) throw new Error(`${text} is no recurrence rule: ${rule.message}`);
  return [...rule.parts]
    .filter(([name]) => name !== 'COUNT' && name !== 'UNTIL')
    .map(([name, value]) => `${name}=${value}`)
    .join(';');
}

/**
 * Where the period ends that begins at `start`: always computed from the anchor. A rule that never comes from this anchor
 * gives way to a month, and one that begins where calendars end lasts for ever.
 */
export function periodEnd(
  { rule, zone }: Pick<PlanTerms, 'rule' | 'zone'>,
  anchor: Instant,
  start: Instant,
): Instant {
  return (
    nextPeriodEnd({ rule, zone, anchor }, start) ??
    nextPeriodEnd({ rule: MONTHLY, zone, anchor }, start) ??
    LAST_INSTANT
  );
}
