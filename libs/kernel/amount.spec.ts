import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import {
  formatAmount,
  MAX_INTEGER_DIGITS,
  MAX_SCALE,
  minAmount,
  multiplyAmounts,
  parseAmount,
  readAmount,
  withinRange,
} from '#libs/kernel';
import { amountTexts } from '../../test/support/arbitraries.js';

const LIMIT = 10n ** 36n;
const scales = fc.integer({ min: 0, max: MAX_SCALE });
const representable = fc.oneof(
  fc.bigInt(-LIMIT + 1n, LIMIT - 1n),
  fc.bigInt(-(10n ** 14n), 10n ** 14n),
  fc.constantFrom(0n, 1n, -1n, LIMIT - 1n, 1n - LIMIT),
);

/** The verdict on a text, worked out character by character. */
function verdict(text: string, scale: number): string {
  const body = text.startsWith('-') ? text.slice(1) : text;
  const [whole = '', ...decimals] = body.split('.');
  const areDigits = (digits: string): boolean =>
    digits.length > 0 && [...digits].every((digit) => digit >= '0' && digit <= '9' && digit.length === 1);
  if (decimals.length > 1 || ![whole, ...decimals].every(areDigits)) return 'amount_invalid';
  if (whole.length > 24) return 'amount_out_of_range';
  const fraction = decimals[0] ?? '';
  if (fraction.length > scale) return 'amount_too_precise';
  const isZero = !/[1-9]/.test(body);
  if (isZero && text.startsWith('-')) return 'amount_invalid';
  const wholePart = whole.replace(/^0+(?=\d)/, '');
  const fractionPart = fraction.replace(/0+$/, '');
  return `${text.startsWith('-') ? '-' : ''}${wholePart}${fractionPart === '' ? '' : `.${fractionPart}`}`;
}

describe('parseAmount', () => {
  test('takes the one grammar and nothing else, at every scale', () => {
    let accepted = 0;
    fc.assert(
      fc.property(amountTexts, scales, (text, scale) => {
        const amount = parseAmount(text, scale);
        if (typeof amount === 'bigint') accepted++;
        expect(typeof amount === 'bigint' ? formatAmount(amount) : amount).toBe(verdict(text, scale));
      }),
      { numRuns: 4000 },
    );
    expect(accepted).toBeGreaterThan(400);
  });

  test.each([
    ['', 'amount_invalid'],
    ['-', 'amount_invalid'],
    ['1.', 'amount_invalid'],
    ['.5', 'amount_invalid'],
    ['+5', 'amount_invalid'],
    ['1e3', 'amount_invalid'],
    ['0x1f', 'amount_invalid'],
    ['1_000', 'amount_invalid'],
    ['1,000', 'amount_invalid'],
    [' 5', 'amount_invalid'],
    ['5\n', 'amount_invalid'],
    ['٣', 'amount_invalid'],
    ['NaN', 'amount_invalid'],
    ['Infinity', 'amount_invalid'],
    ['-0', 'amount_invalid'],
    ['-0.000', 'amount_invalid'],
    ['1.2.3', 'amount_invalid'],
    ['.'.repeat(200), 'amount_invalid'],
    [`${'1'.repeat(200)}x`, 'amount_invalid'],
    ['1'.repeat(25), 'amount_out_of_range'],
    ['1'.repeat(100_000), 'amount_out_of_range'],
    [`1.${'0'.repeat(13)}`, 'amount_too_precise'],
    [`1.${'0'.repeat(300)}`, 'amount_too_precise'],
  ])('finds the fault of %j', (text, fault) => {
    expect(parseAmount(text)).toBe(fault);
  });

  test.each([
    [5, '5'],
    [-5, '-5'],
    [0, '0'],
    [Number.MAX_SAFE_INTEGER, '9007199254740991'],
    [-0, 'amount_invalid'],
    [1.5, 'amount_not_whole_number'],
    [2 ** 53, 'amount_out_of_range'],
    [1e21, 'amount_out_of_range'],
    [NaN, 'amount_invalid'],
    [Infinity, 'amount_invalid'],
  ])('reads the JSON number %p as %s', (input, expected) => {
    const amount = parseAmount(input, 0);
    expect(typeof amount === 'bigint' ? formatAmount(amount) : amount).toBe(expected);
  });

  test.each([[null], [undefined], [true], [5n], [[5]], [{}], [['5']]])('takes no %p', (input) => {
    expect(parseAmount(input)).toBe('amount_invalid');
  });

  test('keeps one decimal less than is too precise', () => {
    fc.assert(
      fc.property(scales, (scale) => {
        const kept = scale === 0 ? '7' : `7.${'0'.repeat(scale - 1)}1`;
        expect(formatAmount(parseAmount(kept, scale) as bigint)).toBe(kept);
        expect(parseAmount(scale === 0 ? '7.1' : `${kept}0`, scale)).toBe('amount_too_precise');
      }),
    );
  });
});

