import { describe, expect, it } from '@jest/globals';
import { updateMerchant } from '#libs/commands/catalog';
import { changePaymentMethods, receivePayment, type PaymentNews } from '#libs/commands/payments';
import { changeSubscription, subscriptions } from '#libs/commands/subscriptions';
import { DAY, readInstant } from '#libs/kernel';
import { asked, tenant } from '../../../test/support/catalog-world.js';
import { base, invoicingWorld } from '../../../test/support/invoicing-world.js';
import { collectPayments, readPayments } from './collecting.js';
import { invoices } from './deps.js';
import { operateInvoice } from './operations.js';

const w = invoicingWorld();
const { world, open, price, subscribe, bill, issued } = w;

/** A subscription whose first invoice of 5.00 USD is issued, under a policy that ends it. */
async function invoiced(endAction: 'pause_subscription' | 'cancel_subscription' = 'pause_subscription') {
  const dunning = { graceDays: 7, retryDays: [1, 3], endAction };
  await updateMerchant(world.ports, asked, { dunning, paymentTermsDays: 10 }, null);
  await price('api', [base('500')]);
  await subscribe('api');
  await bill();
  const [invoice] = await issued();
  return invoice!;
}

const add = (provider: 'stripe' | 'dodo', providerReference: string) =>
  changePaymentMethods(w.deps.credits, asked, 'c1', {
    action: 'add',
    request: { provider, providerReference },
  });
const typesOf = async (category: string): Promise<readonly string[]> =>
  (await world.eventStore.readAll(null, 1e6)).events
    .filter(({ stream }) => stream.startsWith(`${category}-`))
    .map(({ type }) => type);
const times = async (type: string): Promise<number> =>
  [...(await typesOf('invoice')), ...(await typesOf('subscription'))].filter((one) => one === type).length;
const news = (invoiceId: string, members: Partial<PaymentNews> = {}): PaymentNews => ({
  provider: 'stripe',
  eventId: 'evt_1',
  outcome: 'succeeded',
  invoiceId,
  reference: 'pi_1',
  amount: 500,
  currency: 'USD',
  reason: 'card_declined',
  ...members,
});

