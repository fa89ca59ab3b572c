import { DAY } from '#libs/kernel';
import type { Frequency, Part, RecurrenceRule } from './recurrence-rule.js';
import { dayOf, type WallClock } from './wall-clock.js';

/** A rule's BY parts as a question to a day; RFC 5545 asks the same of all frequencies that are supported. */
interface Filter {
  readonly frequency: Frequency;
  readonly interval: number;
  readonly months: readonly number[] | null;
  readonly monthDays: readonly number[] | null;
  /** Sunday is 0; ordinal 0: every one. */
  readonly weekdays: readonly { readonly weekday: number; readonly ordinal: number }[] | null;
  readonly positions: readonly number[] | null;
  readonly weekStart: number;
  readonly first: Date;
}

/** A day of the calendar. */
interface Day {
  readonly wall: WallClock;
  readonly year: number;
  /** 0 to 11. */
  readonly month: number;
  readonly day: number;
  readonly weekday: number;
}

const WEEKDAYS = ['SU', 'MO', 'TU', 'WE', 'TH', 'FR', 'SA'];
/** The calendar repeats after 400 years: what does not occur in as many periods never does. */
const CYCLE: Readonly<Record<Frequency, number>> = {
  DAILY: 146_097,
  WEEKLY: 20_871,
  MONTHLY: 4800,
  YEARLY: 400,
};

/**
 * The first occurrence after a wall clock of a rule with BY parts; null: there never is one. COUNT and UNTIL are left to the
 * caller. An unknown rule costs at most one walk through 400 years of days.
 */
export function nextByParts(rule: RecurrenceRule, start: WallClock, after: WallClock): WallClock | null {
  const filter = filterOf(rule, start);
  const time = start - dayOf(start);
  const from = periodOf(filter, after);
  for (let period = from; period <= from + CYCLE[filter.frequency] + 1; period++)
    for (const day of daysOf(filter, period)) {
      const wall = day + time;
      if (wall > after && wall >= start) return wall;
    }
  return null;
}

function filterOf({ frequency, parts }: RecurrenceRule, start: WallClock): Filter {
  const numbers = (part: Part): readonly number[] | null => parts.get(part)?.split(',').map(Number) ?? null;
  return {
    frequency,
    interval: Number(parts.get('INTERVAL') ?? 1),
    months: numbers('BYMONTH'),
    monthDays: numbers('BYMONTHDAY'),
    weekdays:
      parts
        .get('BYDAY')
        ?.split(',')
        .map((text) => ({ weekday: WEEKDAYS.indexOf(text.slice(-2)), ordinal: Number(text.slice(0, -2)) })) ??
      null,
    positions: numbers('BYSETPOS'),
    weekStart: WEEKDAYS.indexOf(parts.get('WKST') ?? 'MO'),
    first: new Date(dayOf(start)),
  };
}

/** The period that contains a wall clock, or the last before it; the first is 0. */
function periodOf({ frequency, interval, first, weekStart }: Filter, wall: WallClock): number {
  const date = new Date(wall);
  const years = date.getUTCFullYear() - first.getUTCFullYear();
  const passed = {
    DAILY: () => (dayOf(wall) - first.getTime()) / DAY,
    WEEKLY: () => (dayOf(wall) - weekOf(first, weekStart)) / (7 * DAY),
    MONTHLY: () => years * 12 + date.getUTCMonth() - first.getUTCMonth(),
    YEARLY: () => years,
  }[frequency]();
  return Math.max(0, Math.floor(passed / interval));
}

const weekOf = (date: Date, weekStart: number): WallClock =>
  date.getTime() - ((date.getUTCDay() - weekStart + 7) % 7) * DAY;

/** The days of a period that match, in order, those that BYSETPOS picks. */
function daysOf(filter: Filter, period: number): readonly WallClock[] {
  const [from, until] = boundsOf(filter, period * filter.interval);
  const days: WallClock[] = [];
  for (let wall = from; wall < until; wall += DAY) if (matches(filter, wall)) days.push(wall);
  if (!filter.positions) return days;
  const picked = filter.positions.flatMap(
    (position) => days.at(position > 0 ? position - 1 : position) ?? [],
  );
  return [...new Set(picked)].sort((a, b) => a - b);
}

function boundsOf({ frequency, first, weekStart }: Filter, passed: number): readonly [WallClock, WallClock] {
  const [year, month] = [first.getUTCFullYear(), first.getUTCMonth()];
  switch (frequency) {
    case 'DAILY':
      return [first.getTime() + passed * DAY, first.getTime() + (passed + 1) * DAY];
    case 'WEEKLY': {
      const week = weekOf(first, weekStart) + passed * 7 * DAY;
      return [week, week + 7 * DAY];
    }
    case 'MONTHLY':
      return [Date.UTC(year, month + passed, 1), Date.UTC(year, month + passed + 1, 1)];
    case 'YEARLY':
      return [Date.UTC(year + passed, 0, 1), Date.UTC(year + passed + 1, 0, 1)];
  }
}

function matches(filter: Filter, wall: WallClock): boolean {
  const date = new Date(wall);
  const month = date.getUTCMonth();
  if (filter.months && !filter.months.includes(month + 1)) return false;
  const day: Day = {
    wall,
    year: date.getUTCFullYear(),
    month,
    day: date.getUTCDate(),
    weekday: date.getUTCDay(),
  };
  const { monthDays, weekdays, first, frequency } = filter;
  if (monthDays) {
    const fromEnd = day.day - new Date(Date.UTC(day.year, month + 1, 0)).getUTCDate() - 1;
    if (!monthDays.includes(day.day) && !monthDays.includes(fromEnd)) return false;
  }
  if (weekdays)
    return weekdays.some((each) => each.weekday === day.weekday && isNth(filter, each.ordinal, day));
  if (monthDays || frequency === 'DAILY') return true;
  return frequency === 'WEEKLY' ? day.weekday === first.getUTCDay() : day.day === first.getUTCDate();
}

/** Whether a day is the n-th of its weekday, in the month where months count, else in the year; negative: from the end. */
function isNth({ frequency, months }: Filter, ordinal: number, { wall, year, month }: Day): boolean {
  if (ordinal === 0) return true;
  const inMonth = frequency === 'MONTHLY' || months !== null;
  const [from, until] = inMonth
    ? [Date.UTC(year, month, 1), Date.UTC(year, month + 1, 1)]
    : [Date.UTC(year, 0, 1), Date.UTC(year + 1, 0, 1)];
  const nth = Math.floor((ordinal > 0 ? wall - from : until - DAY - wall) / (7 * DAY)) + 1;
  return nth === Math.abs(ordinal);
}
