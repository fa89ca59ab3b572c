import { beforeAll, describe, expect, test } from '@jest/globals';
import {
  balanceOf,
  consume,
  expectProblem,
  fresh,
  grant,
  newAccount,
  newCustomer,
  newMeter,
  newUnit,
  ok,
  transactionsOf,
  worldOfTests,
  type Account,
} from './world.js';

/** Drawing credit: policies, contexts, order, debt, and the rows that it leaves. */

const world = worldOfTests();
const { api } = world;

const CONSUME = '/v1/credits/consume';
const refused = async (body: object, detail?: RegExp) => {
  const answer = await api.post(CONSUME, body);
  expectProblem(answer, 402, 'insufficient_credit');
  if (detail) expect(answer.body.detail).toMatch(detail);
  return answer.body.consumption;
};
const streamOf = async ({ customerId }: Pick<Account, 'customerId'>) =>
  ok(await api.get(`/v1/audit/streams/creditAccount-default.test_${customerId}?limit=1000`)).data as any[];

describe('shortage', () => {
  const short = async (): Promise<Account> => {
    const account = await newAccount(api);
    await grant(api, { ...account, amount: 5 });
    return account;
  };

  test('refuse, the default of a plain unit: nothing is drawn, one refusal is written', async () => {
    const account = await short();
    const refusal = await refused({ ...account, amount: 8 });
    expect(refusal).toMatchObject({
      requested: '8',
      consumed: '0',
      shortfall: '8',
      debt: '0',
      allocations: [],
    });
    expect((await streamOf(account)).map(({ type }) => type)).toEqual(['GrantIssued', 'ConsumptionRefused']);
    expect(await balanceOf(api, account.customerId, account.unit)).toMatchObject({ available: '5' });
    expect(ok(await api.get(`/v1/credits/consumptions/${refusal.id}`)).status).toBe('refused');
  });

  test.each([
    ['partial', { consumed: '5', shortfall: '3', debt: '0' }, { debt: '0' }, 2],
    ['overage', { consumed: '5', shortfall: '3', debt: '0' }, { debt: '0' }, 2],
    ['pending', { consumed: '5', shortfall: '3', debt: '3' }, { debt: '3' }, 3],
  ])('%s takes what there is', async (onShortage, answer, balance, rows) => {
    const account = await short();
    const taken = await consume(api, { ...account, amount: 8, onShortage });
    expect(taken).toMatchObject({ status: onShortage, requested: '8', ...answer, balanceAfter: '0' });
    const after = await balanceOf(api, account.customerId, account.unit);
    expect(after).toMatchObject({ ...balance, available: '0', ledger: '0' });
    expect(await transactionsOf(api, account.customerId)).toHaveLength(rows);
    const { id, ...rest } = taken;
    expect(ok(await api.get(`/v1/credits/consumptions/${id}`))).toMatchObject({ id, ...rest });
  });

  test('enough is consumed under every policy', async () => {
    const account = await short();
    for (const onShortage of ['refuse', 'partial', 'overage', 'pending'])
      expect(await consume(api, { ...account, amount: 1, onShortage })).toMatchObject({ status: 'consumed' });
  });

  test('nothing available: partial and overage are 201 with no allocations', async () => {
    const account = await newAccount(api);
    for (const onShortage of ['partial', 'overage'])
      expect(await consume(api, { ...account, amount: 2, onShortage })).toMatchObject({
        status: onShortage,
        consumed: '0',
        shortfall: '2',
        allocations: [],
      });
    expect(await transactionsOf(api, account.customerId)).toEqual([]);
  });

  test('debtLimit bounds the whole debt of the unit; over it the whole consumption is refused', async () => {
    const account = await short();
    const body = { ...account, onShortage: 'pending', debtLimit: '4' };
    expect(await consume(api, { ...body, amount: 8 })).toMatchObject({ debt: '3', debtAfter: '3' });
    expect(await refused({ ...body, amount: 2 })).toMatchObject({ reason: 'debt_limit', consumed: '0' });
    expect(await consume(api, { ...body, amount: 1 })).toMatchObject({ debt: '1', debtAfter: '4' });
    expect(await balanceOf(api, account.customerId, account.unit)).toMatchObject({
      debt: '4',
      available: '0',
    });
    expect(await consume(api, { ...body, amount: 1, debtLimit: 5 })).toMatchObject({ debtAfter: '5' });
  });

  test("the call's policy and limit stand before the meter's, the meter's before refuse", async () => {
    const meter = await newMeter(api, { onShortage: 'pending', debtLimit: 2 });
    const customerId = await newCustomer(api);
    const body = { customerId, meterId: meter.id, amount: 2 };
    expect(await consume(api, body)).toMatchObject({ status: 'pending', debt: '2' });
    expect((await refused(body)).reason).toBe('debt_limit');
    expect(await consume(api, { ...body, debtLimit: 4 })).toMatchObject({ debtAfter: '4' });
    expect(await consume(api, { ...body, onShortage: 'partial' })).toMatchObject({ status: 'partial' });
    await refused({ ...body, onShortage: 'refuse' });
    await refused({ customerId, unit: meter.unit, amount: 1 });
  });

  test("a meter's own default is overage, also of the meter a feature makes", async () => {
    const customerId = await newCustomer(api);
    const slug = fresh('feature');
    const feature = ok(await api.post('/v1/features', { slug, displayName: 'F', featureValue: 1 }), 201);
    const meter = ok(await api.get(`/v1/meters/${feature.meterId}`));
    expect(meter).toMatchObject({ eventName: slug, onShortage: 'overage', unit: slug, aggregation: 'sum' });
    for (const named of [{ meterId: meter.id }, { featureSlug: slug }])
      expect(await consume(api, { customerId, ...named, amount: 1 })).toMatchObject({ status: 'overage' });
    const event = { eventName: slug, customerId, eventValue: 4 };
    expect(ok(await api.post('/v1/events', event), 202).consumption).toMatchObject({ status: 'overage' });
  });

  test("an event's refusal is no error", async () => {
    const meter = await newMeter(api, { onShortage: 'refuse' });
    const event = { eventName: meter.eventName, customerId: await newCustomer(api), eventValue: 1 };
    const answer = ok(await api.post('/v1/events', event), 202);
    expect(answer.consumption).toMatchObject({ status: 'refused', consumed: '0' });
    const batch = ok(await api.post('/v1/events/batch', { events: [event, event] }), 202);
    expect([batch.accepted, batch.rejected]).toEqual([2, 0]);
  });
});

