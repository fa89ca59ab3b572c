import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatAmount, readAmount } from '#libs/kernel';
import {
  canonicalPricingData,
  isFreePlan,
  isFreePrice,
  latestPrices,
  priceKind,
  type Price,
  type PriceComponent,
} from './index.js';

type Given = Record<string, unknown>;

const amount = fc
  .tuple(fc.bigInt(0n, 10n ** 30n), fc.integer({ min: 0, max: 12 }))
  .map(([value, zeros]) => formatAmount((value / 10n ** BigInt(zeros)) * 10n ** BigInt(zeros)));
/** As callers write it: canonical, with zeros behind, or a whole number. */
const cents = fc.oneof(
  amount,
  amount.map((text) => (/\.\d{1,11}$/.test(text) ? `${text}0` : text)),
  fc.nat(),
);
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });
const recurring = fc.oneof(
  fc.constant({}),
  fc.record({
    recurrence_rule: fc.constantFrom(
      'FREQ=MONTHLY',
      'rrule:freq=yearly;interval=2',
      'RRULE:FREQ=WEEKLY;BYDAY=MO',
      'FREQ=DAILY;COUNT=30',
      'FREQ=DAILY;UNTIL=20270131',
    ),
    timezone: maybe(fc.constantFrom('Europe/Berlin', 'UTC', 'America/New_York')),
  }),
);
const tiers = fc
  .record({
    mode: fc.constantFrom('graduated', 'volume'),
    bounds: fc.uniqueArray(fc.integer({ min: 1, max: 1_000_000 }), { maxLength: 5 }),
    costs: fc.array(fc.record({ unit_cost_cents: cents, flat_cents: maybe(cents) }), {
      minLength: 6,
      maxLength: 6,
    }),
  })
  .map(({ mode, bounds, costs }) => ({
    mode,
    tiers: [...bounds.toSorted((a, b) => a - b), null].map((upTo, index) => ({ upTo, ...costs[index]! })),
  }));
const label = fc.string({ minLength: 1, maxLength: 255 });
const component: fc.Arbitrary<Given> = fc
  .tuple(
    fc.oneof(
      fc.record({ type: fc.constant('fixed'), label, amount_cents: cents }),
      fc.record({
        type: fc.constant('per_unit'),
        label,
        unit_amount_cents: cents,
        minimum_seats: maybe(fc.nat(1_000)),
        bill_immediately: maybe(fc.boolean()),
        metric_id: maybe(fc.constant('mtr_seats')),
      }),
      fc.record({
        type: fc.constant('usage'),
        label,
        unit_cost_cents: cents,
        free_units: maybe(cents),
        unit_label: maybe(fc.constant('call')),
        metric_id: fc.constant('mtr_1'),
      }),
      fc.record({ type: fc.constant('usage'), label, tiers, metric_id: fc.constant('mtr_1') }),
    ),
    recurring,
  )
  .map(([members, rule]) => ({ ...members, ...rule }));
/** Each usage component has a metric of its own. */
const metered = (given: Given, index: number): Given =>
  given['type'] === 'usage' ? { ...given, metric_id: `mtr_${index}` } : given;
const components = fc
  .array(component, { minLength: 1, maxLength: 8 })
  .map((given) => given.map((one, index) => metered(one, index)));

const read = (pricingData: unknown): Price => ({
  planId: 'plan_1',
  currency: 'USD',
  pricingData: canonicalPricingData(pricingData, (index) => `cmp_${index}`),
});
const codes = (pricingData: unknown): readonly string[] =>
  priceKind
    .check(read(pricingData))
    .map(({ pointer, code }) => `${pointer.slice('/pricingData'.length)} ${code}`);
const price = (...given: readonly unknown[]) => ({ dsl_version: 1, components: given });

const amountsOf = (one: PriceComponent): readonly string[] =>
  [
    ...[one.amount_cents, one.unit_amount_cents, one.unit_cost_cents, one.free_units],
    ...(one.tiers?.tiers ?? []).flatMap((tier) => [tier.upTo, tier.unit_cost_cents, tier.flat_cents]),
  ].filter((stored) => stored != null);

