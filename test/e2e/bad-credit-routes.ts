import { fresh } from './world.js';
import * as is from './bad-values.js';
import { renewalFields, things, type Route } from './bad-routes.js';

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
const drawnFields = {
  '/customerId': is.customer,
  '/onShortage': is.oneOf('refuse'),
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
};
const consumeFields = { ...drawnFields, '/debtLimit': is.amount, '/dryRun': is.flag };
const reason = { '/reason': is.text(1000) };
const context = { productId: 'p', productTags: ['a'], properties: { region: 'eu' } };

type Fields = Route['fields'];
const onGrant = (
  action: string,
  body: Record<string, unknown>,
  fields: Fields,
  grantId = () => things.grantId,
) => ({
  [`POST credits/grants/{id}/${action}`]: {
    path: () => `/v1/credits/grants/${grantId()}/${action}`,
    status: 200,
    body: () => body,
    fields,
  },
});
const onSeries = (action: keyof typeof things.series, body: Record<string, unknown>, fields: Fields) => ({
  [`POST credits/renewals/{id}/${action}`]: {
    path: () => `/v1/credits/renewals/${things.series[action]}/${action}`,
    status: 200,
    body: () => body,
    fields,
  },
});

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
  'POST credits/grants that renew': {
    path: '/v1/credits/grants',
    status: 201,
    body: () => ({
      customerId: things.customerId,
      unit: things.unit,
      amount: 5,
      renewal: { refillRrule: 'FREQ=MONTHLY', timezone: 'Europe/Berlin', rollover: { policy: 'reset' } },
    }),
    fields: {
      '/renewal': { bad: [...is.object.bad, {}] },
      '/renewal/refillRrule': is.required(is.rule),
      '/renewal/timezone': is.timezone,
      '/renewal/renewOnBilling': is.flag,
      '/renewal/expiryDays': is.whole(1, 36_500),
      ...renewalFields('/renewal'),
    },
  },
  ...onGrant('revoke', { notes: 'over' }, { '/notes': is.text(2000) }, () => things.series.renew),
  ...onGrant('expire', { notes: 'over' }, { '/notes': is.text(2000) }, () => things.series.amend),
  ...onGrant(
    'adjust',
    { amount: '-1', reason: 'r' },
    {
      '/amount': is.required({ bad: [...is.signed.bad, '0.0000001', '-0.0000001'] }),
      '/reason': is.required(is.text(1000)),
      '/reference': is.text(256),
    },
  ),
  ...onGrant(
    'amend',
    { amount: 2000, expiryDate: '2099-01-01T00:00:00Z', reason: 'r' },
    {
      '/amount': { bad: [...is.positive.bad, '0.0000001', null] },
      '/startDate': { bad: [...is.instant.bad, null] },
      '/expiryDate': is.instant,
      '/reason': { bad: [...is.text(1000).bad, null] },
    },
  ),
  ...onGrant(
    'update',
    { priority: 5, name: 'N', description: null, notes: 'n', referenceCode: 'r', metadata: { a: 'b' } },
    {
      '/priority': { bad: [...is.numberWithin(0, 1_000_000).bad, null] },
      '/name': is.text(200),
      '/description': is.text(1000),
      '/notes': is.text(2000),
      '/referenceCode': is.text(200),
      '/metadata': is.metadata,
    },
  ),
  'POST credits/holds': {
    path: '/v1/credits/holds',
    status: 201,
    body: () => ({
      id: fresh('hold'),
      customerId: things.customerId,
      unit: things.unit,
      amount: 1,
      expiresAt: '2099-01-01T00:00:00Z',
      context,
    }),
    fields: {
      ...drawnFields,
      '/id': is.id,
      '/unit': is.textReference(128),
      '/amount': is.required({ bad: [...is.positive.bad, '0.0000001'] }),
      '/onShortage': { bad: [...is.oneOf('refuse').bad, 'pending', 'overage'] },
      '/expiresAt': { bad: [...is.instant.bad, '2020-01-01T00:00:00Z'] },
      '/timeoutSeconds': is.whole(1, 31_536_000),
    },
  },
  'POST credits/holds/{id}/capture': {
    path: () => `/v1/credits/holds/${things.holds.capture}/capture`,
    status: 200,
    body: () => ({ amount: 1, allowMore: { onShortage: 'partial', debtLimit: 1 }, reference: 'r' }),
    fields: {
      '/amount': { bad: [...is.positive.bad, '0.0000001'] },
      '/allowMore': is.object,
      '/allowMore/onShortage': is.oneOf('refuse'),
      '/allowMore/debtLimit': is.amount,
      '/reference': is.text(256),
    },
  },
  'POST credits/holds/{id}/release': {
    path: () => `/v1/credits/holds/${things.holds.release}/release`,
    status: 200,
    body: () => ({ reference: 'r' }),
    fields: { '/reference': is.text(256) },
  },
  'POST credits/consumptions/{id}/reverse': {
    path: () => `/v1/credits/consumptions/${things.consumptionId}/reverse`,
    status: 201,
    body: () => ({ amount: 1, reason: 'r' }),
    fields: {
      '/amount': { bad: [...is.positive.bad, '0.0000001'] },
      '/reason': is.required(is.text(1000)),
    },
  },
  ...onSeries('pause', { reason: 'r' }, reason),
  ...onSeries(
    'resume',
    { periodEnd: '2099-01-01T00:00:00Z' },
    {
      ...reason,
      '/periodEnd': { bad: [...is.instant.bad, '2020-01-01T00:00:00Z'] },
    },
  ),
  ...onSeries('cancel', { keepGrants: true }, { ...reason, '/keepGrants': is.flag }),
  ...onSeries(
    'amend',
    { refillAmount: 5, rollover: { policy: 'carry' }, name: 'N' },
    {
      ...reason,
      ...renewalFields(''),
      '/expiryDays': is.whole(1, 36_500),
      '/priority': is.numberWithin(0, 100),
      '/name': is.text(200),
      '/description': is.text(1000),
    },
  ),
  ...onSeries(
    'renew',
    { periodStart: '2026-01-01T00:00:00Z', periodEnd: '2026-02-01T00:00:00Z' },
    {
      '/periodStart': is.required(is.instant),
      '/periodEnd': is.required({ bad: [...is.instant.bad, '2026-01-01T00:00:00Z'] }),
    },
  ),
  'POST credits/renewals/preview': {
    path: '/v1/credits/renewals/preview',
    status: 200,
    body: () => ({
      refillRrule: 'FREQ=MONTHLY',
      timezone: 'UTC',
      startDate: '2026-01-01T00:00:00Z',
      limit: 3,
    }),
    fields: {
      '/refillRrule': is.required(is.rule),
      '/timezone': is.timezone,
      '/startDate': is.instant,
      '/limit': is.whole(1, 100),
    },
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
      '/eventValue': is.required(is.signed),
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
