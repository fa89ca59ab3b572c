import { beforeAll, describe, expect, test } from '@jest/globals';
import type { Client } from '../support/client.js';
import { until } from '../support/wait.js';
import {
  deliver,
  DODO_SECRET,
  dodoWebhook,
  STRIPE_SECRET,
  stripeWebhook,
  type Told,
  type Webhook,
} from '../support/webhooks.js';
import { DAY, expectProblem, fresh, iso, newCustomer, ok, positionOf, worldOfTests } from './world.js';

/** The merchant's settings, and how invoices are paid: by webhooks, from the customer's methods, and by dunning. */

const world = worldOfTests({ SECRETS_KEY: 'c'.repeat(64) });
const { api } = world;
let provider: Client;
beforeAll(async () => {
  provider = world.server.client();
  const settings = {
    taxRate: '0.19',
    taxName: 'VAT 19 %',
    invoicePrefix: 'SHOP',
    paymentTermsDays: 30,
    billFrom: { name: 'Initech', city: 'Köln', postalCode: '50667', country: 'DE', taxId: 'DE9' },
    stripeWebhookSecret: STRIPE_SECRET,
    dodoWebhookSecret: DODO_SECRET,
  };
  ok(await api.patch('/v1/merchant', settings), 200);
});

/** An invoice of 5.00 EUR and tax on it. */
async function newInvoice(): Promise<any> {
  const plan = ok(await api.post('/v1/plans', { planName: fresh('Plan') }), 201);
  const components = [
    { type: 'fixed', label: 'Base fee', amount_cents: 500, recurrence_rule: 'FREQ=MONTHLY' },
  ];
  const pricingData = { dsl_version: 1, components };
  ok(await api.post('/v1/prices', { planId: plan.id, currency: 'EUR', pricingData }), 201);
  const customerId = await newCustomer(api, { businessName: 'Acme' });
  ok(await api.post('/v1/subscriptions', { customerId, planId: plan.id }), 201);
  ok(await world.jobs.post('/v1/trigger/billing/process-invoices', {}), 200);
  const [invoice] = await api.all(`/v1/invoices?customerId=${customerId}`);
  return invoice;
}

const read = async (id: string, position?: number) =>
  ok(await api.get(`/v1/invoices/${id}${position === undefined ? '' : `?minPosition=${position}`}`), 200);
const head = async (): Promise<number> => ok(await api.get('/health/ready'), 200).log.position;
/** Events behind a position, without what the worker writes meanwhile. */
const writtenByCallers = async (after: number): Promise<readonly unknown[]> =>
  ok(await api.get(`/v1/audit/log?from=${after}&limit=1000`), 200).data.filter(
    ({ position, metadata }: { position: number; metadata: { actor: string } }) =>
      position > after && metadata.actor !== 'schedule',
  );

describe('the settings', () => {
  test('stand on invoices, and hold no secret that anybody could read', async () => {
    const settings = ok(await api.get('/v1/merchant'), 200);
    expect(settings).toMatchObject({
      id: 'default.test',
      taxRate: '0.19',
      paymentTermsDays: 30,
      dunning: null,
      paymentProviders: ['manual', 'stripe', 'dodo'],
      webhookPath: '/v1/public/webhook/default.test',
    });
    const invoice = await newInvoice();
    expect(invoice.number).toMatch(/^SHOP-\d{3}$/);
    expect(invoice).toMatchObject({ total: '595', billFrom: { name: 'Initech', taxId: 'DE9' } });
    expect(invoice.lines.at(-1)).toMatchObject({ type: 'tax', description: 'VAT 19 %', rate: '0.19' });
    expect(Date.parse(invoice.dueAt) - Date.parse(invoice.issuedAt)).toBe(30 * 86_400_000);
    const pdf = await api.get(`/v1/invoices/${invoice.id}/pdf`);
    expect(pdf.status).toBe(200);

    const stream = await api.get('/v1/audit/streams/merchant-default.test_settings');
    expect(stream.body.data[0]).toMatchObject({ type: 'MerchantCreated' });
    for (const text of [stream.text, JSON.stringify(settings), world.server.output.stdout])
      expect([STRIPE_SECRET, DODO_SECRET].filter((secret) => text.includes(secret.slice(6)))).toEqual([]);
  });

  test('change member by member; the same again changes nothing; null goes back to the default', async () => {
    const change = { paymentTermsDays: 10, stripeWebhookSecret: STRIPE_SECRET };
    const first = await api.patch('/v1/merchant', change, { 'Idempotency-Key': 'settings-1' });
    expect(ok(first, 200)).toMatchObject({ paymentTermsDays: 10, taxRate: '0.19' });
    const again = await api.patch('/v1/merchant', change, { 'Idempotency-Key': 'settings-1' });
    expect([again.headers.get('idempotent-replayed'), again.text]).toEqual(['true', first.text]);
    const before = await head();
    ok(await api.patch('/v1/merchant', change), 200);
    expect(await writtenByCallers(before)).toEqual([]);
    expect(ok(await api.patch('/v1/merchant', { paymentTermsDays: null }), 200).paymentTermsDays).toBe(14);
  });
});