describe('formatAmount', () => {
  test('is undone by parseAmount and by readAmount', () => {
    fc.assert(
      fc.property(representable, (amount) => {
        const text = formatAmount(amount);
        expect(text).toMatch(/^(0|-?(0\.\d*[1-9]|[1-9]\d*(\.\d*[1-9])?))$/);
        expect(parseAmount(text)).toBe(amount);
        expect(readAmount(text)).toBe(amount);
        expect(readAmount(JSON.parse(JSON.stringify(text)) as string)).toBe(amount);
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    [0n, '0'],
    [1n, '0.000000000001'],
    [-1n, '-0.000000000001'],
    [15n * 10n ** 11n, '1.5'],
    [-15n * 10n ** 11n, '-1.5'],
    [LIMIT - 1n, `${'9'.repeat(24)}.${'9'.repeat(12)}`],
  ])('writes %p as %s', (amount, text) => {
    expect(formatAmount(amount)).toBe(text);
  });
});

describe('readAmount', () => {
  test.each(['', ' 5', '+5', '0x1f', '1e3', 'abc', '-', '-0', '1.', '12 ', '1_0', `1.${'1'.repeat(13)}`])(
    'stops at %j',
    (stored) => {
      expect(() => readAmount(stored)).toThrow(Error);
    },
  );

  test('reads sums and products, which may have more digits than a caller may write', () => {
    const largest = parseAmount('9'.repeat(24)) as bigint;
    expect(readAmount(formatAmount(2n * largest))).toBe(2n * largest);
    expect(readAmount(formatAmount(-largest * largest))).toBe(-largest * largest);
  });

  test.each([
    ['7', 7n],
    ['-7', -7n],
    ['999999999999999', 999999999999999n],
    ['9999999999999999', 9999999999999999n],
  ])('reads %s', (stored, whole) => {
    expect(readAmount(stored)).toBe(whole * 10n ** 12n);
  });
});

describe('the range of amounts', () => {
  test('ends where a 25th digit would be needed', () => {
    expect(MAX_INTEGER_DIGITS).toBe(24);
    fc.assert(
      fc.property(fc.oneof(representable, fc.bigInt(-LIMIT * 2n, LIMIT * 2n)), (amount) => {
        expect(withinRange(amount)).toBe(-LIMIT < amount && amount < LIMIT);
        expect(withinRange(amount)).toBe(typeof parseAmount(formatAmount(amount)) === 'bigint');
      }),
    );
    expect([LIMIT - 1n, LIMIT, -LIMIT, 1n - LIMIT].map(withinRange)).toEqual([true, false, false, true]);
  });

  test('the smaller of two is one of them and not above the other', () => {
    fc.assert(
      fc.property(representable, representable, (a, b) => {
        const least = minAmount(a, b);
        expect([a, b]).toContain(least);
        expect(least <= a && least <= b).toBe(true);
      }),
    );
  });
});

describe('multiplyAmounts', () => {
  test('is the exact product, rounded half away from zero to the scale', () => {
    let roundedUp = 0;
    fc.assert(
      fc.property(
        fc.oneof(representable, fc.bigInt(-(10n ** 15n), 10n ** 15n)),
        fc.oneof(fc.bigInt(0n, 10n ** 14n), fc.constantFrom(5n * 10n ** 11n, 25n * 10n ** 10n, 1n)),
        scales,
        (value, rate, scale) => {
          const { amount, rounded } = multiplyAmounts(value, rate, scale);
          // all as rationals over 10^24: the product, the result, and half of the last digit kept
          const exact = value * rate;
          const result = amount * 10n ** 12n;
          const half = 10n ** BigInt(24 - scale) / 2n;
          const off = result - exact;
          const isTie = (off < 0n ? -off : off) === half;
          if (isTie) roundedUp++;
          expect(amount % 10n ** BigInt(12 - scale)).toBe(0n);
          expect(off <= half && off >= -half).toBe(true);
          expect(rounded).toBe(off !== 0n);
          const moved = (n: bigint): bigint => (n < 0n ? -n : n);
          expect(!isTie || moved(result) > moved(exact)).toBe(true);
        },
      ),
      { numRuns: 3000 },
    );
    expect(roundedUp).toBeGreaterThan(0);
  });

  test.each([
    ['0.5', '1', 0, '1', true],
    ['-0.5', '1', 0, '-1', true],
    ['2.5', '1', 0, '3', true],
    ['0.4', '1', 0, '0', true],
    ['-0.4', '1', 0, '0', true],
    ['1.005', '1', 2, '1.01', true],
    ['3', '0.333333', 6, '0.999999', false],
    ['0.000000000001', '0.5', 12, '0.000000000001', true],
    ['1.1', '1.1', 12, '1.21', false],
  ])('%s x %s at scale %p is %s', (value, rate, scale, expected, rounded) => {
    const product = multiplyAmounts(parseAmount(value) as bigint, parseAmount(rate) as bigint, scale);
    expect({ ...product, amount: formatAmount(product.amount) }).toEqual({ amount: expected, rounded });
  });
});

describe('no binary floating point', () => {
  test('touches an amount in the code', () => {
    const code = readFileSync(new URL('./amount.ts', import.meta.url), 'utf8').replace(
      /\/\*[^]*?\*\/|\/\/.*/g,
      '',
    );
    expect(code).toContain('BigInt(');
    expect(code).not.toMatch(/parseFloat|toFixed|toPrecision|Math\.|\bNumber\(|\d\.\d/);
  });

  test('loses sums that floats lose', () => {
    fc.assert(
      fc.property(representable, representable, representable, (a, b, c) => {
        expect(readAmount(formatAmount(a / 4n)) + readAmount(formatAmount(b / 4n))).toBe(a / 4n + b / 4n);
        expect(a + b + c).toBe(c + (b + a));
      }),
    );
    const tenth = parseAmount('0.1') as bigint;
    expect(formatAmount(tenth + (parseAmount('0.2') as bigint))).toBe('0.3');
  });
});
