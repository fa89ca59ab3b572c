import { fresh } from './world.js';
import * as is from './bad-values.js';
import { things, type Route } from './bad-routes.js';

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

/** Routes of credits, usage, keys and jobs. */
export const CREDIT_ROUTES: Readonly<Record<string, Route>> = {
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
      '/applicability/specifiers': { bad: [...is.list(100).bad, ['x'], [5], [null], [[]]] },
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
      '/accessSchedule': { bad: [...is.list(100, 1).bad, [5], [null], [[]]] },
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
