import { describe, expect, test } from '@jest/globals';
import { expectProblem, fresh, newCustomer, ok, positionOf, worldOfTests } from './world.js';

/** Features, versions of plans, prices, members of organisations, pricing tables and enrolment rules. */

const world = worldOfTests();
const { api } = world;

const monthly = (unitAmountCents: number, currency = 'USD') => ({
  currency,
  unitAmountCents,
  billingInterval: 'month',
});
const newFeature = async (featureValue: unknown, members: object = {}): Promise<any> =>
  ok(
    await api.post('/v1/features', {
      slug: fresh('feat'),
      displayName: fresh('Name'),
      featureValue,
      ...members,
    }),
    201,
  );
const newPlan = async (members: object = {}): Promise<any> =>
  ok(await api.post('/v1/plans', { id: fresh('plan'), planName: 'Pro', ...members }), 201);
/** Reads what was written up to now. */
const read = async (path: string): Promise<any> => {
  const position = ok(await api.get('/health/ready'), 200).log.position;
  return ok(await api.get(`${path}${path.includes('?') ? '&' : '?'}minPosition=${position}`), 200);
};
const idsOf = ({ data }: { data: { id: string }[] }): string[] => data.map(({ id }) => id);

describe('features', () => {
  test('are found by part of a name, changed, and deleted without a trace in lists, while the slug stays', async () => {
    const word = fresh('Zebra');
    const feature = await newFeature(10, { slug: word.toLowerCase(), displayName: `The ${word}` });
    const named = await newFeature(true, { displayName: `Of ${word}s` });
    expect(idsOf(await read(`/v1/features?search=${word.toUpperCase()}`))).toEqual([feature.id, named.id]);
    expect(idsOf(await read('/v1/features?search=%25'))).toEqual([]);
    for (const method of ['PUT', 'PATCH'])
      expect(
        ok(
          await api.send(method, `/v1/features/${feature.id}`, { description: method, featureValue: '20.0' }),
          200,
        ),
      ).toMatchObject({ description: method, featureValue: '20', slug: feature.slug });
    expectProblem(
      await api.send('PATCH', `/v1/features/${feature.slug}`, { featureValue: true, slug: 'other' }),
      422,
      'validation_failed',
      ['/featureValue', '/slug'],
    );
    expect(ok(await api.post('/v1/features/checkSlug', { slug: feature.slug }), 200)).toEqual({
      conflict: true,
    });
    expect(ok(await api.post('/v1/features/checkSlug', { slug: fresh('free') }), 200)).toEqual({
      conflict: false,
    });
    expectProblem(await api.post('/v1/features/checkSlug', { slug: 'No Slug' }), 422, 'validation_failed', [
      '/slug',
    ]);

    expect(ok(await api.send('DELETE', `/v1/features/${feature.id}`), 200)).toMatchObject({
      isActive: false,
    });
    expect(ok(await api.send('DELETE', `/v1/features/${feature.id}`), 200)).toMatchObject({
      isActive: false,
    });
    expectProblem(await api.send('DELETE', '/v1/features/no-such-feature'), 404, 'not_found');
    expect(idsOf(await read(`/v1/features?search=${word}`))).toEqual([named.id]);
    expect(await read(`/v1/features/${feature.id}`)).toMatchObject({ isActive: false });
    expect(ok(await api.post('/v1/features/checkSlug', { slug: feature.slug }), 200)).toEqual({
      conflict: true,
    });
  });
});