describe('a dry run', () => {
  test('answers 200 with the status it would have, and writes nothing', async () => {
    const account = await newAccount(api);
    await grant(api, { ...account, amount: 5 });
    const head = async () => ok(await api.get('/health/ready')).log.position as number;
    const before = [await head(), (await streamOf(account)).length];
    const cases = [
      [{ amount: 3 }, 'consumed', '3'],
      [{ amount: 8 }, 'refused', '0'],
      [{ amount: 8, onShortage: 'partial' }, 'partial', '5'],
      [{ amount: 8, onShortage: 'overage' }, 'overage', '5'],
      [{ amount: 8, onShortage: 'pending' }, 'pending', '5'],
      [{ amount: 8, onShortage: 'pending', debtLimit: 1 }, 'refused', '0'],
    ] as const;
    for (const [members, status, consumed] of cases) {
      const body = { ...account, ...members };
      const dry = await api.post(CONSUME, { ...body, dryRun: true }, { 'Idempotency-Key': 'dry' });
      expect(ok(dry, 200)).toMatchObject({ status, consumed });
      const preview = ok(await api.post('/v1/credits/preview', body), 200);
      expect({ ...preview, effectiveAt: dry.body.effectiveAt }).toEqual(dry.body);
    }
    expect([await head(), (await streamOf(account)).length]).toEqual(before);
    expect(await consume(api, { ...account, amount: 5 })).toMatchObject({ consumed: '5' });
  });

  test('is what the real call then does', async () => {
    const account = await newAccount(api);
    for (const amount of [3, 4]) await grant(api, { ...account, amount });
    const body = { ...account, amount: 9, onShortage: 'pending' };
    const { id: _, effectiveAt: __, ...dry } = ok(await api.post('/v1/credits/preview', body), 200);
    expect(await consume(api, body)).toMatchObject(dry);
  });
});

