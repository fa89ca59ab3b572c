import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson, type Json } from '#libs/kernel';
import { differingMembers, fingerprintOf } from './fingerprint.js';

type Input = Readonly<Record<string, Json>>;
const values = fc.oneof(
  fc.constantFrom<Json>(
    5,
    '5',
    5.5,
    null,
    'null',
    true,
    'true',
    '',
    [],
    {},
    'a;b=c',
    '#abc',
    'cus_1',
    'x'.repeat(40),
  ),
  fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>,
);
const inputs: fc.Arbitrary<Input> = fc.dictionary(
  fc.constantFrom('amount', 'customerId', 'context', 'notes', 'unit'),
  values,
);

describe('fingerprintOf', () => {
  test('tells in which members two inputs differ, and in no others', () => {
    let same = 0;
    fc.assert(
      fc.property(inputs, inputs, fc.boolean(), (first, changes, isNear) => {
        const second = isNear ? { ...first, ...changes } : changes;
        const text = (input: Input, name: string): string | undefined =>
          name in input ? canonicalJson(input[name]) : undefined;
        const expected = [...new Set([...Object.keys(first), ...Object.keys(second)])]
          .filter((name) => text(first, name) !== text(second, name))
          .sort();
        if (expected.length < 2) same++;
        expect(differingMembers(fingerprintOf(first), fingerprintOf(second))).toEqual(expected);
      }),
      { numRuns: 1500 },
    );
    expect(same).toBeGreaterThan(20);
  });

  test('does not depend on the order of members, nor on unset ones', () => {
    const text = fingerprintOf({ b: { y: 1, x: [2] }, a: 'one' });
    expect(fingerprintOf({ a: 'one', c: undefined, b: { x: [2], y: 1 } })).toBe(text);
  });

  test('keeps short plain values readable and hides the rest', () => {
    expect(fingerprintOf({ customerId: 'cus_1', amount: '5' })).toBe('amount="5";customerId="cus_1"');
    const long = fingerprintOf({ notes: 'a secret that is longer than what is kept' });
    expect(long).toMatch(/^notes=#[\w-]{10}$/);
    expect(fingerprintOf({ notes: 'a;b' })).toMatch(/^notes=#[\w-]{10}$/);
  });

  test('is the same for ever: it is stored', () => {
    expect(fingerprintOf({ amount: 5, context: { productTags: ['a'] }, note: null })).toBe(
      'amount=5;context=#4Xhs6PNKa_;note=null',
    );
  });

  test('of nothing is empty', () => {
    expect(fingerprintOf({})).toBe('');
    expect(differingMembers('', '')).toEqual([]);
    expect(differingMembers('', fingerprintOf({ amount: 5 }))).toEqual(['amount']);
  });
});
