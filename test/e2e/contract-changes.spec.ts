import { describe, expect, test } from '@jest/globals';
import {
  balanceOf,
  consume,
  DAY,
  expectProblem,
  fresh,
  grant,
  HOUR,
  iso,
  moveClock,
  newAccount,
  newMeter,
  nowOf,
  ok,
  readGrant,
  sumOf,
  transactionsOf,
  worldOfTests,
  type Account,
} from './world.js';

/** What happens to grants and consumptions after the fact: amendments, entries, ends by hand, reversals, corrections. */

const world = worldOfTests();
const { api } = world;

const change = (id: string, action: string, body: object, headers = {}) =>
  api.post(`/v1/credits/grants/${id}/${action}`, body, headers);
const reverse = (id: string, body: object, headers = {}) =>
  api.post(`/v1/credits/consumptions/${id}/reverse`, body, headers);
const balance = ({ customerId, unit }: Account) => balanceOf(api, customerId, unit);
/** Every row that names a grant adds up to what it has left, and each balance to the rows before it. */
async function expectTied(customerId: string, grantId: string, remaining: string): Promise<void> {
  const rows = await transactionsOf(api, customerId, `?grantId=${grantId}`);
  expect(sumOf(rows.map(({ amount }) => amount))).toBe(sumOf([remaining]));
  expect(rows.at(-1).grantBalanceAfter).toBe(remaining);
}

describe('a grant', () => {
  test('is amended: 10 000 left of 100 000, raised to 200 000, leaves 110 000 (V13)', async () => {
    const account = await newAccount(api);
    const { id } = await grant(api, { ...account, amount: 100_000 });
    await consume(api, { ...account, amount: 90_000 });
    const amended = ok(await change(id, 'amend', { amount: 200_000, reason: 'Raised' }), 200);
    expect(amended).toMatchObject({
      id,
      initialAmount: '200000',
      remainingAmount: '110000',
      status: 'ACTIVE',
    });
    expect(await readGrant(api, id)).toEqual(amended);
    expectProblem(await change(id, 'amend', { amount: 89_999 }), 409, 'amount_in_use');
    await expectTied(account.customerId, id, '110000');
  });

  test('moves its start only before it and before use, its end past now and usage; null is never', async () => {
    const account = await newAccount(api);
    const now = await nowOf(api, account.customerId);
    const later = await grant(api, { ...account, amount: 5, startDate: iso(now + DAY) });
    expect(ok(await change(later.id, 'amend', { startDate: iso(now - HOUR) }), 200)).toMatchObject({
      status: 'ACTIVE',
      startDate: iso(now - HOUR),
    });
    expectProblem(await change(later.id, 'amend', { startDate: iso(now) }), 409, 'window_in_use');
    expectProblem(await change(later.id, 'amend', { expiryDate: iso(now - 1) }), 409, 'window_in_use');
    for (const expiryDate of [iso(now + DAY), null])
      expect(ok(await change(later.id, 'amend', { expiryDate }), 200)).toMatchObject({ expiryDate });
    expect(await balance(account)).toMatchObject({ available: '5', nextExpiry: null });
  });

  test('is adjusted by signed entries, never below what remains, and opens again when it was used up', async () => {
    const account = await newAccount(api);
    const { id } = await grant(api, { ...account, amount: 10 });
    await consume(api, { ...account, amount: 10 });
    expect(ok(await change(id, 'adjust', { amount: '3.5', reason: 'Goodwill' }), 200)).toMatchObject({
      status: 'ACTIVE',
      initialAmount: '10',
      remainingAmount: '3.5',
    });
    expect(
      ok(await change(id, 'adjust', { amount: -1, reason: 'Slip', reference: 'r1' }), 200),
    ).toMatchObject({
      remainingAmount: '2.5',
    });
    expectProblem(await change(id, 'adjust', { amount: '-2.6', reason: 'Slip' }), 409, 'amount_in_use');
    const rows = await transactionsOf(api, account.customerId, '?type=adjustment');
    expect(rows.map(({ amount, reference }) => [amount, reference])).toEqual([
      ['3.5', null],
      ['-1', 'r1'],
    ]);
    await expectTied(account.customerId, id, '2.5');
  });

  test('expires now, once, and is edited at any time', async () => {
    const account = await newAccount(api);
    const { id } = await grant(api, { ...account, amount: 10, name: 'A', metadata: { a: 'b' } });
    expect(ok(await change(id, 'update', { name: null, notes: 'n', priority: 3 }), 200)).toMatchObject({
      name: null,
      notes: 'n',
      priority: 3,
      metadata: { a: 'b' },
    });
    const expired = ok(await change(id, 'expire', { notes: 'over' }), 200);
    expect(expired).toMatchObject({ status: 'EXPIRED', remainingAmount: '0', notes: 'over' });
    expect(await readGrant(api, id)).toEqual(expired);
    const again = await change(id, 'expire', {}, { 'Idempotency-Key': 'expire-again' });
    expectProblem(again, 409, 'grant_not_active');
    const replayed = await change(id, 'expire', {}, { 'Idempotency-Key': 'expire-again' });
    expect(replayed.text).toBe(again.text);
    expect(replayed.headers.get('idempotent-replayed')).toBe('true');
    expect(ok(await change(id, 'update', { referenceCode: 'x' }), 200)).toMatchObject({ referenceCode: 'x' });
    expectProblem(await change(id, 'update', { priority: 1 }), 409, 'grant_not_active');
  });

  test('of several segments is changed segment by segment', async () => {
    const account = await newAccount(api);
    const now = await nowOf(api, account.customerId);
    const segments = [
      { amount: 4 },
      { amount: 6, startDate: iso(now + DAY), expiryDate: iso(now + 2 * DAY) },
    ];
    const { id, segments: parts } = await grant(api, { ...account, accessSchedule: segments });
    expect(parts.map((part: any) => [part.id, part.status])).toEqual([
      [`${id}~1`, 'ACTIVE'],
      [`${id}~2`, 'SCHEDULED'],
    ]);
    ok(await change(`${id}~2`, 'revoke', {}), 200);
    expect(await readGrant(api, `${id}~2`)).toMatchObject({ parentGrantId: id, status: 'REVOKED' });
    expectProblem(await change(id, 'expire', {}), 409, 'conflict');
    expectProblem(await change(`${id}~3`, 'expire', {}), 404, 'grant_not_found');
  });
});

