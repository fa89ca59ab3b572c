import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatAmount } from '#libs/kernel';
import { amount, usageComponent } from '../../test/support/billing-world.js';
import { chargedSeats, exactPrice, ONE, priceParts, roundToMinor } from './index.js';

const TIERS = [
  { upTo: '1000', unit_cost_cents: '2' },
  { upTo: '5000', unit_cost_cents: '1.5', flat_cents: '100' },
  { upTo: null, unit_cost_cents: '0.25', flat_cents: '500' },
];
const graduated = usageComponent({ tiers: { mode: 'graduated', tiers: TIERS } });
const volume = usageComponent({ tiers: { mode: 'volume', tiers: TIERS } });

const price = (component: typeof graduated, quantity: string | number, of = quantity): string =>
  formatAmount(roundToMinor(exactPrice(priceParts(component, amount(quantity), amount(of)))));

describe('a price of usage', () => {
  test.each([
    [0, '0', '0'],
    [1, '2', '2'],
    [999, '1998', '1998'],
    // the end of a tier belongs to it
    [1000, '2000', '2000'],
    [1001, '2102', '1602'],
    ['1000.5', '2101', '1601'], // 2000 + 100 + 0.75; 100 + 1500.75
    [4999, '8099', '7599'],
    [5000, '8100', '7600'],
    [5001, '8600', '1750'], // 8100 + 500 + 0.25; 500 + 1250.25
    [5002, '8601', '1751'], // 0.5 is rounded up
    [10000, '9850', '3000'],
  ])('of %s units: graduated %s, volume %s', (quantity, inTiers, byVolume) => {
    expect([price(graduated, quantity), price(volume, quantity)]).toEqual([inTiers, byVolume]);
  });

  test.each([
    ['99.9', '0'],
    [100, '0'],
    [101, '1'],
    ['101.5', '2'],
  ])('with 100 free units, of %s units: %s', (quantity, cents) => {
    expect(price(usageComponent({ free_units: '100' }), quantity)).toBe(cents);
  });

  test('counts tiers from the end of what is free', () => {
    const free = { free_units: '500', tiers: graduated.tiers! };
    expect(price(usageComponent(free), 1500)).toBe('2000');
    expect(price(usageComponent(free), 1501)).toBe('2102');
    expect(price(usageComponent({ ...free, tiers: volume.tiers! }), 1501)).toBe('1602');
  });

  test('says how each part was priced', () => {
    const parts = priceParts(graduated, amount(5001));
    expect(parts.map(({ quantity, unit, flat }) => [quantity, unit, flat].map(formatAmount))).toEqual([
      ['1000', '2', '0'],
      ['4000', '1.5', '100'],
      ['1', '0.25', '500'],
    ]);
  });

  test('takes the volume tier of all usage for a part of it', () => {
    expect(price(volume, 1000, 1001)).toBe('1600');
    expect(price(volume, 0, 1001)).toBe('0');
  });
});

test('seats are never fewer than the minimum', () => {
  const seats = { id: 's', type: 'per_unit', label: 'Seats', unit_amount_cents: '100' } as const;
  expect(chargedSeats({ ...seats, minimum_seats: 5 }, amount(3))).toBe(amount(5));
  expect(chargedSeats({ ...seats, minimum_seats: 5 }, amount(6))).toBe(amount(6));
  expect(chargedSeats(seats, 0n)).toBe(0n);
});

test.each([
  ['0.5', '1'],
  ['0.499999999999', '0'],
  ['1.5', '2'],
  ['2.5', '3'],
  ['-0.5', '-1'],
  ['-2.5', '-3'],
  ['-0.4', '0'],
])('%s minor units are %s', (exact, rounded) => {
  expect(formatAmount(roundToMinor(amount(exact) * ONE))).toBe(rounded);
});

/** Tiers with prices that need not fall, at most 12 units each, with and without fees. */
const tiersOf = (flat: fc.Arbitrary<string | undefined>) =>
  fc
    .array(fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 300 }), flat), {
      minLength: 1,
      maxLength: 4,
    })
    .map((all) => {
      let upTo = 0;
      return all.map(([width, cost, fee], index) => ({
        upTo: index === all.length - 1 ? null : String((upTo += width)),
        unit_cost_cents: formatAmount((BigInt(cost) * ONE) / 100n),
        flat_cents: fee,
      }));
    });
const quantities = fc.bigInt(0n, 60_000n).map((thousandths) => (thousandths * ONE) / 1000n);

describe('tiers', () => {
  test('are continuous where they have no fees: a little more costs at most that much of the dearest tier', () => {
    fc.assert(
      fc.property(tiersOf(fc.constant(undefined)), quantities, (tiers, quantity) => {
        const component = usageComponent({ tiers: { mode: 'graduated', tiers } });
        const costOf = (units: bigint): bigint => exactPrice(priceParts(component, units));
        const dearest = tiers.map((tier) => amount(tier.unit_cost_cents)).reduce((a, b) => (a > b ? a : b));
        const step = ONE / 1000n;
        const difference = costOf(quantity + step) - costOf(quantity);
        expect(difference >= 0n && difference <= step * dearest).toBe(true);
      }),
    );
  });

  test('cost what each unit of its own costs: an independent count, thousandth by thousandth', () => {
    const fees = fc.constantFrom(undefined, '7', '0.5');
    fc.assert(
      fc.property(tiersOf(fees), fc.integer({ min: 0, max: 60 }), (tiers, units) => {
        const tierAt = (unit: number): number =>
          tiers.findIndex(({ upTo }) => upTo === null || unit <= Number(upTo));
        const reached = new Set(Array.from({ length: units }, (_, index) => tierAt(index + 1)));
        const cents = (text: string | undefined): bigint => amount(text ?? '0');
        let inTiers = 0n;
        for (let unit = 1; unit <= units; unit++) inTiers += cents(tiers[tierAt(unit)]!.unit_cost_cents);
        for (const tier of reached) inTiers += cents(tiers[tier]!.flat_cents);
        const of = tiers[tierAt(units)]!;
        const byVolume = units === 0 ? 0n : BigInt(units) * cents(of.unit_cost_cents) + cents(of.flat_cents);
        const priced = (mode: 'graduated' | 'volume'): bigint =>
          exactPrice(priceParts(usageComponent({ tiers: { mode, tiers } }), amount(units)));
        expect([priced('graduated'), priced('volume')]).toEqual([inTiers * ONE, byVolume * ONE]);
      }),
    );
  });
});
