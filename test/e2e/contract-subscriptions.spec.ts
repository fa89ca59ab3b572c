import { describe, expect, test } from '@jest/globals';
import type { Answer } from '../support/client.js';
import {
  consume,
  DAY,
  expectProblem,
  fresh,
  HOUR,
  iso,
  newCustomer,
  nowOf,
  ok,
  positionOf,
  worldOfTests,
} from './world.js';

/** Subscriptions and seats: their periods, and the grants that begin, renew and end with them. */

const world = worldOfTests();
const { api } = world;

const MONTHLY = { type: 'fixed', label: 'Base', amount_cents: 1000, recurrence_rule: 'FREQ=MONTHLY' };
const SEATS = { type: 'per_unit', label: 'Seats', unit_amount_cents: 500, recurrence_rule: 'FREQ=MONTHLY' };

async function newPlan(components: readonly object[] = [MONTHLY], members: object = {}) {
  const plan = ok(await api.post('/v1/plans', { planName: fresh('Plan'), ...members }), 201);
  const price = await newPrice(plan.id, components);
  return { planId: plan.id as string, priceId: price.id as string };
}

const newPrice = async (planId: string, components: readonly object[], currency = 'USD') =>
  ok(await api.post('/v1/prices', { planId, currency, pricingData: { dsl_version: 1, components } }), 201);

async function define(planId: string, members: object = {}) {
  const slug = fresh('feature');
  ok(await api.post('/v1/features', { slug, displayName: slug, featureValue: 1 }), 201);
  const usage = {
    scope: 'plan',
    applicationType: 'usage',
    featureSlug: slug,
    name: slug,
    defaultAmount: 100,
  };
  const renewal = { renewOnBilling: true, ...members };
  const { id } = ok(await api.post('/v1/credits/definitions', { ...usage, planId, ...renewal }), 201);
  return { definitionId: id as string, slug };
}

const subscribe = async (body: object) => ok(await api.post('/v1/subscriptions', body), 201);
const read = async (id: string) => ok(await api.get(`/v1/subscriptions/${id}`), 200);
const change = (id: string, action: string, body: object = {}, headers = {}) =>
  api.post(`/v1/subscriptions/${id}/${action}`, body, headers);
/** Grants in the order in which they were issued: source, amount, what is left, status and window. */
const grantsOf = async (customerId: string) =>
  (await api.all(`/v1/credits/customers/${customerId}/grants`)).map(
    ({ source, initialAmount, remainingAmount, status }) =>
      `${source} ${remainingAmount}/${initialAmount} ${status}`,
  );
const windowsOf = async (customerId: string) =>
  (await api.all(`/v1/credits/customers/${customerId}/grants`)).map(
    ({ startDate, expiryDate }) => `${startDate} ${expiryDate}`,
  );
const renew = async (time: number) =>
  ok(await world.jobs.post('/v1/trigger/credits/process-grant-renewals', { timestamp: iso(time) }), 200);
const newSubscriber = async (members: object = {}, definition: object = {}) => {
  const plan = await newPlan();
  const { slug } = await define(plan.planId, definition);
  const customerId = await newCustomer(api);
  const subscription = await subscribe({ customerId, planId: plan.planId, ...members });
  return { ...plan, slug, customerId, id: subscription.id as string, subscription };
};

