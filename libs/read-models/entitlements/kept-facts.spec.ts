import { expect, jest, test } from '@jest/globals';
import type { RecordedEvent } from '#libs/event-store';
import type { EntitlementFacts } from './facts-query.js';
import { createKeptFacts } from './kept-facts.js';

const NOW = 1_000_000;

const event = (stream: string, position: bigint, data: object = {}): RecordedEvent => ({
  id: `e${position}`,
  stream,
  revision: 0,
  position,
  type: 'Anything',
  data: data as RecordedEvent['data'],
  metadata: {},
});

const account = (customerId: string, position: bigint, tenant = 't') =>
  event(`creditAccount-${tenant}_${customerId}`, position);

const facts = (customerId: string, position: bigint, more: Partial<EntitlementFacts> = {}) => ({
  ...{ customerId, position, known: true, subscriptionIds: ['s1'], exactUntil: NOW + 1000 },
  ...{ subscriptions: [], grants: [], usage: new Map([['m1', 7n]]) },
  ...more,
});

const ask = (customerId: string, more: { now?: number; meterIds?: string[]; tenant?: string } = {}) => ({
  ...{ tenant: 't', customerId, now: NOW, meterIds: ['m1'] },
  ...more,
});

/** Everything from position 10 on is learned. */
function givenKept(learnedUpTo = () => performance.now()) {
  const kept = createKeptFacts(learnedUpTo);
  kept.learn([event('meter-t_m1', 10n)]);
  kept.keep(ask('ada'), facts('ada', 12n));
  return kept;
}

test('facts hold, and reflect all that was learned since, as long as others go on', () => {
  const kept = givenKept();
  expect(kept.find(ask('ada'), 12n)).toMatchObject({ customerId: 'ada', position: 12n });
  expect(kept.find(ask('ada'), 13n)).toBeUndefined();
  kept.learn([
    account('bob', 13n),
    account('ada', 14n, 'other'),
    event('subscription-t_s2', 15n, { customerId: 'bob' }),
  ]);
  expect(kept.find(ask('ada'), 15n)).toMatchObject({ customerId: 'ada', position: 15n });
  expect(kept.find(ask('bob'), 0n)).toBeUndefined();
});

test.each([
  ['the account', account('ada', 13n)],
  ['a subscription of the customer', event('subscription-t_s1', 13n)],
  ['a subscription that names the customer', event('subscription-t_s9', 13n, { customerId: 'ada' })],
])('facts are gone once %s goes on', (_, next) => {
  const kept = givenKept();
  kept.learn([next]);
  expect(kept.find(ask('ada'), 0n)).toBeUndefined();
});

test('facts that were read before what was learned meanwhile are not kept', () => {
  const kept = givenKept();
  kept.learn([account('eve', 20n), account('eve', 21n)]);
  kept.keep(ask('eve'), facts('eve', 20n));
  expect(kept.find(ask('eve'), 0n)).toBeUndefined();
  kept.keep(ask('eve'), facts('eve', 21n));
  expect(kept.find(ask('eve'), 0n)).toBeDefined();
  // nor do they take the place of newer ones
  kept.keep(ask('eve'), facts('eve', 20n));
  expect(kept.find(ask('eve'), 0n)).toBeDefined();
});

test('facts that are older than what was learned first are not kept', () => {
  const kept = givenKept();
  kept.keep(ask('old'), facts('old', 8n));
  expect(kept.find(ask('old'), 0n)).toBeUndefined();
  kept.keep(ask('old'), facts('old', 9n));
  expect(kept.find(ask('old'), 0n)).toBeDefined();
});

test('facts hold before their time is up', () => {
  const kept = givenKept();
  expect(kept.find(ask('ada', { now: NOW + 999 }), 0n)).toBeDefined();
  expect(kept.find(ask('ada', { now: NOW + 1000 }), 0n)).toBeUndefined();
});

test('nothing is kept of a customer whom nobody knows yet', () => {
  const kept = givenKept();
  kept.keep(ask('new'), facts('new', 12n, { known: false }));
  expect(kept.find(ask('new'), 0n)).toBeUndefined();
});

test('the usage of meters that are asked for one by one is kept together', () => {
  const kept = givenKept();
  expect(kept.find(ask('ada', { meterIds: ['m1', 'm2'] }), 0n)).toBeUndefined();
  kept.keep(ask('ada', { meterIds: ['m2'] }), facts('ada', 12n, { usage: new Map([['m2', 8n]]) }));
  expect(kept.find(ask('ada', { meterIds: ['m1', 'm2'] }), 0n)?.usage).toEqual(
    new Map([
      ['m1', 7n],
      ['m2', 8n],
    ]),
  );
  expect(kept.find(ask('ada', { tenant: 'other' }), 0n)).toBeUndefined();
});

test('nothing is kept where nothing is learned, and nothing holds once the log falls silent', () => {
  let learnedUpTo = -Infinity;
  const untold = createKeptFacts(() => performance.now());
  untold.keep(ask('ada'), facts('ada', 12n));
  expect(untold.find(ask('ada'), 0n)).toBeUndefined();
  const kept = givenKept(() => learnedUpTo);
  expect(kept.find(ask('ada'), 0n)).toBeUndefined();
  learnedUpTo = performance.now();
  expect(kept.find(ask('ada'), 0n)).toBeDefined();
  learnedUpTo -= 2000;
  expect(kept.find(ask('ada'), 0n)).toBeUndefined();
});

test('after a minute facts are read again, whatever the log says', () => {
  jest.useFakeTimers();
  try {
    const kept = givenKept();
    jest.advanceTimersByTime(59_000);
    expect(kept.find(ask('ada'), 0n)).toBeDefined();
    jest.advanceTimersByTime(2_000);
    expect(kept.find(ask('ada'), 0n)).toBeUndefined();
  } finally {
    jest.useRealTimers();
  }
});

test('of streams that changed too long ago to be remembered, older facts do not hold', () => {
  const kept = givenKept();
  kept.keep(ask('eve'), facts('eve', 12n));
  let position = 13n;
  const many = (count: number) => Array.from({ length: count }, () => account(`c${position}`, position++));
  kept.learn(many(60_000));
  expect(kept.find(ask('ada'), 0n)).toBeDefined();
  kept.learn(many(60_000));
  // whoever was asked about meanwhile is known to be as he was
  expect(kept.find(ask('ada'), 0n)).toBeDefined();
  expect(kept.find(ask('eve'), 0n)).toBeUndefined();
});
