import { describe, expect, test } from '@jest/globals';
import {
  consume,
  expectProblem,
  fresh,
  grant,
  iso,
  newAccount,
  newCustomer,
  newMeter,
  newUnit,
  ok,
  positionOf,
  transactionsOf,
  worldOfTests,
} from './world.js';

/** What every read promises: positions, pages, filters. */

const world = worldOfTests();
const { api } = world;

describe('lists', () => {
  test('lead by cursors to the end, in one order, each row once', async () => {
    const { customerId, unit } = await newAccount(api);
    const meter = await newMeter(api);
    for (let n = 0; n < 12; n += 1) {
      await grant(api, { customerId, unit, amount: 1 });
      ok(await api.post('/v1/events', { eventName: meter.eventName, customerId, eventValue: 1 }), 202);
      const position = positionOf(await api.post('/v1/plans', { planName: `Plan ${n}` }));
      if (n === 11) ok(await api.get(`/v1/plans?minPosition=${position}`), 200);
    }
    const lists = [
      `/v1/credits/customers/${customerId}/grants`,
      `/v1/credits/customers/${customerId}/transactions`,
      `/v1/events?customerId=${customerId}`,
      '/v1/plans',
      '/v1/units?kind=monetary',
    ];
    for (const path of lists) {
      const whole = await api.all(path);
      const paged = await api.all(path, 5);
      expect(whole.length).toBeGreaterThanOrEqual(12);
      expect([path, paged]).toEqual([path, whole]);
      expect(new Set(whole.map(({ id }) => id)).size).toBe(whole.length);
      const first = ok(await api.get(path));
      expect([path, first.data.length, first.nextCursor === null]).toEqual([
        path,
        Math.min(100, whole.length),
        whole.length <= 100,
      ]);
    }
  });

  test('show what the same server wrote a moment ago, though nobody names a position', async () => {
    for (let n = 0; n < 15; n += 1) {
      const email = `${fresh('reader')}@example.com`;
      const { id } = ok(await api.post('/v1/customers', { name: 'Reader', email }), 201);
      const { data } = ok(await api.get(`/v1/customers?email=${encodeURIComponent(email)}`), 200);
      expect(data.map((one: { id: string }) => one.id)).toEqual([id]);
    }
  });

  test('a limit or cursor that is none is 400', async () => {
    for (const query of [
      'limit=0',
      'limit=1001',
      'limit=-1',
      'limit=1.5',
      'limit=x',
      'limit=',
      'cursor=rubbish',
      'cursor=',
    ])
      expect([query, (await api.get(`/v1/customers?${query}`)).status]).toEqual([query, 400]);
    expect((await api.get('/v1/customers?limit=1000')).status).toBe(200);
    expect((await api.get('/v1/customers?limit=1&limit=2')).status).toBe(400);
  });

  test('take no cursors of each other, which would pass over rows in silence', async () => {
    const { customerId, unit } = await newAccount(api);
    const other = await newCustomer(api);
    for (const reference of ['one', 'two']) {
      for (const id of [customerId, other]) {
        await grant(api, { customerId: id, unit, amount: 1 });
        const method = { provider: 'stripe', providerReference: reference };
        ok(await api.post(`/v1/customers/${id}/payment-methods`, method), 201);
      }
      ok(await api.post('/v1/plans', { planName: reference }), 201);
      ok(await api.post('/v1/features', { slug: fresh('slug'), displayName: 'F', featureValue: true }), 201);
      await newUnit(api);
    }
    const lists = [
      ...['/v1/plans', '/v1/features', '/v1/customers', '/v1/api-keys', '/v1/credits/journal'],
      ...[customerId, other].map((id) => `/v1/credits/customers/${id}/grants`),
      ...[customerId, other].map((id) => `/v1/customers/${id}/payment-methods`),
      ...['/v1/units?kind=custom', '/v1/units?kind=monetary'],
    ];
    const page = (path: string, query: string) => api.get(`${path}${path.includes('?') ? '&' : '?'}${query}`);
    for (const from of lists) {
      const { data, nextCursor } = ok(await page(from, 'limit=1'), 200);
      expect([from, nextCursor]).toEqual([from, expect.any(String)]);
      for (const to of lists) {
        const answer = await page(to, `limit=1&cursor=${nextCursor}`);
        if (from === to) {
          expect([from, ok(answer, 200).data.length]).toEqual([from, 1]);
          expect(answer.body.data).not.toEqual(data);
        } else
          expect([from, to, answer.status, answer.body.errors]).toEqual([
            ...[from, to, 400],
            [expect.objectContaining({ pointer: '?cursor', code: 'cursor_invalid' })],
          ]);
      }
    }
  });

  test('of holds and renewals are there for every customer, and name their statuses', async () => {
    const customerId = await newCustomer(api, { externalCustomerId: fresh('ext') });
    for (const [list, statuses] of [
      ['holds', ['held', 'captured', 'released', 'expired']],
      ['renewals', ['active', 'paused', 'cancelled', 'ended']],
    ] as const) {
      const path = `/v1/credits/customers/${customerId}/${list}`;
      for (const status of statuses)
        expect(ok(await api.get(`${path}?status=${status}`), 200)).toEqual({ data: [], nextCursor: null });
      expectProblem(await api.get(`${path}?status=ACTIVE`), 400, 'invalid_query_parameter', ['?status']);
      expectProblem(await api.get(`${path}?other=1`), 400, 'unknown_query_parameter');
      expectProblem(await api.get(`/v1/credits/customers/nobody/${list}`), 404, 'customer_not_found');
    }
  });

  test('filters: dates are half open, statuses and kinds name what there is', async () => {
    const { customerId, unit } = await newAccount(api);
    await grant(api, { customerId, unit, amount: 1 });
    const [row] = await transactionsOf(api, customerId);
    const next = iso(Date.parse(row.eventTimestamp) + 1);
    const found = async (query: string) => (await transactionsOf(api, customerId, query)).length;
    expect(await found(`?fromDate=${row.eventTimestamp}&toDate=${next}`)).toBe(1);
    expect(await found(`?toDate=${row.eventTimestamp}`)).toBe(0);
    expect(await found(`?fromDate=${next}`)).toBe(0);
    const grants = (query: string) => api.get(`/v1/credits/customers/${customerId}/grants?${query}`);
    expect(ok(await grants('status=ACTIVE&applicationType=usage')).data).toHaveLength(1);
    expect(ok(await grants('applicationType=monetary')).data).toEqual([]);
    expect((await grants('status=active')).status).toBe(400);
  });

  test("a customer's own name for it works wherever a customer is addressed", async () => {
    const externalCustomerId = 'user@example.com/1';
    const customerId = await newCustomer(api, { externalCustomerId });
    const { unit } = await newAccount(api);
    const name = encodeURIComponent(externalCustomerId);
    const body = { customerId: externalCustomerId, unit, amount: 2 };
    expect(ok(await api.post('/v1/credits/grants?isExtCustId=true', body), 201).customerId).toBe(customerId);
    expect(ok(await api.post('/v1/credits/consume?isExtCustId=true', body), 201).customerId).toBe(customerId);
    for (const what of ['grants', 'transactions', 'balances'])
      ok(await api.get(`/v1/credits/customers/${name}/${what}?isExtCustId=true`), 200);
    expect(ok(await api.get(`/v1/customers/${name}?isExtCustId=true`)).id).toBe(customerId);
    const changed = ok(
      await api.patch(`/v1/customers/${name}?isExtCustId=true`, { businessName: 'Acme' }),
      200,
    );
    expect(changed).toMatchObject({ id: customerId, businessName: 'Acme' });
    expectProblem(await api.post('/v1/credits/grants', body), 404, 'customer_not_found');
    const { eventName } = await newMeter(api);
    ok(await api.post('/v1/events', { eventName, extCustomerId: externalCustomerId, eventValue: 1 }), 202);
    for (const list of [`/v1/events?eventName=${eventName}&`, '/v1/invoices?', '/v1/subscriptions?'])
      ok(await api.get(`${list}customerId=${name}&isExtCustId=true`), 200);
    expect(await api.all(`/v1/events?customerId=${name}&isExtCustId=true`)).toMatchObject([{ customerId }]);
    expectProblem(await api.get('/v1/events?customerId=nobody&isExtCustId=true'), 404, 'customer_not_found');
  });
});