/** Something wrong in a component: which it can be put into, how, and what must be said of it. */
interface Fault {
  readonly fits: (component: Given) => boolean;
  readonly plant: (component: Given) => Given;
  readonly says: string;
}
const every = () => true;
const isType =
  (...types: readonly string[]) =>
  ({ type }: Given) =>
    types.includes(type as string);
const recurs = (given: Given): boolean => 'recurrence_rule' in given;
const tiered = (given: Given): boolean => 'tiers' in given;
const set = (member: string, value: unknown, code: string, fits = every as Fault['fits']): Fault => ({
  fits,
  plant: (given) => ({ ...given, [member]: value }),
  says: `/${member} ${code}`,
});
const setTiers = (value: unknown, says: string): Fault => ({
  fits: tiered,
  plant: (given) => ({ ...given, tiers: value }),
  says: `/tiers${says}`,
});
const open = { upTo: null, unit_cost_cents: '1' };

const FAULTS: readonly Fault[] = [
  set('id', 'a b', 'id_invalid'),
  set('id', 7, 'id_invalid'),
  set('label', null, 'required'),
  set('label', '', 'too_short'),
  set('label', 'x'.repeat(256), 'too_long'),
  set('label', 5, 'type'),
  set('surprise', 1, 'unknown_field'),
  set('amount_cents', null, 'required', isType('fixed')),
  set('amount_cents', -1, 'amount_negative', isType('fixed')),
  set('amount_cents', 0.5, 'amount_not_whole_number', isType('fixed')),
  set('amount_cents', '1e3', 'amount_invalid', isType('fixed')),
  set('amount_cents', `0.${'1'.repeat(13)}`, 'amount_too_precise', isType('fixed')),
  set('amount_cents', '9'.repeat(25), 'amount_out_of_range', isType('fixed')),
  set('amount_cents', {}, 'amount_invalid', isType('fixed')),
  set('unit_amount_cents', null, 'required', isType('per_unit')),
  set('unit_amount_cents', 1, 'not_applicable', isType('fixed', 'usage')),
  set('minimum_seats', 1.5, 'type', isType('per_unit')),
  set('minimum_seats', -1, 'out_of_range', isType('per_unit')),
  set('minimum_seats', 1, 'not_applicable', isType('fixed', 'usage')),
  set('bill_immediately', 'yes', 'type', isType('per_unit')),
  set('bill_immediately', true, 'not_applicable', isType('fixed', 'usage')),
  set('unit_cost_cents', null, 'required', (given) => given['type'] === 'usage' && !tiered(given)),
  set('unit_cost_cents', '-0.5', 'amount_negative', (given) => given['type'] === 'usage' && !tiered(given)),
  set('free_units', 'many', 'amount_invalid', isType('usage')),
  set('free_units', 1, 'not_applicable', isType('fixed', 'per_unit')),
  set('unit_label', 'x', 'not_applicable', isType('fixed')),
  set('metric_id', null, 'required', isType('usage')),
  set('metric_id', '../x', 'id_invalid', isType('usage', 'per_unit')),
  set('metric_id', 'mtr_1', 'not_applicable', isType('fixed')),
  set('recurrence_rule', 'FREQ=DAILY', 'rrule_unbounded'),
  set('recurrence_rule', 'FREQ=HOURLY', 'rrule_frequency_unsupported'),
  set('recurrence_rule', 'FREQ=MONTHLY;TZID=UTC', 'rrule_tzid'),
  set('recurrence_rule', 'monthly', 'rrule_invalid'),
  set('recurrence_rule', 'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30', 'rrule_never_matches'),
  set('recurrence_rule', 30, 'type'),
  set('timezone', 'Mars/Olympus', 'timezone_unknown', recurs),
  set('timezone', 'UTC', 'not_applicable', (given) => !recurs(given)),
  { fits: tiered, plant: (given) => ({ ...given, unit_cost_cents: 1 }), says: '/tiers exclusive' },
  setTiers([], ' type'),
  setTiers({ mode: 'stairs', tiers: [open] }, '/mode not_allowed'),
  setTiers({ mode: 'volume' }, '/tiers required'),
  setTiers({ mode: 'volume', tiers: [] }, '/tiers out_of_range'),
  setTiers({ mode: 'volume', tiers: [5] }, '/tiers/0 type'),
  setTiers({ mode: 'volume', tiers: [{ unit_cost_cents: 1 }] }, '/tiers/0/upTo required'),
  setTiers({ mode: 'volume', tiers: [{ upTo: null }] }, '/tiers/0/unit_cost_cents required'),
  setTiers({ mode: 'volume', tiers: [{ ...open, flat_cents: '-1' }] }, '/tiers/0/flat_cents amount_negative'),
  setTiers({ mode: 'volume', tiers: [{ ...open, upTo: 10 }] }, '/tiers/0/upTo not_allowed'),
  setTiers({ mode: 'volume', tiers: [open, open] }, '/tiers/0/upTo not_allowed'),
  setTiers({ mode: 'volume', tiers: [{ ...open, upTo: 0 }, open] }, '/tiers/0/upTo out_of_range'),
  setTiers(
    { mode: 'volume', tiers: [{ ...open, upTo: 5 }, { ...open, upTo: '5.0' }, open] },
    '/tiers/1/upTo out_of_range',
  ),
];

