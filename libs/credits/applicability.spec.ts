import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { admits, narrowness, type Applicability, type UsageContext } from '#libs/credits';
import { applicabilities, contexts } from '../../test/support/arbitraries.js';
import { mayPay } from '../../test/support/credit-model.js';

type Case = readonly [boolean, Applicability, UsageContext];

const NOTHING_NAMED: readonly Case[] = [
  [true, {}, {}],
  [true, {}, { featureSlug: 'chat', productTags: ['a'], meterId: 'm1' }],
  [true, { features: [], products: [], contracts: [], specifiers: [] }, {}],
];
const TARGETS: readonly Case[] = [
  [true, { features: ['chat', 'search'] }, { featureSlug: 'search' }],
  [false, { features: ['chat'] }, { featureSlug: 'search' }],
  [false, { features: ['chat'] }, { featureSlug: 'Chat' }],
  [false, { features: ['chat'] }, {}],
  [true, { components: ['k1'] }, { componentId: 'k1' }],
  [false, { components: ['k1'] }, { priceId: 'k1' }],
  [true, { prices: ['p1'] }, { priceId: 'p1' }],
  [true, { products: ['p1'] }, { productId: 'p1' }],
  [false, { products: ['p1'] }, { productId: 'p2' }],
  [true, { productTags: ['a', 'b'] }, { productTags: ['z', 'b'] }],
  [false, { productTags: ['a'] }, { productTags: ['z'] }],
  [false, { productTags: ['a'] }, { productTags: [] }],
  [false, { productTags: ['a'] }, {}],
];
/** Targets are alternatives. */
const ANY_TARGET: readonly Case[] = [
  [true, { features: ['chat'], products: ['p1'] }, { productId: 'p1' }],
  [true, { features: ['chat'], products: ['p1'] }, { featureSlug: 'chat', productId: 'p9' }],
  [false, { features: ['chat'], products: ['p1'] }, { featureSlug: 'search', productId: 'p9' }],
  [true, { prices: ['p1'], productTags: ['a'] }, { productTags: ['a'] }],
];
/** A meter stands for the features and components that refer to it. */
const METERS: readonly Case[] = [
  [true, { features: ['chat'], meters: ['m1'] }, { meterId: 'm1' }],
  [true, { components: ['k1'], meters: ['m1', 'm2'] }, { meterId: 'm2' }],
  [false, { features: ['chat'], meters: ['m1'] }, { meterId: 'm2' }],
  [true, { features: ['chat'], meters: ['m1'] }, { featureSlug: 'chat', meterId: 'm2' }],
  [false, { features: ['chat'] }, { meterId: 'm1' }],
];
const LEVELS: readonly Case[] = [
  [true, { contracts: ['c1', 'c2'] }, { contractId: 'c2' }],
  [false, { contracts: ['c1'] }, { contractId: 'c2' }],
  [false, { contracts: ['c1'] }, {}],
  [true, { subscriptions: ['s1'] }, { subscriptionId: 's1' }],
  [false, { subscriptions: ['s1'] }, {}],
  [true, { meteredOnly: true }, { meterId: 'm1' }],
  [false, { meteredOnly: true }, { featureSlug: 'chat' }],
  [true, { meteredOnly: false }, {}],
];
/** Every kind of limit must admit the usage. */
const ALL_LIMITS: readonly Case[] = [
  [true, { features: ['chat'], contracts: ['c1'] }, { featureSlug: 'chat', contractId: 'c1' }],
  [false, { features: ['chat'], contracts: ['c1'] }, { featureSlug: 'chat' }],
  [false, { features: ['chat'], contracts: ['c1'] }, { contractId: 'c1' }],
  [false, { features: ['chat'], specifiers: [{ productId: 'p1' }] }, { featureSlug: 'chat' }],
  [false, { contracts: ['c1'], subscriptions: ['s1'] }, { contractId: 'c1', subscriptionId: 's2' }],
];
const SPECIFIERS: readonly Case[] = [
  [true, { specifiers: [{}] }, {}],
  [true, { specifiers: [{ productId: 'p1' }] }, { productId: 'p1' }],
  [false, { specifiers: [{ productId: 'p1' }] }, { productId: 'p2' }],
  [true, { specifiers: [{ productTags: ['a', 'b'] }] }, { productTags: ['b', 'z', 'a'] }],
  [false, { specifiers: [{ productTags: ['a', 'b'] }] }, { productTags: ['a'] }],
  [true, { specifiers: [{ properties: { region: 'eu' } }] }, { properties: { region: 'eu', model: 'x' } }],
  [false, { specifiers: [{ properties: { region: 'eu', model: 'x' } }] }, { properties: { region: 'eu' } }],
  [false, { specifiers: [{ properties: { region: 'eu' } }] }, {}],
  [false, { specifiers: [{ properties: { toString: 'eu' } }] }, { properties: {} }],
  // and inside one
  [false, { specifiers: [{ productId: 'p1', productTags: ['a'] }] }, { productId: 'p1' }],
  [true, { specifiers: [{ productId: 'p1', productTags: ['a'] }] }, { productId: 'p1', productTags: ['a'] }],
  // or across several
  [true, { specifiers: [{ productId: 'p1' }, { productTags: ['a'] }] }, { productTags: ['a'] }],
  [
    false,
    { specifiers: [{ productId: 'p1' }, { productTags: ['a'] }] },
    { productId: 'p2', productTags: ['b'] },
  ],
  // what carries all tags of an exclusion is left out
  [false, { specifiers: [{ exclude: [{ productTags: ['a'] }] }] }, { productTags: ['a', 'b'] }],
  [true, { specifiers: [{ exclude: [{ productTags: ['a', 'b'] }] }] }, { productTags: ['a'] }],
  [
    false,
    { specifiers: [{ exclude: [{ productTags: ['z'] }, { productTags: ['a'] }] }] },
    { productTags: ['a'] },
  ],
  [
    false,
    { specifiers: [{ productTags: ['a'], exclude: [{ productTags: ['b'] }] }] },
    { productTags: ['a', 'b'] },
  ],
];

