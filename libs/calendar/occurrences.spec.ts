import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import rrule from 'rrule';
import { RRuleTemporal } from 'rrule-temporal';
import { DAY } from '#libs/kernel';
import {
  nextOccurrence,
  nextPeriodEnd,
  occurrencesAfter,
  recurrenceFault,
  type Recurrence,
} from './occurrences.js';
import { readRecurrenceRule } from './recurrence-rule.js';
import { instantOf, wallClockAt } from './wall-clock.js';

const at = (text: string): number => Date.parse(text.length > 10 ? `${text}Z` : `${text}T00:00:00Z`);
const from = (anchor: string, rule: string, zone = 'UTC'): Recurrence => ({ rule, anchor: at(anchor), zone });
const list = (recurrence: Recurrence, limit: number): string[] =>
  occurrencesAfter(recurrence, recurrence.anchor - 1, limit).map((instant) =>
    new Date(instant).toISOString().replace(/(T00:00)?:00\.000Z$/, ''),
  );

describe('the last days of months', () => {
  test.each([
    ['2026-01-31', 'FREQ=MONTHLY', ['2026-01-31', '2026-02-28', '2026-03-31', '2026-04-30', '2026-05-31']],
    ['2026-01-30', 'FREQ=MONTHLY', ['2026-01-30', '2026-02-28', '2026-03-30', '2026-04-30', '2026-05-30']],
    ['2027-12-29', 'FREQ=MONTHLY', ['2027-12-29', '2028-01-29', '2028-02-29', '2028-03-29', '2028-04-29']],
    ['2024-02-29', 'FREQ=YEARLY', ['2024-02-29', '2025-02-28', '2026-02-28', '2027-02-28', '2028-02-29']],
    ['2026-01-31', 'FREQ=MONTHLY;INTERVAL=2', ['2026-01-31', '2026-03-31', '2026-05-31', '2026-07-31']],
    // explicit parts follow RFC 5545
    ['2026-01-31', 'FREQ=MONTHLY;BYMONTHDAY=31', ['2026-01-31', '2026-03-31', '2026-05-31', '2026-07-31']],
    ['2026-01-31', 'FREQ=MONTHLY;BYMONTHDAY=-1', ['2026-01-31', '2026-02-28', '2026-03-31', '2026-04-30']],
    ['2024-02-29', 'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29', ['2024-02-29', '2028-02-29', '2032-02-29']],
    ['2026-01-15', 'FREQ=YEARLY;BYMONTHDAY=15', ['2026-01-15', '2026-02-15', '2026-03-15']],
  ])('from %s by %s', (anchor, rule, expected) => {
    expect(list(from(anchor, rule), expected.length)).toEqual(expected);
  });
});