describe('an invoice that nobody pays', () => {
  const crashes: readonly [string, string][] = [
    ['before it is given up', 'InvoiceUncollectible'],
    ['between the invoice and its subscription', 'SubscriptionPaused'],
    ['between the subscription and what the invoice knows of it', 'SubscriptionDriven'],
  ];
  it.each(crashes)('ends its subscription once, also after a crash %s', async (_, type) => {
    const { invoiceId, issuedAt } = await invoiced();
    await add('stripe', 'pm_visa');
    world.now = readInstant(issuedAt) + 30 * DAY - 1;
    const dying = open((__, types) => types.includes(type));
    await expect(collectPayments(dying.deps, asked, world.now)).rejects.toThrow('died');
    const next = open();
    const resume = () => changeSubscription(next.subs, asked, 's', { action: 'resume', request: {} });
    // whoever lets it go on after it was ended is not ended again by what comes late
    const isEnded = (await times('SubscriptionPaused')) > 0;
    if (isEnded) await resume();
    await collectPayments(next.deps, asked, world.now);
    const ended = ['InvoiceUncollectible', 'SubscriptionPaused', 'SubscriptionDriven', 'InvoiceUnpaid'];
    for (const one of ended) expect([one, await times(one)]).toEqual([one, 1]);
    const { state } = await next.deps.credits.writer.read(invoices, tenant, invoiceId);
    expect([state.status, state.subscription]).toEqual(['uncollectible', null]);
    if (!isEnded) await resume();
    expect(await collectPayments(next.deps, asked, world.now)).toMatchObject({ invoices: 0 });
    const { state: subscription } = await next.deps.credits.writer.read(subscriptions, tenant, 's');
    expect(subscription!.status).toBe('active');
  });

  it('asks the methods that the customer has then; whoever looks sees what nobody has recorded', async () => {
    const { invoiceId, issuedAt } = await invoiced('cancel_subscription');
    const start = readInstant(issuedAt);
    await add('stripe', 'pm_visa');
    await collectPayments(w.deps, asked, start);
    await changePaymentMethods(w.deps.credits, asked, 'c1', {
      action: 'remove',
      request: { id: (await readPayments(w.deps, tenant, invoiceId)).attempts[0]!.method!.id },
    });
    await add('dodo', 'dodo_card');
    world.now = start + 13 * DAY;
    const seen = await readPayments(w.deps, tenant, invoiceId);
    expect(await times('InvoiceUnpaid')).toBe(0);
    await collectPayments(w.deps, asked, world.now);
    expect(await readPayments(w.deps, tenant, invoiceId)).toEqual(seen);
    expect(seen).toMatchObject({
      status: 'unpaid',
      attempts: [
        { cause: 'issued', method: { providerReference: 'pm_visa' }, status: 'withdrawn' },
        { cause: 'retry', method: { providerReference: 'dodo_card' }, status: 'withdrawn' },
        { cause: 'retry', method: { providerReference: 'dodo_card' }, status: 'requested' },
      ],
    });
    world.now = start + 17 * DAY;
    expect(await collectPayments(w.deps, asked, world.now)).toEqual({ invoices: 1, requests: 0, givenUp: 1 });
    expect(await times('SubscriptionCancelled')).toBe(1);
    expect(await times('InvoicePaid')).toBe(0);
  });

  it('is given up before what is done to it later, although nobody has recorded it', async () => {
    const { invoiceId, issuedAt } = await invoiced();
    world.now = readInstant(issuedAt) + 20 * DAY;
    await operateInvoice(w.deps, asked, invoiceId, { action: 'mark-paid', request: {} });
    const types = (await typesOf('invoice')).slice(-5);
    expect(types.filter((type) => /Uncollectible|InvoicePaid/.test(type))).toEqual([
      'InvoiceUncollectible',
      'InvoicePaid',
    ]);
    expect(await times('SubscriptionPaused')).toBe(1);
  });
});

describe('what a provider tells', () => {
  it('is booked once, whichever process hears it, and after a crash', async () => {
    const { invoiceId } = await invoiced();
    const dying = open((_, types) => types.includes('PaymentRecorded'));
    await expect(receivePayment(dying.deps, asked, news(invoiceId))).rejects.toThrow('died');
    const processes = [open(), open(), open()];
    await Promise.all(processes.map(({ deps }) => receivePayment(deps, asked, news(invoiceId))));
    await receivePayment(open().deps, asked, news(invoiceId, { eventId: 'evt_2' }));
    expect([await times('PaymentRecorded'), await times('InvoicePaid')]).toEqual([1, 1]);
  });

  it('of failures asks for one method after the other, once for each', async () => {
    const { invoiceId } = await invoiced();
    for (const [provider, reference] of [
      ['stripe', 'pm_visa'],
      ['dodo', 'dodo_card'],
    ] as const)
      await add(provider, reference);
    const failed = (eventId: string) => news(invoiceId, { outcome: 'failed', eventId });
    for (const eventId of ['evt_1', 'evt_1', 'evt_2', 'evt_1', 'evt_2'])
      await receivePayment(open().deps, asked, failed(eventId));
    const { attempts, failures } = await readPayments(w.deps, tenant, invoiceId);
    expect(attempts.map(({ cause, status, method }) => [cause, status, method!.providerReference])).toEqual([
      ['issued', 'failed', 'pm_visa'],
      ['failed', 'failed', 'dodo_card'],
    ]);
    expect(failures).toMatchObject([{ attempt: 1 }, { attempt: 2 }]);
    expect(await times('InvoiceUnpaid')).toBe(1);
  });
});
