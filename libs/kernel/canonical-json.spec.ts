import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canonicalize } from 'json-canonicalize';
import { canonicalJson, inCanonicalOrder, type Json } from '#libs/kernel';

const keys = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('__proto__', 'constructor', '10', '9', 'é', '😀', 'ﬁ', ''),
);
const { json } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(
      fc.constantFrom(null, true, false, 0, 1e21, 1e-7, 0.1, -1.5, 5e-324),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.string({ unit: 'binary' }),
    ),
    fc.array(tie('json'), { maxLength: 4 }),
    fc.array(fc.tuple(keys, tie('json')), { maxLength: 5 }).map((members) => Object.fromEntries(members)),
  ),
}));

/** The same value with the members of every object in another order. */
function reversed(value: Json): Json {
  if (Array.isArray(value)) return value.map((item) => reversed(item as Json));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, reversed(member as Json)]),
  );
}

describe('canonicalJson', () => {
  test('is what another implementation of RFC 8785 writes', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(canonicalJson(value)).toBe(canonicalize(value));
      }),
      { numRuns: 2000 },
    );
  });

  test('does not depend on the order of members and is read back as the same value', () => {
    fc.assert(
      fc.property(json, (value) => {
        const text = canonicalJson(value);
        expect(canonicalJson(reversed(value))).toBe(text);
        expect(canonicalJson(JSON.parse(text) as Json)).toBe(text);
      }),
    );
  });

  test('sorts by UTF-16 code units, as the example of RFC 8785 does', () => {
    const value = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 };
    expect(Object.values(JSON.parse(canonicalJson(value)) as object)).toEqual([4, 2, 6, 7, 1, 5, 3]);
  });

  test.each([
    [{ b: undefined, a: 1 }, '{"a":1}'],
    [{ a: undefined }, '{}'],
    [undefined, 'null'],
    [[undefined as unknown as Json, 1], '[null,1]'],
    [-0, '0'],
    ['\u2028\u0007"\\/', '"\u2028\\u0007\\"\\\\/"'],
  ])('writes %j', (value, text) => {
    expect(canonicalJson(value)).toBe(text);
  });

  test.each([NaN, Infinity, -Infinity])('refuses %p', (value) => {
    expect(() => canonicalJson({ deep: [value] })).toThrow('not a JSON number');
  });
});

describe('inCanonicalOrder', () => {
  test('changes the order of members and nothing else', () => {
    fc.assert(
      fc.property(json, (value) => {
        const ordered = inCanonicalOrder(value);
        expect(canonicalJson(ordered)).toBe(canonicalJson(value));
        expect(JSON.stringify(ordered)).toBe(JSON.stringify(JSON.parse(canonicalJson(value))));
      }),
      { numRuns: 1000 },
    );
  });

  test('returns the value itself where there is nothing to change', () => {
    const value = { a: [1, { b: null, c: 'x' }], d: {} };
    expect(inCanonicalOrder(value)).toBe(value);
    const other = { a: 1, nested: { z: 1, y: [value] } };
    expect(inCanonicalOrder(other)).not.toBe(other);
    expect(inCanonicalOrder(other).nested.y[0]).toBe(value);
  });

  test('leaves out what is unset and keeps a member called __proto__', () => {
    expect(Object.keys(inCanonicalOrder({ c: 1, b: undefined, a: 1 }))).toEqual(['a', 'c']);
    expect(JSON.stringify(inCanonicalOrder({ a: 1, b: undefined }))).toBe('{"a":1}');
    const value = JSON.parse('{"b":1,"__proto__":"mine"}') as Json;
    expect(JSON.stringify(inCanonicalOrder(value))).toBe('{"__proto__":"mine","b":1}');
  });
});
