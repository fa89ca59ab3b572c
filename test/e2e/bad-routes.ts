import { fresh, grant, newAccount, newCustomer, newMeter, newUnit, ok } from './world.js';
import * as is from './bad-values.js';
import type { Client } from '../support/client.js';
import type { Field } from './bad-values.js';

/** A route that takes a body: one body that is fine, and what each of its fields takes. */
export interface Route {
  readonly method?: 'PATCH';
  readonly path: string | (() => string);
  readonly body: () => Record<string, unknown>;
  readonly fields: Readonly<Record<string, Field>>;
  readonly jobs?: true;
  readonly status: number;
}

interface Things {
  customerId: string;
  unit: string;
  plan: string;
  price: string;
  component: string;
  feature: string;
  meter: any;
  rated: any;
  definition: string;
  grantId: string;
}
const things = {} as Things;

/** Creates what the good bodies name. */
export async function prepare(api: Client): Promise<void> {
  Object.assign(things, await newAccount(api));
  things.meter = await newMeter(api);
  things.rated = await newMeter(api, { unit: things.unit, rate: 2 });
  things.feature = fresh('feature');
  const feature = { slug: things.feature, displayName: 'F', featureValue: 1, meterId: things.meter.id };
  ok(await api.post('/v1/features', feature), 201);
  [things.plan, things.price, things.component, things.definition] = ['plan', 'price', 'comp', 'cd'].map(
    fresh,
  ) as [string, string, string, string];
  ok(await api.post('/v1/plans', { id: things.plan, planName: 'P' }), 201);
  const { price: priceId, plan: planId } = things;
  ok(await api.post('/v1/prices', { ...priceBody(), id: priceId, planId }), 201);
  ok(await api.post('/v1/credits/definitions', { ...definitionBody(), id: things.definition }), 201);
  things.grantId = (await grant(api, { customerId: things.customerId, unit: things.unit, amount: 1000 })).id;
  for (const unit of [things.meter.unit])
    await grant(api, { customerId: things.customerId, unit, amount: 1000 });
  await newUnit(api);
  await newCustomer(api);
}

const priceBody = () => ({
  planId: things.plan,
  currency: 'USD',
  pricingData: {
    dsl_version: 1,
    components: [
      {
        id: things.component === undefined ? undefined : fresh('comp'),
        type: 'usage',
        label: 'Calls',
        unit_cost_cents: '0.5',
        metric_id: things.meter.id,
        recurrence_rule: 'FREQ=MONTHLY',
      },
    ],
  },
});
const definitionBody = () => ({
  name: 'D',
  scope: 'plan',
  applicationType: 'usage',
  planId: things.plan,
  featureSlug: things.feature,
  defaultAmount: '10',
});

const customerFields = {
  '/name': is.text(255),
  '/externalCustomerId': is.text(255),
  '/email': is.email,
  '/businessName': is.text(255),
  '/taxId': is.text(64),
  '/timezone': is.timezone,
  '/preferredCurrency': is.currency,
  '/metadata': is.metadata,
};
const customerBody = () => ({
  name: 'Ada',
  externalCustomerId: fresh('ext'),
  email: 'ada@example.com',
  timezone: 'Europe/Berlin',
  preferredCurrency: 'EUR',
  metadata: { tier: 'gold' },
});
const grantFields = {
  '/id': is.id,
  '/customerId': is.customer,
  '/source': is.oneOf('manual'),
  '/category': is.oneOf('paid'),
  '/costBasis': is.amount,
  '/priority': is.numberWithin(0, 1_000_000),
  '/startDate': is.instant,
  '/expiryDate': is.instant,
  '/name': is.text(200),
  '/description': is.text(1000),
  '/referenceCode': is.text(200),
  '/notes': is.text(2000),
  '/billingVisible': is.flag,
  '/uniquenessKey': is.text(128),
  '/metadata': is.metadata,
};
const consumeFields = {
  '/customerId': is.customer,
  '/onShortage': is.oneOf('refuse'),
  '/debtLimit': is.amount,
  '/effectiveAt': is.instant,
  '/reference': is.text(256),
  '/context': is.object,
  '/context/featureSlug': is.text(64),
  '/context/componentId': is.text(128),
  '/context/priceId': is.text(128),
  '/context/productId': is.text(128),
  '/context/productTags': is.texts,
  '/context/contractId': is.text(128),
  '/context/subscriptionId': is.text(128),
  '/context/properties': is.metadata,
  '/dryRun': is.flag,
};
const context = { productId: 'p', productTags: ['a'], properties: { region: 'eu' } };