describe('the clocks of a zone', () => {
  test('a time that is skipped moves forward, one that occurs twice is its first', () => {
    const daily = 'FREQ=DAILY;COUNT=3';
    expect(list({ ...from('2026-03-28T01:30', daily, 'Europe/Berlin') }, 9)).toEqual([
      '2026-03-28T01:30',
      '2026-03-29T01:30',
      '2026-03-30T00:30',
    ]);
    expect(list({ ...from('2026-10-24T00:30', daily, 'Europe/Berlin') }, 9)).toEqual([
      '2026-10-24T00:30',
      '2026-10-25T00:30',
      '2026-10-26T01:30',
    ]);
  });

  test('a day that a zone skipped and the next are one', () => {
    const days = occurrencesAfter(
      from('2011-12-29T20:00', 'FREQ=DAILY', 'Pacific/Apia'),
      at('2011-12-29'),
      4,
    );
    expect(days.map((instant) => new Date(instant).toISOString().slice(0, 13))).toEqual([
      '2011-12-29T20',
      '2011-12-30T20',
      '2011-12-31T20',
      '2012-01-01T20',
    ]);
  });

  test('an occurrence keeps the wall clock of its anchor', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(
          'Europe/Berlin',
          'America/New_York',
          'Australia/Lord_Howe',
          'Asia/Kolkata',
          'Pacific/Apia',
        ),
        fc.integer({ min: at('1990-01-01'), max: at('2060-01-01') }),
        fc.integer({ min: 0, max: 4000 }),
        (zone, anchor, days) => {
          const next = nextOccurrence({ rule: 'FREQ=DAILY', anchor, zone }, anchor + days * DAY)!;
          expect(next).toBeGreaterThan(anchor + days * DAY);
          const off = (wallClockAt(next, zone) - wallClockAt(anchor, zone)) % DAY;
          const isMoved = instantOf(wallClockAt(next, zone) - off, zone) === next;
          expect(off === 0 || isMoved).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('the end of a rule', () => {
  test.each([
    ['FREQ=DAILY;UNTIL=20260103T090000Z', 'UTC', 3],
    ['FREQ=DAILY;UNTIL=20260103T085959Z', 'UTC', 2],
    ['FREQ=DAILY;UNTIL=20260103', 'UTC', 3],
    ['FREQ=DAILY;UNTIL=20260103T040000', 'America/New_York', 3],
    ['FREQ=DAILY;UNTIL=20260103T035959', 'America/New_York', 2],
    ['FREQ=DAILY;UNTIL=20260103', 'Asia/Tokyo', 3],
    ['FREQ=DAILY;COUNT=4', 'UTC', 4],
    ['FREQ=DAILY;BYDAY=TH,FR;COUNT=3', 'UTC', 3],
  ])('%s in %s', (rule, zone, count) => {
    expect(list(from('2026-01-01T09:00', rule, zone), 20)).toHaveLength(count);
  });

  test('does not end the last period', () => {
    const once = from('2026-01-31', 'FREQ=MONTHLY;COUNT=1');
    expect(nextOccurrence(once, once.anchor)).toBeNull();
    expect(nextPeriodEnd(once, once.anchor)).toBe(at('2026-02-28'));
  });

  test.each([
    ['FREQ=DAILY;UNTIL=20251231', 'rrule_never_matches'],
    ['FREQ=DAILY;BYDAY=MO;BYSETPOS=2', 'rrule_never_matches'],
    ['FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29', 'rrule_never_matches'],
    ['FREQ=HOURLY', 'rrule_frequency_unsupported'],
    ['FREQ=MONTHLY', undefined],
  ])('%s from 2026: %s', (rule, code) => {
    expect(recurrenceFault(from('2026-01-01', rule))?.code).toBe(code);
  });
});

test('no year has a 53rd Monday that is the first of the next', () => {
  expect(list(from('2026-01-01', 'FREQ=YEARLY;BYDAY=53MO'), 3)).toEqual([
    '2029-12-31',
    '2035-12-31',
    '2040-12-31',
  ]);
});

describe('beside two other implementations', () => {
  const parts = fc.record({
    frequency: fc.constantFrom('DAILY', 'WEEKLY', 'MONTHLY', 'YEARLY'),
    interval: fc.integer({ min: 1, max: 4 }),
    months: fc.option(fc.subarray([1, 2, 6, 12], { minLength: 1 })),
    days: fc.option(fc.subarray([1, 15, 28, 31, -1, -3], { minLength: 1 })),
    weekdays: fc.option(fc.subarray(['MO', 'WE', 'SU'], { minLength: 1 })),
    ordinal: fc.constantFrom('', '', '1', '-1', '2'),
    position: fc.option(fc.constantFrom(1, -1, 2), { freq: 4 }),
    count: fc.option(fc.integer({ min: 1, max: 12 })),
  });

  test('occurs on the same days', () => {
    let compared = 0;
    fc.assert(
      fc.property(parts, fc.integer({ min: 0, max: 3000 }), (rule, offset) => {
        const { frequency, months, days, weekdays, position } = rule;
        const ordinal = days ? '' : rule.ordinal; // together they mean what each makes of it
        const mayCount = frequency === 'MONTHLY' || frequency === 'YEARLY';
        // rules.md lists where the other one is wrong
        if (frequency === 'WEEKLY' && (days || position)) return;
        const pieces = [`FREQ=${frequency}`, `INTERVAL=${rule.interval}`];
        if (months) pieces.push(`BYMONTH=${months.join()}`);
        if (days) pieces.push(`BYMONTHDAY=${days.join()}`);
        if (weekdays) pieces.push(`BYDAY=${weekdays.map((day) => (mayCount ? ordinal : '') + day).join()}`);
        if (position && (days || weekdays)) pieces.push(`BYSETPOS=${position}`);
        if (rule.count) pieces.push(`COUNT=${rule.count}`);
        if ('code' in readRecurrenceRule(pieces.join(';'))) return; // no such month has such a day
        // a first day that a month may lack is ours alone
        const anchor = at('2020-01-01') + offset * DAY;
        const isPlain = !months && !days && !weekdays;
        if (isPlain && mayCount && new Date(anchor).getUTCDate() > 28) return;
        const until = anchor + 6 * 366 * DAY;
        const ours = occurrencesAfter({ rule: pieces.join(';'), anchor, zone: 'UTC' }, anchor - 1, 8);
        if (ours.length === 0) return; // the other one looks for it up to the year 9999
        const other = new rrule.RRule({
          ...rrule.RRule.parseString(pieces.join(';')),
          dtstart: new Date(anchor),
          until: new Date(until),
        });
        const expected = other.all((_, index) => index < 8).map(Number);
        if (expected.length > 1) compared++;
        expect(ours.filter((instant) => instant <= until)).toEqual(expected);
        if (expected.length < 8) return; // the third searches long for what is not there
        const dtstart = new Date(anchor).toISOString().replace(/[-:]|\.000/g, '');
        const third = new RRuleTemporal({ rruleString: `DTSTART:${dtstart}\nRRULE:${pieces.join(';')}` });
        expect(ours).toEqual(
          third.all((_, index) => index < 8).map(({ epochMilliseconds }) => epochMilliseconds),
        );
      }),
      { numRuns: 80, endOnFailure: true },
    );
    expect(compared).toBeGreaterThan(15);
  });

  test('any occurrence follows from the anchor, wherever one begins to look', () => {
    fc.assert(
      fc.property(
        parts,
        fc.integer({ min: 0, max: 400 }),
        ({ frequency, interval, weekdays, count }, days) => {
          const rule = [
            `FREQ=${frequency};INTERVAL=${interval}`,
            ...(weekdays ? [`BYDAY=${weekdays.join()}`] : []),
            ...(count ? [`COUNT=${count}`] : []),
          ].join(';');
          const recurrence = from('2026-01-31T09:00', rule, 'Europe/Berlin');
          const after = recurrence.anchor + days * DAY;
          const all = occurrencesAfter(recurrence, recurrence.anchor - 1, 420);
          expect(nextOccurrence(recurrence, after)).toBe(all.find((instant) => instant > after) ?? null);
        },
      ),
      { numRuns: 30 },
    );
  });
});