describe('plans', () => {
  test('change in place or by a version, and are read with what they are made of', async () => {
    const calls = await newFeature(1000);
    const sso = await newFeature(false);
    const plan = await newPlan({ features: [{ featureSlug: calls.slug }] });
    expect(plan).toMatchObject({
      stablePlanId: plan.id,
      versionNumber: 1,
      features: [{ featureId: calls.id, value: '1000' }],
    });
    const url = `/v1/plans/${plan.id}`;
    const dear = ok(await api.post('/v1/prices', { planId: plan.id, ...monthly(1000) }), 201);
    expect(ok(await api.post(url, { name: 'Professional' }), 200)).toMatchObject({
      versionNumber: 1,
      planName: 'Professional',
    });

    const features = [
      { featureId: calls.id, value: 5000 },
      { featureId: sso.id, value: true },
    ];
    const answer = await api.post(`${url}?isStableId=true`, { features, commitMessage: 'More' });
    const second = ok(answer, 201);
    expect(second).toMatchObject({
      stablePlanId: plan.id,
      versionNumber: 2,
      priceIds: [dear.id],
      commitMessage: 'More',
    });

    const expanded = await read(
      `${url}?isStableId=true&includeFeatures=true&includePrices=true&includeTrials=true`,
    );
    expect(expanded).toMatchObject({
      id: second.id,
      isFree: false,
      features: [
        {
          featureId: calls.id,
          slug: calls.slug,
          displayName: calls.displayName,
          featureType: 'number',
          value: '5000',
        },
        { featureId: sso.id, slug: sso.slug, featureType: 'boolean', value: true },
      ],
      prices: [{ id: dear.id, currency: 'USD' }],
      trials: [],
    });
    expect(await read(url)).toMatchObject({ id: plan.id, versionNumber: 1, features: [{ value: '1000' }] });
    for (const id of [plan.id, second.id])
      expect(idsOf(await read(`/v1/plans/${id}/versions`))).toEqual([plan.id, second.id]);
    expect(idsOf(await read('/v1/plans?limit=1000'))).toContain(second.id);
    expect(idsOf(await read('/v1/plans?limit=1000'))).not.toContain(plan.id);
    expect(idsOf(await read('/v1/plans?limit=1000&allVersions=true'))).toEqual(
      expect.arrayContaining([plan.id, second.id]),
    );
    expectProblem(await api.get(`/v1/plans/${second.id}?isStableId=true`), 404, 'not_found');

    // a deleted feature leaves the answers of every version
    ok(await api.send('DELETE', `/v1/features/${calls.id}`), 200);
    expect((await read(url)).features).toEqual([]);
    expect((await read(`/v1/plans/${second.id}`)).features).toEqual([{ featureId: sso.id, value: true }]);
  });

  test('are made and changed once under a key', async () => {
    const plan = await newPlan();
    const body = { prices: [monthly(500), monthly(400, 'EUR')] };
    const key = { 'Idempotency-Key': fresh('key') };
    const first = await api.post(`/v1/plans/${plan.id}`, body, key);
    const again = await api.post(`/v1/plans/${plan.id}`, body, key);
    expect([ok(first, 201), again.headers.get('idempotent-replayed')]).toEqual([ok(again, 201), 'true']);
    expect(positionOf(again)).toBeGreaterThan(0);
    const { prices } = await read(`/v1/plans/${first.body.id}?includePrices=true`);
    expect(prices.map(({ currency }: { currency: string }) => currency)).toEqual(['USD', 'EUR']);
    expect((await read(`/v1/plans/${plan.id}/versions`)).data).toHaveLength(2);
  });

  test('are free when all their latest prices are, and trials name what they become', async () => {
    const plan = await newPlan({ prices: [monthly(0), monthly(100, 'EUR')] });
    expect(await read(`/v1/plans/${plan.id}`)).toMatchObject({ isFree: false });
    ok(await api.post('/v1/prices', { planId: plan.id, ...monthly(0, 'EUR') }), 201);
    expect(await read(`/v1/plans/${plan.id}`)).toMatchObject({ isFree: true });
    expect(idsOf(await read(`/v1/prices?planId=${plan.id}`))).toHaveLength(3);
    expect(idsOf(await read(`/v1/prices?planId=${plan.id}&currency=EUR`))).toHaveLength(2);
    expect(await read(`/v1/plans/${(await newPlan()).id}`)).toMatchObject({ isFree: false });

    const trial = { isTrialPlan: true, trialDays: 14 };
    const made = await newPlan({ ...trial, trialParentPlanId: plan.id, planName: 'Try' });
    const second = ok(await api.post(`/v1/plans/${plan.id}`, { prices: [monthly(9)] }), 201);
    expect((await read(`/v1/plans/${second.id}?includeTrials=true`)).trials).toEqual([
      { planId: made.id, planName: 'Try', trialDays: 14 },
    ]);
    const bad = { planName: 'Try', ...trial, trialParentPlanId: 'nowhere' };
    expectProblem(await api.post('/v1/plans', bad), 422, 'validation_failed', ['/trialParentPlanId']);
  });
});