describe('a subscription', () => {
  test('is created with its grants, and answered again to who sends the same', async () => {
    const { planId, priceId } = await newPlan();
    const { slug } = await define(planId);
    const monetary = { scope: 'plan', applicationType: 'monetary', currency: 'USD', billingVisible: true };
    const bonus = { ...monetary, planId, name: 'Bonus', defaultAmount: 500 };
    ok(await api.post('/v1/credits/definitions', bonus), 201);
    const customerId = await newCustomer(api, { timezone: 'Europe/Berlin' });
    const body = { id: fresh('sub'), customerId, planId, metadata: { deal: 'spring' } };
    const answer = await api.post('/v1/subscriptions', body);
    const created = ok(answer, 201);
    expect(created).toMatchObject({
      id: body.id,
      stableSubscriptionId: body.id,
      customerId,
      planId,
      effectivePriceId: priceId,
      currency: 'USD',
      status: 'active',
      startTimestamp: created.currentPeriodStart,
      endTimestamp: null,
      periodNumber: 1,
      recurrenceRule: 'FREQ=MONTHLY',
      timezone: 'Europe/Berlin',
      cancelAtPeriodEnd: false,
      trialEndDate: null,
      metadata: { deal: 'spring' },
    });
    expect(await grantsOf(customerId)).toEqual(['plan 100/100 ACTIVE', 'plan 500/500 ACTIVE']);
    const ends = (await windowsOf(customerId)).map((window) => window.split(' ')[1]);
    expect(ends).toEqual([created.currentPeriodEnd, 'null']);
    expect(ok(await api.post('/v1/subscriptions', body), 200)).toMatchObject({ id: body.id });
    const other = { ...body, metadata: { deal: 'autumn' } };
    expectProblem(await api.post('/v1/subscriptions', other), 409, 'already_exists');
    const position = positionOf(answer);
    const found = ok(await api.get(`/v1/subscriptions/${body.id}?minPosition=${position}`), 200);
    expect(found).toEqual(created);
    const used = await consume(api, { customerId, featureSlug: slug, amount: 30 });
    expect(used).toMatchObject({ status: 'consumed', consumed: '30' });
  });

  test('is refused for what it names and cannot have', async () => {
    const { planId } = await newPlan();
    const { priceId: foreign } = await newPlan();
    const customerId = await newCustomer(api);
    const refused = async (body: object, ...pointers: string[]) =>
      expectProblem(
        await api.post('/v1/subscriptions', { customerId, planId, ...body }),
        422,
        'validation_failed',
        pointers,
      );
    await refused({ planId: 'none' }, '/planId');
    await refused({ priceId: 'none' }, '/priceId');
    await refused({ effectivePriceId: foreign }, '/priceId');
    await refused({ currency: 'EUR' }, '/currency');
    await refused({ startDate: iso(Date.now() + 1000 * DAY) }, '/startDate');
    await refused({ trialDays: 0 }, '/trialDays');
    const unknown = { customerId: 'none', planId };
    expectProblem(await api.post('/v1/subscriptions', unknown), 404, 'customer_not_found');
    expectProblem(await api.get('/v1/subscriptions/none'), 404, 'not_found');
    for (const action of ['pause', 'resume', 'cancel', 'uncancel', 'change', 'migrate'])
      expectProblem(await change('none', action), 404, 'not_found');
    expectProblem(await api.delete('/v1/subscriptions/none'), 404, 'not_found');
  });

  test('is refused at a price that charges nothing any more', async () => {
    const customerId = await newCustomer(api);
    const over = { ...MONTHLY, recurrence_rule: 'FREQ=MONTHLY;UNTIL=20200101T000000Z' };
    const { planId } = await newPlan([over]);
    const refused = await api.post('/v1/subscriptions', { customerId, planId });
    expectProblem(refused, 422, 'validation_failed', ['/planId']);
    expect(refused.body.errors[0].code).toBe('rrule_never_matches');
    const { planId: mixed } = await newPlan([over, SEATS]);
    await subscribe({ customerId, planId: mixed });
  });

  test('is the only one of its customer, unless the caller says so', async () => {
    const { customerId, planId, id } = await newSubscriber();
    const body = { customerId, planId };
    expectProblem(await api.post('/v1/subscriptions', body), 409, 'subscription_exists');
    const second = await subscribe({ ...body, dangerouslyAllowMultipleSubscriptions: true });
    ok(await api.delete(`/v1/subscriptions/${id}`), 200);
    expectProblem(await api.post('/v1/subscriptions', body), 409, 'subscription_exists');
    ok(await change(second.id, 'cancel'), 200);
    const third = await subscribe(body);
    const list = ok(await api.get(`/v1/subscriptions?customerId=${customerId}&status=active`), 200);
    expect(list.data.map((one: { id: string }) => one.id)).toEqual([third.id]);
    expect(list.data[0]).not.toHaveProperty('subscriptionFeatures');
    const all = await api.all(`/v1/subscriptions?customerId=${customerId}&includeFeatures=true`, 2);
    expect(all.map(({ id: one, status }) => [one, status])).toEqual([
      [id, 'canceled'],
      [second.id, 'canceled'],
      [third.id, 'active'],
    ]);
    expect(all[0].subscriptionFeatures).toEqual([]);
  });

  test('asked for at once by many is made once', async () => {
    const { planId } = await newPlan();
    await define(planId);
    const customerId = await newCustomer(api);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => api.post('/v1/subscriptions', { customerId, planId })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(409)]);
    expect(await grantsOf(customerId)).toEqual(['plan 100/100 ACTIVE']);
    const keyed = { 'Idempotency-Key': fresh('key') };
    const other = await newCustomer(api);
    const same = await Promise.all(
      Array.from({ length: 4 }, () => api.post('/v1/subscriptions', { customerId: other, planId }, keyed)),
    );
    expect(same.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    expect(same.filter(({ headers }) => !headers.has('idempotent-replayed'))).toHaveLength(1);
    expect(await grantsOf(other)).toEqual(['plan 100/100 ACTIVE']);
  });

  test('renews its grants with each period, at its instant, in months as long as they are', async () => {
    const { planId } = await newPlan();
    const { slug } = await define(planId, { refillAmount: 50 });
    const customerId = await newCustomer(api, { timezone: 'Europe/Berlin' });
    const startDate = '2026-01-31T09:00:00.000Z'; // 10 o'clock in Berlin, the whole year
    const created = await subscribe({ customerId, planId, startDate });
    const { id } = created;
    const windows = await windowsOf(customerId);
    expect(windows.slice(0, 3)).toEqual([
      '2026-01-31T09:00:00.000Z 2026-02-28T09:00:00.000Z',
      '2026-02-28T09:00:00.000Z 2026-03-31T08:00:00.000Z',
      '2026-03-31T08:00:00.000Z 2026-04-30T08:00:00.000Z',
    ]);
    const periods = (await grantsOf(customerId)).length;
    const { currentPeriodEnd, periodNumber } = created;
    expect(periodNumber).toBe(periods);
    await consume(api, { customerId, featureSlug: slug, amount: 20 });
    const end = Date.parse(currentPeriodEnd);
    await renew(end - HOUR); // subscriptions made above may end on an earlier day of the month
    expect(await renew(end - HOUR)).toMatchObject({ subscriptions: 0, renewed: 0 });
    expect(await read(id)).toMatchObject({ periodNumber: periods });
    expect(await renew(end)).toMatchObject({ subscriptions: 1, renewed: 1, processed: 1 });
    expect(await renew(end)).toMatchObject({ subscriptions: 0, renewed: 0 });
    expect((await grantsOf(customerId)).slice(-2)).toEqual(['renewal 0/50 EXPIRED', 'renewal 50/50 ACTIVE']);
    expect(await read(id)).toMatchObject({ periodNumber: periods + 1, currentPeriodStart: iso(end) });
    ok(await change(id, 'cancel'), 200);
  });

  test('that is cancelled with its period goes on until then, and can be kept', async () => {
    const { customerId, id, subscription } = await newSubscriber();
    const end = Date.parse(subscription.currentPeriodEnd);
    expect(ok(await change(id, 'cancel', { atPeriodEnd: true }))).toMatchObject({
      status: 'active',
      cancelAtPeriodEnd: true,
    });
    expect(ok(await change(id, 'uncancel'))).toMatchObject({ cancelAtPeriodEnd: false });
    await renew(end);
    expect(await grantsOf(customerId)).toHaveLength(2);
    ok(await change(id, 'cancel', { atPeriodEnd: true }));
    const over = Date.parse((await read(id)).currentPeriodEnd);
    await renew(over + HOUR);
    expect(await read(id)).toMatchObject({ status: 'canceled', endTimestamp: iso(over) });
    expect(await grantsOf(customerId)).toEqual(['plan 0/100 EXPIRED', 'renewal 0/100 EXPIRED']);
    expectProblem(await change(id, 'cancel'), 409, 'subscription_not_active');
    expectProblem(await change(id, 'resume'), 409, 'subscription_not_active');
  });

  test('that is paused renews nothing; resumed, it begins its cycle anew with fresh grants', async () => {
    const { customerId, id, subscription, slug } = await newSubscriber();
    await consume(api, { customerId, featureSlug: slug, amount: 40 });
    expect(ok(await change(id, 'pause', { reason: 'unpaid' }))).toMatchObject({ status: 'paused' });
    expect(await grantsOf(customerId)).toEqual(['plan 60/100 ACTIVE']);
    await renew(Date.parse(subscription.currentPeriodEnd) + DAY);
    expect(await grantsOf(customerId)).toEqual(['plan 0/100 EXPIRED']);
    const resumed = ok(await change(id, 'resume'));
    expect(resumed).toMatchObject({ status: 'active', periodNumber: 2 });
    expect(resumed.billingCycleAnchor).toBe(resumed.currentPeriodStart);
    expect(await grantsOf(customerId)).toEqual(['plan 0/100 EXPIRED', 'plan 100/100 ACTIVE']);
    // in the middle of a period the old grants end at once
    ok(await change(id, 'pause'));
    const again = ok(await change(id, 'resume'));
    expect(Date.parse(again.currentPeriodStart)).toBeGreaterThan(Date.parse(resumed.currentPeriodStart));
    expect((await grantsOf(customerId)).slice(1)).toEqual(['plan 0/100 EXPIRED', 'plan 100/100 ACTIVE']);
    ok(await change(id, 'cancel'));
  });

  test('answers a key the same for ever, whether it changed something, nothing, or was refused', async () => {
    const { id } = await newSubscriber();
    const requests: readonly (readonly [string, number, object?])[] = [
      ['uncancel', 200],
      ['pause', 200, { reason: 'unpaid' }],
      ['pause', 200, { reason: 'unpaid' }],
      ['change', 409, { quantity: 2 }],
      ['resume', 200],
      ['overrides/features/revoke', 200, { featureSlug: 'none' }],
      ['cancel', 200],
      ['resume', 409],
    ];
    const send = (index: number) => {
      const [action, , body] = requests[index]!;
      return change(id, action, body, { 'Idempotency-Key': `forever-${index}` });
    };
    const first: Answer[] = [];
    for (const [index, [action, status]] of requests.entries()) {
      const answer = await send(index);
      expect([action, answer.status, answer.headers.get('idempotent-replayed')]).toEqual([
        action,
        status,
        null,
      ]);
      first.push(answer);
    }
    for (const [index, [action, status]] of requests.entries()) {
      const again = await send(index);
      expect([action, again.status, again.text]).toEqual([action, status, first[index]!.text]);
      expect([action, again.headers.get('idempotent-replayed')]).toEqual([action, 'true']);
    }
    expect((await read(id)).status).toBe('canceled');
  });

  test('on trial keeps its plan, or becomes the parent of its trial plan', async () => {
    const { customerId, id, subscription } = await newSubscriber({ trialDays: 14 });
    const end = Date.parse(subscription.startTimestamp) + 14 * DAY;
    expect(subscription).toMatchObject({ status: 'trialing', periodNumber: 0, trialEndDate: iso(end) });
    expect(await windowsOf(customerId)).toEqual([`${subscription.startTimestamp} ${iso(end)}`]);
    await renew(end);
    const active = { status: 'active', periodNumber: 1, billingCycleAnchor: iso(end) };
    expect(await read(id)).toMatchObject({ ...active, trialEndDate: iso(end) });
    expect(await grantsOf(customerId)).toEqual(['plan 0/100 EXPIRED', 'renewal 100/100 ACTIVE']);
    ok(await change(id, 'cancel'));
  });
});