describe('positions', () => {
  test('a read with the position of a write shows it, by parameter and by header', async () => {
    for (let n = 0; n < 10; n += 1) {
      const id = fresh('cust');
      const position = positionOf(await api.post('/v1/customers', { id, name: 'Position' }));
      const [list, one] = await Promise.all([
        api.all(`/v1/customers?minPosition=${position}`),
        api.get(`/v1/customers/${id}`, { 'Min-Log-Position': String(position) }),
      ]);
      expect(list.map((customer) => customer.id)).toContain(id);
      expect([one.status, positionOf(one) >= position]).toEqual([200, true]);
    }
  });

  test('every read says what it reflects; beyond the end of the log it is 503 with Retry-After', async () => {
    const account = await newAccount(api);
    const { id: grantId } = await grant(api, { ...account, amount: 5 });
    const meter = await newMeter(api);
    const { id: consumptionId } = await consume(api, { ...account, amount: 1 });
    const last = await consume(api, { ...account, amount: 1 });
    const paths = [
      ...['customers', 'units', 'meters', 'features', 'plans', 'prices', 'events'].map(
        (name) => `/v1/${name}`,
      ),
      ...['/v1/units?kind=monetary', '/v1/units/USD', `/v1/units/${account.unit}`, `/v1/meters/${meter.id}`],
      ...['/v1/credits/definitions', `/v1/credits/grants/${grantId}`, '/v1/api-keys'],
      `/v1/credits/consumptions/${consumptionId}`,
      `/v1/credits/consumptions/${last.id}`,
      ...['grants', 'transactions', 'balances'].map(
        (what) => `/v1/credits/customers/${account.customerId}/${what}`,
      ),
      // answered from the log itself
      ...['availability', 'explanation', 'outlook'].map(
        (what) =>
          `/v1/credits/customers/${account.customerId}/${what}?unit=${account.unit}${what === 'explanation' ? '&amount=1' : ''}`,
      ),
      ...['totals', 'journal', 'journal/balances'].map(
        (what) => `/v1/credits/${what}?customerId=${account.customerId}`,
      ),
      `/v1/credits/consumptions/${consumptionId}/explanation`,
      ...['', '/verification'].map(
        (what) => `/v1/audit/streams/creditAccount-default.test_${account.customerId}${what}`,
      ),
      ...['/v1/audit/log?limit=1', '/v1/merchant', `/v1/customers/${account.customerId}/payment-methods`],
      `/v1/invoices/upcoming?customerId=${account.customerId}`,
      ...['usage', 'history'].map((what) => `/v1/seats/${what}/${account.customerId}`),
    ];
    const far = 10 ** 12;
    await Promise.all(
      paths.map(async (path) => {
        const answer = await api.get(path);
        expect([path, answer.status, positionOf(answer)]).toEqual([path, 200, expect.any(Number)]);
        expect([path, positionOf(answer) > 0]).toEqual([path, true]);
        const reached = await api.get(
          `${path}${path.includes('?') ? '&' : '?'}minPosition=${positionOf(answer)}`,
        );
        expect([path, reached.status]).toEqual([path, 200]);
        const behind = await api.get(path, { 'Min-Log-Position': String(far) });
        expect([path, behind.status, behind.body.code]).toEqual([path, 503, 'read_model_behind']);
        expect(Number(behind.headers.get('retry-after'))).toBeGreaterThan(0);
      }),
    );
    const query = await api.get(`/v1/customers?minPosition=${far}`);
    expectProblem(query, 503, 'read_model_behind');
  });

  test('a bad position is 400', async () => {
    for (const bad of ['-1', '1.5', 'x', '', '1e3'])
      expect([bad, (await api.get(`/v1/customers?minPosition=${bad}`)).status]).toEqual([bad, 400]);
    expect((await api.get('/v1/customers', { 'Min-Log-Position': 'x' })).status).toBe(400);
  });

  test('the jobs answer one too', async () => {
    for (const job of ['process-expirations', 'process-grant-renewals']) {
      const answer = await world.jobs.post(`/v1/trigger/credits/${job}`, {
        timestamp: iso(Date.now() - 1000),
      });
      expect([job, answer.status, positionOf(answer)]).toEqual([job, 200, expect.any(Number)]);
      expect([job, positionOf(answer) > 0]).toEqual([job, true]);
    }
  });
});
