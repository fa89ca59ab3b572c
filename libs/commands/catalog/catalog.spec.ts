import { describe, expect, test } from '@jest/globals';
import { MAX_AGE } from './catalog-reader.js';
import { createFeature } from './features.js';
import { archiveMeter, createMeter, updateMeter } from './meters.js';
import { createPlan } from './plans.js';
import { createPrice } from './prices.js';
import { createUnit } from './units.js';
import { asked, catalogWorld, issuesOf, problemOf, tenant } from '../../../test/support/catalog-world.js';

const world = catalogWorld();

const streams = async (): Promise<readonly string[]> =>
  (await world.eventStore.readAll(null, 1000)).events.map(({ stream, type }) => `${stream} ${type}`);

describe('units and meters', () => {
  test('a meter without a unit makes its own; one with a unit draws on it at its rate', async () => {
    await createUnit(world.ports, asked, { code: 'ai-credits', scale: 2 });
    const own = await createMeter(world.ports, asked, { id: 'm1', eventName: 'api calls' });
    expect(own).toMatchObject({
      created: true,
      replayed: false,
      document: {
        id: 'm1',
        attributes: { unit: 'api calls', rate: '1', aggregation: 'sum', onShortage: 'overage' },
      },
    });
    const rated = await createMeter(world.ports, asked, {
      eventName: 'tokens',
      unit: 'ai-credits',
      rate: '0.50',
      onShortage: 'pending',
      debtLimit: 100,
    });
    expect(rated.document).toMatchObject({
      id: 'mtr_1',
      attributes: { unit: 'ai-credits', rate: '0.5', debtLimit: '100' },
    });
    expect(await streams()).toEqual([
      'unit-acme_ai-credits UnitCreated',
      'claim-acme_eventName%3Aapi%20calls Claimed',
      'unit-acme_api%20calls UnitCreated',
      'meter-acme_m1 MeterCreated',
      'claim-acme_eventName:tokens Claimed',
      'meter-acme_mtr_1 MeterCreated',
    ]);
    expect(await world.reader.unit(tenant, 'api calls')).toMatchObject({
      attributes: { kind: 'usage', scale: 6 },
    });
    // what this process wrote is known without asking the log
    expect(world.reader.meterByEventName(tenant, 'tokens')).toBe(rated.document);
  });

  test('what is refused leaves nothing behind', async () => {
    expect(await issuesOf(createMeter(world.ports, asked, { eventName: 'a', unit: 'nope' }))).toEqual([
      '/unit unknown_reference',
    ]);
    expect(await issuesOf(createMeter(world.ports, asked, { eventName: 'a', rate: '2' }))).toEqual([
      '/rate rate_without_unit',
    ]);
    expect(await streams()).toEqual([]);
    await createUnit(world.ports, asked, { code: 'gold' });
    for (const eventName of ['gold', 'USD'])
      expect((await problemOf(createMeter(world.ports, asked, { eventName }))).code).toBe('already_exists');
    await createMeter(world.ports, asked, { eventName: 'a' });
    expect((await problemOf(createMeter(world.ports, asked, { eventName: 'a' }))).code).toBe(
      'event_name_taken',
    );
    expect((await problemOf(createMeter(world.ports, asked, { id: 'mtr_5', eventName: 'other' }))).code).toBe(
      'already_exists',
    );
    expect(await world.reader.meterByEventName(tenant, 'other')).toBeNull();
  });

  test('a currency exists from the start', async () => {
    expect(await createUnit(world.ports, asked, { code: 'USD', kind: 'monetary' })).toMatchObject({
      created: false,
      document: { id: 'USD' },
    });
    expect((await problemOf(createUnit(world.ports, asked, { code: 'USD' }))).code).toBe('already_exists');
    expect(await issuesOf(createUnit(world.ports, asked, { code: 'gold', kind: 'monetary' }))).toEqual([
      '/kind currency_unknown',
    ]);
    expect(await createMeter(world.ports, asked, { eventName: 'spend', unit: 'USD', rate: 2 })).toMatchObject(
      {
        created: true,
      },
    );
  });

  test('a meter changes and is archived, seen at once here and within a second elsewhere', async () => {
    const other = world.openPorts();
    await createMeter(world.ports, asked, { id: 'm1', eventName: 'a' });
    expect(await other.reader.meterByEventName(tenant, 'a')).toMatchObject({ archivedAt: null });
    await updateMeter(world.ports, asked, 'm1', { name: 'A', onShortage: 'refuse', eventName: 'a' });
    expect(await issuesOf(updateMeter(world.ports, asked, 'm1', { eventName: 'b', rate: '2' }))).toEqual([
      '/eventName immutable',
      '/rate rate_without_unit',
    ]);
    expect((await problemOf(updateMeter(world.ports, asked, 'm2', { name: 'A' }))).code).toBe('not_found');
    await archiveMeter(world.ports, asked, 'm1');
    expect(world.reader.meter(tenant, 'm1')).toMatchObject({
      archivedAt: '2026-01-01T00:00:00.000Z',
      attributes: { name: 'A', onShortage: 'refuse' },
    });
    world.monotonic = MAX_AGE - 1;
    expect(other.reader.meter(tenant, 'm1')).toMatchObject({ archivedAt: null });
    world.monotonic = MAX_AGE;
    expect(await other.reader.meter(tenant, 'm1')).toMatchObject({ archivedAt: expect.any(String) });
  });
});

