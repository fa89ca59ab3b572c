import { beforeEach, describe, expect, it } from '@jest/globals';
import { BALANCE_PAYS, dueOf, type InvoiceFinalized } from '#libs/billing';
import { updateMerchant } from '#libs/commands/catalog';
import { unitOf } from '#libs/credits';
import type { RecordedEvent } from '#libs/event-store';
import { asked, tenant } from '../../../test/support/catalog-world.js';
import { at, base, invoicingWorld, linesOf } from '../../../test/support/invoicing-world.js';
import { faultsIn } from '../../../test/support/log-faults.js';
import { createCustomer } from '../catalog/index.js';
import { receivePayment } from '../payments/index.js';
import { invoices } from './deps.js';
import { operateInvoice, type InvoiceOperation } from './operations.js';
import { upcomingInvoices } from './upcoming.js';

const w = invoicingWorld();
const { world, open, price, subscribe, change, bill, issued } = w;

/** A business that pays 10.00 and 19 % tax a month. */
beforeEach(async () => {
  await createCustomer(world.ports, asked, { id: 'acme', name: 'Acme', businessName: 'Acme Ltd' });
  await updateMerchant(world.ports, asked, { taxRate: '0.19' }, null);
  await price('plan', [base('1000')]);
  await subscribe('plan', { customerId: 'acme' });
  await bill();
});
const operate = (invoiceId: string, action: InvoiceOperation['action'], request: object = {}) =>
  operateInvoice(w.deps, asked, invoiceId, { action, request } as InvoiceOperation);
const pay = (invoiceId: string, amount: number) =>
  receivePayment(w.deps, asked, {
    provider: 'stripe',
    eventId: `evt_${amount}`,
    outcome: 'succeeded',
    invoiceId,
    reference: `pi_${amount}`,
    amount,
    currency: 'USD',
    reason: '',
  });
const last = async (): Promise<InvoiceFinalized> => (await issued()).at(-1)!;
const month = async (number: number): Promise<InvoiceFinalized> => {
  world.now = at(`2026-0${number}-01`);
  await bill();
  return last();
};
const standing = async ({ invoiceId }: InvoiceFinalized) => {
  const { state } = await w.deps.credits.writer.read(invoices, tenant, invoiceId);
  const payments = [...state.payments.values()].map(({ provider, amount }) => `${provider} ${amount}`);
  return { status: state.status, due: String(dueOf(state) / 1_000_000_000_000n), payments };
};
const left = async (): Promise<string> => {
  const { state } = await w.deps.credits.writer.read(w.deps.credits.account, tenant, 'acme');
  return String(unitOf(state, 'USD').balance / 1_000_000_000_000n);
};

describe('money that came in and that nobody owes', () => {
  it('pays later invoices after tax: what is taken back of a paid one is worth what was paid', async () => {
    const first = await last();
    expect(linesOf(first)).toEqual(['fixed 1000', 'tax 190']);
    await operate(first.invoiceId, 'mark-paid');
    await operate(first.invoiceId, 'credit-note', { reason: 'all of it' });
    expect(await left()).toBe('1190');
    const [draft] = await upcomingInvoices(w.deps, tenant, 's');
    expect(draft).toMatchObject({ subtotal: '1000', credits: '0', tax: '190', total: '1190' });
    const second = await month(2);
    expect(linesOf(second)).toEqual(['fixed 1000', 'tax 190']);
    expect(await standing(second)).toEqual({ status: 'paid', due: '0', payments: ['balance 1190'] });
    expect(await left()).toBe('0');
    expect(await standing(await month(3))).toEqual({ status: 'issued', due: '1190', payments: [] });
    // taken back again, it is the customer's again
    await operate(second.invoiceId, 'credit-note', { reason: 'again' });
    expect(await left()).toBe('1190');
    expect(await faultsIn(world.eventStore)).toEqual([]);
  });

  it('pays a part, and what is left over the one after it', async () => {
    const { invoiceId } = await last();
    await pay(invoiceId, 1190 + 1500);
    expect(await standing(await month(2))).toMatchObject({ status: 'paid', payments: ['balance 1190'] });
    const third = await month(3);
    expect(await standing(third)).toEqual({ status: 'issued', due: '880', payments: ['balance 310'] });
    await operate(third.invoiceId, 'mark-paid');
    expect(await standing(third)).toMatchObject({ status: 'paid', payments: ['balance 310', 'manual 880'] });
    expect(await faultsIn(world.eventStore)).toEqual([]);
    const readAll: typeof world.eventStore.readAll = async (after, limit) => {
      const slice = await world.eventStore.readAll(after, limit);
      const more = (event: RecordedEvent): RecordedEvent =>
        event.data['provider'] === 'balance' && event.data['amount'] === '310'
          ? { ...event, data: { ...event.data, amount: '311' } }
          : event;
      return { ...slice, events: slice.events.map(more) };
    };
    const faults = await faultsIn({ ...world.eventStore, readAll });
    expect(faults.join('\n')).toContain('the balance paid 311, it gave 310');
  });

  it('is kept apart from credit, which reduces the price first', async () => {
    const { invoiceId } = await last();
    await operate(invoiceId, 'void', { reason: 'wrong' });
    await pay(invoiceId, 500);
    await w.credit('USD', 400, { customerId: 'acme', name: 'Welcome' });
    const second = await month(2);
    expect(linesOf(second)).toEqual(['fixed 1000', 'monetary_credit -400', 'tax 114']);
    expect(await standing(second)).toEqual({ status: 'issued', due: '214', payments: ['balance 500'] });
    const { state } = await w.deps.credits.writer.read(w.deps.credits.account, tenant, 'acme');
    expect([...state.ended.values()].map(({ grant }) => grant?.applicability)).toContainEqual({
      components: [BALANCE_PAYS],
    });
  });

  it.each(['CreditsConsumed', 'NumbersTaken', 'InvoiceFinalized'])(
    'is drawn once, also after a crash at %s',
    async (type) => {
      await pay((await last()).invoiceId, 1190 + 1190);
      world.now = at('2026-02-01');
      let seen = 0;
      // the credits of the lines are drawn first
      const dying = open((_, types) => types.includes(type) && ++seen > Number(type === 'CreditsConsumed'));
      await expect(bill(dying)).rejects.toThrow('died here');
      await bill(open());
      expect(await standing(await last())).toEqual({ status: 'paid', due: '0', payments: ['balance 1190'] });
      expect(await left()).toBe('0');
      expect(await faultsIn(world.eventStore)).toEqual([]);
    },
  );
});

describe('what is given back of a price', () => {
  it('reduces later prices before tax: no tax was taken back for it', async () => {
    await price('small', [base('100')]);
    world.now = at('2026-01-02');
    await change('change', { planId: 'small', proration: 'immediate' });
    await bill();
    expect((await last()).total).toBe('-871');
    const second = await month(2);
    expect(linesOf(second)).toEqual(['fixed 100', 'monetary_credit -100']);
    expect(await left()).toBe('771');
  });
});
