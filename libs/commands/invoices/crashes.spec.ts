import { describe, expect, it } from '@jest/globals';
import { settleSubscription } from '#libs/commands/subscriptions';
import { asked, problemOf, tenant } from '../../../test/support/catalog-world.js';
import { at, base, invoicingWorld, linesOf, usageOf } from '../../../test/support/invoicing-world.js';
import { receivePayment } from '../payments/receive.js';
import { invoiceNumbers } from './deps.js';
import { invoiceSubscriptions, processInvoices } from './invoicing.js';

const w = invoicingWorld();
const { world, open, price, subscribe, change, use, credit, bill, issued } = w;

describe('a crash', () => {
  const steps: readonly [string, (stream: string, types: readonly string[]) => boolean][] = [
    ['before the closing', (_, types) => types.includes('ChargesClosed')],
    ['before the seal', (_, types) => types.includes('InvoiceSealed')],
    ['between two draws', (stream, types) => types.includes('CreditsConsumed') && ++drawn > 1],
    ['before the number', (_, types) => types.includes('NumbersTaken')],
    ['between number and invoice', (_, types) => types.includes('InvoiceFinalized')],
  ];
  let drawn = 0;
  it.each(steps)('%s leaves no gap and nothing twice', async (_, failing) => {
    drawn = 0;
    await price('api', [base('500'), usageOf('2')]);
    await subscribe('api');
    await subscribe('api', { id: 't', dangerouslyAllowMultipleSubscriptions: true });
    await credit('USD', 600);
    await use(10);
    world.now = at('2026-02-01');
    const dying = open(failing);
    await settleSubscription(w.subs, asked, 's');
    await settleSubscription(w.subs, asked, 't');
    await expect(invoiceSubscriptions(dying.deps, asked, ['s', 't'])).rejects.toThrow();
    // usage and credit come in between; another process goes on with the other subscription first
    await use(3, { eventTimestamp: '2026-01-30T00:00:00Z' });
    const next = open();
    await bill(next, ['t']);
    await bill(next, ['s']);
    const made = await issued();
    expect(made.map(({ number }) => number)).toEqual(made.map((_one, index) => `INV-00${index + 1}`));
    const { state } = await w.deps.credits.writer.read(invoiceNumbers, tenant, 'INV');
    expect(state.last).toBe(made.length);
    const fixed = made.flatMap(linesOf).filter((line) => line === 'fixed 500');
    expect(fixed).toHaveLength(4);
    const paid = made.reduce((sum, one) => sum + Number(one.credits), 0);
    expect(paid).toBe(-600);
    // the usage in between: on this invoice where nothing was closed yet, else on the next one
    world.now = at('2026-03-01');
    await bill(next, ['s', 't']);
    const used = (await issued())
      .flatMap(({ lines }) => lines)
      .flatMap((line) => (line.type === 'usage' ? [Number(line.quantity)] : []));
    expect(used.reduce((sum, one) => sum + one, 0)).toBe(13);
  });

  it('before what was given back is granted loses none of it', async () => {
    await price('small', [base('3100')]);
    await price('big', [base('6200')]);
    await subscribe('big');
    await bill();
    world.now = at('2026-01-16');
    await change('change', { planId: 'small', proration: 'immediate' });
    const dying = open((_, types) => types.includes('GrantIssued'));
    await expect(invoiceSubscriptions(dying.deps, asked, ['s'])).rejects.toThrow('died here');
    expect((await issued())[1]).toMatchObject({ total: '-1600', overpaid: { amount: '1600' } });
    world.now = at('2026-02-01');
    await bill(open());
    expect((await issued())[2]).toMatchObject({ subtotal: '3100', credits: '-1600' });
  });
});

it('money that came before the invoice had its number is booked when the provider tells of it again', async () => {
  await price('api', [base('500')]);
  await subscribe('api');
  let invoiceId = '';
  const dying = open((stream, types) => {
    if (types.includes('InvoiceSealed')) invoiceId = stream.slice(stream.indexOf('_') + 1);
    return types.includes('NumbersTaken');
  });
  await expect(invoiceSubscriptions(dying.deps, asked, ['s'])).rejects.toThrow();
  const next = open();
  const news = { provider: 'stripe', eventId: 'evt_1', outcome: 'succeeded', reference: 'pi_1' } as const;
  const hear = () =>
    receivePayment(next.deps, asked, { ...news, invoiceId, amount: 500, currency: 'USD', reason: '' });
  expect((await problemOf(hear())).code).toBe('invoice_not_open');
  await bill(next);
  expect(await hear()).toMatchObject({ outcome: 'recorded', replayed: false });
  expect(await hear()).toMatchObject({ outcome: 'recorded', replayed: true });
});

it('the job invoices the rest where one subscription cannot be, and tells of it', async () => {
  await price('api', [base('500'), usageOf('2')]);
  for (const id of ['s0', 's1', 's2'])
    await subscribe('api', { id, dangerouslyAllowMultipleSubscriptions: true });
  const { deps } = open();
  const { eventStore } = deps.credits;
  const readStream: typeof eventStore.readStream = (stream, from) => {
    if (stream === `subscription-${tenant}_s1`) throw new Error('unreadable');
    return eventStore.readStream(stream, from);
  };
  const broken = { ...deps, credits: { ...deps.credits, eventStore: { ...eventStore, readStream } } };
  await expect(processInvoices(broken, asked)).rejects.toThrow('unreadable');
  expect((await issued()).map((one) => one.subscriptionId).sort()).toEqual(['s0', 's2']);
  expect(await processInvoices(deps, asked)).toEqual({ invoices: 1, subscriptions: 1 });
});
