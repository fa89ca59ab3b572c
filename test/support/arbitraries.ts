import fc from 'fast-check';
import type { Applicability, RolloverPolicy, ShortagePolicy, UsageContext } from '#libs/credits';

/** Small worlds: few names, short times, so that things meet. */

const oneOf = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
/** A member that is there about once in `freq` times. */
const maybe = <T>(arbitrary: fc.Arbitrary<T>, freq = 2): fc.Arbitrary<T | undefined> =>
  fc.oneof({ arbitrary: fc.constant(undefined), weight: freq - 1 }, { arbitrary, weight: 1 });
const some = <T>(...values: readonly T[]): fc.Arbitrary<T[]> => fc.subarray([...values], { minLength: 1 });

/** Drops what is undefined, as stored facts have it. */
function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as never;
}

const UNITS = ['calls', 'calls', 'EUR'] as const;

export const contexts: fc.Arbitrary<UsageContext> = fc
  .record({
    featureSlug: maybe(oneOf('chat', 'search')),
    componentId: maybe(oneOf('comp'), 4),
    priceId: maybe(oneOf('price'), 4),
    productId: maybe(oneOf('p1', 'p2')),
    productTags: maybe(some('a', 'b')),
    contractId: maybe(oneOf('c1', 'c2')),
    subscriptionId: maybe(oneOf('s1', 's2'), 4),
    properties: maybe(oneOf({ region: 'eu' }, { region: 'us' }, { region: 'eu', model: 'x' })),
    meterId: maybe(oneOf('m1', 'm2')),
  })
  .map((context) => defined(context) as UsageContext);

const specifiers = fc
  .record({
    productId: maybe(oneOf('p1', 'p2'), 3),
    productTags: maybe(some('a', 'b'), 3),
    properties: maybe(oneOf<Record<string, string>>({ region: 'eu' }, { region: 'eu', model: 'x' })),
    exclude: maybe(oneOf([{ productTags: ['a'] }], [{ productTags: ['a', 'b'] }]), 4),
  })
  .map((specifier) => defined(specifier));

export const applicabilities: fc.Arbitrary<Applicability> = fc
  .record({
    features: maybe(some('chat', 'search'), 4),
    components: maybe(oneOf(['comp']), 10),
    prices: maybe(oneOf(['price']), 10),
    products: maybe(some('p1', 'p2'), 8),
    productTags: maybe(some('a', 'b'), 8),
    specifiers: maybe(fc.array(specifiers, { maxLength: 2 }), 5),
    contracts: maybe(some('c1', 'c2'), 6),
    subscriptions: maybe(oneOf(['s1'], []), 10),
    meteredOnly: maybe(fc.boolean(), 6),
  })
  .map(({ features, ...rest }) =>
    defined({ features, ...rest, meters: features?.includes('chat') ? ['m1'] : undefined }),
  );

/** 10^-12 parts of a unit: small wholes, halves and the finest there is. */
export const amounts: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt(1n, 40n).map((whole) => whole * 10n ** 12n),
  fc.bigInt(1n, 80n).map((halves) => halves * 5n * 10n ** 11n),
  fc.bigInt(1n, 5n),
);

const segment = fc.record({
  amount: amounts,
  /** Hours from now until it starts. */
  start: fc.oneof(oneOf(0), fc.integer({ min: -20, max: 30 })),
  /** Hours it lasts. */
  lasts: maybe(fc.integer({ min: 1, max: 40 }), 2),
});