export const ROUTES: Readonly<Record<string, Route>> = {
  'POST customers': {
    path: '/v1/customers',
    status: 201,
    body: () => ({ id: fresh('cust'), ...customerBody() }),
    fields: { ...customerFields, '/id': is.id, '/name': is.required(is.text(255)) },
  },
  'PATCH customers': {
    method: 'PATCH',
    path: () => `/v1/customers/${things.customerId}`,
    status: 200,
    body: customerBody,
    fields: customerFields,
  },
  'POST units': {
    path: '/v1/units',
    status: 201,
    body: () => ({ code: fresh('unit'), kind: 'custom', scale: 4, name: 'U' }),
    fields: {
      '/code': is.required(is.id),
      '/kind': is.oneOf('custom'),
      '/scale': is.whole(0, 12),
      '/name': is.text(255),
    },
  },
  'POST meters': {
    path: '/v1/meters',
    status: 201,
    body: () => ({
      id: fresh('meter'),
      eventName: fresh('event'),
      unit: things.unit,
      rate: '0.5',
      onShortage: 'pending',
    }),
    fields: {
      '/id': is.id,
      '/eventName': is.required(is.text(128)),
      '/name': is.text(255),
      '/aggregation': is.oneOf('sum'),
      '/valueProperty': is.text(128),
      '/unit': is.textReference(128),
      '/rate': is.positive,
      '/onShortage': is.oneOf('refuse'),
      '/debtLimit': is.amount,
    },
  },
  'POST meters/update': {
    path: () => `/v1/meters/${things.rated.id}/update`,
    status: 200,
    body: () => ({ name: fresh('name'), onShortage: 'overage', rate: 3 }),
    fields: {
      '/name': is.text(255),
      '/valueProperty': is.text(128),
      '/rate': is.positive,
      '/onShortage': is.oneOf('refuse'),
      '/debtLimit': is.amount,
      '/eventName': { bad: ['another'] },
      '/aggregation': { bad: ['max'] },
      '/unit': { bad: ['USD'] },
    },
  },
  'POST features': {
    path: '/v1/features',
    status: 201,
    body: () => ({
      id: fresh('feat'),
      slug: fresh('slug'),
      displayName: 'F',
      featureValue: 10,
      meterId: things.meter.id,
    }),
    fields: {
      '/id': is.id,
      '/slug': is.required(is.slug),
      '/displayName': is.required(is.text(255)),
      '/description': is.text(2000),
      '/featureValue': { ...is.featureValue, required: true },
      '/meterId': is.reference,
    },
  },
  'POST plans': {
    path: '/v1/plans',
    status: 201,
    body: () => ({ id: fresh('plan'), planName: 'P', metadata: { a: 'b' } }),
    fields: {
      '/id': is.id,
      '/planName': is.required(is.text(255)),
      '/planDescription': is.text(2000),
      '/metadata': is.metadata,
    },
  },
  'POST prices': {
    path: '/v1/prices',
    status: 201,
    body: () => ({ id: fresh('price'), ...priceBody() }),
    fields: {
      '/id': is.id,
      '/planId': is.required(is.reference),
      '/currency': is.required(is.currency),
      '/pricingData': is.required(is.object),
      '/pricingData/dsl_version': { bad: [0, 2, '1', null, {}, []], required: true },
      '/pricingData/components': is.required(is.list(1000, 1)),
      '/pricingData/components/0': { bad: [5, 'x', null, []] },
      '/pricingData/components/0/id': is.id,
      '/pricingData/components/0/type': is.required(is.oneOf('usage')),
      '/pricingData/components/0/label': is.required(is.text(255)),
      '/pricingData/components/0/unit_cost_cents': is.amount,
      '/pricingData/components/0/metric_id': is.reference,
      '/pricingData/components/0/recurrence_rule': is.rule,
    },
  },
  'POST credits/definitions': {
    path: '/v1/credits/definitions',
    status: 201,
    body: () => ({
      id: fresh('cd'),
      ...definitionBody(),
      refillAmount: 5,
      expiryDays: 30,
      refillRrule: 'FREQ=MONTHLY',
    }),
    fields: {
      '/id': is.id,
      '/name': is.required(is.text(255)),
      '/description': is.text(2000),
      '/scope': is.required(is.oneOf('plan')),
      '/applicationType': is.required(is.oneOf('usage')),
      '/planId': is.reference,
      '/featureSlug': is.textReference(64),
      '/featureId': is.reference,
      '/priceId': is.reference,
      '/priceComponentId': is.reference,
      '/defaultAmount': is.required(is.positive),
      '/refillAmount': is.positive,
      '/expiryDays': is.whole(1, 1_000_000),
      '/refillRrule': is.rule,
      '/renewOnBilling': is.flag,
      '/billingVisible': is.flag,
      '/billingDescription': is.text(255),
      '/priority': is.numberWithin(0, 100),
      '/isActive': is.flag,
    },
  },
  'POST credits/definitions/update': {
    path: () => `/v1/credits/definitions/${things.definition}/update`,
    status: 200,
    body: () => ({ name: fresh('name'), defaultAmount: '11' }),
    fields: {
      '/name': is.text(255),
      '/defaultAmount': is.positive,
      '/refillAmount': is.positive,
      '/expiryDays': is.whole(1, 1_000_000),
      '/refillRrule': is.rule,
      '/priority': is.numberWithin(0, 100),
      '/isActive': is.flag,
      '/scope': { bad: ['merchant', 'nonsense', 5] },
      '/applicationType': { bad: ['monetary', 'nonsense'] },
      '/currency': { bad: ['USD'] },
    },
  },
  'POST credits/grants from a definition': {
    path: '/v1/credits/grants',
    status: 201,
    body: () => ({
      id: fresh('grant'),
      customerId: things.customerId,
      creditDefinitionId: things.definition,
      initialAmount: '1.5',
      source: 'manual',
    }),
    fields: { ...grantFields, '/creditDefinitionId': is.reference, '/initialAmount': is.positive },
  },
  'POST credits/grants ad hoc': {
    path: '/v1/credits/grants',
    status: 201,
    body: () => ({
      id: fresh('grant'),
      customerId: things.customerId,
      unit: things.unit,
      amount: '1.5',
      applicability: { features: [things.feature], contracts: ['c'], meteredOnly: true },
    }),
    fields: {
      ...grantFields,
      '/unit': is.textReference(128),
      '/amount': { bad: [...is.positive.bad, '0.0000001'] },
      '/applicability': is.object,
      '/applicability/features': is.texts,
      '/applicability/prices': is.texts,
      '/applicability/components': is.texts,
      '/applicability/products': is.texts,
      '/applicability/productTags': is.texts,
      '/applicability/contracts': is.texts,
      '/applicability/subscriptions': is.texts,
      '/applicability/specifiers': { bad: [...is.list(100).bad, ['x'], [5], [null]] },
      '/applicability/meteredOnly': is.flag,
    },
  },
  'POST credits/grants with an access schedule': {
    path: '/v1/credits/grants',
    status: 201,
    body: () => ({
      id: fresh('grant'),
      customerId: things.customerId,
      unit: things.unit,
      accessSchedule: [{ amount: 5, startDate: '2026-01-01T00:00:00Z' }, { amount: 6 }],
    }),
    fields: {
      '/accessSchedule': { bad: [...is.list(100, 1).bad, [5], [null]] },
      '/accessSchedule/1/amount': is.required({ bad: [...is.positive.bad, '0.0000001'] }),
      '/accessSchedule/1/startDate': is.instant,
      '/accessSchedule/0/expiryDate': { bad: [...is.instant.bad, '2025-12-31T00:00:00Z'] },
    },
  },
  'POST credits/grants/{id}/revoke': {
    path: () => `/v1/credits/grants/${things.grantId}/revoke`,
    status: 200,
    body: () => ({ notes: 'over' }),
    fields: { '/notes': is.text(2000) },
  },
  'POST credits/consume a unit': {
    path: '/v1/credits/consume',
    status: 201,
    body: () => ({
      customerId: things.customerId,
      unit: things.unit,
      amount: '1',
      context,
      onShortage: 'partial',
    }),
    fields: {
      ...consumeFields,
      '/unit': is.textReference(128),
      '/amount': is.required({ bad: [...is.positive.bad, '0.0000001'] }),
    },
  },
  'POST credits/consume a meter': {
    path: '/v1/credits/consume',
    status: 201,
    body: () => ({
      customerId: things.customerId,
      meterId: things.rated.id,
      value: '1',
      onShortage: 'partial',
    }),
    fields: { '/meterId': is.reference, '/value': is.positive },
  },
  'POST credits/preview': {
    path: '/v1/credits/preview',
    status: 200,
    body: () => ({ customerId: things.customerId, featureSlug: things.feature, amount: '1', context }),
    fields: { ...consumeFields, '/featureSlug': is.textReference(64), '/amount': is.required(is.positive) },
  },
  'POST events': {
    path: '/v1/events',
    status: 202,
    body: () => ({
      eventName: things.meter.eventName,
      customerId: things.customerId,
      eventValue: 1,
      properties: { a: 'b' },
    }),
    fields: {
      '/eventName': is.required(is.textReference(128)),
      '/customerId': { ...is.customer, bad: is.text(128).bad, required: true },
      '/eventValue': is.required(is.positive),
      '/eventTimestamp': is.instant,
      '/idempotencyKey': is.text(255),
      '/properties': is.object,
    },
  },
  'POST events/batch': {
    path: '/v1/events/batch',
    status: 202,
    body: () => ({
      events: [{ eventName: things.meter.eventName, customerId: things.customerId, eventValue: 1 }],
    }),
    fields: { '/events': is.required(is.list(1000, 1)) },
  },
  'POST api-keys': {
    path: '/v1/api-keys',
    status: 201,
    body: () => ({ name: 'K', keyType: 'secret' }),
    fields: { '/name': is.required(is.text(100)), '/keyType': is.required(is.oneOf('secret')) },
  },
  'POST trigger/credits/process-expirations': {
    path: '/v1/trigger/credits/process-expirations',
    jobs: true,
    status: 200,
    body: () => ({ timestamp: '2024-01-01T00:00:00Z' }),
    fields: { '/timestamp': is.instant },
  },
  'POST trigger/credits/process-grant-renewals': {
    path: '/v1/trigger/credits/process-grant-renewals',
    jobs: true,
    status: 200,
    body: () => ({ timestamp: '2024-01-01T00:00:00Z' }),
    fields: { '/timestamp': is.instant },
  },
};
