import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compareBurnDown, creditAccount, grantFrom, type Applicability, type Grant } from '#libs/credits';
import { histories } from '../../test/support/arbitraries.js';
import { consume, issued } from '../../test/support/credit-facts.js';
import { play } from '../../test/support/credit-history.js';
import { specOf } from '../../test/support/decider-spec.js';

const { given } = specOf(creditAccount);

/** The usage that every grant below admits. */
const context = {
  featureSlug: 'chat',
  contractId: 'c1',
  productTags: ['a', 'b'],
  properties: { region: 'eu', model: 'x' },
};

type Attributes = NonNullable<Parameters<typeof issued>[2]>;
type Limits = Pick<Applicability, 'features' | 'specifiers' | 'contracts'>;
interface Step {
  readonly step: string;
  readonly first: Attributes & { limits?: Limits };
  readonly second: Attributes & { limits?: Limits };
}

/** One for each step of the order, in order: `first` burns before `second`. */
const STEPS: readonly Step[] = [
  { step: 'component before price', first: { scope: 'component' }, second: { scope: 'price' } },
  { step: 'price before plan', first: { scope: 'price' }, second: { scope: 'plan' } },
  { step: 'plan before merchant', first: { scope: 'plan' }, second: { scope: 'merchant' } },
  { step: 'rollover before prepaid', first: { kind: 'rollover' }, second: { kind: 'prepaid' } },
  { step: 'prepaid before postpaid', first: { kind: 'prepaid' }, second: { kind: 'postpaid' } },
  { step: 'lower priority', first: { priority: 9 }, second: { priority: 10 } },
  { step: 'lower priority by a decimal', first: { priority: 10.25 }, second: { priority: 10.5 } },
  { step: 'free before paid', first: { costBasis: '0.00' }, second: { costBasis: '0.000000000001' } },
  {
    step: 'contract before customer level',
    first: { limits: { contracts: ['c1'] } },
    second: { limits: {} },
  },
  {
    step: 'fewer targets',
    first: { limits: { features: ['chat'] } },
    second: { limits: { features: ['chat', 'search'] } },
  },
  {
    step: 'some targets before all',
    first: { limits: { features: ['chat', 'search'] } },
    second: { limits: {} },
  },
  {
    step: 'fewer conditions',
    first: { limits: { specifiers: [{ productTags: ['a'] }] } },
    second: { limits: { specifiers: [{ properties: { region: 'eu', model: 'x' } }] } },
  },
  {
    step: 'some conditions before none',
    first: { limits: { specifiers: [{ productTags: ['a', 'b'] }] } },
    second: { limits: {} },
  },
  { step: 'earlier end', first: { until: 30 }, second: { until: 31 } },
  { step: 'an end before none', first: { until: 9999 }, second: {} },
  { step: 'earlier start', first: { from: -2 }, second: { from: -1 } },
];

const grant = (id: string, { limits, ...attributes }: Step['first']) =>
  issued(id, '10', { ...attributes, ...(limits ? { applicability: limits } : {}) });

/** `b`, worse in every later step, must still lose to `a`. */
function merged(base: Step['first'], over: Step['first']): Step['first'] {
  const limits = { ...base.limits, ...over.limits };
  return { ...base, ...over, ...(Object.keys(limits).length > 0 ? { limits } : {}) };
}

describe('the order of drawdown', () => {
  test.each(STEPS)('$step', ({ first, second }) => {
    given([grant('a-second', second), grant('b-first', first)])
      .when(consume('15', { context }))
      .thenLike([
        {
          type: 'CreditsConsumed',
          data: {
            allocations: [
              { grantId: 'b-first', amount: '10', remainingAfter: '0' },
              { grantId: 'a-second', amount: '5', remainingAfter: '5' },
            ],
          },
        },
      ]);
  });

  const pairs = STEPS.flatMap((earlier, index) =>
    STEPS.slice(index + 1).map((later) => ({ earlier, later })),
  ).filter(({ earlier, later }) => {
    const touched = (step: Step) =>
      Object.keys({ ...step.first, ...step.first.limits, ...step.second.limits });
    return !touched(earlier).some((name) => name !== 'limits' && touched(later).includes(name));
  });

  test.each(pairs)('$earlier.step counts more than $later.step', ({ earlier, later }) => {
    const winner = merged(later.second, earlier.first);
    const loser = merged(later.first, earlier.second);
    given([grant('a', loser), grant('b', winner)])
      .when(consume('1', { context }))
      .thenLike([{ type: 'CreditsConsumed', data: { allocations: [{ grantId: 'b' }] } }]);
  });

  test('position in the log is last', () => {
    given([issued('z', '10'), issued('a', '10')])
      .when(consume('1'))
      .thenLike([{ type: 'CreditsConsumed', data: { allocations: [{ grantId: 'z' }] } }]);
  });

  test('id decides at one position', () => {
    const [a, b] = ['a', 'b'].map((id) => grantFrom(issued(id, '1').data, 0)) as [Grant, Grant];
    expect([compareBurnDown(a, b), compareBurnDown(b, a), compareBurnDown(a, a)]).toEqual([-1, 1, 0]);
  });

  test('is total: two grants are never equal, and nothing runs in circles', () => {
    let grants = 0;
    fc.assert(
      fc.property(histories(15), (steps) => {
        const all = play(steps)
          .flatMap(({ events }) => events)
          .flatMap((event, index) => (event.type === 'GrantIssued' ? [grantFrom(event.data, index)] : []));
        grants += all.length;
        const sorted = [...all].reverse().sort(compareBurnDown);
        for (const [i, a] of sorted.entries())
          for (const [j, b] of sorted.entries())
            expect(Math.sign(compareBurnDown(a, b))).toBe(Math.sign(i - j));
      }),
      { numRuns: 200 },
    );
    expect(grants).toBeGreaterThan(200);
  });
});
