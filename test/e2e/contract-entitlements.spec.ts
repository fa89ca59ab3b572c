import { describe, expect, test } from '@jest/globals';
import { DAY, expectProblem, fresh, HOUR, iso, newCustomer, nowOf, ok, worldOfTests } from './world.js';

/** Entitlements: what wins, what was used, what is left; and users who enrol. */

const world = worldOfTests();
const { api } = world;

const free = { type: 'fixed', label: 'Base', amount_cents: 0, recurrence_rule: 'FREQ=MONTHLY' };
const charged = { ...free, amount_cents: 1000 };

async function newFeature(featureValue: boolean | string | number, members: object = {}) {
  const slug = fresh('feature');
  const { id } = ok(
    await api.post('/v1/features', { slug, displayName: slug, featureValue, ...members }),
    201,
  );
  return { featureId: id as string, slug };
}

async function newPlan(features: readonly object[] = [], components: readonly object[] = [charged]) {
  const { id: planId } = ok(await api.post('/v1/plans', { planName: fresh('Plan'), features }), 201);
  const pricingData = { dsl_version: 1, components };
  ok(await api.post('/v1/prices', { planId, currency: 'USD', pricingData }), 201);
  return planId as string;
}

const define = async (planId: string, featureSlug: string, members: object = {}) =>
  ok(
    await api.post('/v1/credits/definitions', {
      ...{ scope: 'plan', applicationType: 'usage', planId, featureSlug, name: featureSlug },
      ...{ defaultAmount: 100, renewOnBilling: true, ...members },
    }),
    201,
  );

const subscribe = async (customerId: string, planId: string) =>
  ok(await api.post('/v1/subscriptions', { customerId, planId }), 201);
const change = async (id: string, action: string, body: object = {}) =>
  ok(await api.post(`/v1/subscriptions/${id}/${action}`, body), 200);
/** As of everything that was written before. */
async function check(
  customerId: string,
  slug: string,
  query: Readonly<Record<string, string>> = {},
  as = api,
) {
  const head = (await api.get('/v1/audit/log?limit=1')).headers.get('log-position')!;
  const search = new URLSearchParams({ minPosition: head, ...query }).toString();
  return ok(await as.get(`/v1/entitlements/${customerId}/feature/${slug}?${search}`), 200);
}
const use = async (extCustomerId: string, eventName: string, eventValue: number, members: object = {}) =>
  ok(await api.post('/v1/events', { eventName, extCustomerId, eventValue, ...members }), 202);
const renew = async (time: number) =>
  ok(await world.jobs.post('/v1/trigger/credits/process-grant-renewals', { timestamp: iso(time) }), 200);

const NO_CREDIT = { creditAllowance: '0', creditsRemaining: '0', nextExpiryDate: null };