type Make = (outcome: 'succeeded' | 'failed', told?: Told, options?: object) => Webhook;
const makers: readonly [string, Make][] = [
  [
    'stripe',
    (outcome, ...rest) =>
      stripeWebhook(`payment_intent.${outcome === 'failed' ? 'payment_failed' : outcome}`, ...rest),
  ],
  ['dodo', (outcome, ...rest) => dodoWebhook(`payment.${outcome}`, ...rest)],
];

describe.each(makers)('a webhook of %s', (name, make) => {
  test('marks the invoice paid once, however often and in however many pieces it comes', async () => {
    const { id } = await newInvoice();
    const told = { invoiceId: id, eventId: fresh(`evt-${name}`), paymentId: fresh(`pi-${name}`) };
    const webhook = make('succeeded', told);
    const answers = await Promise.all([1, 2, 3, 4].map(() => deliver(provider, webhook)));
    for (const answer of answers) expect(ok(answer, 200)).toEqual({ received: true, outcome: 'recorded' });
    expect(answers.filter(({ headers }) => headers.has('idempotent-replayed'))).toHaveLength(3);
    const paid = await read(id, positionOf(answers[0]!));
    expect(paid).toMatchObject({ status: 'paid', amountPaid: '595', amountOverpaid: '0' });
    // another event of the same payment
    const other = make('succeeded', { ...told, eventId: fresh(`evt-${name}`) });
    expect(ok(await deliver(provider, other), 200).outcome).toBe('ignored');
    expect(ok(await deliver(provider, make('failed', { invoiceId: id })), 200).outcome).toBe('ignored');
    expect(await read(id)).toEqual(paid);
  });

  test('that says less came leaves the rest due; more becomes credit', async () => {
    const { id, customerId } = await newInvoice();
    ok(await deliver(provider, make('succeeded', { invoiceId: id, amount: 500 })), 200);
    const last = await deliver(provider, make('succeeded', { invoiceId: id, amount: 100 }));
    expect(await read(id, positionOf(last))).toMatchObject({ status: 'paid', amountOverpaid: '5' });
    const { balances } = ok(
      await api.get(`/v1/credits/customers/${customerId}/balances?minPosition=${positionOf(last)}`),
      200,
    );
    expect(balances).toMatchObject([{ unit: 'EUR', available: '5' }]);
  });

  test('that is not signed so, or not now, is refused, and nothing is written', async () => {
    const { id } = await newInvoice();
    const before = await head();
    const good = make('succeeded', { invoiceId: id });
    const seconds = Math.floor(Date.now() / 1000);
    const [secret, at] = [`whsec_${Buffer.alloc(24, 9).toString('base64')}`, seconds - 301];
    const bad: readonly Webhook[] = [
      { ...good, body: good.body.replace('595', '596') },
      { ...good, body: JSON.stringify(JSON.parse(good.body), null, 1) },
      { ...good, body: `${good.body} ` },
      { ...good, headers: make('succeeded', { invoiceId: id }).headers },
      make('succeeded', { invoiceId: id }, { secret }),
      make('succeeded', { invoiceId: id }, { at }),
    ];
    for (const webhook of bad)
      expectProblem(await deliver(provider, webhook), 400, 'webhook_signature_invalid');
    const others = await Promise.all(
      ['default', 'nobody', 'x_y', 'a'.repeat(200)].map((merchant) => deliver(provider, good, merchant)),
    );
    for (const answer of others) expectProblem(answer, 404, 'not_found');
    expectProblem(await deliver(provider, { ...good, headers: {} }), 404, 'not_found');
    expect(await writtenByCallers(before)).toEqual([]);
    expect((await read(id)).status).toBe('issued');
  });

  test('of something else is accepted and ignored; money that fits no invoice is kept aside', async () => {
    const before = await head();
    const send =
      name === 'stripe'
        ? stripeWebhook('charge.refunded', { invoiceId: 'inv' })
        : dodoWebhook('refund.succeeded', { invoiceId: 'inv' });
    expect(ok(await deliver(provider, send), 200)).toEqual({ received: true, outcome: 'ignored' });
    expect(ok(await deliver(provider, make('succeeded')), 200).outcome).toBe('ignored');
    expect(ok(await deliver(provider, make('failed', { invoiceId: 'nobodys' })), 200).outcome).toBe(
      'ignored',
    );
    expect(await writtenByCallers(before)).toEqual([]);
    const stray = make('succeeded', { invoiceId: 'nobodys', paymentId: 'stray' });
    for (const _ of [1, 2]) expect(ok(await deliver(provider, stray), 200).outcome).toBe('unmatched');
    const { id } = await newInvoice();
    const dollars = make('succeeded', { invoiceId: id, currency: 'usd', paymentId: 'dollars' });
    expect(ok(await deliver(provider, dollars), 200).outcome).toBe('unmatched');
    const aside = ok(await api.get(`/v1/audit/streams/unmatchedPayments-default.test_${name}`), 200).data;
    expect(aside.map(({ data }: { data: object }) => data)).toMatchObject([
      { reference: 'stray', invoiceId: 'nobodys', amount: '595', reason: 'invoice_unknown' },
      { reference: 'dollars', invoiceId: id, currency: 'USD', reason: 'currency_differs' },
    ]);
    expect((await read(id)).amountDue).toBe('595');
  });
});

