import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import {
  balanceOf,
  grant,
  HOUR,
  nowOf,
  ok,
  openWorld,
  readGrant,
  transactionsOf,
  worldOfTests,
} from './world.js';

/** What the three vendors' own pages say, sent as it stands there. */

const world = worldOfTests();

const LUMEN = {
  componentDefinition: `{
"scope": "plan",
"applicationType": "usage",
"planId": "plan_abc",
"priceId": "price_123",
"priceComponentId": "comp_usage_xyz",
"name": "Monthly API credits",
"billingVisible": true,
"defaultAmount": 10000,
"refillAmount": 10000,
"renewOnBilling": true
}`,
  featureDefinition: `{
"scope": "plan",
"applicationType": "usage",
"planId": "plan_free",
"featureSlug": "api-calls",
"name": "Free plan API allowance",
"defaultAmount": 1000,
"renewOnBilling": true
}`,
  monetaryDefinition: `{
"scope": "merchant",
"applicationType": "monetary",
"name": "Account Credit",
"currency": "USD",
"billingVisible": true,
"billingDescription": "Account Credit",
"defaultAmount": 5000
}`,
  grant: `{
"customerId": "cust_123",
"creditDefinitionId": "cd_api_credits",
"initialAmount": 2000,
"source": "manual",
"notes": "Welcome boost"
}`,
  trigger: '{ "timestamp": "2024-01-01T00:00:00Z" }',
};

