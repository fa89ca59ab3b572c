import type { Client } from '../support/client.js';
import * as is from './bad-values.js';
import { things, type Route } from './bad-routes.js';
import { fresh, newCustomer, ok } from './world.js';

const ACTIONS = ['pause', 'resume', 'cancel', 'change', 'migrate', 'features', 'revoke', 'prices'] as const;
/** Subscriptions that routes change, and an organisation whose seats they give and take. */
const own = { ids: {} as Record<(typeof ACTIONS)[number], string>, org: '', customers: [] as string[] };

/** Creates what the good bodies name. */
export async function prepareSubscriptions(api: Client): Promise<void> {
  const subscribe = async (customerId: string) =>
    ok(await api.post('/v1/subscriptions', { customerId, planId: things.plan }), 201).id as string;
  for (const action of ACTIONS) own.ids[action] = await subscribe(await newCustomer(api));
  ok(await api.post(`/v1/subscriptions/${own.ids.resume}/pause`, {}), 200);
  own.org = fresh('org');
  await subscribe(await newCustomer(api, { externalCustomerId: own.org }));
  const seat = { organization_id: own.org, created_user_id: 'leaver' };
  ok(await api.post('/v1/seats/add', seat), 200);
  own.customers.push(await newCustomer(api));
}

const when = { '/proration': is.oneOf('immediate'), '/when': is.oneOf('now') };
const quantity = is.whole(0, 1_000_000_000);
const price = { bad: is.reference.bad };
const seatFields = {
  '/organization_id': {
    bad: is.text(255).bad,
    missing: { code: 'customer_not_found', values: ['no-such-organisation'] },
  },
  '/user_id': is.text(255),
  '/timestamp': { bad: [...is.instant.bad, '2026-01-01T00:00:00+00:00', '2999-01-01T00:00:00Z'] },
  '/idempotency_key': { bad: [5, '', 'a b', 'é', 'x'.repeat(256), {}] },
};
const to = (action: (typeof ACTIONS)[number], path: string) => () =>
  `/v1/subscriptions/${own.ids[action]}/${path}`;

export const SUBSCRIPTION_ROUTES: Readonly<Record<string, Route>> = {
  'POST subscriptions': {
    path: '/v1/subscriptions',
    status: 201,
    body: () => ({ customerId: own.customers[0], planId: things.plan, metadata: { a: 'b' } }),
    fields: {
      '/id': is.id,
      '/customerId': { ...is.customer, bad: is.text(128).bad, required: true },
      '/planId': is.required(is.reference),
      '/priceId': price,
      '/currency': is.currency,
      '/quantity': quantity,
      '/trialDays': is.whole(1, 3650),
      '/startDate': { bad: [...is.instant.bad, '2999-01-01T00:00:00Z', '1970-01-01T00:00:00Z'] },
      '/metadata': is.metadata,
      '/dangerouslyAllowMultipleSubscriptions': is.flag,
    },
  },
  'POST subscriptions/{id}/pause': {
    path: to('pause', 'pause'),
    status: 200,
    body: () => ({}),
    fields: { '/reason': is.text(1000) },
  },
  'POST subscriptions/{id}/resume': {
    path: to('resume', 'resume'),
    status: 200,
    body: () => ({}),
    fields: { '/reason': is.text(1000) },
  },
  'POST subscriptions/{id}/cancel': {
    path: to('cancel', 'cancel'),
    status: 200,
    body: () => ({ atPeriodEnd: true }),
    fields: { '/reason': is.text(1000), '/atPeriodEnd': is.flag },
  },
  'POST subscriptions/{id}/change': {
    path: to('change', 'change'),
    status: 200,
    body: () => ({ planId: things.plan, quantity: 2 }),
    fields: { ...when, '/planId': is.reference, '/priceId': price, '/quantity': quantity },
  },
  'POST subscriptions/{id}/migrate': {
    path: to('migrate', 'migrate'),
    status: 200,
    body: () => ({}),
    fields: { ...when, '/planId': is.reference },
  },
  'POST subscriptions/migrate': {
    path: '/v1/subscriptions/migrate',
    status: 200,
    body: () => ({ fromPlanId: things.plan, toPlanId: things.plan }),
    fields: {
      ...when,
      '/fromPlanId': is.required(is.reference),
      '/toPlanId': is.required(is.reference),
      '/limit': is.whole(1, 1000),
      '/cursor': is.id,
    },
  },
  'POST subscriptions/{id}/overrides/features': {
    path: to('features', 'overrides/features'),
    status: 200,
    body: () => ({ featureSlug: things.feature, value: 5 }),
    fields: {
      '/featureSlug': is.required({ bad: [...is.slug.bad, 'no-such-feature'] }),
      '/value': { bad: [...is.featureValue.bad, true, 'many'], required: true },
      '/reason': is.text(1000),
      '/effectiveFrom': is.instant,
      '/effectiveUntil': { bad: [...is.instant.bad, '2020-01-01T00:00:00Z'] },
    },
  },
  'POST subscriptions/{id}/overrides/features/revoke': {
    path: to('revoke', 'overrides/features/revoke'),
    status: 200,
    body: () => ({ featureSlug: things.feature }),
    fields: { '/featureSlug': is.required(is.slug) },
  },
  'POST subscriptions/{id}/overrides/prices': {
    path: to('prices', 'overrides/prices'),
    status: 200,
    body: () => ({
      components: [{ type: 'fixed', label: 'Base', amount_cents: 5 }],
      expiresAfterBillingCycles: 1,
    }),
    fields: {
      '/components': is.required(is.list(50, 1)),
      '/components/0/amount_cents': is.amount,
      '/expiresAfterBillingCycles': is.required(is.whole(1, 1000)),
    },
  },
  'POST seats/add': {
    path: '/v1/seats/add',
    status: 200,
    body: () => ({ organization_id: own.org, created_user_id: 'newcomer' }),
    fields: {
      ...seatFields,
      '/created_user_id': is.required(is.text(255)),
      '/created_user_info': is.object,
      '/created_user_info/name': is.text(255),
      '/created_user_info/email': is.email,
      '/metadata': is.metadata,
    },
  },
  'POST seats/remove': {
    path: '/v1/seats/remove',
    status: 200,
    body: () => ({ organization_id: own.org, removed_user_id: 'leaver' }),
    fields: { ...seatFields, '/removed_user_id': is.required(is.text(255)) },
  },
};