describe('the payment methods of a customer', () => {
  test('are tried in the order in which they stand', async () => {
    const externalCustomerId = fresh('ext');
    await newCustomer(api, { externalCustomerId });
    const path = (rest = '') => `/v1/customers/${externalCustomerId}/payment-methods${rest}?isExtCustId=true`;
    const list = async () =>
      ok(await api.get(path()), 200).data.map(({ id }: { id: string }) => id) as string[];
    const card = { id: 'visa', provider: 'stripe', providerReference: 'pm_visa', label: 'Visa 0341' };
    const key = { 'Idempotency-Key': fresh('key') };
    const added = await api.post(path(), card, key);
    expect(ok(added, 201)).toEqual({ ...card, addedAt: expect.any(String) });
    expect((await api.post(path(), card, key)).text).toBe(added.text);
    expect(ok(await api.post(path(), card), 200)).toEqual(added.body);
    expectProblem(await api.post(path(), { ...card, id: 'other' }), 409, 'already_exists');
    const sepa = ok(await api.post(path(), { provider: 'dodo', providerReference: 'sepa' }), 201);
    expect(await list()).toEqual(['visa', sepa.id]);
    const reordered = ok(await api.post(path('/reorder'), { methodIds: [sepa.id, 'visa'] }), 200);
    expect(reordered).toMatchObject({ data: [{ id: sepa.id }, { id: 'visa' }], nextCursor: null });
    for (const methodIds of [['visa'], ['visa', 'visa'], ['visa', sepa.id, 'third']])
      expectProblem(await api.post(path('/reorder'), { methodIds }), 422, 'validation_failed', [
        '/methodIds',
      ]);
    ok(await api.delete(path('/visa')), 200);
    expectProblem(await api.delete(path('/visa')), 404, 'not_found');
    expect(await list()).toEqual([sepa.id]);
    expectProblem(await api.get('/v1/customers/nobody/payment-methods'), 404, 'customer_not_found');
  });
});

