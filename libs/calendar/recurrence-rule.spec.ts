import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { checkRecurrenceRule, readRecurrenceRule } from './recurrence-rule.js';

const canonical = (text: string): string => {
  const rule = readRecurrenceRule(text);
  return 'canonical' in rule ? rule.canonical : rule.code;
};

describe('a recurrence rule', () => {
  test.each([
    ['RRULE:FREQ=MONTHLY;INTERVAL=1', 'FREQ=MONTHLY;INTERVAL=1'],
    ['freq=weekly;byday=mo,we,mo', 'FREQ=WEEKLY;BYDAY=MO,WE'],
    ['rrule:COUNT=03;FREQ=DAILY', 'FREQ=DAILY;COUNT=3'],
    ['BYMONTHDAY=+15,-01;FREQ=MONTHLY', 'FREQ=MONTHLY;BYMONTHDAY=15,-1'],
    ['FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29', 'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29'],
    ['FREQ=MONTHLY;BYDAY=+2FR,-1MO;WKST=SU', 'FREQ=MONTHLY;BYDAY=2FR,-1MO;WKST=SU'],
    ['FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1', 'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1'],
    ['FREQ=DAILY;UNTIL=20270131T235959Z', 'FREQ=DAILY;UNTIL=20270131T235959Z'],
    ['FREQ=DAILY;UNTIL=20280229', 'FREQ=DAILY;UNTIL=20280229'],
    ['FREQ=YEARLY;BYDAY=-53MO', 'FREQ=YEARLY;BYDAY=-53MO'],
  ])('%s is stored as %s', (text, expected) => expect(canonical(text)).toBe(expected));

  test.each([
    ['FREQ=MONTHLY;TZID=Europe/Berlin', 'rrule_tzid'],
    ['DTSTART;TZID=Europe/Berlin:20260101T000000\nRRULE:FREQ=DAILY', 'rrule_invalid'],
    ['DTSTART;TZID=Europe/Berlin:20260101T000000 RRULE:FREQ=DAILY', 'rrule_tzid'],
    ['FREQ=HOURLY', 'rrule_frequency_unsupported'],
    ['FREQ=SECONDLY;INTERVAL=5', 'rrule_frequency_unsupported'],
    ['FREQ=FORTNIGHTLY', 'rrule_invalid'],
    ['FREQ=DAILY;BYHOUR=3', 'rrule_part_unsupported'],
    ['FREQ=YEARLY;BYWEEKNO=1', 'rrule_part_unsupported'],
    ['FREQ=DAILY;X-NAME=1', 'rrule_part_unsupported'],
    ['FREQ=DAILY;COUNT=2;UNTIL=20270101', 'rrule_invalid'],
    ['FREQ=DAILY;INTERVAL=0', 'rrule_invalid'],
    ['FREQ=DAILY;COUNT=-1', 'rrule_invalid'],
    ['FREQ=DAILY;UNTIL=20270229', 'rrule_invalid'],
    ['FREQ=DAILY;UNTIL=20270131T240000Z', 'rrule_invalid'],
    ['FREQ=MONTHLY;BYMONTHDAY=0', 'rrule_invalid'],
    ['FREQ=MONTHLY;BYMONTHDAY=32', 'rrule_invalid'],
    ['FREQ=WEEKLY;BYMONTHDAY=1', 'rrule_invalid'],
    ['FREQ=WEEKLY;BYDAY=1MO', 'rrule_invalid'],
    ['FREQ=MONTHLY;BYSETPOS=1', 'rrule_invalid'],
    ['FREQ=DAILY;FREQ=DAILY', 'rrule_invalid'],
    ['FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30,31', 'rrule_never_matches'],
    ['FREQ=MONTHLY;BYDAY=6MO', 'rrule_never_matches'],
    ['INTERVAL=2', 'rrule_invalid'],
    ['FREQ=DAILY;', 'rrule_invalid'],
    ['', 'rrule_invalid'],
    ['FREQ=DA\u0131LY', 'rrule_invalid'],
    [`FREQ=MONTHLY;BYMONTHDAY=${'1,'.repeat(400)}1`, 'rrule_invalid'],
  ])('%s is refused', (text, code) => {
    expect(checkRecurrenceRule(text)).toEqual({ code, message: expect.any(String) });
  });

  test('reading never throws, and a canonical rule reads as itself', () => {
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom(
        'FREQ=DAILY',
        'FREQ=MONTHLY',
        'INTERVAL=2',
        'BYDAY=MO,-1FR',
        'COUNT=3',
        'BYMONTHDAY=-1',
        'BYMONTH=2',
        'WKST=MO',
        'UNTIL=20300101',
      ),
    );
    const text = fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join(';'));
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), text), (input) => {
        const rule = readRecurrenceRule(input);
        if ('canonical' in rule) expect(canonical(rule.canonical)).toBe(rule.canonical);
        else expect(rule.code).toMatch(/^rrule_/);
      }),
      { numRuns: 2000 },
    );
  });
});