describe('an entitlement', () => {
  test('comes from the default, the plan, an override, and credit, in rising order', async () => {
    const { featureId, slug } = await newFeature(5);
    const planId = await newPlan([{ featureId, value: 10 }]);
    const customerId = await newCustomer(api, { externalCustomerId: fresh('ext') });
    const answer = await check(customerId, slug);
    expect(answer).toEqual({
      entitled: true,
      feature: { slug, value: '5' },
      source: 'default',
      usages: [{ metricId: expect.any(String), usage: '0' }],
      creditInfo: NO_CREDIT,
    });
    const { id } = await subscribe(customerId, planId);
    expect(await check(customerId, slug)).toMatchObject({ source: 'plan', feature: { value: '10' } });
    await change(id, 'overrides/features', { featureSlug: slug, value: 20 });
    expect(await check(customerId, slug)).toMatchObject({ source: 'override', feature: { value: '20' } });
    const expiryDate = iso((await nowOf(api, customerId)) + 3 * DAY);
    const topUp = { customerId, unit: slug, amount: 40, source: 'topup', expiryDate };
    ok(await api.post('/v1/credits/grants', topUp), 201);
    expect(await check(customerId, slug)).toMatchObject({
      entitled: true,
      source: 'credits',
      feature: { value: '40' },
      creditInfo: { creditAllowance: '40', creditsRemaining: '40', nextExpiryDate: expiryDate },
    });
    ok(await api.post('/v1/events', { eventName: slug, customerId, eventValue: 15 }), 202);
    expect(await check(customerId, slug)).toMatchObject({
      usages: [{ usage: '15' }],
      creditInfo: { creditAllowance: '40', creditsRemaining: '25' },
    });
    ok(await api.post('/v1/events', { eventName: slug, customerId, eventValue: 25 }), 202);
    // used up: the allowance without credit counts again, and is used up too
    const spent = { entitled: false, source: 'override', usages: [{ usage: '40' }], creditInfo: NO_CREDIT };
    expect(await check(customerId, slug)).toMatchObject(spent);
    await change(id, 'overrides/features/revoke', { featureSlug: slug });
    expect(await check(customerId, slug)).toMatchObject({ entitled: false, source: 'plan' });
    await renew(Date.parse((await api.get(`/v1/subscriptions/${id}`)).body.currentPeriodEnd));
    expect(await check(customerId, slug)).toMatchObject({ entitled: true, usages: [{ usage: '0' }] });
    await change(id, 'pause');
    expect(await check(customerId, slug)).toMatchObject({ source: 'default' });
  });

  test('of switches and texts is what they say; of nothing known it is false', async () => {
    const on = await newFeature(true);
    const text = await newFeature('gold');
    const planId = await newPlan([
      { featureId: on.featureId, value: false },
      { featureId: text.featureId, value: 'silver' },
    ]);
    const customerId = await newCustomer(api);
    const item = { source: 'default', usages: [], creditInfo: NO_CREDIT };
    expect(await check(customerId, on.slug)).toEqual({
      entitled: true,
      feature: { slug: on.slug, value: true },
      ...item,
    });
    expect(await check(customerId, 'none')).toEqual({
      entitled: false,
      feature: { slug: 'none', value: false },
      ...item,
    });
    await subscribe(customerId, planId);
    const featureSlugs = [text.slug, 'none', on.slug];
    const url = `/v1/entitlements/${customerId}`;
    await check(customerId, on.slug);
    const batch = ok(await api.post(`${url}/features`, { featureSlugs }), 200);
    expect(batch.entitlements.map((one: any) => [one.feature, one.entitled, one.source])).toEqual([
      [{ slug: text.slug, value: 'silver' }, true, 'plan'],
      [{ slug: 'none', value: false }, false, 'default'],
      [{ slug: on.slug, value: false }, false, 'plan'],
    ]);
    const all = ok(await api.get(url), 200);
    expect(all.customerId).toBe(customerId);
    expect(all.entitlements).toEqual(expect.arrayContaining([batch.entitlements[0], batch.entitlements[2]]));
    const refused = await api.post(`${url}/features`, { featureSlugs: [] });
    expectProblem(refused, 400, 'malformed_request', ['/featureSlugs']);
    expectProblem(await api.get(`${url}/feature/No_Slug`), 400, 'malformed_request', ['/slug']);
    expectProblem(await api.get('/v1/entitlements/nobody'), 404, 'customer_not_found');
    const soon = iso((await nowOf(api, customerId)) + HOUR);
    expectProblem(await api.get(`${url}?at=${soon}`), 422, 'timestamp_in_future', ['?at']);
  });

  test('may be checked with a publishable key, and nothing else', async () => {
    const { slug } = await newFeature(true);
    const customerId = await newCustomer(api);
    // what was made a moment ago is not missing, whatever the read model knows
    ok(await api.get(`/v1/entitlements/${customerId}/feature/${slug}`), 200);
    const page = world.server.client(world.keys.publishable);
    expect(await check(customerId, slug, {}, page)).toMatchObject({ entitled: true });
    const url = `/v1/entitlements/${customerId}/feature/${slug}`;
    const byHeader = await world.server.client().get(url, { 'X-Lumen-Key': world.keys.publishable });
    expect(ok(byHeader, 200)).toMatchObject({ entitled: true });
    expectProblem(await page.get(`/v1/credits/customers/${customerId}/balances`), 403, 'forbidden');
    expectProblem(await page.get(`/v1/customers/${customerId}`), 403, 'forbidden');
  });

  test('as of a time is what a check would have answered then', async () => {
    const { featureId, slug } = await newFeature(5);
    const planId = await newPlan([{ featureId, value: 10 }]);
    await define(planId, slug);
    const customerId = await newCustomer(api);
    const seen: [string, unknown][] = [];
    const note = async () => seen.push([iso(await nowOf(api, customerId)), await check(customerId, slug)]);
    const later = async () => {
      const now = await nowOf(api, customerId);
      await renew(now + HOUR); // so that no two notes share an instant
    };
    await note();
    await later();
    const { id } = await subscribe(customerId, planId);
    await note();
    await later();
    await use(customerId, slug, 7, { extCustomerId: undefined, customerId });
    await note();
    await later();
    await change(id, 'overrides/features', { featureSlug: slug, value: 99 });
    await note();
    await renew((await nowOf(api, customerId)) + 40 * DAY);
    await note();
    await later();
    await change(id, 'cancel');
    await note();
    for (const [at, answer] of seen) expect(await check(customerId, slug, { at })).toEqual(answer);
    expect(seen.map(([, answer]: any) => answer.source)).toEqual([
      ...['default', 'credits', 'credits', 'credits', 'credits', 'default'],
    ]);
  });
});

