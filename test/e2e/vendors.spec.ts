import { describe, expect, test } from '@jest/globals';
import {
  balanceOf,
  consume,
  DAY,
  expectProblem,
  grant,
  HOUR,
  iso,
  moveClock,
  newAccount,
  newCustomer,
  newMeter,
  nowOf,
  ok,
  readGrant,
  transactionsOf,
  worldOfTests,
} from './world.js';

/** What the three vendors' own pages say, sent as it stands there. */

const world = worldOfTests();

describe("PaymentKit's credit-based billing", () => {
  const expiresAt = (now: number) => iso(now + 30 * DAY);

  test('meter, grant, meter events, balance and the ledger of every movement', async () => {
    const { api } = world;
    const meter = { eventName: 'api.calls.invoked', name: 'API Calls', aggregation: 'sum' };
    expect(ok(await api.post('/v1/meters', meter), 201)).toMatchObject({
      ...meter,
      unit: 'api.calls.invoked',
    });
    const customerId = await newCustomer(api);
    const granted = await grant(api, {
      customerId,
      unit: 'api.calls.invoked',
      amount: '1000',
      category: 'promotional',
      name: 'New user bonus credits',
      expiryDate: expiresAt(Date.now()),
    });
    const event = {
      eventName: 'api.calls.invoked',
      customerId,
      eventValue: '10',
      idempotencyKey: 'unique_1',
    };
    const answer = ok(
      await api.post('/v1/events', { ...event, properties: { subscription_id: 'sub_xxx' } }),
      202,
    );
    expect(answer.consumption.allocations).toEqual([
      { grantId: granted.id, amount: '10', remainingAfter: '990' },
    ]);
    expect(await balanceOf(api, customerId, 'api.calls.invoked')).toMatchObject({
      ledger: '990',
      available: '990',
      debt: '0',
      nextExpiry: { at: granted.expiryDate, amount: '990' },
      grants: 1,
    });
    const rows = await transactionsOf(api, customerId);
    expect(rows.map(({ type, amount, balanceAfter }) => [type, amount, balanceAfter])).toEqual([
      ['grant', '1000', '1000'],
      ['consumption', '-10', '990'],
    ]);
    expect(rows.every(({ creditGrantId }) => creditGrantId === granted.id)).toBe(true);
  });

  test('one custom unit, on which two meters draw at their own rates', async () => {
    const { api } = world;
    const { customerId, unit } = await newAccount(api);
    const cheap = await newMeter(api, { unit, rate: '0.25' });
    const dear = await newMeter(api, { unit, rate: 3 });
    await grant(api, { customerId, unit, amount: 100 });
    const send = async (eventName: string, eventValue: string) =>
      ok(await api.post('/v1/events', { eventName, customerId, eventValue }), 202).consumption.consumed;
    expect([await send(cheap.eventName, '10'), await send(dear.eventName, '10')]).toEqual(['2.5', '30']);
    expect(await balanceOf(api, customerId, unit)).toMatchObject({ available: '67.5' });
  });

  test('V17: of 10 000, 7 500 remain', async () => {
    const account = await newAccount(world.api);
    const { id } = await grant(world.api, { ...account, amount: '10000' });
    await consume(world.api, { ...account, amount: '2500' });
    const found = await readGrant(world.api, id);
    expect(found).toMatchObject({ initialAmount: '10000', remainingAmount: '7500', status: 'ACTIVE' });
  });

  test('V19: balance 30, event 50: consumed 30, pending 20, and the next grant settles', async () => {
    const { api } = world;
    const meter = await newMeter(api, { onShortage: 'pending' });
    const account = { customerId: await newCustomer(api), unit: meter.unit as string };
    const first = await grant(api, { ...account, amount: '30' });
    const event = { eventName: meter.eventName, customerId: account.customerId, eventValue: 50 };
    expect(ok(await api.post('/v1/events', event), 202).consumption).toMatchObject({
      status: 'pending',
      requested: '50',
      consumed: '30',
      shortfall: '20',
      debt: '20',
    });
    expect(await balanceOf(api, account.customerId, meter.unit)).toMatchObject({
      available: '0',
      debt: '20',
    });
    const second = await grant(api, { ...account, amount: '100' });
    expect(second).toMatchObject({ initialAmount: '100', remainingAmount: '80' });
    expect(await balanceOf(api, account.customerId, meter.unit)).toMatchObject({
      available: '80',
      debt: '0',
    });
    const rows = await transactionsOf(api, account.customerId);
    expect(rows.map((row) => [row.type, row.creditGrantId, row.amount, row.balanceAfter])).toEqual([
      ['grant', first.id, '30', '30'],
      ['consumption', first.id, '-30', '0'],
      ['debt', null, '-20', '0'],
      ['grant', second.id, '100', '100'],
      ['settlement', second.id, '-20', '80'],
    ]);
  });

  test('V21 and V27: the same identifier twice, at any distance in time, is one event and one debit', async () => {
    const { api, jobs } = world;
    const meter = await newMeter(api);
    const customerId = await newCustomer(api);
    await grant(api, { customerId, unit: meter.unit, amount: 100 });
    const event = { eventName: meter.eventName, customerId, eventValue: 10, idempotencyKey: 'evt-twice' };
    const first = ok(await api.post('/v1/events', event), 202);
    const second = await api.post('/v1/events', event);
    expect(ok(second, 202)).toEqual({ ...first, deduplicated: true });
    expect(second.headers.get('idempotent-replayed')).toBe('true');
    await moveClock(jobs, (await nowOf(api, customerId)) + 400 * DAY);
    expect(ok(await api.post('/v1/events', event), 202)).toEqual({ ...first, deduplicated: true });
    expectProblem(await api.post('/v1/events', { ...event, eventValue: 11 }), 422, 'idempotency_key_reused');
    expect(await balanceOf(api, customerId, meter.unit)).toMatchObject({ available: '90' });
    expect(await transactionsOf(api, customerId, '?type=consumption')).toHaveLength(1);
    expect(await api.all(`/v1/events?customerId=${customerId}`)).toHaveLength(1);
  });
});