describe('the data of a price', () => {
  test('is fine whatever it is made of, stays so in canonical form, and is read the same again', () => {
    fc.assert(
      fc.property(components, (given) => {
        const once = read(price(...given));
        expect(priceKind.check(once)).toEqual([]);
        expect(read(once.pricingData)).toEqual(once);
        expect(once.pricingData.components.map(({ id }) => id)).toEqual(given.map((_, n) => `cmp_${n}`));
        for (const stored of once.pricingData.components.flatMap(amountsOf))
          expect(stored).toBe(formatAmount(readAmount(stored)));
        expect(JSON.stringify(once)).not.toMatch(/"(recurrence_rule|label)":null|RRULE/);
      }),
    );
  });

  test('lists every fault that is planted, with its place, and nothing else', () => {
    const faulty = fc
      .array(fc.tuple(component, maybe(fc.nat(FAULTS.length - 1))), { minLength: 1, maxLength: 8 })
      .map((given) =>
        given.map(([made, number], index) => {
          const one = metered(made, index);
          const fault = number === null ? undefined : FAULTS[number];
          return fault?.fits(one)
            ? { given: fault.plant(one), says: fault.says }
            : { given: one, says: null };
        }),
      );
    fc.assert(
      fc.property(faulty, (given) => {
        const expected = given.flatMap(({ says }, index) =>
          says === null ? [] : [`/components/${index}${says}`],
        );
        expect(codes(price(...given.map((one) => one.given))).toSorted()).toEqual(expected.toSorted());
      }),
      { numRuns: 500 },
    );
  });

  test('has each fault named by itself', () => {
    const [plain, recurring] = [{}, { recurrence_rule: 'FREQ=MONTHLY' }].map((rule) => [
      { type: 'fixed', label: 'Base', amount_cents: 1, ...rule },
      { type: 'per_unit', label: 'Seats', unit_amount_cents: 1, ...rule },
      { type: 'usage', label: 'Calls', unit_cost_cents: 1, metric_id: 'm', ...rule },
      { type: 'usage', label: 'Calls', tiers: { mode: 'volume', tiers: [open] }, metric_id: 'm', ...rule },
    ]);
    for (const { fits, plant, says } of FAULTS) {
      const fitting = [...plain!, ...recurring!].filter(fits);
      expect(fitting.length).toBeGreaterThan(0);
      for (const one of fitting) expect(codes(price(plant(one)))).toEqual([`/components/0${says}`]);
    }
  });

  test('charges the usage of a metric once', () => {
    const usage = { type: 'usage', label: 'Calls', unit_cost_cents: 1, metric_id: 'm' };
    const seats = { type: 'per_unit', label: 'Seats', unit_amount_cents: 1, metric_id: 'm' };
    expect(codes(price(usage, seats, { ...usage, metric_id: 'n' }))).toEqual([]);
    expect(codes(price(usage, seats, { ...usage, unit_cost_cents: 2 }))).toEqual([
      '/components/2/metric_id duplicate',
    ]);
  });

  test('is refused as a whole where it is no price data at all', () => {
    const base = { type: 'fixed', label: 'Base', amount_cents: 1 };
    expect(codes(null)).toEqual([' type']);
    expect(codes([])).toEqual([' type']);
    expect(codes({})).toEqual(['/dsl_version required', '/components required']);
    expect(codes({ dsl_version: 2, components: 'x', tiered: true })).toEqual([
      '/dsl_version not_allowed',
      '/components type',
      '/tiered unknown_field',
    ]);
    expect(codes(price())).toEqual(['/components out_of_range']);
    expect(codes(price(...Array.from({ length: 51 }, () => base)))).toEqual(['/components out_of_range']);
    expect(codes(price(null, [], 'x', {}))).toEqual([
      '/components/0 type',
      '/components/1 type',
      '/components/2 type',
      '/components/3/type required',
      '/components/3/label required',
    ]);
    expect(codes(price({ ...base, id: 'a' }, { ...base, id: 'a' }))).toEqual(['/components/1/id duplicate']);
    expect(codes(price({ ...base, 'a/b~c': 1 }))).toEqual(['/components/0/a~1b~0c unknown_field']);
  });

  test('takes a seat’s charge under either name', () => {
    const seats = { type: 'per_unit', label: 'Seats' };
    expect(read(price({ ...seats, amount_cents: '900.00' })).pricingData.components).toEqual([
      { ...seats, id: 'cmp_0', unit_amount_cents: '900', bill_immediately: true },
    ]);
    expect(codes(price({ ...seats, amount_cents: 1, unit_amount_cents: 1 }))).toEqual([
      '/components/0/amount_cents not_applicable',
    ]);
  });
});

