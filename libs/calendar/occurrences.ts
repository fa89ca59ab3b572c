import { DAY, HOUR, parseInstant, type Instant } from '#libs/kernel';
import { nextByParts } from './by-parts.js';
import { readRecurrenceRule, type Part, type RecurrenceRule, type RuleFault } from './recurrence-rule.js';
import { dayOf, instantOf, wallClockAt, type WallClock } from './wall-clock.js';

/**
 * When a rule occurs (rules.md, "Renewal and rollover"): it has the anchor's wall clock in its zone, moved forward where a
 * change skips it, the first where it occurs twice. Each occurrence follows from the anchor alone, none from the one before.
 */
export interface Recurrence {
  /** As {@link readRecurrenceRule} reads it. */
  readonly rule: string;
  readonly anchor: Instant;
  /** IANA name. */
  readonly zone: string;
}

/** Beyond this year nothing occurs. */
const LAST = Date.UTC(9999, 0, 1);

/** The first occurrence after an instant; null when there is none. */
export function nextOccurrence(recurrence: Recurrence, after: Instant): Instant | null {
  const rule = ruleOf(recurrence);
  const next = nextOf(rule, recurrence, after, rule.parts.has('COUNT'));
  return next !== null && next <= lastOf(rule, recurrence.zone) ? next : null;
}

/** The same as if the rule went on for ever: where the period ends that begins at or contains `after`. */
export const nextPeriodEnd = (recurrence: Recurrence, after: Instant): Instant | null =>
  nextOf(ruleOf(recurrence), recurrence, after, false);

/** The next occurrences after an instant, `limit` at most. */
export function occurrencesAfter(recurrence: Recurrence, after: Instant, limit: number): readonly Instant[] {
  const found: Instant[] = [];
  for (let last = after; found.length < limit;) {
    const next = nextOccurrence(recurrence, last);
    if (next === null) break;
    found.push(next);
    last = next;
  }
  return found;
}

/** What is wrong with renewing by this rule from this anchor; null when it occurs at least once from then on. */
export function recurrenceFault({ rule, anchor, zone }: Recurrence): RuleFault | null {
  const read = readRecurrenceRule(rule);
  if ('code' in read) return read;
  if (lastOf(read, zone) < anchor)
    return { code: 'rrule_never_matches', message: 'UNTIL lies before the first day.' };
  return nextOccurrence({ rule, anchor, zone }, anchor - 1) === null
    ? { code: 'rrule_never_matches', message: 'No day ever matches the rule.' }
    : null;
}

function ruleOf({ rule }: Recurrence): RecurrenceRule {
  const read = readRecurrenceRule(rule);
  if ('code' in read) throw new Error(`${rule} is no recurrence rule: ${read.message}`);
  return read;
}

function nextOf(
  rule: RecurrenceRule,
  { anchor, zone }: Recurrence,
  after: Instant,
  counted: boolean,
): Instant | null {
  const start = wallClockAt(anchor, zone);
  const count = counted ? Number(rule.parts.get('COUNT')) : Infinity;
  const plain = isPlain(rule);
  // what a change moves was shown up to a day earlier than it is; what is counted is counted from the start
  const fromStart = after < anchor || (!plain && count !== Infinity);
  let wall = fromStart ? start - 1 : Math.max(start - 1, wallClockAt(after, zone) - SLACK);
  for (let seen = 1; plain || seen <= count; seen++) {
    const next = plain ? nextPlain(rule, start, wall, count) : nextByParts(rule, start, wall);
    if (next === null || next > LAST) return null;
    const instant = next === start ? anchor : instantOf(next, zone);
    if (instant > after && instant >= anchor) return instant;
    wall = next;
  }
  return null;
}

const SLACK = DAY + 2 * HOUR;

const BY_PARTS: readonly Part[] = ['BYMONTH', 'BYMONTHDAY', 'BYDAY', 'BYSETPOS'];
const isPlain = ({ parts }: RecurrenceRule): boolean => !BY_PARTS.some((part) => parts.has(part));

/** Every so many days, weeks, months or years; a day that a month lacks is its last. */
function nextPlain(
  { frequency, parts }: RecurrenceRule,
  start: WallClock,
  after: WallClock,
  count: number,
): WallClock | null {
  const interval = Number(parts.get('INTERVAL') ?? 1);
  const at = (index: number): WallClock => {
    if (frequency === 'DAILY') return start + index * interval * DAY;
    if (frequency === 'WEEKLY') return start + index * interval * 7 * DAY;
    return monthsLater(start, index * interval * (frequency === 'YEARLY' ? 12 : 1));
  };
  const length = { DAILY: DAY, WEEKLY: 7 * DAY, MONTHLY: 31 * DAY, YEARLY: 366 * DAY }[frequency] * interval;
  let index = Math.max(0, Math.floor((after - start) / length) - 1);
  while (at(index) <= after) index++;
  return index < count ? at(index) : null;
}

function monthsLater(start: WallClock, months: number): WallClock {
  const date = new Date(start);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth() + months];
  const first = Date.UTC(year, month, 1);
  const days = (Date.UTC(year, month + 1, 1) - first) / DAY;
  return first + (Math.min(date.getUTCDate(), days) - 1) * DAY + (start - dayOf(start));
}

/** The last instant at which the rule may occur: UNTIL, inclusive. */
function lastOf({ parts }: RecurrenceRule, zone: string): Instant {
  const until = parts.get('UNTIL');
  if (until === undefined) return Infinity;
  const [, date, time, utc] = /^(\d{8})(?:T(\d{6})(Z)?)?$/.exec(until)!;
  const iso = `${date!.slice(0, 4)}-${date!.slice(4, 6)}-${date!.slice(6)}T`;
  if (time === undefined) return instantOf(parseInstant(`${iso}00:00:00Z`)! + DAY, zone) - 1;
  const wall = parseInstant(`${iso}${time.slice(0, 2)}:${time.slice(2, 4)}:${time.slice(4)}Z`)!;
  return (utc ? wall : instantOf(wall, zone)) + 999; // a rule knows seconds, an anchor milliseconds
}