describe('dunning', () => {
  const dunning = { graceDays: 7, retryDays: [1, 3], endAction: 'pause_subscription' };
  const process = async (time: number) =>
    ok(await world.jobs.post('/v1/trigger/billing/process-payments', { timestamp: iso(time) }), 200);
  const payments = async (id: string) => ok(await api.get(`/v1/invoices/${id}/payments`), 200);

  test('is done by the worker where nobody asks', async () => {
    const atOnce = { ...dunning, graceDays: 0, retryDays: [] };
    ok(await api.patch('/v1/merchant', { dunning: atOnce, paymentTermsDays: 0 }), 200);
    const { id } = await newInvoice();
    expect((await read(id)).status).toBe('uncollectible');
    const recorded = async (): Promise<string[]> =>
      ok(await api.get(`/v1/audit/streams/invoice-default.test_${id}`), 200).data.map(
        ({ type }: { type: string }) => type,
      );
    await until(async () => (await recorded()).includes('SubscriptionDriven'));
    expect((await recorded()).slice(2)).toEqual([
      'PaymentRequested',
      'InvoiceUnpaid',
      'InvoiceUncollectible',
      'SubscriptionDriven',
    ]);
    expect(await api.all(`/v1/invoices?status=uncollectible`)).toMatchObject([{ id }]);
  });

  test('asks, asks again on its days, and ends the subscription; a late payment is a payment', async () => {
    ok(await api.patch('/v1/merchant', { dunning, paymentTermsDays: 30 }), 200);
    const invoice = await newInvoice();
    const { id, customerId, subscriptionId } = invoice;
    for (const [provider, providerReference] of [
      ['stripe', 'pm_visa'],
      ['dodo', 'sepa'],
    ])
      ok(await api.post(`/v1/customers/${customerId}/payment-methods`, { provider, providerReference }), 201);
    expect((await process(Date.parse(invoice.issuedAt) + 1)).timestamp).toBeDefined();
    expect((await payments(id)).attempts).toMatchObject([{ attempt: 1, cause: 'issued', amount: '595' }]);

    const failed = stripeWebhook('payment_intent.payment_failed', { invoiceId: id });
    for (const _ of [1, 2]) ok(await deliver(provider, failed), 200);
    const unpaid = await payments(id);
    expect(unpaid).toMatchObject({
      status: 'unpaid',
      attempts: [
        { status: 'failed' },
        {
          attempt: 2,
          cause: 'failed',
          status: 'requested',
          method: { providerReference: expect.any(String) },
        },
      ],
      failures: [{ attempt: 1, provider: 'stripe', reason: 'insufficient_funds' }],
    });
    const began = Date.parse(unpaid.failures[0].at);
    const body = { reason: 'returned', providerReference: 'sepa' };
    ok(await api.post(`/v1/invoices/${id}/mark-unpaid`, body, { 'Idempotency-Key': 'unpaid-1' }), 200);
    ok(await api.post(`/v1/invoices/${id}/mark-unpaid`, body, { 'Idempotency-Key': 'unpaid-1' }), 200);
    expect((await payments(id)).failures).toHaveLength(2);

    expect(await process(began + DAY - 1)).toMatchObject({ requests: 0 });
    expect(await process(began + 3 * DAY)).toMatchObject({ invoices: 1, requests: 2, givenUp: 0 });
    const retried = (await payments(id)).attempts.slice(-2);
    expect(retried.map(({ at }: { at: string }) => Date.parse(at))).toEqual([began + DAY, began + 3 * DAY]);
    expect(await process(began + 7 * DAY)).toMatchObject({ givenUp: 1 });
    expect(await process(began + 7 * DAY)).toMatchObject({ processed: 0 });
    expect(await read(id, await head())).toMatchObject({ status: 'uncollectible', amountDue: '595' });
    expect(ok(await api.get(`/v1/subscriptions/${subscriptionId}`), 200).status).toBe('paused');

    // the test clock is a week ahead; the provider signs by the wall clock
    const paid = await deliver(provider, stripeWebhook('payment_intent.succeeded', { invoiceId: id }));
    expect(ok(paid, 200).outcome).toBe('recorded');
    expect(await read(id, positionOf(paid))).toMatchObject({ status: 'paid', amountDue: '0' });
    expectProblem(await api.post(`/v1/invoices/${id}/mark-unpaid`, body), 409, 'invoice_not_open');
  });
});
