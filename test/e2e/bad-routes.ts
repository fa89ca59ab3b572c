import { consume, fresh, grant, newAccount, newCustomer, newMeter, newUnit, ok } from './world.js';
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

export interface Things {
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
  /** Grants that other routes change, each begins a series on billing. */
  series: Readonly<Record<'pause' | 'resume' | 'cancel' | 'amend' | 'renew', string>>;
  holds: Readonly<Record<'capture' | 'release', string>>;
  consumptionId: string;
}
export const things = {} as Things;

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
  const { customerId, unit } = things;
  const begin = async () =>
    (await grant(api, { customerId, unit, amount: 5, renewal: { renewOnBilling: true } })).id as string;
  const hold = async () =>
    ok(await api.post('/v1/credits/holds', { customerId, unit, amount: 5 }), 201).id as string;
  things.series = {
    pause: await begin(),
    resume: await begin(),
    cancel: await begin(),
    amend: await begin(),
    renew: await begin(),
  };
  ok(await api.post(`/v1/credits/renewals/${things.series.resume}/pause`, {}), 200);
  things.holds = { capture: await hold(), release: await hold() };
  things.consumptionId = (await consume(api, { customerId, unit, amount: 5 })).id;
  await newUnit(api);
  await newCustomer(api);
}

export const priceBody = () => ({
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
  '/preferredLanguage': { bad: [...is.text(35).bad, 'x y', '!', 'e'] },
  '/addressLine1': is.text(255),
  '/addressLine2': is.text(255),
  '/city': is.text(255),
  '/state': is.text(255),
  '/postalCode': is.text(32),
  '/country': { bad: [...is.text(2).bad, 'de', 'D', '49'] },
  '/taxExempt': is.flag,
  '/taxExemptReason': { bad: [...is.text(255).bad, 'for nothing'] },
  '/taxRate': { bad: [...is.amount.bad, '1.01', 2] },
  '/invoicePrefix': { bad: [...is.text(20).bad, 'A_B', 'é', 'A B'] },
  '/orgRole': is.oneOf('primary'),
  '/customerOrganizationId': { bad: [...is.reference.bad, 'cust'] },
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
/** What a renewal is, below a pointer. */
export const renewalFields = (at: string) => ({
  [`${at}/refillAmount`]: is.positive,
  [`${at}/rollover`]: { bad: [...is.object.bad, {}] },
  [`${at}/rollover/policy`]: is.required(is.oneOf('carry')),
  [`${at}/rollover/upTo`]: is.positive,
  [`${at}/rollover/fraction`]: is.positive,
  [`${at}/lifetimePeriods`]: is.whole(1, 1000),
});

/** Routes of the catalogue. */
export const CATALOG_ROUTES: Readonly<Record<string, Route>> = {
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
  'POST credits/definitions': {
    path: '/v1/credits/definitions',
    status: 201,
    body: () => ({
      id: fresh('cd'),
      ...definitionBody(),
      refillAmount: 5,
      expiryDays: 30,
      refillRrule: 'FREQ=MONTHLY',
      timezone: 'Europe/Berlin',
      rollover: { policy: 'reset' },
    }),
    fields: {
      ...renewalFields(''),
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
      '/expiryDays': is.whole(1, 1_000_000),
      '/refillRrule': is.rule,
      '/timezone': is.timezone,
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
};
