import { DAY, HOUR, type Instant } from '#libs/kernel';

/** What the clocks of a zone show, as if it were UTC: milliseconds. */
export type WallClock = number;

/**
 * What the clocks of a zone show at an instant.
 * @throws RangeError for a zone that does not exist
 */
export const wallClockAt = (instant: Instant, zone: string): WallClock => instant + offsetAt(instant, zone);

/**
 * The instant at which the clocks of a zone show this. A time that a change skips moves forward by what was skipped; one
 * that occurs twice is the first.
 */
export function instantOf(wall: WallClock, zone: string): Instant {
  // no zone is further than 14 hours from UTC, so both sides of a change near `wall` are looked at
  const before = offsetAt(wall - REACH, zone);
  const after = offsetAt(wall + REACH, zone);
  const candidates = [wall - before, wall - after].filter(
    (instant) => instant + offsetAt(instant, zone) === wall,
  );
  return candidates.length > 0 ? Math.min(...candidates) : wall - before;
}

const REACH = 26 * HOUR;

/** Formats by zone: making one is a thousand times as slow as using it. */
const formats = new Map<string, Intl.DateTimeFormat>();

function offsetAt(instant: Instant, zone: string): number {
  if (zone === 'UTC') return 0;
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'iso8601',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(zone, format);
  }
  const fields: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(instant)) fields[type] = Number(value);
  const { year, month, day, hour, minute, second } = fields;
  const shown = Date.UTC(year!, month! - 1, day, hour, minute, second);
  return shown - Math.floor(instant / 1000) * 1000;
}

/** Midnight of the day that a wall clock shows. */
export const dayOf = (wall: WallClock): WallClock => Math.floor(wall / DAY) * DAY;