describe('a grant admits a usage', () => {
  describe.each([
    ['when nothing is named', NOTHING_NAMED],
    ['by its targets', TARGETS],
    ['by any of its targets', ANY_TARGET],
    ['by the meters behind its targets', METERS],
    ['by contract, subscription and meter', LEVELS],
    ['when every kind of limit does', ALL_LIMITS],
    ['by specifiers', SPECIFIERS],
  ])('%s', (_, cases) => {
    test.each(cases)('%p: %j to %j', (expected, limits, usage) => {
      expect(admits(limits, usage)).toBe(expected);
    });
  });

  test('whatever it is, without limits', () => {
    expect(admits(undefined, { featureSlug: 'chat' })).toBe(true);
  });

  test('with null for what is absent, as it was stored once', () => {
    const none = { features: null, products: null, specifiers: [{ productId: null, productTags: ['t'] }] };
    const limits = { ...none, contracts: null, subscriptions: ['s'] } as unknown as Applicability;
    const usage = { featureSlug: 'f', productId: 'p', contractId: null, productTags: ['t'] };
    const admitted = (subscriptionId: string | null): boolean =>
      admits(limits, { ...usage, subscriptionId } as unknown as UsageContext);
    expect([admitted('s'), admitted('r'), admitted(null)]).toEqual([true, false, false]);
    expect(narrowness(limits)).toEqual([Infinity, 1, 1]);
  });

  test('as the model of the rules does', () => {
    const seen = { yes: 0, no: 0 };
    fc.assert(
      fc.property(applicabilities, contexts, (limits, usage) => {
        seen[mayPay(limits, usage) ? 'yes' : 'no']++;
        expect(admits(limits, usage)).toBe(mayPay(limits, usage));
      }),
      { numRuns: 5000 },
    );
    expect(Math.min(seen.yes, seen.no)).toBeGreaterThan(500);
  });
});

describe('narrowness', () => {
  test.each([
    [undefined, [Infinity, Infinity, Infinity]],
    [{}, [Infinity, Infinity, Infinity]],
    [
      { features: ['a'], products: ['b', 'c'], productTags: ['d'], prices: ['e'], components: ['f'] },
      [Infinity, 6, Infinity],
    ],
    [{ features: ['a'], meters: ['m1', 'm2'] }, [Infinity, 1, Infinity]],
    [{ subscriptions: ['s1'] }, [Infinity, 1, Infinity]],
    [{ features: ['a'], subscriptions: ['s1', 's2'] }, [Infinity, 3, Infinity]],
    [{ contracts: ['c1'] }, [1, Infinity, Infinity]],
    [{ contracts: ['c1', 'c2'] }, [2, Infinity, Infinity]],
    [
      { specifiers: [{ productId: 'p', productTags: ['a', 'b'] }, { properties: { x: '1', y: '2' } }] },
      [Infinity, Infinity, 5],
    ],
    [{ specifiers: [{}] }, [Infinity, Infinity, Infinity]],
    [{ specifiers: [] }, [Infinity, Infinity, Infinity]],
  ])('of %j is %j', (limits, expected) => {
    expect(narrowness(limits)).toEqual(expected);
  });
});
