import { describe, expect, test } from '@jest/globals';
import { until } from '../support/wait.js';
import {
  balanceOf,
  consume,
  fresh,
  grant,
  iso,
  newAccount,
  newCustomer,
  newMeter,
  nowOf,
  ok,
  worldOfTests,
} from './world.js';

/** What hardly anybody sends is taken like anything else, harms nobody, and is stored as the schemas say. */

const world = worldOfTests();
const { api } = world;

const MOST = '9'.repeat(24);
const ready = async () => ok(await api.get('/health/ready'), 200);

describe('null inside an object means the same as leaving out', () => {
  const nothing = { features: null, prices: null, components: null, contracts: null, subscriptions: null };

  test('in what a grant applies to, and in what a usage says of itself', async () => {
    const account = await newAccount(api);
    const specifiers = [{ productId: null, productTags: ['t'], properties: null, exclude: null }];
    const { id } = await grant(api, { ...account, amount: 5, applicability: { ...nothing, specifiers } });
    const applicability = { ...nothing, specifiers: null, products: null, productTags: ['t'] };
    await grant(api, { ...account, amount: 6, applicability });
    const context = { productId: 'p', productTags: ['t'], contractId: null, properties: null };
    const { body } = await api.get(`/v1/credits/grants/${id}`);
    expect(body.applicability).toEqual({ specifiers: [{ productTags: ['t'] }] });
    await consume(api, { ...account, amount: 10, context });
    ok(await api.post('/v1/credits/holds', { ...account, amount: 1, context }), 201);
    expect(await balanceOf(api, account.customerId, account.unit)).toMatchObject({
      available: '0',
      held: '1',
    });
  });

  test('in a catalogue document as a whole', async () => {
    const { id } = ok(await api.post('/v1/plans', { planName: fresh('Plan') }), 201);
    const table = { slug: fresh('table'), name: 'T', planIds: [id], planConfigs: null };
    ok(await api.post('/v1/pricing-tables', table), 201);
  });
});

test('an event may have any name', async () => {
  for (const eventName of ['api calls', 'chat/completions', 'größe', '%2F']) {
    const customerId = await newCustomer(api);
    await newMeter(api, { eventName });
    await grant(api, { customerId, unit: eventName, amount: 3 });
    ok(
      await api.post('/v1/events', { eventName, customerId, eventValue: 2, idempotencyKey: fresh('k') }),
      202,
    );
    const balances = `/v1/credits/customers/${customerId}/balances?unit=${encodeURIComponent(eventName)}`;
    expect(ok(await api.get(balances), 200).balances).toMatchObject([{ unit: eventName, available: '1' }]);
  }
});

describe('usage beyond what an amount may have', () => {
  test('adds up all the same', async () => {
    const { eventName, id: meterId } = await newMeter(api);
    const customerId = await newCustomer(api);
    const slug = fresh('feature');
    const feature = { slug, displayName: slug, featureValue: 0, meterId };
    ok(await api.post('/v1/features', feature), 201);
    for (let n = 0; n < 3; n++) {
      const event = { eventName, customerId, eventValue: MOST, idempotencyKey: fresh('k') };
      const { log } = await ready();
      ok(await api.post('/v1/events', event), 202);
      ok(await api.get(`/v1/entitlements/${customerId}?minPosition=${log.position + 1}`), 200);
    }
    expect((await ready()).readModels.filter((model: any) => model.stopped)).toEqual([]);
  });

  test('is charged, and nobody else waits for his invoice', async () => {
    const { eventName, id } = await newMeter(api);
    const plan = ok(await api.post('/v1/plans', { planName: fresh('Plan') }), 201);
    const monthly = { recurrence_rule: 'FREQ=MONTHLY' };
    const components = [
      { type: 'usage', label: 'Calls', unit_cost_cents: '1000000000000', metric_id: id, ...monthly },
      { type: 'fixed', label: 'Base', amount_cents: MOST, ...monthly },
      { type: 'fixed', label: 'More', amount_cents: MOST, ...monthly },
    ];
    const pricingData = { dsl_version: 1, components };
    ok(await api.post('/v1/prices', { planId: plan.id, currency: 'USD', pricingData }), 201);
    const customers = [await newCustomer(api), await newCustomer(api)];
    for (const [index, customerId] of customers.entries()) {
      const subscription = ok(await api.post('/v1/subscriptions', { customerId, planId: plan.id }), 201);
      const eventValue = index === 0 ? '1000000000000000' : 2;
      ok(
        await api.post('/v1/events', { eventName, customerId, eventValue, idempotencyKey: fresh('k') }),
        202,
      );
      ok(await api.get(`/v1/invoices/upcoming?customerId=${customerId}`), 200);
      ok(await api.post(`/v1/subscriptions/${subscription.id}/cancel`, {}), 200);
    }
    const timestamp = iso(await nowOf(api, customers[0]!));
    ok(await world.jobs.post('/v1/trigger/billing/process-invoices', { timestamp }), 200);
    for (const customerId of customers)
      await until(async () => {
        const invoices = await api.all(`/v1/invoices?customerId=${customerId}`);
        return invoices.length > 0 && invoices.every(({ status }) => status === 'issued');
      });
    const [invoice] = (await api.all(`/v1/invoices?customerId=${customers[0]}`)).filter(
      ({ total }) => total.length > 24,
    );
    ok(await api.get(`/v1/invoices/${invoice.id}`), 200);
    expect((await api.get(`/v1/invoices/${invoice.id}/pdf`)).status).toBe(200);
  });
});
