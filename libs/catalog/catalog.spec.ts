import { describe, expect, test } from '@jest/globals';
import { issue, Problem } from '#libs/kernel';
import {
  documentDecider,
  creditDefinitionKind,
  currencyUnit,
  customerKind,
  draws,
  evolveDocument,
  featureKind,
  meterKind,
  presentDocument,
  priceKind,
  readFeatureValue,
  unitKind,
  usageComponents,
} from './index.js';
import type {
  Attributes,
  CreditDefinition,
  Customer,
  DocumentCommand,
  DocumentEvent,
  Meter,
  Price,
} from './index.js';

const meterDecider = documentDecider(meterKind);
const creditDefinitionDecider = documentDecider(creditDefinitionKind);

const T0 = Date.UTC(2026, 0, 1);
const at = '2026-01-01T00:00:00.000Z';

const meter: Meter = {
  eventName: 'api-calls',
  aggregation: 'sum',
  unit: 'api-calls',
  rate: '1',
  onShortage: 'overage',
};

/** given events, when a command, then the events or the problem. */
function when(given: readonly DocumentEvent<Meter, 'Meter'>[], command: DocumentCommand<Meter>) {
  const state = given.reduce(meterDecider.evolve, meterDecider.initialState);
  return meterDecider.decide(command, state);
}