describe('features, plans and prices', () => {
  test('a numeric feature gets a meter of its slug, or the one that is there', async () => {
    const calls = await createFeature(world.ports, asked, {
      slug: 'api-calls',
      displayName: 'Calls',
      featureValue: 1000,
    });
    expect(calls.document.attributes).toMatchObject({ featureType: 'number', featureValue: '1000' });
    expect(await world.reader.meterByEventName(tenant, 'api-calls')).toMatchObject({
      id: calls.document.attributes.meterId,
      attributes: { onShortage: 'overage' },
    });
    await createMeter(world.ports, asked, { id: 'm1', eventName: 'seats' });
    const body = { id: 'f1', slug: 'seats', displayName: 'Seats', featureValue: '2.5' };
    expect(await createFeature(world.ports, asked, body)).toMatchObject({
      created: true,
      document: { attributes: { meterId: 'm1' } },
    });
    expect(await createFeature(world.ports, asked, body)).toMatchObject({ created: false });
    expect(
      await createFeature(world.ports, asked, { slug: 'sso', displayName: 'SSO', featureValue: true }),
    ).toMatchObject({ created: true });
    expect(await world.reader.meterByEventName(tenant, 'sso')).toBeNull();
    expect(
      await createFeature(world.ports, asked, {
        slug: 'b',
        displayName: 'B',
        featureValue: 1,
        metricIds: ['m1'],
      }),
    ).toMatchObject({ document: { attributes: { meterId: 'm1' } } });
    expect(
      await issuesOf(
        createFeature(world.ports, asked, { slug: 'c', displayName: 'C', featureValue: 1, meterId: 'm9' }),
      ),
    ).toEqual(['/meterId unknown_reference']);
    expect(
      (
        await problemOf(
          createFeature(world.ports, asked, { slug: 'sso', displayName: 'x', featureValue: true }),
        )
      ).code,
    ).toBe('slug_taken');
    expect(await world.reader.featureBySlug(tenant, 'seats')).toMatchObject({ id: 'f1' });
  });

  test('a feature whose meter was made before a crash is completed by the same request', async () => {
    const body = { id: 'f1', slug: 'calls', displayName: 'Calls', featureValue: 1 };
    // everything but the document stands
    const failing: typeof world.ports = {
      ...world.ports,
      writer: {
        ...world.ports.writer,
        execute: (kind, id, request) =>
          kind.category === 'feature'
            ? Promise.reject(new Error('crash'))
            : world.ports.writer.execute(kind, id, request),
      },
    };
    await expect(createFeature(failing, asked, body)).rejects.toThrow('crash');
    expect(await createFeature(world.openPorts(), asked, body)).toMatchObject({ created: true });
    expect((await streams()).filter((line) => line.includes('MeterCreated'))).toHaveLength(1);
  });

  test('a plan by either name; a price lists every reference that is missing, and its components can be named alone', async () => {
    await createPlan(world.ports, asked, { id: 'plan_abc', name: 'Pro', description: 'For teams' });
    expect(world.reader.plan(tenant, 'plan_abc')).toMatchObject({
      attributes: { planName: 'Pro', planDescription: 'For teams' },
    });
    expect(await issuesOf(createPlan(world.ports, asked, {}))).toContain('/planName required');
    await createMeter(world.ports, asked, { id: 'm1', eventName: 'calls' });
    await createMeter(world.ports, asked, { id: 'm2', eventName: 'peak', aggregation: 'max' });
    const usage = { type: 'usage', label: 'Calls', unit_cost_cents: '0.050', metric_id: 'm1' } as const;
    const price = (planId: string, ...components: object[]) =>
      ({
        id: 'price_123',
        planId,
        currency: 'USD',
        pricingData: { dsl_version: 1, components },
      }) as Parameters<typeof createPrice>[2];
    const bad = price(
      'plan_x',
      { ...usage, metric_id: 'm9' },
      { ...usage, metric_id: 'm2' },
      { type: 'fixed', label: 'Base' },
    );
    expect(await issuesOf(createPrice(world.ports, asked, bad))).toEqual([
      '/pricingData/components/2/amount_cents required',
      '/planId unknown_reference',
      '/pricingData/components/0/metric_id unknown_reference',
      '/pricingData/components/1/metric_id meter_does_not_draw',
    ]);
    const body = price(
      'plan_abc',
      { ...usage, id: 'comp_usage_xyz', recurrence_rule: 'rrule:freq=monthly' },
      { type: 'per_unit', label: 'Seats', amount_cents: 900 },
    );
    const { document } = await createPrice(world.ports, asked, body);
    const [first, second] = document.attributes.pricingData.components;
    expect(first).toEqual({
      ...usage,
      id: 'comp_usage_xyz',
      unit_cost_cents: '0.05',
      recurrence_rule: 'FREQ=MONTHLY',
    });
    expect(second).toEqual({
      id: expect.stringMatching(/^cmp_/),
      type: 'per_unit',
      label: 'Seats',
      unit_amount_cents: '900',
      bill_immediately: true,
    });
    expect(await createPrice(world.ports, asked, body)).toMatchObject({ created: false });
    expect(await world.reader.component(tenant, 'comp_usage_xyz')).toMatchObject({
      component: first,
      price: { id: 'price_123' },
    });
    const taken = createPrice(world.ports, asked, { ...body, id: 'price_2' });
    expect((await problemOf(taken)).code).toBe('already_exists');
    expect(await world.reader.price(tenant, 'price_2')).toBeNull();
  });
});
