import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DAY, formatInstant, HOUR, parseInstant, readInstant, SECOND } from '#libs/kernel';

const END = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
const instants = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 31 }),
  fc.nat({ max: 253402300799 }).map((s) => s * SECOND),
  fc.constantFrom(0, END),
);

const two = (value: number): string => String(value).padStart(2, '0');

describe('parseInstant', () => {
  test('is undone by formatInstant', () => {
    fc.assert(
      fc.property(instants, (instant) => {
        expect(parseInstant(formatInstant(instant))).toBe(instant);
        expect(readInstant(formatInstant(instant))).toBe(instant);
      }),
    );
  });

  test('reads every offset and fraction as Date does', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: DAY, max: END - DAY }),
        fc.constantFrom('Z', '+00:00', '-00:00', '+05:30', '-03:30', '+14:00', '-12:00', '+12:45'),
        fc.integer({ min: 0, max: 3 }),
        (instant, zone, digits) => {
          const local = new Date(instant).toISOString();
          const text = `${local.slice(0, 19)}${digits === 0 ? '' : `.${local.slice(20, 20 + digits)}`}${zone}`;
          expect(parseInstant(text)).toBe(new Date(text).getTime());
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('takes a date-time exactly where the calendar has it', () => {
    let refused = 0;
    const field = (min: number, max: number) => fc.integer({ min, max });
    fc.assert(
      fc.property(
        field(1965, 2120),
        field(0, 14),
        field(0, 33),
        fc.oneof(field(0, 23), field(0, 25)),
        fc.oneof(field(0, 59), field(0, 61)),
        fc.oneof(field(0, 59), field(0, 61)),
        (year, month, date, hour, minute, second) => {
          const text = `${year}-${two(month)}-${two(date)}T${two(hour)}:${two(minute)}:${two(second)}Z`;
          const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
          const days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0;
          const exists = date >= 1 && date <= days && hour < 24 && minute < 60 && second < 60 && year >= 1970;
          if (!exists) refused++;
          expect(parseInstant(text)).toBe(exists ? Date.parse(text) : null);
        },
      ),
      { numRuns: 2000 },
    );
    expect(refused).toBeGreaterThan(200);
  });

  test.each([
    ['0000-01-01T00:00:00Z', 'a year 0'],
    ['0070-01-01T00:00:00Z', 'a year that Date.UTC takes for 1970'],
    ['1969-12-31T23:59:59.999Z', 'a time before 1970'],
    ['1970-01-01T00:00:00+01:00', 'a time before 1970 in UTC'],
    ['9999-12-31T23:59:59-01:00', 'a time after 9999 in UTC'],
    ['10000-01-01T00:00:00Z', 'five digits of a year'],
    ['+010000-01-01T00:00:00Z', 'an expanded year'],
    ['2026-02-30T00:00:00Z', '30 February'],
    ['2025-02-29T00:00:00Z', '29 February of a common year'],
    ['2026-04-31T00:00:00Z', '31 April'],
    ['2026-13-01T00:00:00Z', 'a 13th month'],
    ['2026-00-10T00:00:00Z', 'a month 0'],
    ['2026-01-00T00:00:00Z', 'a day 0'],
    ['2016-12-31T23:59:60Z', 'a leap second'],
    ['2026-01-01T24:00:00Z', 'hour 24'],
    ['2026-01-01T00:60:00Z', 'minute 60'],
    ['2026-01-01T00:00:00+99:99', 'an offset that no place has'],
    ['2026-01-01T00:00:00+15:00', 'an offset beyond 14 hours'],
    ['2026-01-01T00:00:00+01:60', 'an offset of 60 minutes'],
    ['2026-01-01T00:00:00+0100', 'an offset without colon'],
    ['2026-01-01T00:00:00+01', 'an offset without minutes'],
    ['2026-01-01T00:00:00', 'local time without a zone'],
    ['2026-01-01T00:00:00 Z', 'a blank'],
    ['2026-01-01 00:00:00Z', 'a blank for the T'],
    ['2026-01-01t00:00:00z', 'lower case'],
    ['2026-01-01T00:00Z', 'no seconds'],
    ['2026-01-01', 'a date without time'],
    ['2026-01-01T00:00:00.Z', 'a point without decimals'],
    ['2026-01-01T00:00:00,5Z', 'a decimal comma'],
    ['2026-01-01T00:00:00.1234Z', 'finer than milliseconds'],
    ['2026-01-01T00:00:00.000000000Z', 'nanoseconds'],
    ['2026-01-01T00:00:00Z\n', 'a line end'],
    ['２026-01-01T00:00:00Z', 'digits that are not ASCII'],
    ['2026-1-1T0:0:0Z', 'single digits'],
    ['20260101T000000Z', 'the basic format'],
    ['1767225600', 'seconds as text'],
    ['', 'nothing'],
  ])('refuses %j, %s', (text) => {
    expect(parseInstant(text)).toBeNull();
  });

  test.each([[1767225600000], [null], [undefined], [new Date(0)], [['2026-01-01T00:00:00Z']]])(
    'refuses %p',
    (input) => {
      expect(parseInstant(input)).toBeNull();
    },
  );

  test('takes anything without throwing', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,4})?(Z|[+-]\d\d:\d\d)$/),
        ),
        (text) => {
          const instant = parseInstant(text);
          expect(instant === null || instant === Date.parse(text)).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('readInstant', () => {
  test.each(['', 'soon', '2026-13-01T00:00:00.000Z'])('stops at %j', (stored) => {
    expect(() => readInstant(stored)).toThrow('is not a time');
  });

  test('days have 24 hours', () => {
    expect(readInstant('2026-01-02T00:00:00.000Z') - readInstant('2026-01-01T00:00:00.000Z')).toBe(DAY);
    expect(DAY).toBe(24 * HOUR);
  });
});
