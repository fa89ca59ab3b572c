/** UTC milliseconds since the epoch. Periods are half-open: `[start, end)`. */
export type Instant = number;

export const SECOND = 1000;
export const HOUR = 3600 * SECOND;
export const DAY = 24 * HOUR;
/** No later time is read, computed or written. */
export const LAST_INSTANT = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

const ISO = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,3}))?(Z|[+-]\d{2}:\d{2})$/;

/**
 * Reads an ISO 8601 date-time with a zone, to the millisecond, from 1970 to 9999.
 * @returns the instant, or null for anything else: a date without time, a 30th of February, a leap second, finer fractions.
 */
export function parseInstant(input: unknown): Instant | null {
  if (typeof input !== 'string' || input.length > 40) return null;
  const match = ISO.exec(input);
  if (!match) return null;
  const [, year, month, day, hour, minute, second, fraction = '', zone = 'Z'] = match;
  const local = Date.UTC(+year!, +month! - 1, +day!, +hour!, +minute!, +second!, +fraction.padEnd(3, '0'));
  const back = new Date(local).toISOString();
  if (back.slice(0, 19) !== input.slice(0, 19)) return null; // a field was out of its range and rolled over
  const instant = local - offset(zone);
  return Number.isNaN(instant) || instant < 0 || instant > LAST_INSTANT ? null : instant;
}

function offset(zone: string): number {
  if (zone === 'Z') return 0;
  const hours = +zone.slice(1, 3);
  const minutes = +zone.slice(4, 6);
  if (hours > 14 || minutes > 59) return NaN;
  return (zone[0] === '-' ? -1 : 1) * (hours * HOUR + minutes * 60 * SECOND);
}

/**
 * ISO 8601 in UTC with milliseconds: the only form in which the product writes a time.
 * @throws RangeError beyond {@link LAST_INSTANT}: the year would have more digits than readers of the log know
 */
export function formatInstant(instant: Instant): string {
  if (instant !== lastFormatted.instant) {
    if (instant > LAST_INSTANT) throw new RangeError(`${instant} lies beyond the year 9999`);
    lastFormatted = { instant, text: new Date(instant).toISOString() };
  }
  return lastFormatted.text;
}

/** Commands of one batch share their time, so the last text is mostly the next one too. */
let lastFormatted = { instant: 0, text: new Date(0).toISOString() };

/** Reads a time out of a stored event. @throws Error when history holds something that is no time */
export function readInstant(stored: string): Instant {
  const instant = Date.parse(stored);
  if (Number.isNaN(instant)) throw new Error(`stored time ${JSON.stringify(stored)} is not a time`);
  return instant;
}

/** Milliseconds to wait after so many failures in a row (from 0): `first`, then twice as long each time, up to `slowest`. */
export const backOff = (failures: number, first: number, slowest: number): number =>
  Math.min(slowest, first * 2 ** Math.min(failures, 10));
