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
  transactionsOf,
  worldOfTests,
  type Account,
} from './world.js';

/** Credit set aside for work under way: placed, captured, released or timed out exactly once. */

const world = worldOfTests();
const { api } = world;

const HOLDS = '/v1/credits/holds';
const place = async (body: object) => ok(await api.post(HOLDS, body), 201);
const read = async (id: string) => ok(await api.get(`${HOLDS}/${id}`), 200);
const end = (id: string, action: 'capture' | 'release', body: object = {}, headers = {}) =>
  api.post(`${HOLDS}/${id}/${action}`, body, headers);
const balance = ({ customerId, unit }: Account) => balanceOf(api, customerId, unit);

describe('a hold', () => {
  test('counts against what is available at once, and stays in the ledger', async () => {
    const account = await newAccount(api);
    const { id: grantId } = await grant(api, { ...account, amount: 10 });
    const hold = await place({ ...account, amount: '4', reference: 'job-1' });
    expect(hold).toMatchObject({
      customerId: account.customerId,
      status: 'held',
      requested: '4',
      amount: '4',
      allocations: [{ grantId, amount: '4' }],
      reference: 'job-1',
      expiresAt: null,
    });
    expect(await read(hold.id)).toEqual(hold);
    expect(await balance(account)).toMatchObject({ ledger: '10', held: '4', available: '6' });
    expect(await readGrant(api, grantId)).toMatchObject({ remainingAmount: '6', heldAmount: '4' });
    expectProblem(
      await api.post('/v1/credits/consume', { ...account, amount: 7 }),
      402,
      'insufficient_credit',
    );
  });

  test('is refused whole, or takes what there is', async () => {
    const account = await newAccount(api);
    expectProblem(await api.post(HOLDS, { ...account, amount: 1 }), 402, 'insufficient_credit');
    await grant(api, { ...account, amount: 3 });
    const headers = { 'Idempotency-Key': fresh('hold') };
    const refused = await api.post(HOLDS, { ...account, amount: 4 }, headers);
    expectProblem(refused, 402, 'insufficient_credit');
    await grant(api, { ...account, amount: 3 });
    expect((await api.post(HOLDS, { ...account, amount: 4 }, headers)).text).toBe(refused.text);
    expect(await place({ ...account, amount: 9, onShortage: 'partial' })).toMatchObject({
      requested: '9',
      amount: '6',
    });
  });

  test('of a meter is value x rate, on what the meter’s features admit', async () => {
    const account = await newAccount(api);
    const meter = await newMeter(api, { unit: account.unit, rate: '0.5' });
    await grant(api, { ...account, amount: 10 });
    const body = { customerId: account.customerId, meterId: meter.id, value: 5 };
    expect(await place(body)).toMatchObject({ unit: account.unit, amount: '2.5' });
  });

  test('with an id of the caller’s own is placed once', async () => {
    const account = await newAccount(api);
    await grant(api, { ...account, amount: 10 });
    const body = { ...account, id: fresh('hold'), amount: 4 };
    const first = await place(body);
    expect(ok(await api.post(HOLDS, body), 200)).toEqual(first);
    ok(await end(body.id, 'release'), 200);
    expect(ok(await api.post(HOLDS, body), 200)).toEqual(first);
    expectProblem(await api.post(HOLDS, { ...body, amount: 5 }), 409, 'already_exists');
    const other = await newAccount(api);
    await grant(api, { ...other, amount: 10 });
    expectProblem(await api.post(HOLDS, { ...body, ...other }), 409, 'already_exists');
  });
});

