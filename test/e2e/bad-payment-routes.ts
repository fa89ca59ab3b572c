import type { Client } from '../support/client.js';
import * as is from './bad-values.js';
import type { Route } from './bad-routes.js';
import { fresh, newCustomer, ok } from './world.js';

const own = { customerId: '', invoiceId: '' };

/** Creates what the good bodies name: a customer with two payment methods, and an invoice. */
export async function preparePayments(api: Client, jobs: Client): Promise<void> {
  own.customerId = await newCustomer(api);
  for (const id of ['first', 'second'])
    ok(await api.post(methods(), { id, provider: 'manual', providerReference: id }), 201);
  const { id: planId } = ok(await api.post('/v1/plans', { planName: 'Paid' }), 201);
  const components = [{ type: 'fixed', label: 'Base', amount_cents: 500, recurrence_rule: 'FREQ=MONTHLY' }];
  const pricingData = { dsl_version: 1, components };
  ok(await api.post('/v1/prices', { planId, currency: 'EUR', pricingData }), 201);
  ok(await api.post('/v1/subscriptions', { customerId: own.customerId, planId }), 201);
  ok(await jobs.post('/v1/trigger/billing/process-invoices', {}), 200);
  own.invoiceId = (await api.all(`/v1/invoices?customerId=${own.customerId}`))[0].id;
}

const methods = (): string => `/v1/customers/${own.customerId}/payment-methods`;
const secret = (...bad: readonly unknown[]): is.Field => ({
  bad: [5, {}, '', 'whsec_', 'whsec_short', `sk_test_${'a'.repeat(32)}`, ` whsec_${'a'.repeat(32)}`, ...bad],
});

export const PAYMENT_ROUTES: Readonly<Record<string, Route>> = {
  'PATCH merchant': {
    method: 'PATCH',
    path: '/v1/merchant',
    status: 200,
    body: () => ({
      taxRate: '0.19',
      taxName: fresh('VAT'),
      billFrom: { name: 'Initech' },
      dunning: { graceDays: 7, retryDays: [1, 3], endAction: 'uncollectible' },
    }),
    fields: {
      '/taxRate': { bad: [...is.amount.bad, '1.01', 2] },
      '/taxName': is.text(64),
      '/invoicePrefix': { bad: [...is.text(20).bad, 'a b', 'é', 'a/b'] },
      '/paymentTermsDays': is.whole(0, 365),
      '/billFrom': is.object,
      '/billFrom/name': is.required(is.text(255)),
      '/billFrom/addressLine1': is.text(255),
      '/billFrom/addressLine2': is.text(255),
      '/billFrom/postalCode': is.text(32),
      '/billFrom/city': is.text(255),
      '/billFrom/state': is.text(255),
      '/billFrom/country': { bad: [...is.text(2).bad, 'D', 'de', 'D1'] },
      '/billFrom/taxId': is.text(64),
      '/billFrom/email': is.email,
      // this server has no key to keep the last ones with
      '/stripeWebhookSecret': secret('whsec_äaaaaaaaaaaaaaaa', `whsec_${'a'.repeat(32)}`),
      '/dodoWebhookSecret': secret(
        `whsec_${'a'.repeat(31)}`,
        `whsec_${'-'.repeat(32)}`,
        `whsec_${'a'.repeat(32)}`,
      ),
      '/dunning': is.object,
      '/dunning/graceDays': is.required(is.whole(0, 365)),
      '/dunning/retryDays': is.required({
        bad: [5, 'x', {}, [0], [366], [1.5], ['1'], [null], [3, 1], [1, 1], Array(21).fill(1)],
      }),
      '/dunning/endAction': is.required(is.oneOf('uncollectible')),
    },
  },
  'POST customers/{id}/payment-methods/reorder': {
    path: () => `${methods()}/reorder`,
    status: 200,
    body: () => ({ methodIds: ['second', 'first'] }),
    fields: {
      '/methodIds': is.required({ bad: [...is.list(20).bad, [], ['first'], ['first', 'first'], ['a b']] }),
    },
  },
  'POST customers/{id}/payment-methods': {
    path: methods,
    status: 201,
    body: () => ({ provider: 'stripe', providerReference: 'pm_1', label: 'Visa' }),
    fields: {
      '/id': is.id,
      '/provider': is.required(is.oneOf('stripe')),
      '/providerReference': is.required({ bad: [...is.text(255).bad, 'a b', 'é'] }),
      '/label': is.text(128),
    },
  },
  'POST invoices/{id}/mark-unpaid': {
    path: () => `/v1/invoices/${own.invoiceId}/mark-unpaid`,
    status: 200,
    body: () => ({ reason: 'returned', reference: 'wire 7', providerReference: 'first' }),
    fields: {
      '/reason': is.required(is.text(500)),
      '/reference': is.text(128),
      '/providerReference': is.text(255),
    },
  },
};