describe("Lumen's credits guide", () => {
  let monetaryId: string;

  beforeAll(async () => {
    const { api } = world;
    const feature = ok(
      await api.post('/v1/features', { slug: 'api-calls', displayName: 'API calls', featureValue: 0 }),
      201,
    );
    for (const id of ['plan_abc', 'plan_free']) ok(await api.post('/v1/plans', { id, planName: id }), 201);
    const components = [
      {
        id: 'comp_usage_xyz',
        type: 'usage',
        label: 'API calls',
        unit_cost_cents: '1',
        metric_id: feature.meterId,
        recurrence_rule: 'RRULE:FREQ=MONTHLY;INTERVAL=1',
      },
    ];
    const price = { id: 'price_123', planId: 'plan_abc', currency: 'USD' };
    ok(await api.post('/v1/prices', { ...price, pricingData: { dsl_version: 1, components } }), 201);
    ok(
      await api.post('/v1/customers', { id: 'cust_123', externalCustomerId: 'user_ext_456', name: 'Ada' }),
      201,
    );
    const definition = { id: 'cd_api_credits', ...JSON.parse(LUMEN.componentDefinition) };
    ok(await api.post('/v1/credits/definitions', definition), 201);
  });

  test('1) the three definitions', async () => {
    const post = (body: string) => world.api.post('/v1/credits/definitions', body);
    const component = ok(await post(LUMEN.componentDefinition), 201);
    expect(component).toMatchObject({
      ...JSON.parse(LUMEN.componentDefinition),
      defaultAmount: '10000',
      refillAmount: '10000',
      unit: 'api-calls',
    });
    expect(component.id).toMatch(/^[a-z]+_[0-9a-hjkmnp-tv-z]{26}$/);
    const feature = ok(await post(LUMEN.featureDefinition), 201);
    expect(feature).toMatchObject({
      ...JSON.parse(LUMEN.featureDefinition),
      defaultAmount: '1000',
      unit: 'api-calls',
    });
    const answer = await post(LUMEN.monetaryDefinition);
    const [monetary, position] = [ok(answer, 201), answer.headers.get('log-position')];
    expect(monetary).toMatchObject({
      ...JSON.parse(LUMEN.monetaryDefinition),
      defaultAmount: '5000',
      unit: 'USD',
    });
    monetaryId = monetary.id;
    const list = '/v1/credits/definitions?applicationType=monetary&scope=merchant';
    const page = ok(await world.api.get(`${list}&minPosition=${position}`));
    expect(page.data.map(({ id }: { id: string }) => id)).toEqual([monetaryId]);
  });

  test('2) the manual grant', async () => {
    const granted = ok(await world.api.post('/v1/credits/grants', LUMEN.grant), 201);
    expect(granted).toMatchObject({
      customerId: 'cust_123',
      creditDefinitionId: 'cd_api_credits',
      initialAmount: '2000',
      remainingAmount: '2000',
      heldAmount: '0',
      status: 'ACTIVE',
      source: 'manual',
      notes: 'Welcome boost',
      priceComponentId: 'comp_usage_xyz',
      unit: 'api-calls',
    });
    expect(await readGrant(world.api, granted.id)).toMatchObject({ id: granted.id, remainingAmount: '2000' });
  });

  test('3) both job triggers, with the trigger key', async () => {
    for (const job of ['process-grant-renewals', 'process-expirations']) {
      const path = `/v1/trigger/credits/${job}`;
      const answer = await world.jobs.post(path, LUMEN.trigger);
      expect(ok(answer, 200)).toMatchObject({ timestamp: '2024-01-01T00:00:00.000Z', processed: 0 });
      expect((await world.api.post(path, LUMEN.trigger)).status).toBe(403);
    }
    expect(Math.abs((await nowOf(world.api, 'cust_123')) - Date.now())).toBeLessThan(HOUR);
  });

  test('4) monetary credit is in cents of its currency', async () => {
    const granted = await grant(world.api, {
      customerId: 'cust_123',
      creditDefinitionId: monetaryId,
      source: 'manual',
    });
    expect(granted).toMatchObject({
      initialAmount: '5000',
      currency: 'USD',
      unit: 'USD',
      applicationType: 'monetary',
      billingVisible: true,
    });
    expect(await balanceOf(world.api, 'cust_123', 'USD')).toMatchObject({
      ledger: '5000',
      available: '5000',
    });
  });

  test("5) sendEvent({ name: 'api-calls', value: 1, userId: 'user_ext_456' })", async () => {
    const before = await balanceOf(world.api, 'cust_123', 'api-calls');
    const event = { eventName: 'api-calls', eventValue: 1, extCustomerId: 'user_ext_456' };
    const answer = ok(await world.api.post('/v1/events', event), 202);
    expect(answer).toMatchObject({
      deduplicated: false,
      event: { customerId: 'cust_123', eventName: 'api-calls', eventValue: '1' },
      consumption: { status: 'consumed', requested: '1', consumed: '1', shortfall: '0', debt: '0' },
    });
    expect(before.available).toBe('2000');
    expect(await balanceOf(world.api, 'cust_123', 'api-calls')).toMatchObject({ available: '1999' });
    const byName = ok(await world.api.get('/v1/credits/customers/user_ext_456/balances?isExtCustId=true'));
    expect(byName.customerId).toBe('cust_123');
  });

  test("the FAQ's batch, each event with its idempotencyKey", async () => {
    const event = (key: string, eventValue: number) => ({
      eventName: 'api-calls',
      extCustomerId: 'user_ext_456',
      eventValue,
      idempotencyKey: key,
    });
    const body = { events: [event('faq-1', 4), event('faq-2', 5), event('faq-1', 4)] };
    const answer = ok(await world.api.post('/v1/events/batch', body), 202);
    expect(answer).toMatchObject({ accepted: 3, rejected: 0, errors: [] });
    expect(answer.results.map((result: any) => [result.deduplicated, result.consumption.consumed])).toEqual([
      [false, '4'],
      [false, '5'],
      [true, '4'],
    ]);
    expect(await balanceOf(world.api, 'cust_123', 'api-calls')).toMatchObject({ available: '1990' });
    const rows = await transactionsOf(world.api, 'cust_123', '?unit=api-calls');
    expect(rows.map(({ type, amount }) => [type, amount])).toEqual([
      ['grant', '2000'],
      ['consumption', '-1'],
      ['consumption', '-4'],
      ['consumption', '-5'],
    ]);
    expect(rows[1]).toMatchObject({
      eventName: 'api-calls',
      balanceAfter: '1999',
      grantBalanceAfter: '1999',
    });
  });

  test('the quick start of the README, call by call', async () => {
    const fresh = await openWorld();
    try {
      const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
      const section = readme.slice(readme.indexOf('## Quick start'), readme.indexOf('## How requests'));
      const calls = [
        ...section.matchAll(/^(post|get) +"?(\/v1\/[^\s"]+)"?(?: +'([^']*(?:'\$METER'[^']*)?)')?/gm),
      ];
      expect(calls.length).toBeGreaterThanOrEqual(23);
      let meterId = '';
      for (const [, verb, path, body] of calls) {
        if (verb === 'post') {
          const client = path!.startsWith('/v1/trigger') ? fresh.jobs : fresh.api;
          ok(await client.post(path!, body!.replace("'$METER'", meterId)));
        } else ok(await fresh.api.get(path!), 200);
        if (path === '/v1/features') meterId = ok(await fresh.api.get('/v1/features/feat_api_calls')).meterId;
      }
      expect(await balanceOf(fresh.api, 'cust_123', 'api-calls')).toMatchObject({ available: '1984' });
    } finally {
      await fresh.close();
    }
  });
});