describe('a plan with features', () => {
  const featured = async (members: object = {}) => {
    const slug = fresh('feature');
    const { id: featureId } = ok(
      await api.post('/v1/features', { slug, displayName: slug, featureValue: false }),
      201,
    );
    const features = [{ featureId, value: true }];
    const { id } = ok(await api.post('/v1/plans', { planName: 'Pro', features, ...members }), 201);
    await newPrice(id, [MONTHLY]);
    return { planId: id as string, slug, featureId: featureId as string };
  };

  test('gives its subscribers a copy, until they move to another version', async () => {
    const { planId, slug, featureId } = await featured();
    const { id } = await subscribe({ customerId: await newCustomer(api), planId });
    const copy = { featureId, slug, type: 'boolean', value: true };
    expect(await read(id)).toMatchObject({ versionNumber: 1, subscriptionFeatures: [copy] });
    const features = [{ featureId, value: false }];
    const second = ok(await api.post(`/v1/plans/${planId}`, { features }));
    expect(second).toMatchObject({ stablePlanId: planId, versionNumber: 2 });
    expect(await read(id)).toMatchObject({ planId, subscriptionFeatures: [copy] });
    expect(ok(await change(id, 'migrate', { when: 'now' }))).toMatchObject({
      planId: second.id,
      stablePlanId: planId,
      versionNumber: 2,
      subscriptionFeatures: [{ ...copy, value: false }],
    });
  });

  test('on trial becomes its parent at the instant the trial ends', async () => {
    const parent = await featured();
    await define(parent.planId);
    const trial = { isTrialPlan: true, trialParentPlanId: parent.planId, trialDays: 7 };
    const { planId } = await featured(trial);
    const customerId = await newCustomer(api);
    const created = await subscribe({ customerId, planId });
    const end = Date.parse(created.startTimestamp) + 7 * DAY;
    expect(created).toMatchObject({
      status: 'trialing',
      trialEndDate: iso(end),
      scheduledChange: { planId: parent.planId },
    });
    await renew(end - 1);
    expect(await grantsOf(customerId)).toEqual([]);
    await renew(end);
    expect(await read(created.id)).toMatchObject({
      status: 'active',
      planId: parent.planId,
      subscriptionFeatures: [{ slug: parent.slug }],
    });
    expect(await grantsOf(customerId)).toEqual(['plan 100/100 ACTIVE']);
  });
});

