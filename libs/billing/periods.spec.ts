import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nextPeriodEnd } from '#libs/calendar';
import { DAY, formatAmount, formatInstant, readAmount } from '#libs/kernel';
import { amount, at, fixed, JANUARY, usageComponent } from '../../test/support/billing-world.js';
import { chargeLines, dueCharges, shareLeft, type BillingCycle } from './index.js';

const UTC = { zone: 'UTC', rule: 'FREQ=MONTHLY' };
const base = fixed(100).component;

const due = (
  components: Parameters<typeof dueCharges>[0],
  cycle: BillingCycle,
  from: string,
  to: string,
): readonly string[] =>
  dueCharges(components, cycle, { from: at(from), to: at(to) }).map(({ component, dueAt, period }) =>
    [
      component.id,
      formatInstant(dueAt).slice(0, 16),
      ...(period ? [period.start, period.end].map((time) => formatInstant(time).slice(0, 10)) : []),
    ].join(' '),
  );

describe('what falls due', () => {
  const cycle = { ...UTC, anchor: at('2026-01-31') };

  test('is charged at the beginning where it recurs, at the end where it was used', () => {
    expect(due([usageComponent(), base], cycle, '2026-01-31', '2026-03-31')).toEqual([
      'base 2026-01-31T00:00 2026-01-31 2026-02-28',
      'calls 2026-02-28T00:00 2026-01-31 2026-02-28',
      'base 2026-02-28T00:00 2026-02-28 2026-03-31',
    ]);
  });

  test('lies in half-open windows that tile', () => {
    const components = [base, usageComponent({ recurrence_rule: 'FREQ=WEEKLY' })];
    const whole = due(components, cycle, '2026-01-01', '2027-01-01');
    const cut = [
      '2026-01-01',
      '2026-01-31',
      '2026-02-28',
      '2026-03-07',
      '2026-08-30T12:00:00Z',
      '2027-01-01',
    ];
    expect(cut.slice(1).flatMap((to, index) => due(components, cycle, cut[index]!, to))).toEqual(whole);
    expect(whole).toHaveLength(12 + 47);
  });

  test('is charged once where nothing recurs, at the anchor', () => {
    const { recurrence_rule: _, ...once } = base;
    expect(due([once], cycle, '2026-01-31', '2028-01-01')).toEqual(['base 2026-01-31T00:00']);
    expect(due([once], cycle, '2026-02-01', '2028-01-01')).toEqual([]);
    expect(due([once], cycle, '2026-01-01', '2026-01-31')).toEqual([]);
  });

  test('goes by the cycle for usage that says nothing', () => {
    const { recurrence_rule: _, ...plain } = usageComponent();
    expect(due([plain], cycle, '2026-02-01', '2026-03-01')).toEqual([
      'calls 2026-02-28T00:00 2026-01-31 2026-02-28',
    ]);
  });

  test('ends with COUNT; the last period is as long as if it went on', () => {
    const three = 'FREQ=MONTHLY;COUNT=2';
    const components = [{ ...base, recurrence_rule: three }, usageComponent({ recurrence_rule: three })];
    expect(due(components, cycle, '2026-01-01', '2030-01-01')).toEqual([
      'base 2026-01-31T00:00 2026-01-31 2026-02-28',
      'base 2026-02-28T00:00 2026-02-28 2026-03-31',
      'calls 2026-02-28T00:00 2026-01-31 2026-02-28',
      'calls 2026-03-31T00:00 2026-02-28 2026-03-31',
    ]);
  });

  test('charges nothing for the time before the first occurrence, but loses no usage of it', () => {
    const first = 'FREQ=MONTHLY;BYMONTHDAY=1';
    const components = [{ ...base, recurrence_rule: first }, usageComponent({ recurrence_rule: first })];
    expect(due(components, { ...UTC, anchor: at('2026-01-15') }, '2026-01-01', '2026-03-01')).toEqual([
      'base 2026-02-01T00:00 2026-02-01 2026-03-01',
      'calls 2026-02-01T00:00 2026-01-15 2026-02-01',
    ]);
  });

  test('goes by the zone of the component, else of the cycle', () => {
    const cycleThere = { rule: 'FREQ=MONTHLY', zone: 'Europe/Berlin', anchor: at('2026-02-28T23:00:00Z') };
    const there = { ...base, id: 'there' };
    const here = { ...base, id: 'here', timezone: 'UTC' };
    expect(due([there, here], cycleThere, '2026-03-15', '2026-04-15')).toEqual([
      'here 2026-03-28T23:00 2026-03-28 2026-04-28',
      'there 2026-03-31T22:00 2026-03-31 2026-04-30',
    ]);
  });

  test('finds the period that is due however far from the anchor, and tiles the time from it', () => {
    const rules = fc.constantFrom(
      'FREQ=DAILY',
      'FREQ=WEEKLY;INTERVAL=3',
      'FREQ=MONTHLY',
      'FREQ=MONTHLY;BYMONTHDAY=1,20',
      'FREQ=YEARLY;INTERVAL=2',
    );
    const days = fc.integer({ min: 0, max: 900 });
    fc.assert(
      fc.property(rules, days, fc.integer({ min: 1, max: 200 }), (rule, from, length) => {
        const anchor = at('2026-01-31T10:00:00Z');
        const window = { from: anchor + from * DAY, to: anchor + (from + length) * DAY };
        const component = usageComponent({ recurrence_rule: rule });
        const found = dueCharges([component], { anchor, zone: 'Europe/Berlin', rule }, window);
        const expected: number[] = [];
        for (let end = nextPeriodEnd({ rule, anchor, zone: 'Europe/Berlin' }, anchor)!; end < window.to;) {
          if (end >= window.from) expected.push(end);
          end = nextPeriodEnd({ rule, anchor, zone: 'Europe/Berlin' }, end)!;
        }
        expect(found.map(({ dueAt }) => dueAt)).toEqual(expected);
        for (const [index, { period }] of found.entries())
          if (index > 0) expect(period!.start).toBe(found[index - 1]!.period!.end);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the share of a period that is left', () => {
  test.each([
    ['2026-01-01', 'UTC', 31, 31],
    ['2026-01-16', 'UTC', 16, 31],
    ['2026-01-16T23:59:59Z', 'UTC', 16, 31],
    ['2026-01-31T23:59:59Z', 'UTC', 1, 31],
    // 19:00 the day before over there, and the period is of other days too
    ['2026-01-16', 'America/New_York', 16, 31],
    ['2026-01-16T06:00:00Z', 'America/New_York', 15, 31],
  ])('at %s in %s is %d of %d days', (change, zone, days, of) => {
    expect(shareLeft(JANUARY, at(change), zone)).toEqual({ days, of });
  });

  test('counts days, not hours, where the clocks change', () => {
    const march = { start: at('2026-02-28T23:00:00Z'), end: at('2026-03-31T22:00:00Z') };
    expect(shareLeft(march, at('2026-03-29T10:00:00Z'), 'Europe/Berlin')).toEqual({ days: 3, of: 31 });
  });

  test('counts a day that the zone skipped', () => {
    const december = { start: at('2011-12-01T10:00:00Z'), end: at('2011-12-31T10:00:00Z') };
    expect(shareLeft(december, at('2011-12-30T09:00:00Z'), 'Pacific/Apia')).toEqual({ days: 3, of: 31 });
  });

  test('is nothing on the local day of the end, and the whole of a period within one day', () => {
    const noons = { start: at('2026-01-01T12:00:00Z'), end: at('2026-02-01T12:00:00Z') };
    expect(shareLeft(noons, at('2026-02-01T09:00:00Z'), 'UTC')).toEqual({ days: 0, of: 31 });
    const hour = { start: at('2026-01-01T12:00:00Z'), end: at('2026-01-01T13:00:00Z') };
    expect(shareLeft(hour, at('2026-01-01T12:30:00Z'), 'UTC')).toEqual({ days: 1, of: 1 });
  });

  test.each(['2025-12-31T23:59:59Z', '2026-02-01'])('is none of its own at %s', (change) => {
    expect(() => shareLeft(JANUARY, at(change), 'UTC')).toThrow('lies within');
  });
});

describe('a change within a period', () => {
  const amounts = (...lines: ReturnType<typeof chargeLines>): string[] => lines.map((line) => line.amount);
  const change = (part: 'unused' | 'rest', when = at('2026-01-16')) => ({ part, at: when, zone: 'UTC' });

  test('gives back what is unused of the old and charges the rest of the new, each rounded once', () => {
    const lines = chargeLines([
      fixed(1000, { change: change('unused') }),
      fixed('2500.5', { change: change('rest') }),
    ]);
    // 16 of 31 days: 516.129..., 1290.58...
    expect(amounts(...lines)).toEqual(['-516', '1291']);
    expect(lines).toMatchObject([
      { proration: { part: 'unused', days: 16, of: 31 }, unitAmount: '1000', quantity: '1' },
      { proration: { part: 'rest', days: 16, of: 31 } },
    ]);
  });

  test('charges added seats only beyond the minimum', () => {
    const component = {
      id: 'seats',
      type: 'per_unit',
      label: 'Seats',
      unit_amount_cents: '310',
      minimum_seats: 5,
    } as const;
    const added = (before: number, after: number): string[] =>
      amounts(
        ...chargeLines([
          {
            type: 'per_unit',
            component,
            priceId: 'price_1',
            period: JANUARY,
            seats: amount(after),
            seatsBefore: amount(before),
            change: change('rest'),
          },
        ]),
      );
    expect([added(3, 5), added(3, 6), added(6, 8)]).toEqual([['0'], ['160'], ['320']]);
    expect(() => added(8, 6)).toThrow('next period');
  });

  test('there and back at one moment nets to zero', () => {
    const cents = fc.bigInt(0n, 10n ** 18n).map(formatAmount);
    fc.assert(
      fc.property(cents, cents, fc.integer({ min: 0, max: 30 }), (before, after, day) => {
        const when = JANUARY.start + day * DAY;
        const lines = chargeLines([
          fixed(before, { change: change('unused', when) }),
          fixed(after, { change: change('rest', when) }),
          fixed(after, { change: change('unused', when) }),
          fixed(before, { change: change('rest', when) }),
        ]);
        expect(lines.reduce((sum, line) => sum + readAmount(line.amount), 0n)).toBe(0n);
      }),
    );
  });
});