test('a price lists every problem of its data at once, references included', async () => {
  const plan = await newPlan();
  const meter = (await newFeature(1)).meterId;
  const tier = (upTo: number | null) => ({ upTo, unit_cost_cents: '0.5' });
  const usage = { type: 'usage', label: 'Calls', metric_id: meter, recurrence_rule: 'FREQ=MONTHLY' };
  const components = [
    {
      ...usage,
      tiers: { mode: 'graduated', tiers: [tier(1000), tier(null)] },
      free_units: 100,
      timezone: 'Europe/Berlin',
    },
    {
      type: 'per_unit',
      label: 'Seats',
      amount_cents: 900,
      minimum_seats: 3,
      recurrence_rule: 'FREQ=DAILY;COUNT=3',
    },
  ];
  const price = { planId: plan.id, currency: 'USD', pricingData: { dsl_version: 1, components } };
  const made = ok(await api.post('/v1/prices', price), 201);
  expect(made.pricingData.components[0]).toMatchObject({
    tiers: {
      mode: 'graduated',
      tiers: [
        { upTo: '1000', unit_cost_cents: '0.5' },
        { upTo: null, unit_cost_cents: '0.5' },
      ],
    },
    free_units: '100',
    timezone: 'Europe/Berlin',
  });
  expect(await read(`/v1/prices/${made.id}`)).toEqual(made);
  const bad = [
    {
      ...usage,
      metric_id: 'no-such',
      tiers: { mode: 'stairs', tiers: [tier(null), tier(5)] },
      unit_cost_cents: -1,
    },
    { type: 'fixed', label: 5, amount_cents: '1e3', recurrence_rule: 'FREQ=DAILY', surprise: true },
  ];
  expectProblem(
    await api.post('/v1/prices', {
      planId: 'no-such',
      currency: 'dollars',
      pricingData: { dsl_version: 1, components: bad },
    }),
    422,
    'validation_failed',
    [
      '/currency',
      '/planId',
      ...[
        'metric_id',
        'tiers',
        'tiers/mode',
        'tiers/tiers/0/upTo',
        'tiers/tiers/1/upTo',
        'unit_cost_cents',
      ].map((member) => `/pricingData/components/0/${member}`),
      ...['label', 'amount_cents', 'recurrence_rule', 'surprise'].map(
        (member) => `/pricingData/components/1/${member}`,
      ),
    ],
  );
});

test('members of organisations are listed when they are asked for', async () => {
  const organization = await newCustomer(api, { orgRole: 'primary', email: `Boss@${fresh('acme')}.example` });
  const member = { orgRole: 'member', customerOrganizationId: organization };
  const seat = await newCustomer(api, {
    ...member,
    country: 'DE',
    taxRate: '0.190',
    preferredLanguage: 'de',
  });
  expect(await read(`/v1/customers/${seat}`)).toMatchObject({ ...member, taxRate: '0.19' });
  expect(idsOf(await read('/v1/customers?limit=1000'))).not.toContain(seat);
  expect(idsOf(await read('/v1/customers?limit=1000&includeMembers=true'))).toEqual(
    expect.arrayContaining([organization, seat]),
  );
  expect(idsOf(await read(`/v1/customers?customerOrganizationId=${organization}`))).toEqual([seat]);
  const { email } = await read(`/v1/customers/${organization}`);
  expect(idsOf(await read(`/v1/customers?email=${encodeURIComponent(email.toLowerCase())}`))).toEqual([
    organization,
  ]);
  for (const customerOrganizationId of ['nobody', seat])
    expectProblem(
      await api.post('/v1/customers', { name: 'x', orgRole: 'member', customerOrganizationId }),
      422,
      'validation_failed',
      ['/customerOrganizationId'],
    );
  const self = { orgRole: 'member', customerOrganizationId: organization };
  expectProblem(await api.send('PATCH', `/v1/customers/${organization}`, self), 422, 'validation_failed', [
    '/customerOrganizationId',
  ]);
});