describe('a reversal', () => {
  test('gives back to the same grants, the last taken first, at most what they gave', async () => {
    const account = await newAccount(api);
    const [first, second] = [
      await grant(api, { ...account, amount: 5, priority: 1 }),
      await grant(api, { ...account, amount: 10, priority: 2 }),
    ];
    const { id } = await consume(api, { ...account, amount: 12, onShortage: 'refuse' });
    const part = await reverse(id, { amount: '9', reason: 'Half' }, { 'Idempotency-Key': 'reverse-9' });
    expect(ok(part, 201)).toMatchObject({
      consumptionId: id,
      amount: '9',
      allocations: [
        { grantId: second.id, amount: '7', remainingAfter: '10', forfeited: null },
        { grantId: first.id, amount: '2', remainingAfter: '2', forfeited: null },
      ],
      reversedTotal: '9',
      balanceAfter: '12',
    });
    const again = await reverse(id, { amount: '9', reason: 'Half' }, { 'Idempotency-Key': 'reverse-9' });
    expect([again.status, again.text]).toEqual([201, part.text]);
    expectProblem(await reverse(id, { amount: '3.5', reason: 'More' }), 409, 'consumption_exceeded');
    ok(await reverse(id, { reason: 'The rest' }), 201);
    expectProblem(await reverse(id, { reason: 'Again' }), 409, 'consumption_exceeded');
    expect(ok(await api.get(`/v1/credits/consumptions/${id}`))).toMatchObject({
      consumed: '12',
      reversed: '12',
    });
    for (const [one, amount] of [
      [first, '5'],
      [second, '10'],
    ])
      await expectTied(account.customerId, one.id, amount);
  });

  test('loses at once what goes to a grant that has ended', async () => {
    const account = await newAccount(api);
    const now = await nowOf(api, account.customerId);
    const ending = await grant(api, { ...account, amount: 5, expiryDate: iso(now + DAY) });
    const revoked = await grant(api, { ...account, amount: 5 });
    const { id } = await consume(api, { ...account, amount: 8 });
    ok(await change(revoked.id, 'revoke', {}), 200);
    await moveClock(world.jobs, now + DAY);
    expect(ok(await reverse(id, { reason: 'Late' }), 201)).toMatchObject({
      allocations: [
        { grantId: revoked.id, amount: '3', remainingAfter: '0', forfeited: 'voided' },
        { grantId: ending.id, amount: '5', remainingAfter: '0', forfeited: 'expired' },
      ],
      balanceAfter: '0',
    });
    expect(await balance(account)).toMatchObject({ available: '0' });
    for (const one of [ending, revoked]) await expectTied(account.customerId, one.id, '0');
  });

  test('takes debt back before what grants gave, and what grants paid for it since', async () => {
    const account = await newAccount(api);
    await grant(api, { ...account, amount: 4 });
    const { id } = await consume(api, { ...account, amount: 10, onShortage: 'pending' });
    expect(ok(await reverse(id, { amount: 1, reason: 'r' }), 201)).toMatchObject({
      debt: '1',
      debtAfter: '5',
    });
    const payer = await grant(api, { ...account, amount: 20 });
    expect(payer.remainingAmount).toBe('15');
    expect(ok(await reverse(id, { amount: 6, reason: 'r' }), 201)).toMatchObject({
      debt: '0',
      allocations: [
        { grantId: payer.id, amount: '5', remainingAfter: '20' },
        { amount: '1', remainingAfter: '1' },
      ],
    });
    expect(await balance(account)).toMatchObject({ available: '21', debt: '0' });
  });

  test('of a refused consumption, and of one that drew nothing, is 409; of none 404', async () => {
    const account = await newAccount(api);
    const refused = await api.post('/v1/credits/consume', { ...account, amount: 1 });
    const { id } = refused.body.consumption;
    expectProblem(await reverse(id, { reason: 'r' }), 409, 'consumption_exceeded');
    const nothing = await consume(api, { ...account, amount: 1, onShortage: 'partial' });
    expectProblem(await reverse(nothing.id, { reason: 'r' }), 409, 'consumption_exceeded');
    expectProblem(await reverse('con_none', { reason: 'r' }), 404, 'not_found');
  });
});