describe('meters', () => {
  const on = async (members: object, scale: number) => {
    const unit = await newUnit(api, scale);
    const meter = await newMeter(api, { unit, ...members });
    const customerId = await newCustomer(api);
    await grant(api, { customerId, unit, amount: 1000 });
    return { meter, customerId, unit };
  };

  test('count draws 1 an event, whatever its value', async () => {
    const { meter, customerId, unit } = await on({ aggregation: 'count', rate: 1 }, 2);
    for (const value of [{}, { eventValue: 50 }, { eventString: 'x' }]) {
      const event = { eventName: meter.eventName, customerId, ...value };
      expect(ok(await api.post('/v1/events', event), 202).consumption).toMatchObject({ consumed: '1' });
    }
    expect(await balanceOf(api, customerId, unit)).toMatchObject({ available: '997' });
  });

  test('value x rate is rounded half up beyond the scale, and the consumption says so', async () => {
    const { meter, customerId } = await on({ rate: '0.5' }, 2);
    const drawn = (value: string) => consume(api, { customerId, meterId: meter.id, value });
    expect(await drawn('0.01')).toMatchObject({
      consumed: '0.01',
      rating: { quantity: '0.01', rate: '0.5', rounding: 'half_up' },
    });
    expect(await drawn('0.08')).toMatchObject({
      consumed: '0.04',
      rating: { quantity: '0.08', rate: '0.5' },
    });
    expect((await drawn('0.08')).rating.rounding).toBeUndefined();
    expect((await drawn('1.25')).consumed).toBe('0.63');
    const event = { eventName: meter.eventName, customerId, eventValue: '0.03' };
    const { consumption } = ok(await api.post('/v1/events', event), 202);
    expect([consumption.consumed, consumption.rating.rounding]).toEqual(['0.02', 'half_up']);
  });

  test('amount is in the unit and never multiplied', async () => {
    const { meter, customerId } = await on({ rate: 7 }, 2);
    expect(await consume(api, { customerId, meterId: meter.id, amount: 2 })).toMatchObject({ consumed: '2' });
    expect(await consume(api, { customerId, meterId: meter.id, value: 2 })).toMatchObject({ consumed: '14' });
    const both = await api.post(CONSUME, { customerId, meterId: meter.id, amount: 1, value: 1 });
    expectProblem(both, 422, 'validation_failed', ['/amount']);
  });

  test.each(['max', 'last', 'unique_count', 'avg'])('%s measures and does not draw', async (aggregation) => {
    const meter = await newMeter(api, { aggregation });
    const customerId = await newCustomer(api);
    const value = aggregation === 'unique_count' ? { eventString: 'user-1' } : { eventValue: 3 };
    const answer = ok(
      await api.post('/v1/events', { eventName: meter.eventName, customerId, ...value }),
      202,
    );
    expect(answer.consumption).toBeNull();
    const drawing = await api.post(CONSUME, { customerId, meterId: meter.id, amount: 1 });
    expectProblem(drawing, 422, 'meter_does_not_draw');
    expect(await api.all(`/v1/events?customerId=${customerId}`)).toHaveLength(1);
  });

  test('an archived meter takes no more usage', async () => {
    const meter = await newMeter(api);
    expect(ok(await api.post(`/v1/meters/${meter.id}/archive`, {}), 200).status).toBe('archived');
    const customerId = await newCustomer(api);
    const event = await api.post('/v1/events', { eventName: meter.eventName, customerId, eventValue: 1 });
    expectProblem(event, 422, 'meter_archived');
    expectProblem(
      await api.post(CONSUME, { customerId, meterId: meter.id, amount: 1 }),
      422,
      'meter_archived',
    );
  });
});

describe('what grants are admitted follows from the context', () => {
  let slug: string;
  let meterId: string;
  let componentId: string;
  beforeAll(async () => {
    slug = fresh('feature');
    ({ meterId } = ok(await api.post('/v1/features', { slug, displayName: 'F', featureValue: 1 }), 201));
    const plan = ok(await api.post('/v1/plans', { planName: 'P' }), 201);
    componentId = fresh('component');
    const component = {
      id: componentId,
      type: 'usage',
      label: 'U',
      unit_cost_cents: '1',
      metric_id: meterId,
    };
    const pricingData = { dsl_version: 1, components: [component] };
    ok(await api.post('/v1/prices', { planId: plan.id, currency: 'USD', pricingData }), 201);
  });

  test.each([
    ['features', () => ({ features: [slug] }), { unit: false, feature: true, meter: true }],
    ['components', () => ({ components: [componentId] }), { unit: false, feature: false, meter: true }],
    ['nothing', () => ({}), { unit: true, feature: true, meter: true }],
  ])('a grant linked to %s', async (_, applicability, admits) => {
    const customerId = await newCustomer(api);
    await grant(api, { customerId, unit: slug, amount: 100, applicability: applicability() });
    const draws = async (named: object) =>
      (await api.post(CONSUME, { customerId, amount: 1, onShortage: 'refuse', ...named })).status === 201;
    expect({
      unit: await draws({ unit: slug }),
      feature: await draws({ featureSlug: slug }),
      meter: await draws({ meterId }),
    }).toEqual(admits);
    expect(await draws({ unit: slug, context: { featureSlug: slug, componentId } })).toBe(true);
    const event = { eventName: slug, customerId, eventValue: 1 };
    expect(ok(await api.post('/v1/events', event), 202).consumption.consumed).toBe('1');
  });

  test('exactly one of unit, meterId and featureSlug', async () => {
    const customerId = await newCustomer(api);
    for (const named of [{}, { unit: slug, meterId }, { meterId, featureSlug: slug }])
      expectProblem(await api.post(CONSUME, { customerId, amount: 1, ...named }), 422, 'validation_failed', [
        '/unit',
      ]);
  });
});