describe('a change of plan', () => {
  test('ends the grants of the old plan and begins those of the new one, now or with the next period', async () => {
    const { customerId, id, subscription } = await newSubscriber();
    const other = await newPlan([{ ...MONTHLY, amount_cents: 3000 }]);
    await define(other.planId, { defaultAmount: 900 });
    const now = await nowOf(api, customerId);
    const changed = ok(await change(id, 'change', { planId: other.planId }));
    expect(changed).toMatchObject({ planId: other.planId, effectivePriceId: other.priceId });
    expect(changed.currentPeriodEnd).toBe(subscription.currentPeriodEnd);
    expect(await grantsOf(customerId)).toEqual(['plan 0/100 EXPIRED', 'plan 900/900 ACTIVE']);
    const back = { planId: subscription.planId, when: 'next_cycle' };
    expect(ok(await change(id, 'change', back))).toMatchObject({
      planId: other.planId,
      scheduledChange: { planId: subscription.planId },
    });
    expect(now).toBeLessThan(Date.parse(subscription.currentPeriodEnd));
    await renew(Date.parse(subscription.currentPeriodEnd));
    expect(await read(id)).toMatchObject({ planId: subscription.planId, scheduledChange: null });
    expect(await grantsOf(customerId)).toEqual([
      'plan 0/100 EXPIRED',
      'plan 0/900 EXPIRED',
      'plan 100/100 ACTIVE',
    ]);
    expectProblem(await change(id, 'change', {}), 422, 'validation_failed', ['/planId']);
    ok(await change(id, 'cancel'));
  });

  test('to another cycle begins a period at once', async () => {
    const { id, subscription } = await newSubscriber();
    const yearly = await newPlan([{ ...MONTHLY, recurrence_rule: 'FREQ=YEARLY' }]);
    const changed = ok(await change(id, 'change', { planId: yearly.planId }));
    expect(changed).toMatchObject({ recurrenceRule: 'FREQ=YEARLY', periodNumber: 2 });
    expect(changed.currentPeriodStart).toBe(changed.billingCycleAnchor);
    expect(Date.parse(changed.currentPeriodEnd)).toBeGreaterThan(
      Date.parse(subscription.currentPeriodEnd) + 300 * DAY,
    );
    ok(await change(id, 'cancel'));
  });

  test('of many moves each of them once', async () => {
    const first = await newSubscriber();
    const customerId = await newCustomer(api);
    const second = await subscribe({ customerId, planId: first.planId });
    const next = await newPlan();
    const body = { fromPlanId: first.planId, toPlanId: next.planId };
    const migrate = (more: object = {}) => api.post('/v1/subscriptions/migrate', { ...body, ...more });
    const none = { migrated: 0, failed: [], nextCursor: null };
    // with the next period, one after the other; what is planned is not planned again
    const [one] = [first.id, second.id].sort();
    const some = ok(await migrate({ limit: 1 }), 200);
    expect(some).toEqual({ migrated: 1, failed: [], nextCursor: one });
    expect(ok(await migrate({ limit: 1, cursor: one }), 200)).toEqual({ ...none, migrated: 1 });
    expect(ok(await migrate(), 200)).toEqual(none);
    expect(await read(one)).toMatchObject({
      planId: first.planId,
      scheduledChange: { planId: next.planId },
    });
    const now = { when: 'now' };
    expect(ok(await migrate(now), 200)).toEqual({ ...none, migrated: 2 });
    expect(ok(await migrate(now), 200)).toEqual(none);
    for (const id of [first.id, second.id]) expect(await read(id)).toMatchObject({ planId: next.planId });
    expectProblem(await migrate({ toPlanId: 'none' }), 422, 'validation_failed', ['/toPlanId']);
    const foreign = { planId: first.planId };
    expectProblem(await change(first.id, 'migrate', foreign), 422, 'validation_failed', ['/planId']);
    expect(ok(await change(first.id, 'migrate'))).toMatchObject({ planId: next.planId });
  });
});