describe('usage of a negative value', () => {
  test('takes back what its meter drew, the newest first', async () => {
    const account = await newAccount(api);
    const { customerId, unit } = account;
    const meter = await newMeter(api, { unit, rate: '0.5', onShortage: 'refuse' });
    const { id } = await grant(api, { ...account, amount: 100 });
    const send = (eventValue: number | string, key?: string) =>
      api.post('/v1/events', { eventName: meter.eventName, customerId, eventValue, idempotencyKey: key });
    const drawn = [ok(await send(10), 202).consumption, ok(await send(6), 202).consumption];
    const key = fresh('correction');
    const corrected = ok(await send('-8', key), 202);
    expect(corrected).toMatchObject({
      event: { eventValue: '-8' },
      deduplicated: false,
      consumption: null,
      correction: {
        amount: '4',
        reversals: [
          { consumptionId: drawn[1].id, amount: '3' },
          { consumptionId: drawn[0].id, amount: '1' },
        ],
      },
    });
    expect(ok(await send('-8', key), 202)).toEqual({ ...corrected, deduplicated: true });
    const tooMuch = fresh('too-much');
    const first = await send(-9, tooMuch);
    expectProblem(first, 409, 'consumption_exceeded');
    ok(await send(10), 202);
    const again = await send(-9, tooMuch);
    expect([again.text, again.headers.get('idempotent-replayed')]).toEqual([first.text, 'true']);
    expect(await balance(account)).toMatchObject({ available: '91' });
    await expectTied(customerId, id, '91');
  });

  test('in a batch is in turn, and refused by itself', async () => {
    const account = await newAccount(api);
    const { customerId } = account;
    const meter = await newMeter(api, { unit: account.unit, rate: 1 });
    await grant(api, { ...account, amount: 100 });
    const event = (eventValue: number) => ({ eventName: meter.eventName, customerId, eventValue });
    const batch = ok(await api.post('/v1/events/batch', { events: [5, -3, -3, 4].map(event) }), 202);
    expect(batch).toMatchObject({ accepted: 3, rejected: 1, errors: [{ index: 2 }] });
    expect(batch.errors[0].error).toMatchObject({ status: 409, code: 'consumption_exceeded' });
    expect(await balance(account)).toMatchObject({ available: '94' });
  });

  test('is only recorded by a meter that draws nothing', async () => {
    const { customerId } = await newAccount(api);
    const meter = await newMeter(api, { aggregation: 'max' });
    const event = { eventName: meter.eventName, customerId, eventValue: -2 };
    expect(ok(await api.post('/v1/events', event), 202)).toMatchObject({
      consumption: null,
      correction: null,
    });
  });
});