function problemOf(run: () => unknown): Problem {
  try {
    run();
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

const codes = (issues: readonly { pointer: string; code: string }[]) =>
  issues.map(({ pointer, code }) => `${pointer} ${code}`);

const created: DocumentEvent<Meter, 'Meter'> = {
  type: 'MeterCreated',
  data: { id: 'm1', attributes: meter, at },
};
const renamed: DocumentEvent<Meter, 'Meter'> = {
  type: 'MeterUpdated',
  data: { changes: { name: 'Calls' }, at },
};

describe('a document', () => {
  test('is created once: the same attributes again are nothing, others name what differs', () => {
    const create = (attributes: Meter) => ({ type: 'Create', id: 'm1', attributes, now: T0 }) as const;
    expect(when([], create({ ...meter, name: undefined }))).toEqual([created]);
    expect(when([created], create(meter))).toEqual([]);
    // what counts is what it was created with, not what it has become
    expect(when([created, renamed], create(meter))).toEqual([]);
    const problem = problemOf(() => when([created, renamed], create({ ...meter, name: 'Calls', rate: '2' })));
    expect(problem.code).toBe('already_exists');
    expect(problem.detail).toContain('name, rate');
    expect(codes(problem.errors!)).toEqual(['/name differs', '/rate differs']);
  });

  test('changes only what differs, unsets with null, and names what cannot change', () => {
    const update = (changes: Attributes) => ({ type: 'Update', changes, now: T0 }) as DocumentCommand<Meter>;
    expect(when([created], update({ name: 'Calls', rate: '1' }))).toEqual([renamed]);
    expect(when([created, renamed], update({ name: 'Calls', eventName: 'api-calls' }))).toEqual([]);
    expect(when([created], update({ name: null }))).toEqual([]);
    const [cleared] = when([created, renamed], update({ name: null }));
    expect(cleared).toEqual({ type: 'MeterUpdated', data: { changes: { name: null }, at } });
    const state = [created, renamed, cleared!].reduce(meterDecider.evolve, null)!;
    expect(state.attributes).toEqual(meter);
    expect('name' in state.attributes).toBe(false);
    const problem = problemOf(() => when([created], update({ eventName: 'x', unit: 'y', rate: '0' })));
    expect(problem.code).toBe('validation_failed');
    expect(codes(problem.errors!)).toEqual([
      '/eventName immutable',
      '/unit immutable',
      '/rate amount_not_positive',
    ]);
  });

  test('that stays as it is under a key has a fact for it, which changes nothing', () => {
    const archived: DocumentEvent<Meter, 'Meter'> = { type: 'MeterArchived', data: { at } };
    const unchanged = { type: 'MeterUpdated', data: { changes: {}, at: '2026-01-01T00:00:00.007Z' } };
    const keyed = { now: T0 + 7, keyed: true } as const;
    for (const [history, command] of [
      [[created, renamed], { ...keyed, type: 'Create', id: 'm1', attributes: meter }],
      [[created, renamed], { ...keyed, type: 'Update', changes: { name: 'Calls' } }],
      [[created, archived], { ...keyed, type: 'Archive' }],
    ] as const) {
      const events = when(history, command);
      expect(events).toEqual([unchanged]);
      const state = history.reduce(meterDecider.evolve, null);
      expect(events.reduce(meterDecider.evolve, state)).toEqual(state);
    }
  });

  test('is archived once, keeps its times, and must exist', () => {
    const archive = { type: 'Archive', now: T0 + 5 } as const;
    const events = when([created], archive);
    expect(events).toEqual([{ type: 'MeterArchived', data: { at: '2026-01-01T00:00:00.005Z' } }]);
    expect(when([created, ...events], archive)).toEqual([]);
    const state = [created, ...events].reduce(meterDecider.evolve, null)!;
    expect(presentDocument(meterKind, state)).toEqual({
      id: 'm1',
      ...meter,
      status: 'archived',
      createdAt: at,
      updatedAt: '2026-01-01T00:00:00.005Z',
    });
    expect(problemOf(() => when([], archive)).code).toBe('not_found');
    expect(() => evolveDocument(null, renamed)).toThrow('before the creation');
  });

  test('lists what its references lack together with what its rules find, but only where something would be written', () => {
    const issues = [issue('/unit', 'unknown_reference', 'No unit.')];
    const command = {
      type: 'Create',
      id: 'm1',
      attributes: { ...meter, rate: '-1' },
      now: T0,
      issues,
    } as const;
    expect(codes(problemOf(() => when([], command)).errors!)).toEqual([
      '/rate amount_not_positive',
      '/unit unknown_reference',
    ]);
    expect(when([created], { ...command, attributes: meter })).toEqual([]);
  });
});

describe('units, meters and features', () => {
  test('currencies are units from the start, and the only monetary ones', () => {
    expect(currencyUnit('USD')?.attributes).toEqual({
      code: 'USD',
      kind: 'monetary',
      scale: 6,
      name: 'US Dollar',
    });
    expect(currencyUnit('JPY')).not.toBeNull();
    expect([currencyUnit('usd'), currencyUnit('toString'), currencyUnit('ABC')]).toEqual([null, null, null]);
    expect(codes(unitKind.check({ code: 'gold', kind: 'monetary', scale: 13 }))).toEqual([
      '/kind currency_unknown',
      '/scale out_of_range',
    ]);
    expect(unitKind.check({ code: 'gold', kind: 'custom', scale: 0 })).toEqual([]);
  });

  test('only sums and counts draw', () => {
    expect(
      (['sum', 'count', 'max', 'last', 'unique_count', 'avg'] as const).filter((aggregation) =>
        draws({ aggregation }),
      ),
    ).toEqual(['sum', 'count']);
  });

  test('the value of a feature decides its type', () => {
    expect(readFeatureValue(false)).toEqual({ featureType: 'boolean', featureValue: false });
    expect(readFeatureValue(1000)).toEqual({ featureType: 'number', featureValue: '1000' });
    expect(readFeatureValue('2.50')).toEqual({ featureType: 'number', featureValue: '2.5' });
    expect(readFeatureValue('gold')).toEqual({ featureType: 'string', featureValue: 'gold' });
    expect([readFeatureValue(0.5), readFeatureValue(null), readFeatureValue({})]).toEqual([null, null, null]);
    const feature = {
      slug: 'Api Calls',
      displayName: 'x',
      featureValue: '1',
      featureType: 'number',
    } as const;
    expect(codes(featureKind.check(feature))).toEqual(['/slug slug_invalid', '/meterId required']);
    expect(featureKind.check({ ...feature, slug: 'api-calls', meterId: 'm1' })).toEqual([]);
  });
});

describe('a customer', () => {
  test('has a name, a known time zone and a known currency', () => {
    const acme: Customer = { name: 'Acme', timezone: 'Europe/Berlin', preferredCurrency: 'EUR' };
    expect(customerKind.check(acme)).toEqual([]);
    const bad = { ...acme, name: '', timezone: 'Mars/Olympus', preferredCurrency: 'eur' };
    expect(codes(customerKind.check(bad))).toEqual([
      '/name required',
      '/timezone timezone_unknown',
      '/preferredCurrency currency_unknown',
    ]);
    expect(
      ['+01:00', 'UTC', 'Etc/GMT+5', '', 'a\0b'].map(
        (timezone) => customerKind.check({ ...acme, timezone }).length,
      ),
    ).toEqual([1, 0, 0, 1, 1]);
  });
});

describe('a price', () => {
  const fixed = {
    id: 'c1',
    type: 'fixed',
    label: 'Base',
    amount_cents: '1000',
    recurrence_rule: 'FREQ=MONTHLY',
  } as const;
  const usage = {
    id: 'c2',
    type: 'usage',
    label: 'Calls',
    unit_cost_cents: '0.05',
    metric_id: 'm1',
  } as const;
  const price = (...components: Price['pricingData']['components']): Price => ({
    planId: 'p',
    currency: 'USD',
    pricingData: { dsl_version: 1, components },
  });

  test('takes components of every type', () => {
    const seats = {
      id: 'c3',
      type: 'per_unit',
      label: 'Seats',
      unit_amount_cents: '900',
      minimum_seats: 2,
      bill_immediately: true,
    } as const;
    expect(priceKind.check(price(fixed, usage, seats))).toEqual([]);
    expect(usageComponents(price(fixed, usage, seats))).toEqual([usage]);
  });

  test('lists every problem of every component with its pointer', () => {
    const bad = price(
      { ...fixed, amount_cents: undefined, metric_id: 'm1', recurrence_rule: 'FREQ=DAILY;TZID=UTC' },
      { ...usage, id: 'c1', unit_cost_cents: undefined, minimum_seats: 1 },
    );
    expect(codes(priceKind.check({ ...bad, currency: 'XYZ' }))).toEqual([
      '/currency currency_unknown',
      '/pricingData/components/0/amount_cents required',
      '/pricingData/components/0/recurrence_rule rrule_tzid',
      '/pricingData/components/0/metric_id not_applicable',
      '/pricingData/components/1/minimum_seats not_applicable',
      '/pricingData/components/1/unit_cost_cents required',
      '/pricingData/components/1/id duplicate',
    ]);
    expect(codes(priceKind.check(price()))).toEqual(['/pricingData/components out_of_range']);
    const many = Array.from({ length: 51 }, (_, index) => ({ ...fixed, id: `c${index}` }));
    expect(codes(priceKind.check(price(...many)))).toEqual(['/pricingData/components out_of_range']);
  });
});

describe('a credit definition', () => {
  const usage: CreditDefinition = {
    name: 'Monthly API credits',
    scope: 'plan',
    applicationType: 'usage',
    planId: 'plan_abc',
    priceId: 'price_123',
    priceComponentId: 'comp_usage_xyz',
    defaultAmount: '10000',
    renewOnBilling: true,
    billingVisible: true,
    priority: 50,
    isActive: true,
    unit: 'api-calls',
    linkedMeters: ['m1'],
  };
  const monetary: CreditDefinition = {
    ...usage,
    scope: 'merchant',
    applicationType: 'monetary',
    currency: 'USD',
    planId: undefined,
    priceId: undefined,
    priceComponentId: undefined,
    renewOnBilling: false,
    unit: 'USD',
    linkedMeters: [],
  };
  const check = (definition: CreditDefinition) => codes(creditDefinitionKind.check(definition));

  test('the three of the guide are fine', () => {
    expect(check(usage)).toEqual([]);
    expect(
      check({ ...usage, priceId: undefined, priceComponentId: undefined, featureSlug: 'api-calls' }),
    ).toEqual([]);
    expect(check(monetary)).toEqual([]);
  });

  test('usage needs a link and has no currency', () => {
    const unlinked = { ...usage, priceId: undefined, priceComponentId: undefined };
    expect(check(unlinked)).toEqual([
      '/featureSlug usage_link_required',
      '/priceComponentId usage_link_required',
    ]);
    expect(check({ ...usage, currency: 'USD' })).toEqual(['/currency currency_not_applicable']);
  });

  test('monetary needs a known currency, visibility and the links of its scope, and no feature', () => {
    expect(check({ ...monetary, currency: undefined, billingVisible: false })).toEqual([
      '/currency required',
      '/billingVisible billing_visible_required',
    ]);
    expect(check({ ...monetary, currency: 'ABC' })).toEqual(['/currency currency_unknown']);
    expect(check({ ...monetary, featureId: 'f' })).toEqual(['/featureId not_applicable']);
    expect(check({ ...monetary, scope: 'price' })).toEqual(['/priceId required']);
    expect(check({ ...monetary, scope: 'component', priceId: 'p' })).toEqual(['/priceComponentId required']);
    expect(check({ ...monetary, scope: 'component', priceComponentId: 'c' })).toEqual([]);
  });

  test('every broken rule is listed at once', () => {
    const bad = {
      ...usage,
      planId: undefined,
      defaultAmount: '0',
      refillAmount: '1e3',
      expiryDays: 0,
      priority: 100.5,
      refillRrule: 'FREQ=HOURLY',
    };
    expect(check(bad)).toEqual([
      '/planId required',
      '/defaultAmount amount_not_positive',
      '/refillAmount amount_invalid',
      '/priority out_of_range',
      '/refillRrule rrule_frequency_unsupported',
      '/refillRrule renewal_ambiguous',
      '/expiryDays out_of_range',
    ]);
    expect(check({ ...usage, priority: 0.5, renewOnBilling: false, refillRrule: 'FREQ=WEEKLY' })).toEqual([]);
  });

  test('scope, type, currency, visibility and unit stay', () => {
    const created = creditDefinitionDecider.decide(
      { type: 'Create', id: 'cd', attributes: usage, now: T0 },
      null,
    );
    const state = created.reduce(creditDefinitionDecider.evolve, null);
    const changes = {
      scope: 'merchant',
      applicationType: 'monetary',
      currency: 'USD',
      billingVisible: false,
      unit: 'x',
    } as const;
    const refused = problemOf(() =>
      creditDefinitionDecider.decide({ type: 'Update', changes, now: T0 }, state),
    );
    expect(codes(refused.errors!).filter((issue) => issue.endsWith('immutable'))).toHaveLength(5);
    const [updated] = creditDefinitionDecider.decide(
      { type: 'Update', changes: { isActive: false, scope: 'plan' }, now: T0 },
      state,
    );
    expect(updated).toEqual({ type: 'CreditDefinitionUpdated', data: { changes: { isActive: false }, at } });
    expect(
      presentDocument(creditDefinitionKind, creditDefinitionDecider.evolve(state, updated!)!),
    ).toMatchObject({ id: 'cd', isActive: false, unit: 'api-calls' });
  });
});