describe('a pricing table', () => {
  test('is read in public with a publishable key: newest versions, latest prices, trial and credit', async () => {
    const page = world.server.client(world.keys.publishable);
    const calls = await newFeature(1000);
    const plan = await newPlan({ featureIds: [calls.id], prices: [monthly(1000)], buttonText: 'Buy' });
    const free = await newPlan({ prices: [monthly(0)] });
    const hidden = await newPlan({ isVisibleInPricingTable: false });
    const trial = await newPlan({ isTrialPlan: true, trialParentPlanId: plan.id, trialDays: 7 });
    const credit = { name: 'C', scope: 'plan', applicationType: 'usage', featureSlug: calls.slug };
    for (const [planId, defaultAmount] of [
      [plan.id, '100.5'],
      [plan.id, 50],
      [free.id, 10],
    ] as const)
      ok(await api.post('/v1/credits/definitions', { ...credit, planId, defaultAmount }), 201);
    const second = ok(
      await api.post(`/v1/plans/${plan.id}`, { prices: [monthly(900, 'EUR')], name: 'Pro 2' }),
      201,
    );

    const slug = fresh('table');
    const table = {
      name: 'Public',
      slug,
      planIds: [plan.id, hidden.id, free.id],
      planConfigs: [
        { planId: free.id, displayOrder: 1, buttonText: 'Start' },
        { planId: plan.id, displayOrder: 2, isPopular: true, popularText: 'Popular' },
      ],
    };
    const made = ok(await api.post('/v1/pricing-tables', table), 201);
    expect(made).toMatchObject({ ...table, isActive: true });
    expectProblem(await api.post('/v1/pricing-tables', table), 409, 'slug_taken');
    const url = `/v1/public/pricing-tables/${slug}`;
    await read('/v1/pricing-tables');
    const shown = ok(await page.get(url), 200);
    expect(shown.plans).toEqual([
      expect.objectContaining({
        planId: free.id,
        isFree: true,
        buttonText: 'Start',
        trial: null,
        features: [
          {
            featureId: calls.id,
            slug: calls.slug,
            displayName: calls.displayName,
            featureType: 'number',
            value: calls.featureValue,
            creditAmount: '10',
          },
        ],
      }),
      {
        planId: second.id,
        stablePlanId: plan.id,
        versionNumber: 2,
        planName: 'Pro 2',
        isFree: false,
        displayOrder: 2,
        isPopular: true,
        popularText: 'Popular',
        buttonText: 'Buy',
        prices: [expect.objectContaining({ currency: 'USD' }), expect.objectContaining({ currency: 'EUR' })],
        features: [
          {
            featureId: calls.id,
            slug: calls.slug,
            displayName: calls.displayName,
            featureType: 'number',
            value: '1000',
            creditAmount: '150.5',
          },
        ],
        trial: { planId: trial.id, planName: 'Pro', trialDays: 7 },
      },
    ]);
    const byHeader = (key: string) => world.server.client().get(url, { 'X-Lumen-Key': key });
    expect(ok(await byHeader(world.keys.publishable), 200)).toEqual(shown);
    expectProblem(await byHeader(world.keys.secret), 401, 'unauthorized');
    expectProblem(await byHeader('pk_test_nonsense'), 401, 'unauthorized');
    expectProblem(await page.get('/v1/pricing-tables'), 403, 'forbidden');
    expectProblem(await page.get('/v1/public/pricing-tables/no-such'), 404, 'not_found');

    ok(await api.send('PATCH', `/v1/pricing-tables/${made.id}`, { isActive: false, heading: 'Soon' }), 200);
    expect(await read(`/v1/pricing-tables/${made.id}`)).toMatchObject({ isActive: false, heading: 'Soon' });
    expectProblem(await page.get(url), 404, 'not_found');
    ok(await api.send('PATCH', `/v1/pricing-tables/${made.id}`, { isActive: true }), 200);
    ok(await api.post(`/v1/pricing-tables/${made.id}/archive`, {}), 200);
    expect(idsOf(await read('/v1/pricing-tables'))).not.toContain(made.id);
    expectProblem(await page.get(url), 404, 'not_found');
  });

  test('takes plans that exist and are no trials, and shows no other', async () => {
    const plan = await newPlan();
    const trial = await newPlan({ isTrialPlan: true, trialParentPlanId: plan.id, trialDays: 7 });
    const table = { name: 'T', slug: fresh('table'), planIds: [plan.id, 'nowhere', trial.id] };
    expectProblem(
      await api.post('/v1/pricing-tables', { ...table, planConfigs: [{ planId: 'other' }] }),
      422,
      'validation_failed',
      ['/planIds/1', '/planIds/2', '/planConfigs/0/planId'],
    );
    ok(await api.post('/v1/pricing-tables', { ...table, planIds: [plan.id] }), 201);
  });
});

test('enrolment rules are kept in order and deleted', async () => {
  const { id: planId } = await newPlan();
  const rule = (matcherType: string, matcherValue: string) => ({ planId, matcherType, matcherValue });
  const first = ok(await api.post('/v1/enrollment/rules', rule('domain', '@Acme.Example')), 201);
  expect(first).toMatchObject({ matcherValue: 'acme.example', isActive: true });
  const second = ok(await api.post('/v1/enrollment/rules', rule('email', 'Ada@Acme.example')), 201);
  expect(idsOf(await read(`/v1/enrollment/rules?planId=${planId}`))).toEqual([first.id, second.id]);
  expect(ok(await api.send('DELETE', `/v1/enrollment/rules/${first.id}`), 200)).toMatchObject({
    isActive: false,
  });
  expect(idsOf(await read('/v1/enrollment/rules'))).toEqual([second.id]);
  expectProblem(await api.send('DELETE', '/v1/enrollment/rules/no-such'), 404, 'not_found');
  expectProblem(
    await api.post('/v1/enrollment/rules', { ...rule('domain', 'a@b'), planId: 'nowhere' }),
    422,
    'validation_failed',
    ['/matcherValue', '/planId'],
  );
});