describe('a free price', () => {
  const of = (...given: readonly Given[]): Price => read(price(...given));
  const usage = { type: 'usage', label: 'Calls', metric_id: 'm' };

  test('charges nothing anywhere, tiers and seats included', () => {
    const free = [
      { type: 'fixed', label: 'Base', amount_cents: 0 },
      { type: 'per_unit', label: 'Seats', unit_amount_cents: '0.00', minimum_seats: 5 },
      { ...usage, unit_cost_cents: 0 },
      { ...usage, tiers: { mode: 'graduated', tiers: [{ ...open, unit_cost_cents: 0, flat_cents: 0 }] } },
    ];
    expect(isFreePrice(of(...free))).toBe(true);
    for (const charged of [
      { ...free[0], amount_cents: '0.01' },
      { ...free[1], unit_amount_cents: 1 },
      // what is free first is charged in the end
      { ...free[2], unit_cost_cents: 1, free_units: '1000000' },
      { ...usage, tiers: { mode: 'graduated', tiers: [{ ...open, unit_cost_cents: 0, flat_cents: 1 }] } },
      { ...usage, tiers: { mode: 'volume', tiers: [{ ...open, unit_cost_cents: 0, upTo: 1 }, open] } },
    ])
      expect(isFreePrice(of(...free, charged))).toBe(false);
  });

  test('makes a plan free when all that count are, and there is one', () => {
    const free = of({ type: 'fixed', label: 'Base', amount_cents: 0 });
    const paid = of({ type: 'fixed', label: 'Base', amount_cents: 1 });
    expect([isFreePlan([]), isFreePlan([free]), isFreePlan([free, paid])]).toEqual([false, true, false]);
    const documents = [paid, { ...paid, currency: 'EUR' }, free].map((attributes) => ({ attributes }));
    expect(latestPrices(documents)).toEqual([documents[2], documents[1]]);
  });
});