describe('overrides', () => {
  test('of features hold within their window, until they are revoked', async () => {
    const { id, slug } = await newSubscriber();
    const override = (body: object) => change(id, 'overrides/features', { featureSlug: slug, ...body });
    const set = ok(await override({ value: 5000, reason: 'deal', effectiveUntil: '2999-01-01T00:00:00Z' }));
    expect(set.featureOverrides).toEqual([
      {
        featureSlug: slug,
        value: '5000',
        reason: 'deal',
        effectiveFrom: expect.any(String),
        effectiveUntil: '2999-01-01T00:00:00.000Z',
      },
    ]);
    const refused = async (body: object, pointer: string) =>
      expectProblem(await override(body), 422, 'validation_failed', [pointer]);
    await refused({ value: true }, '/value');
    await refused({ featureSlug: 'none', value: 1 }, '/featureSlug');
    await refused({ value: 1, effectiveUntil: '2020-01-01T00:00:00Z' }, '/effectiveUntil');
    const revoked = ok(await change(id, 'overrides/features/revoke', { featureSlug: slug }));
    expect(revoked.featureOverrides).toEqual([]);
  });

  test('of prices hold for as many periods as they say', async () => {
    const { id, subscription } = await newSubscriber();
    const components = [{ ...MONTHLY, amount_cents: 10 }];
    const body = { components, expiresAfterBillingCycles: 2 };
    const set = ok(await change(id, 'overrides/prices', body));
    expect(set).toMatchObject({ isPriceOverridden: true, priceComponents: [{ amount_cents: '10' }] });
    await renew(Date.parse(subscription.currentPeriodEnd));
    const second = await read(id);
    expect(second).toMatchObject({ isPriceOverridden: true, periodNumber: 2 });
    await renew(Date.parse(second.currentPeriodEnd));
    expect(await read(id)).toMatchObject({
      isPriceOverridden: false,
      priceComponents: [{ amount_cents: '1000' }],
    });
    const faulty = { components: [{ type: 'fixed', label: 'x' }], expiresAfterBillingCycles: 1 };
    expectProblem(await change(id, 'overrides/prices', faulty), 422, 'validation_failed', [
      '/components/0/amount_cents',
    ]);
  });
});

