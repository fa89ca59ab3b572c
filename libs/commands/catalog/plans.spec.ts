import { beforeEach, describe, expect, test } from '@jest/globals';
import { versionOf } from '#libs/catalog';
import { createDefinition } from './definitions.handlers.js';
import { archiveFeature, createFeature, updateFeature } from './features.js';
import { createPlan, updatePlan, type PlanChanges } from './plans.js';
import { createPrice } from './prices.js';
import {
  asked,
  catalogWorld,
  context,
  issuesOf,
  problemOf,
  tenant,
} from '../../../test/support/catalog-world.js';

const world = catalogWorld();

const monthly = (unitAmountCents: number, currency = 'USD') =>
  ({ currency, unitAmountCents, billingInterval: 'month' }) as const;
const change = (id: string, input: PlanChanges, isStableId = false, key?: string) =>
  updatePlan(world.ports, context(key), { id, isStableId }, input);
const streams = async (prefix: string): Promise<readonly string[]> =>
  (await world.eventStore.readAll(null, 1000)).events
    .filter(({ stream }) => stream.startsWith(prefix))
    .map(({ type }) => type);
const priceIn = async (planId: string, currency: string) =>
  (await world.reader.priceOf(tenant, (await world.reader.plan(tenant, planId))!, currency))?.id;

beforeEach(async () => {
  const features = { calls: 1000, sso: false, tier: 'bronze' };
  for (const [slug, featureValue] of Object.entries(features))
    await createFeature(world.ports, asked, { id: slug, slug, displayName: slug, featureValue });
  await createPlan(world.ports, asked, { id: 'pro', planName: 'Pro', featureIds: ['calls'] });
  await createPrice(world.ports, asked, { id: 'usd', planId: 'pro', ...monthly(1000) });
  await createPrice(world.ports, asked, { id: 'eur', planId: 'pro', ...monthly(900, 'EUR') });
});