describe('a capture', () => {
  test('draws part and gives the rest back, the last set aside first; once', async () => {
    const account = await newAccount(api);
    const [first, second] = [
      await grant(api, { ...account, amount: 5, priority: 1 }),
      await grant(api, { ...account, amount: 10, priority: 2 }),
    ];
    const { id } = await place({ ...account, amount: 12 });
    const headers = { 'Idempotency-Key': fresh('capture') };
    const captured = await end(id, 'capture', { amount: 6 }, headers);
    expect(ok(captured, 200)).toMatchObject({
      id,
      status: 'captured',
      captured: '6',
      released: '6',
      moreConsumption: null,
    });
    expect((await end(id, 'capture', { amount: 6 }, headers)).text).toBe(captured.text);
    expectProblem(await end(id, 'capture'), 409, 'hold_not_open');
    expectProblem(await end(id, 'release'), 409, 'hold_not_open');
    expect((await readGrant(api, first.id)).status).toBe('DEPLETED');
    expect(await readGrant(api, second.id)).toMatchObject({ remainingAmount: '9', heldAmount: '0' });
    expect(await balance(account)).toMatchObject({ ledger: '9', held: '0', available: '9' });
    const reversed = ok(
      await api.post(`/v1/credits/consumptions/${id}/reverse`, { amount: 2, reason: 'r' }),
      201,
    );
    expect(reversed.allocations).toMatchObject([
      { grantId: second.id, amount: '1' },
      { grantId: first.id, amount: '1' },
    ]);
    expect(ok(await api.get(`/v1/credits/consumptions/${id}`))).toMatchObject({
      consumed: '6',
      reversed: '2',
    });
  });

  test('of more than is held is refused, or a consumption under the policy that is named', async () => {
    const account = await newAccount(api);
    await grant(api, { ...account, amount: 10 });
    const { id } = await place({ ...account, amount: 8 });
    expectProblem(await end(id, 'capture', { amount: 9 }), 409, 'hold_exceeded');
    expectProblem(await end(id, 'capture', { amount: 13, allowMore: {} }), 402, 'insufficient_credit');
    expect(await read(id)).toMatchObject({ status: 'held' });
    const captured = ok(
      await end(id, 'capture', { amount: 13, allowMore: { onShortage: 'pending', debtLimit: 3 } }),
      200,
    );
    expect(captured).toMatchObject({ captured: '8', moreConsumption: { consumed: '2', debt: '3' } });
    expect(captured.moreConsumptionId).toBe(captured.moreConsumption.id);
    expect(await balance(account)).toMatchObject({ available: '0', held: '0', debt: '3' });
  });
});

describe('the end of a hold', () => {
  test('by release gives all back', async () => {
    const account = await newAccount(api);
    await grant(api, { ...account, amount: 10 });
    const { id } = await place({ ...account, amount: 10 });
    expect(ok(await end(id, 'release', { reference: 'r' }), 200)).toMatchObject({
      status: 'released',
      released: '10',
      captured: '0',
    });
    const rows = await transactionsOf(api, account.customerId);
    expect(rows.map(({ type, amount, balanceAfter }) => [type, amount, balanceAfter])).toEqual([
      ['grant', '10', '10'],
      ['hold', '-10', '0'],
      ['release', '10', '10'],
    ]);
    expectProblem(await end('hold_none', 'release'), 404, 'not_found');
  });

  test('by time is at its instant, whether anything recorded it or not', async () => {
    const account = await newAccount(api);
    await grant(api, { ...account, amount: 10 });
    const now = await nowOf(api, account.customerId);
    const { id, expiresAt } = await place({ ...account, amount: 7, timeoutSeconds: 3600 });
    expect(Date.parse(expiresAt)).toBeGreaterThanOrEqual(now + HOUR);
    expect(await moveClock(world.jobs, now + 2 * HOUR)).toMatchObject({ processed: 0, timedOut: 1 });
    expect(await read(id)).toMatchObject({ status: 'expired', released: '7' });
    expectProblem(await end(id, 'capture'), 409, 'hold_not_open');
    expect(await consume(api, { ...account, amount: 10 })).toMatchObject({ consumed: '10' });
  });

  test('keeps its amount when the grant ends meanwhile, and loses what comes back', async () => {
    const account = await newAccount(api);
    const now = await nowOf(api, account.customerId);
    const { id: grantId } = await grant(api, { ...account, amount: 10, expiryDate: iso(now + DAY) });
    const { id } = await place({ ...account, amount: 6 });
    await moveClock(world.jobs, now + DAY);
    expect(await balance(account)).toMatchObject({ ledger: '6', held: '6', available: '0' });
    expect(ok(await end(id, 'capture', { amount: 4 }), 200)).toMatchObject({ captured: '4', released: '2' });
    expect(await balance(account)).toMatchObject({ ledger: '0', held: '0', available: '0' });
    expect(await readGrant(api, grantId)).toMatchObject({ status: 'EXPIRED', heldAmount: '0' });
  });
});