const issueStep = fc.record({
  do: fc.constant('issue' as const),
  wait: fc.integer({ min: 0, max: 6 }),
  unit: oneOf(...UNITS),
  segments: fc.oneof(
    { arbitrary: fc.array(segment, { minLength: 1, maxLength: 1 }), weight: 3 },
    { arbitrary: fc.array(segment, { minLength: 2, maxLength: 3 }), weight: 1 },
  ),
  priority: oneOf(0, 10, 49.5, 50, 50, 50),
  costBasis: oneOf('0', '0', '0.8', '1'),
  kind: oneOf('prepaid' as const, 'prepaid' as const, 'rollover' as const, 'postpaid' as const),
  scope: oneOf(
    'merchant' as const,
    'merchant' as const,
    'component' as const,
    'price' as const,
    'plan' as const,
  ),
  limits: maybe(applicabilities, 3),
  key: maybe(oneOf('k1', 'k2', 'k3', 'k4'), 3),
  /** Takes the id of an earlier grant, counted from the last. */
  again: maybe(fc.nat({ max: 3 }), 8),
});

const consumeStep = fc.record({
  do: fc.constant('consume' as const),
  wait: fc.integer({ min: 0, max: 6 }),
  unit: oneOf(...UNITS),
  amount: fc.oneof({ arbitrary: amounts, weight: 12 }, { arbitrary: fc.constant(0n), weight: 1 }),
  policy: oneOf<ShortagePolicy>('refuse', 'partial', 'overage', 'pending', 'pending'),
  limit: maybe(fc.oneof(fc.constant(0n), amounts), 3),
  /** Hours from now to the usage's own time. */
  time: fc.oneof(oneOf(0, 0), fc.integer({ min: -25, max: 24 })),
  context: fc.oneof(contexts, fc.constant({})),
});

const revokeStep = fc.record({
  do: fc.constant('revoke' as const),
  wait: fc.integer({ min: 0, max: 4 }),
  /** Which grant, counted from the last; beyond the first there is none. */
  which: fc.nat({ max: 7 }),
});

const settleStep = fc.record({
  do: fc.constant('settle' as const),
  wait: fc.integer({ min: 0, max: 30 }),
  /** Hours before now up to which is settled. */
  back: fc.oneof(oneOf(0), fc.integer({ min: 0, max: 12 })),
});

const grantStep = fc.record({
  do: oneOf(
    'expire' as const,
    'amend' as const,
    'adjust' as const,
    'adjust' as const,
    'reprioritise' as const,
  ),
  wait: fc.integer({ min: 0, max: 4 }),
  which: fc.nat({ max: 5 }),
  amount: fc.oneof(
    amounts,
    fc.bigInt(-30n, -1n).map((whole) => whole * 10n ** 12n),
  ),
  /** Hours from now to a new start and a new end; null: no end. */
  start: maybe(fc.integer({ min: -3, max: 20 }), 4),
  end: maybe(fc.option(fc.integer({ min: -2, max: 40 })), 2),
});

const holdStep = fc.record({
  do: fc.constant('hold' as const),
  wait: fc.integer({ min: 0, max: 4 }),
  unit: oneOf(...UNITS),
  amount: amounts,
  partly: fc.boolean(),
  time: fc.oneof(oneOf(0, 0), fc.integer({ min: -10, max: 20 })),
  lasts: maybe(fc.integer({ min: 1, max: 30 }), 2),
  context: fc.oneof(contexts, fc.constant({})),
});

const endHoldStep = fc.record({
  do: oneOf('capture' as const, 'capture' as const, 'release' as const),
  wait: fc.integer({ min: 0, max: 8 }),
  which: fc.nat({ max: 3 }),
  /** Percent of what was held; null: all of it. */
  percent: fc.option(oneOf(0n, 30n, 100n, 140n)),
  more: maybe(oneOf<ShortagePolicy>('refuse', 'partial', 'overage', 'pending')),
});

const reverseStep = fc.record({
  do: fc.constant('reverse' as const),
  wait: fc.integer({ min: 0, max: 12 }),
  which: fc.nat({ max: 3 }),
  percent: fc.option(oneOf(10n, 50n, 100n, 110n)),
});