describe('a plan', () => {
  test('changes in place what is only shown', async () => {
    const written = await change('pro', { name: 'Pro plan', buttonText: 'Buy', metadata: { a: 'b' } });
    expect(written).toMatchObject({
      created: false,
      document: { id: 'pro', attributes: { planName: 'Pro plan' } },
    });
    expect(versionOf(written.document)).toEqual({ stablePlanId: 'pro', versionNumber: 1 });
    // terms that are what they were are no other terms
    const same = { featureIds: ['calls'], priceIds: ['eur', 'usd'], planDescription: 'For teams' };
    expect(await change('pro', same)).toMatchObject({ created: false });
    expect(await streams('plan-')).toEqual(['PlanCreated', 'PlanUpdated', 'PlanUpdated']);
  });

  test('gets a version for other features, which goes on using its prices', async () => {
    const features = [
      { featureSlug: 'calls', value: 5000 },
      { featureId: 'sso', value: true },
      { featureSlug: 'tier' },
    ];
    const second = await change('pro', { features, planName: 'Pro 2', commitMessage: 'More' }, true);
    expect(second).toMatchObject({
      created: true,
      document: {
        attributes: {
          planName: 'Pro 2',
          commitMessage: 'More',
          stablePlanId: 'pro',
          versionNumber: 2,
          features: [
            { featureId: 'calls', value: '5000' },
            { featureId: 'sso', value: true },
            { featureId: 'tier', value: 'bronze' },
          ],
          priceIds: ['usd', 'eur'],
        },
      },
    });
    expect(await world.reader.newestPlan(tenant, 'pro')).toEqual(second.document);
    // the first version is as it was, and so is what both use
    expect(world.reader.plan(tenant, 'pro')).toMatchObject({
      attributes: { planName: 'Pro', features: [{ featureId: 'calls', value: '1000' }] },
    });
    expect(await priceIn(second.document.id, 'EUR')).toBe('eur');
    const { document: third } = await change('pro', { trialDays: null, featureIds: [] }, true);
    expect(third.attributes).toMatchObject({ versionNumber: 3, priceIds: ['usd', 'eur'] });
    expect(third.attributes).not.toHaveProperty('features');
    expect(third.attributes).not.toHaveProperty('commitMessage');
  });

  test('gets a version with other prices; in each currency the latest counts', async () => {
    const { document: second } = await change('pro', { prices: [{ id: 'usd2', ...monthly(1200) }] });
    expect(second.attributes.priceIds).toEqual(['eur']);
    expect([
      await priceIn('pro', 'USD'),
      await priceIn(second.id, 'USD'),
      await priceIn(second.id, 'EUR'),
    ]).toEqual(['usd', 'usd2', 'eur']);
    await createPrice(world.ports, asked, { id: 'eur2', planId: second.id, ...monthly(1100, 'EUR') });
    await createPrice(world.ports, asked, { id: 'eur3', planId: second.id, ...monthly(1150, 'EUR') });
    expect([
      await priceIn(second.id, 'EUR'),
      await priceIn('pro', 'EUR'),
      await priceIn('pro', 'GBP'),
    ]).toEqual(['eur3', 'eur', undefined]);
    const { document: third } = await change('pro', { priceIds: ['eur3'] }, true);
    expect([third.attributes.priceIds, await priceIn(third.id, 'USD')]).toEqual([['eur3'], undefined]);
  });

  test('lists everything that is wrong before anything is written', async () => {
    await createPlan(world.ports, asked, {
      id: 'other',
      planName: 'Other',
      prices: [{ id: 'foreign', ...monthly(1) }],
    });
    const before = await streams('');
    expect(
      await issuesOf(
        change('pro', {
          features: [{ featureId: 'calls', value: 'many' }, { value: true }, { featureSlug: 'no-such' }],
          featureIds: ['sso', 'sso', 'gone'],
          trialDays: 3,
          trialParentPlanId: 'nowhere',
          priceIds: ['foreign', 'gone'],
          prices: [
            {
              id: 'foreign',
              currency: 'dollar',
              pricingData: { dsl_version: 1, components: [{ type: 'x' }] },
            },
            { currency: 'USD' },
          ],
        }),
      ),
    ).toEqual([
      '/trialParentPlanId not_applicable',
      '/trialDays not_applicable',
      '/trialParentPlanId unknown_reference',
      '/features/0/value type',
      '/features/1/featureId required',
      '/features/2/featureSlug unknown_reference',
      '/featureIds/1 duplicate',
      '/featureIds/2 unknown_reference',
      '/priceIds/0 price_not_of_plan',
      '/priceIds/1 unknown_reference',
      '/prices/0/currency currency_unknown',
      '/prices/0/pricingData/components/0/label required',
      '/prices/0/pricingData/components/0/type not_allowed',
      '/prices/0/id duplicate',
      '/prices/1/pricingData required',
    ]);
    expect(await streams('')).toEqual(before);
    expect((await problemOf(change('nobody', { name: 'x' }))).code).toBe('not_found');
    expect((await problemOf(change('nobody', { name: 'x' }, true))).code).toBe('not_found');
  });

  test('is made once under a key, whatever versions come after, and other input is told apart', async () => {
    const first = await change('pro', { featureIds: ['sso'] }, true, 'k');
    // now that the newest version is what is asked for, too
    expect(await change('pro', { featureIds: ['sso'] }, true, 'k')).toMatchObject({
      created: true,
      replayed: true,
      document: first.document,
    });
    const later = await change('pro', { featureIds: ['tier'] }, true);
    const again = await change('pro', { featureIds: ['sso'] }, true, 'k');
    expect(again).toMatchObject({ replayed: true, document: first.document });
    expect(versionOf(later.document).versionNumber).toBe(3);
    expect((await problemOf(change('pro', { featureIds: ['calls'] }, true, 'k'))).code).toBe(
      'idempotency_key_reused',
    );
  });

  test('completes under its key what a crash left of a version', async () => {
    const failing = {
      ...world.ports,
      writer: {
        ...world.ports.writer,
        execute: ((kind, id, request) =>
          kind.category === 'price'
            ? Promise.reject(new Error('crash'))
            : world.ports.writer.execute(kind, id, request)) as typeof world.ports.writer.execute,
      },
    };
    const input = { prices: [monthly(1200)] };
    const plan = { id: 'pro', isStableId: true };
    await expect(updatePlan(failing, context('k'), plan, input)).rejects.toThrow('crash');
    const { document } = await updatePlan(world.openPorts(), context('k'), plan, input);
    expect(versionOf(document).versionNumber).toBe(2);
    const found = await world.reader.priceOf(tenant, document, 'USD');
    expect(found?.attributes.pricingData.components[0]).toMatchObject({ amount_cents: '1200' });
    expect(await streams('plan-')).toEqual(['PlanCreated', 'PlanCreated']);
  });

  test('has one version of each number: who comes second is told', async () => {
    const answers = await Promise.allSettled([
      change('pro', { featureIds: ['sso'] }),
      change('pro', { featureIds: ['tier'] }),
    ]);
    expect(answers.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(
      (answers.find(({ status }) => status === 'rejected') as PromiseRejectedResult).reason,
    ).toMatchObject({
      code: 'conflict',
    });
    expect((await problemOf(change('pro', { featureIds: [], versionNumber: 2 }))).code).toBe('conflict');
    expect((await problemOf(change('pro', { name: 'x', versionNumber: 2 }))).code).toBe('conflict');
    expect(await change('pro', { featureIds: [], versionNumber: 3 })).toMatchObject({ created: true });
  });

  test('shares its stable id with its own versions only', async () => {
    const named = await createPlan(world.ports, asked, { id: 'v1', stablePlanId: 'team', planName: 'Team' });
    expect(versionOf(named.document)).toEqual({ stablePlanId: 'team', versionNumber: 1 });
    const second = { id: 'v2', stablePlanId: 'team', planName: 'Team' };
    expect((await problemOf(createPlan(world.ports, asked, second))).code).toBe('already_exists');
    expect((await problemOf(createPlan(world.ports, asked, { id: 'team', planName: 'T' }))).code).toBe(
      'already_exists',
    );
    expect(await issuesOf(createPlan(world.ports, asked, { planName: 'T', versionNumber: 2 }))).toEqual([
      '/versionNumber out_of_range',
    ]);
  });

  test('as a trial names a plan that is none', async () => {
    const trial = {
      id: 'trial',
      planName: 'Try',
      isTrialPlan: true,
      trialParentPlanId: 'pro',
      trialDays: 14,
    };
    await createPlan(world.ports, asked, trial);
    expect(
      await issuesOf(createPlan(world.ports, asked, { ...trial, id: 'again', trialParentPlanId: 'trial' })),
    ).toEqual(['/trialParentPlanId plan_is_trial']);
    expect(await change('trial', { trialDays: 7 })).toMatchObject({ created: true });
  });
});

describe('what belongs to a plan', () => {
  test('a feature changes its default, not its type, and leaves new plans when it is deleted', async () => {
    expect(await updateFeature(world.ports, asked, 'calls', { featureValue: '20.50' })).toMatchObject({
      document: { attributes: { featureValue: '20.5' } },
    });
    expect(
      await issuesOf(
        updateFeature(world.ports, asked, 'calls', { featureValue: 'x', slug: 'y', metricIds: ['z'] }),
      ),
    ).toEqual(['/slug immutable', '/meterId immutable', '/featureValue type']);
    await archiveFeature(world.ports, asked, 'sso');
    expect(await issuesOf(change('pro', { featureIds: ['sso'] }))).toEqual([
      '/featureIds/0 unknown_reference',
    ]);
    const again = createFeature(world.ports, asked, { slug: 'sso', displayName: 'SSO', featureValue: true });
    expect((await problemOf(again)).code).toBe('slug_taken');
  });

  test('credit definitions of any version, in force, of scope plan', async () => {
    const { document: second } = await change('pro', { featureIds: ['calls', 'sso'] });
    const define = (id: string, planId: string, more: object = {}) =>
      createDefinition(world.ports, asked, {
        id,
        name: id,
        scope: 'plan',
        applicationType: 'usage',
        planId,
        featureSlug: 'calls',
        defaultAmount: 10,
        ...more,
      });
    await define('d1', 'pro');
    await define('d2', second.id);
    await define('off', 'pro', { isActive: false });
    await define('wide', 'pro', { scope: 'merchant' });
    for (const id of ['pro', second.id]) {
      const plan = (await world.reader.plan(tenant, id))!;
      expect((await world.reader.definitionsOf(tenant, plan)).map((one) => one.id)).toEqual(['d1', 'd2']);
    }
  });

  test('a simple price is written out', async () => {
    const seats = {
      planId: 'pro',
      currency: 'USD',
      unitAmountCents: '900',
      billingInterval: 'year',
    } as const;
    const { document } = await createPrice(world.ports, asked, { ...seats, pricingModel: 'per_seat' });
    expect(document.attributes.pricingData.components).toEqual([
      {
        id: expect.stringMatching(/^cmp_/),
        type: 'per_unit',
        label: 'Seats',
        unit_amount_cents: '900',
        bill_immediately: true,
        recurrence_rule: 'FREQ=YEARLY',
      },
    ]);
    const both = { ...seats, pricingData: { dsl_version: 1, components: [] } };
    expect(await issuesOf(createPrice(world.ports, asked, both))).toEqual([
      '/pricingData/components out_of_range',
      '/unitAmountCents exclusive',
      '/billingInterval exclusive',
    ]);
    expect(
      await issuesOf(createPrice(world.ports, asked, { planId: 'pro', currency: 'USD', unitAmountCents: 1 })),
    ).toEqual(['/billingInterval required']);
  });
});