describe("Metronome's create a credit", () => {
  test('the lower priority first; on a tie, contract level before customer level', async () => {
    const { api } = world;
    const account = await newAccount(api);
    const late = await grant(api, { ...account, amount: 10, priority: 2 });
    const customerLevel = await grant(api, { ...account, amount: 10, priority: 1 });
    const contractLevel = await grant(api, {
      ...account,
      amount: 10,
      priority: 1,
      applicability: { contracts: ['contract_1'] },
    });
    const context = { contractId: 'contract_1' };
    const all = await consume(api, { ...account, amount: 25, context });
    expect(all.allocations).toEqual([
      { grantId: contractLevel.id, amount: '10', remainingAfter: '0' },
      { grantId: customerLevel.id, amount: '10', remainingAfter: '0' },
      { grantId: late.id, amount: '5', remainingAfter: '5' },
    ]);
    expect((await readGrant(api, contractLevel.id)).status).toBe('DEPLETED');
  });

  test('contract-specific credit stays with its contract', async () => {
    const { api } = world;
    const account = await newAccount(api);
    await grant(api, { ...account, amount: 10, applicability: { contracts: ['contract_1', 'contract_2'] } });
    const body = { ...account, amount: 1 };
    expectProblem(await api.post('/v1/credits/consume', body), 402, 'insufficient_credit');
    const other = { ...body, context: { contractId: 'contract_3' } };
    expectProblem(await api.post('/v1/credits/consume', other), 402, 'insufficient_credit');
    expect(await consume(api, { ...body, context: { contractId: 'contract_2' } })).toMatchObject({
      consumed: '1',
    });
  });

  test('product targeting: ids, tags, specifiers, and not the last together with the first two', async () => {
    const { api } = world;
    const account = await newAccount(api);
    const target = async (applicability: object) =>
      (await grant(api, { ...account, amount: 1, applicability })).id as string;
    const byId = await target({ products: ['prod_1'] });
    const byTag = await target({ productTags: ['gpu'] });
    const bySpecifier = await target({ specifiers: [{ productId: 'prod_2', properties: { region: 'eu' } }] });
    const drawnBy = async (context: object) => {
      const answer = await consume(api, { ...account, amount: 3, onShortage: 'partial', context });
      return answer.allocations.map(({ grantId }: { grantId: string }) => grantId);
    };
    expect(await drawnBy({ productId: 'prod_2', properties: { region: 'us' } })).toEqual([]);
    expect(await drawnBy({ productId: 'prod_2', properties: { region: 'eu' } })).toEqual([bySpecifier]);
    expect((await drawnBy({ productId: 'prod_1', productTags: ['cpu', 'gpu'] })).sort()).toEqual(
      [byId, byTag].sort(),
    );
    const both = { specifiers: [{ productId: 'prod_2' }], products: ['prod_1'] };
    expectProblem(
      await api.post('/v1/credits/grants', { ...account, amount: 1, applicability: both }),
      422,
      'validation_failed',
      ['/applicability/specifiers'],
    );
  });

  test('an access schedule of two segments, [start, end)', async () => {
    const { api, jobs } = world;
    const account = await newAccount(api);
    const now = await nowOf(api, account.customerId);
    const [from, middle, until] = [now - HOUR, now + 2 * HOUR, now + 4 * HOUR].map(iso) as [
      string,
      string,
      string,
    ];
    const schedule = await grant(api, {
      ...account,
      accessSchedule: [
        { amount: 100, startDate: from, expiryDate: middle },
        { amount: 50, startDate: middle, expiryDate: until },
      ],
    });
    expect(schedule).toMatchObject({
      initialAmount: '150',
      startDate: from,
      expiryDate: until,
      status: 'ACTIVE',
    });
    expect(
      schedule.segments.map((part: any) => [part.initialAmount, part.status, part.parentGrantId]),
    ).toEqual([
      ['100', 'ACTIVE', schedule.id],
      ['50', 'SCHEDULED', schedule.id],
    ]);
    expect(await balanceOf(api, account.customerId, account.unit)).toMatchObject({
      available: '100',
      scheduled: '50',
      nextExpiry: { at: middle, amount: '100' },
    });
    await consume(api, { ...account, amount: 30 });
    await moveClock(jobs, Date.parse(middle));
    expect(await balanceOf(api, account.customerId, account.unit)).toMatchObject({
      available: '50',
      scheduled: '0',
      nextExpiry: { at: until, amount: '50' },
    });
    const rows = await transactionsOf(api, account.customerId, '?type=expiration');
    expect(rows.map(({ amount, creditGrantId }) => [amount, creditGrantId])).toEqual([
      ['-70', schedule.segments[0].id],
    ]);
    expect(await readGrant(api, schedule.id)).toMatchObject({ id: schedule.id, remainingAmount: '50' });
  });

  test('a second create with the same uniqueness key: 409, and no new record', async () => {
    const { api } = world;
    const account = await newAccount(api);
    const body = { ...account, amount: 10, uniquenessKey: 'credit-2026-q1' };
    const first = await grant(api, body);
    expect(first.uniquenessKey).toBe('credit-2026-q1');
    for (const again of [body, { ...body, amount: 11 }])
      expectProblem(await api.post('/v1/credits/grants', again), 409, 'uniqueness_key_used');
    expect(await balanceOf(api, account.customerId, account.unit)).toMatchObject({ ledger: '10', grants: 1 });
    const tooLong = { ...account, amount: 1, uniquenessKey: 'k'.repeat(129) };
    expectProblem(await api.post('/v1/credits/grants', tooLong), 422, 'validation_failed', [
      '/uniquenessKey',
    ]);
    ok(await api.post('/v1/credits/grants', { ...tooLong, uniquenessKey: 'k'.repeat(128) }), 201);
  });
});