describe('of an organisation', () => {
  test('a seat brings grants, usage and entitlements of its own, until it is removed', async () => {
    const { featureId, slug } = await newFeature(0);
    const plain = await newFeature(false);
    const planId = await newPlan([
      { featureId, value: 10 },
      { featureId: plain.featureId, value: true },
    ]);
    await define(planId, slug);
    const org = fresh('org');
    const user = fresh('user');
    const customerId = await newCustomer(api, { externalCustomerId: org });
    await subscribe(customerId, planId);
    ok(await api.post('/v1/seats/add', { organization_id: org, created_user_id: user }), 200);
    const ext = { isExtCustId: 'true' };
    expect(await check(user, slug, ext)).toMatchObject({
      entitled: true,
      source: 'credits',
      creditInfo: { creditAllowance: '100', creditsRemaining: '100' },
    });
    expect(await check(user, plain.slug, ext)).toMatchObject({ entitled: true, source: 'plan' });
    await use(user, slug, 30);
    expect(await check(user, slug, ext)).toMatchObject({
      usages: [{ usage: '30' }],
      creditInfo: { creditsRemaining: '70' },
    });
    expect(await check(org, slug, ext)).toMatchObject({ usages: [{ usage: '0' }] });
    const aware = ok(await api.get(`/v1/entitlements/${user}/seat-aware?isExtCustId=true`), 200);
    const mine = aware.entitlements.filter((one: any) => one.feature.slug === slug);
    expect(mine.map((one: any) => [one.externalCustomerId, one.creditInfo.creditsRemaining])).toEqual([
      [org, '100'],
      [user, '70'],
    ]);
    expect(mine[0].customerId).toBe(customerId);
    ok(await api.post('/v1/seats/remove', { organization_id: org, removed_user_id: user }), 200);
    expect(await check(user, slug, ext)).toMatchObject({
      entitled: false,
      source: 'default',
      creditInfo: NO_CREDIT,
    });
    expect(await check(user, plain.slug, ext)).toMatchObject({ entitled: false, source: 'default' });
    const alone = await newCustomer(api);
    const one = ok(await api.get(`/v1/entitlements/${alone}/seat-aware`), 200);
    expect(new Set(one.entitlements.map((item: any) => item.customerId))).toEqual(new Set([alone]));
  });

  test('V29: paused and resumed in the middle of a period, fresh credit counts from now', async () => {
    const { featureId, slug } = await newFeature(0);
    const planId = await newPlan([{ featureId, value: 10 }]);
    await define(planId, slug);
    const customerId = await newCustomer(api);
    const { id } = await subscribe(customerId, planId);
    ok(await api.post('/v1/events', { eventName: slug, customerId, eventValue: 60 }), 202);
    await change(id, 'pause');
    const paused = { entitled: true, source: 'credits', creditInfo: { creditsRemaining: '40' } };
    expect(await check(customerId, slug)).toMatchObject(paused);
    await renew((await nowOf(api, customerId)) + HOUR);
    await change(id, 'resume');
    expect(await check(customerId, slug)).toMatchObject({
      source: 'credits',
      usages: [{ usage: '0' }],
      creditInfo: { creditAllowance: '100', creditsRemaining: '100' },
    });
  });
});

