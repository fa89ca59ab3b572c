import { describe, expect, test } from '@jest/globals';
import { units } from './catalog-kinds.js';
import { createDefinition, updateDefinition } from './definitions.handlers.js';
import { createFeature } from './features.js';
import { createMeter } from './meters.js';
import type { Attributes } from '#libs/catalog';
import { createPlan } from './plans.js';
import { createPrice } from './prices.js';
import { createUnit } from './units.js';
import {
  asked,
  catalogWorld,
  context,
  issuesOf,
  problemOf,
  tenant,
} from '../../../test/support/catalog-world.js';

const world = catalogWorld();

describe('credit definitions', () => {
  beforeEach(async () => {
    await createUnit(world.ports, asked, { code: 'ai-credits', scale: 2 });
    await createMeter(world.ports, asked, { id: 'm1', eventName: 'calls' });
    await createMeter(world.ports, asked, { id: 'm2', eventName: 'tokens', unit: 'ai-credits', rate: '2' });
    await createFeature(world.ports, asked, {
      id: 'f1',
      slug: 'api-calls',
      displayName: 'Calls',
      featureValue: 1000,
      meterId: 'm1',
    });
    await createFeature(world.ports, asked, {
      id: 'f2',
      slug: 'sso',
      displayName: 'SSO',
      featureValue: true,
    });
    await createFeature(world.ports, asked, {
      id: 'f3',
      slug: 'tokens',
      displayName: 'Tokens',
      featureValue: 1,
      meterId: 'm2',
    });
    for (const id of ['plan_abc', 'plan_free']) await createPlan(world.ports, asked, { id, planName: id });
    const usage = (id: string, metric: string) =>
      ({ id, type: 'usage', label: id, unit_cost_cents: 1, metric_id: metric }) as const;
    const price = (id: string, components: readonly Attributes[]) =>
      createPrice(world.ports, asked, {
        id,
        planId: 'plan_abc',
        currency: 'USD',
        pricingData: { dsl_version: 1, components },
      });
    await price('price_123', [
      usage('comp_usage_xyz', 'm1'),
      usage('comp_tokens', 'm2'),
      { id: 'comp_base', type: 'fixed', label: 'B', amount_cents: 0 },
    ]);
    await price('price_one', [usage('comp_one', 'm2')]);
    await price('price_two', [usage('comp_two', 'm1')]);
  });

  const plan = {
    scope: 'plan',
    applicationType: 'usage',
    planId: 'plan_abc',
    name: 'x',
    defaultAmount: 10000,
  } as const;

  test('the three of the guide', async () => {
    const component = await createDefinition(world.ports, asked, {
      ...plan,
      priceId: 'price_123',
      priceComponentId: 'comp_usage_xyz',
      billingVisible: true,
      refillAmount: 10000,
      renewOnBilling: true,
    });
    expect(component.document.attributes).toEqual({
      ...plan,
      priceId: 'price_123',
      priceComponentId: 'comp_usage_xyz',
      defaultAmount: '10000',
      refillAmount: '10000',
      billingVisible: true,
      renewOnBilling: true,
      priority: 50,
      isActive: true,
      unit: 'calls',
      linkedMeters: ['m1'],
    });
    const feature = await createDefinition(world.ports, asked, {
      ...plan,
      planId: 'plan_free',
      featureSlug: 'api-calls',
      renewOnBilling: true,
    });
    expect(feature.document.attributes).toMatchObject({
      featureId: 'f1',
      featureSlug: 'api-calls',
      unit: 'calls',
      linkedMeters: ['m1'],
    });
    const monetary = await createDefinition(world.ports, asked, {
      scope: 'merchant',
      applicationType: 'monetary',
      name: 'Account Credit',
      currency: 'USD',
      billingVisible: true,
      billingDescription: 'Account Credit',
      defaultAmount: 5000,
    });
    expect(monetary.document.attributes).toMatchObject({
      unit: 'USD',
      linkedMeters: [],
      defaultAmount: '5000',
    });
  });

  test('links are completed: a component brings its price, a price its only usage component', async () => {
    expect(
      (await createDefinition(world.ports, asked, { ...plan, priceComponentId: 'comp_tokens' })).document
        .attributes,
    ).toMatchObject({ priceId: 'price_123', unit: 'ai-credits' });
    expect(
      (await createDefinition(world.ports, asked, { ...plan, priceId: 'price_one', defaultAmount: '0.25' }))
        .document.attributes,
    ).toMatchObject({ unit: 'ai-credits', linkedMeters: ['m2'] });
    expect(
      (
        await createDefinition(world.ports, asked, {
          ...plan,
          featureId: 'f1',
          priceComponentId: 'comp_usage_xyz',
        })
      ).document.attributes,
    ).toMatchObject({ featureSlug: 'api-calls', linkedMeters: ['m1'] });
  });

  test.each([
    [
      {
        planId: 'plan_x',
        priceId: 'price_x',
        priceComponentId: 'comp_x',
        featureSlug: 'nope',
        featureId: 'f9',
      },
      [
        '/planId unknown_reference',
        '/featureId unknown_reference',
        '/featureSlug unknown_reference',
        '/priceId unknown_reference',
        '/priceComponentId unknown_reference',
      ],
    ],
    [{ priceId: 'price_123' }, ['/priceComponentId required']],
    [{ priceComponentId: 'comp_base' }, ['/priceComponentId component_has_no_meter']],
    [
      { priceId: 'price_one', priceComponentId: 'comp_usage_xyz' },
      ['/priceComponentId component_not_of_price'],
    ],
    [{ planId: 'plan_free', priceComponentId: 'comp_usage_xyz' }, ['/priceId price_not_of_plan']],
    [{ featureSlug: 'sso' }, ['/featureSlug feature_has_no_meter']],
    [{ featureId: 'f1', featureSlug: 'tokens' }, ['/featureSlug exclusive']],
    [{ featureSlug: 'tokens', priceComponentId: 'comp_usage_xyz' }, ['/priceComponentId unit_mismatch']],
    [
      { featureSlug: 'tokens', defaultAmount: '0.125', renewOnBilling: true, refillRrule: 'FREQ=DAILY' },
      ['/refillRrule renewal_ambiguous', '/defaultAmount amount_too_precise'],
    ],
    [{}, ['/featureSlug usage_link_required', '/priceComponentId usage_link_required']],
  ])('%j is refused', async (members, issues) => {
    expect(await issuesOf(createDefinition(world.ports, asked, { ...plan, ...members }))).toEqual(issues);
  });

  test('an update derives again, stays in its unit, and replays under its key whatever came after', async () => {
    const { document } = await createDefinition(world.ports, asked, {
      ...plan,
      id: 'cd_api_credits',
      featureSlug: 'api-calls',
    });
    const moved = await updateDefinition(world.ports, context('u1'), document.id, {
      featureSlug: null,
      priceComponentId: 'comp_usage_xyz',
      defaultAmount: '20.50',
      refillRrule: 'rrule:freq=weekly',
    });
    expect(moved.document.attributes).toMatchObject({
      priceId: 'price_123',
      priceComponentId: 'comp_usage_xyz',
      defaultAmount: '20.5',
      refillRrule: 'FREQ=WEEKLY',
    });
    expect(moved.document.attributes).not.toHaveProperty('featureId');
    expect(
      await issuesOf(
        updateDefinition(world.ports, asked, document.id, {
          priceComponentId: 'comp_tokens',
          billingVisible: true,
        }),
      ),
    ).toEqual(['/billingVisible immutable', '/priceComponentId unit_mismatch']);
    expect(
      await issuesOf(
        updateDefinition(world.ports, asked, document.id, { priceComponentId: null, priceId: null }),
      ),
    ).toContain('/featureSlug usage_link_required');
    const other = await updateDefinition(world.ports, asked, document.id, { priceComponentId: 'comp_two' });
    expect(other.document.attributes).toMatchObject({ priceId: 'price_two', unit: 'calls' });
    await updateDefinition(world.ports, asked, document.id, {
      refillRrule: null,
      renewOnBilling: true,
      isActive: false,
    });
    expect(world.reader.definition(tenant, document.id)).toMatchObject({
      attributes: { isActive: false, renewOnBilling: true },
    });
    const replay = await updateDefinition(world.ports, context('u1'), document.id, {
      featureSlug: null,
      priceComponentId: 'comp_usage_xyz',
      defaultAmount: '20.50',
      refillRrule: 'rrule:freq=weekly',
    });
    expect(replay).toMatchObject({ replayed: true, document: moved.document });
    expect((await problemOf(updateDefinition(world.ports, asked, 'cd_9', { name: 'x' }))).code).toBe(
      'not_found',
    );
    expect((await world.ports.writer.read(units, tenant, 'calls', 0)).revision).toBe(0);
  });
});