const seriesStep = fc.record({
  do: fc.constant('begin' as const),
  wait: fc.integer({ min: 0, max: 6 }),
  unit: oneOf(...UNITS),
  amount: amounts,
  refill: amounts,
  rule: oneOf('FREQ=DAILY', 'FREQ=DAILY;COUNT=3', 'FREQ=WEEKLY;BYDAY=MO,TH', 'FREQ=MONTHLY', null),
  zone: oneOf('UTC', 'Europe/Berlin'),
  lifetime: oneOf<{ days: number } | { periods: number }>(
    { periods: 1 },
    { periods: 1 },
    { periods: 2 },
    { days: 3 },
  ),
  rollover: oneOf<RolloverPolicy>(
    { kind: 'reset' },
    { kind: 'carry' },
    { kind: 'carry', upTo: '7.5' },
    { kind: 'carry', fraction: '0.5' },
  ),
});

const cycleStep = fc.record({
  do: oneOf<'renew' | 'pause' | 'resume' | 'cancel'>(
    'renew',
    'renew',
    'pause',
    'pause',
    'resume',
    'resume',
    'cancel',
  ),
  wait: fc.integer({ min: 0, max: 40 }),
  which: oneOf(0, 0, 0, 1),
  keep: fc.boolean(),
});

export type IssueStep = typeof issueStep extends fc.Arbitrary<infer Step> ? Step : never;
export type ConsumeStep = typeof consumeStep extends fc.Arbitrary<infer Step> ? Step : never;
export type RevokeStep = typeof revokeStep extends fc.Arbitrary<infer Step> ? Step : never;
export type SettleStep = typeof settleStep extends fc.Arbitrary<infer Step> ? Step : never;
export type Step = IssueStep | ConsumeStep | RevokeStep | SettleStep;
type Of<A> = A extends fc.Arbitrary<infer Value> ? Value : never;
/** Steps of what the plain model does not know. */
export type LaterStep =
  | Of<typeof grantStep>
  | Of<typeof holdStep>
  | Of<typeof endHoldStep>
  | Of<typeof reverseStep>
  | Of<typeof seriesStep>
  | Of<typeof cycleStep>;

/** What happens to one account, told relative to now and to what is there: each step waits some hours first. */
export const histories = (maxLength = 25): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      { arbitrary: issueStep, weight: 5 },
      { arbitrary: consumeStep, weight: 6 },
      { arbitrary: revokeStep, weight: 1 },
      { arbitrary: settleStep, weight: 2 },
    ),
    { minLength: 1, maxLength, size: 'max' },
  );

/** The same with everything that can happen to an account. */
export const lives = (maxLength = 25): fc.Arbitrary<(Step | LaterStep)[]> =>
  fc.array(
    fc.oneof(
      { arbitrary: issueStep, weight: 8 },
      { arbitrary: consumeStep, weight: 10 },
      { arbitrary: revokeStep, weight: 1 },
      { arbitrary: settleStep, weight: 2 },
      { arbitrary: grantStep, weight: 4 },
      { arbitrary: holdStep, weight: 6 },
      { arbitrary: endHoldStep, weight: 5 },
      { arbitrary: reverseStep, weight: 5 },
      { arbitrary: seriesStep, weight: 4 },
      { arbitrary: cycleStep, weight: 7 },
    ),
    { minLength: 1, maxLength, size: 'max' },
  );

/** What a caller may write where an amount is asked for: good, nearly good, and anything. */
export const amountTexts: fc.Arbitrary<string> = fc.oneof(
  fc.stringMatching(/^-?\d{1,26}(\.\d{1,14})?$/),
  fc.stringMatching(/^[-+ ]?[\d.,_eEx]{0,12}$/),
  oneOf(
    '',
    '-',
    '.',
    '1.',
    '.5',
    '+1',
    '-0',
    '-0.00',
    '1e3',
    '0x10',
    'NaN',
    'Infinity',
    '1_000',
    ' 1',
    '1 ',
    '1\n',
  ),
  oneOf(
    '١٢',
    '１',
    '1,5',
    '--1',
    '00',
    '007',
    '1.50',
    '0.000000000001',
    '0.0000000000001',
    '9'.repeat(24),
    '9'.repeat(25),
  ),
  fc.string(),
);