describe('enrolment', () => {
  const enroll = (body: object, headers = {}) =>
    api.post('/v1/enrollment/enroll', { customerName: 'Ada', ...body }, headers);

  test('gives the plan asked for, else that of a rule, else a free one that is offered', async () => {
    const [asked, ruled, offered, paid] = [
      await newPlan([], [free]),
      await newPlan([], [free]),
      await newPlan([], [free]),
      await newPlan(),
    ];
    const domain = `${fresh('corp')}.example`;
    const user = () => ({ userId: fresh('user'), customerEmail: `ada@${domain}` });
    const nothing = await enroll({ ...user(), customerEmail: 'ada@other.example' });
    expectProblem(nothing, 404, 'not_found');
    const rule = { planId: ruled, matcherType: 'domain', matcherValue: domain };
    ok(await api.post('/v1/enrollment/rules', rule), 201);
    const table = { name: 'Offer', slug: fresh('table'), planIds: [paid, offered] };
    ok(await api.post('/v1/pricing-tables', table), 201);
    const first = { ...user(), country: 'DE' };
    const key = { 'Idempotency-Key': fresh('key') };
    const made = ok(await enroll(first, key), 201);
    expect(made).toMatchObject({ planId: ruled, status: 'active' });
    const customer = ok(await api.get(`/v1/customers/${first.userId}?isExtCustId=true`), 200);
    expect(customer).toMatchObject({
      id: made.customerId,
      name: 'Ada',
      country: 'DE',
      email: first.customerEmail,
    });
    const again = await enroll(first, key);
    expect([ok(again, 201).id, again.headers.get('idempotent-replayed')]).toEqual([made.id, 'true']);
    const refused = await enroll(first);
    expectProblem(refused, 409, 'subscription_exists');
    expect(refused.body.detail).toContain(made.id);
    expect(ok(await enroll({ ...user(), planId: asked }), 201).planId).toBe(asked);
    expect(ok(await enroll({ ...user(), customerEmail: 'ada@other.example' }), 201).planId).toBe(offered);
    expectProblem(await enroll({ ...user(), planId: paid }), 400, 'plan_not_free');
    expectProblem(await enroll({ ...user(), planId: 'none' }), 404, 'not_found');
    await change(made.id, 'cancel');
    const anew = ok(await enroll(first), 201);
    expect([anew.customerId, anew.id === made.id]).toEqual([made.customerId, false]);
  });

  test('at once by many makes one customer with one subscription', async () => {
    const planId = await newPlan([], [free]);
    const body = { userId: fresh('user'), customerEmail: 'ada@acme.example', planId };
    const answers = await Promise.all(Array.from({ length: 6 }, () => enroll(body)));
    // who finds the other's subscription under the id that is the user's is told of it, one way or the other
    expect(answers.every(({ status }) => [200, 201, 409].includes(status))).toBe(true);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    const { customerId } = answers.find(({ status }) => status === 201)!.body;
    const list = ok(await api.get(`/v1/subscriptions?customerId=${customerId}`), 200);
    expect(list.data).toHaveLength(1);
  });
});