describe('seats', () => {
  const organisation = async (definition: object = {}) => {
    const { planId } = await newPlan([{ ...SEATS, minimum_seats: 2, unit_label: 'seat' }]);
    const { slug } = await define(planId, definition);
    const org = fresh('org');
    const customerId = await newCustomer(api, { externalCustomerId: org });
    const { id, currentPeriodEnd } = await subscribe({ customerId, planId });
    return { org, customerId, id, slug, end: Date.parse(currentPeriodEnd) };
  };
  const seats = (action: string, body: object) => api.post(`/v1/seats/${action}`, body);
  const memberOf = async (external: string) =>
    ok(await api.get(`/v1/customers/${external}?isExtCustId=true`), 200);
  const usage = async (customerId: string) => ok(await api.get(`/v1/seats/usage/${customerId}`), 200);

  test('are given, used and taken away', async () => {
    const { org, customerId, id, slug } = await organisation();
    const user = fresh('user');
    const body = {
      organization_id: org,
      created_user_id: user,
      created_user_info: { name: 'Ada', email: 'ada@acme.example' },
      idempotency_key: fresh('seat'),
      metadata: { team: 'blue' },
    };
    const added = ok(await seats('add', body), 200);
    expect(added).toEqual({
      message: 'Seat added',
      user_id: null,
      organization_id: org,
      created_user_id: user,
      subscription_id: id,
      idempotency_key: body.idempotency_key,
    });
    const again = await seats('add', body);
    expect([ok(again, 200), again.headers.get('idempotent-replayed')]).toEqual([added, 'true']);
    const member = await memberOf(user);
    expect(member).toMatchObject({ name: 'Ada', email: 'ada@acme.example' });
    expect(await grantsOf(member.id)).toEqual(['seat 100/100 ACTIVE']);
    expect(await grantsOf(customerId)).toEqual(['plan 100/100 ACTIVE']);
    const event = { eventName: slug, extCustomerId: user, eventValue: 30 };
    ok(await api.post('/v1/events', event), 202);
    expect(await grantsOf(member.id)).toEqual(['seat 70/100 ACTIVE']);
    expect((await usage(customerId)).seatUsages).toEqual([
      expect.objectContaining({
        componentName: 'Seats',
        unitLabel: 'seat',
        unitAmountCents: '500',
        currentUsage: 1,
        pendingRemovals: 0,
        minimumSeats: 2,
        chargedSeats: 2,
      }),
    ]);
    const removal = { organization_id: org, removed_user_id: user };
    expect(ok(await seats('remove', removal), 200)).toMatchObject({ removed_user_id: user });
    expect(await grantsOf(member.id)).toEqual(['seat 0/100 REVOKED']);
    const [after] = (await usage(customerId)).seatUsages;
    expect(after).toMatchObject({ currentUsage: 0, pendingRemovals: 1 });
    expectProblem(await seats('remove', removal), 400, 'seat_not_found');
    // the user comes back to a seat of its own
    ok(await seats('add', { user_id: org, created_user_id: user }), 200);
    expect(await grantsOf(member.id)).toEqual(['seat 0/100 REVOKED', 'seat 100/100 ACTIVE']);
    const { data } = ok(await api.get(`/v1/seats/history/${org}?isExtCustId=true`), 200);
    expect(data.map((one: any) => [one.type, one.externalCustomerId])).toEqual([
      ['seat_added', user],
      ['seat_removed', user],
      ['seat_added', user],
    ]);
    ok(await change(id, 'cancel'));
    expect((await grantsOf(member.id)).at(-1)).toBe('seat 0/100 EXPIRED');
  });

  test('renew with the period; removed ones are counted until it ends', async () => {
    const { org, customerId, end, id } = await organisation();
    const [first, second] = [fresh('user'), fresh('user')];
    for (const user of [first, second])
      ok(await seats('add', { organization_id: org, created_user_id: user }), 200);
    ok(await seats('remove', { organization_id: org, removed_user_id: second }), 200);
    expect((await usage(customerId)).seatUsages[0]).toMatchObject({ currentUsage: 1, pendingRemovals: 1 });
    await renew(end);
    expect((await usage(customerId)).seatUsages[0]).toMatchObject({ currentUsage: 1, pendingRemovals: 0 });
    expect(await grantsOf((await memberOf(first)).id)).toEqual([
      'seat 0/100 EXPIRED',
      'renewal 100/100 ACTIVE',
    ]);
    expect(await grantsOf((await memberOf(second)).id)).toEqual(['seat 0/100 REVOKED']);
    ok(await change(id, 'cancel'));
  });

  test('fill the organisation’s pool where the definition says so', async () => {
    const { org, customerId, id } = await organisation({ seatCredits: 'pooled' });
    const user = fresh('user');
    ok(await seats('add', { organization_id: org, created_user_id: user }), 200);
    expect(await grantsOf(customerId)).toEqual(['plan 100/100 ACTIVE', 'seat 100/100 ACTIVE']);
    expect(await grantsOf((await memberOf(user)).id)).toEqual([]);
    ok(await seats('remove', { organization_id: org, removed_user_id: user }), 200);
    expect(await grantsOf(customerId)).toEqual(['plan 100/100 ACTIVE', 'seat 0/100 REVOKED']);
    ok(await change(id, 'cancel'));
  });

  test('are refused where they cannot be', async () => {
    const { org } = await organisation();
    const user = fresh('user');
    const body = { organization_id: org, created_user_id: user };
    ok(await seats('add', body), 200);
    expectProblem(await seats('add', body), 409, 'seat_taken');
    const other = await organisation();
    expectProblem(await seats('add', { ...body, organization_id: other.org }), 409, 'conflict');
    expectProblem(await seats('add', { ...body, organization_id: 'none' }), 404, 'customer_not_found');
    const refused = async (members: object, pointer: string) =>
      expectProblem(await seats('add', { ...body, ...members }), 422, 'validation_failed', [pointer]);
    await refused({ organization_id: undefined }, '/organization_id');
    await refused({ timestamp: '2026-01-01T00:00:00+00:00' }, '/timestamp');
    await refused({ timestamp: '2020-01-01T00:00:00Z', created_user_id: fresh('user') }, '/timestamp');
    await refused({ created_user_id: org }, '/created_user_id');
    const external = fresh('alone');
    await newCustomer(api, { externalCustomerId: external });
    const nothing = { organization_id: external, created_user_id: fresh('user') };
    expectProblem(await seats('add', nothing), 409, 'subscription_not_active');
  });
});
