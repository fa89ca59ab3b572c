import {
  chargeLines,
  drawCredits,
  initialInvoice,
  invoice,
  payables,
  taxOf,
  type Charge,
  type FinalizeInvoice,
  type InvoiceCommand,
  type InvoiceEvent,
  type MonetaryCredit,
  type OpenCreditNote,
  type SealInvoice,
} from '#libs/billing';
import { amount, at, fixed } from './billing-world.js';

/** An invoice's commands, short, and what they lead to. */

export const NOW = at('2026-02-01');
const VAT = taxOf({ taxId: 'DE1', standard: { rate: amount('0.19') } });

/** Seal and finalize, as a handler would: line by line from what the account has. */
export function beginning(
  charges: readonly Charge[],
  credits: readonly MonetaryCredit[] = [],
  terms: Partial<SealInvoice> = {},
): readonly [InvoiceCommand, FinalizeInvoice] {
  const lines = chargeLines(charges);
  const draws = drawCredits(payables(lines), credits).map((one) => ({
    ...one,
    consumptionId: `inv_1~${one.lineId}`,
  }));
  return [
    {
      type: 'SealInvoice',
      invoiceId: 'inv_1',
      customerId: 'cus_1',
      billTo: { name: 'Acme', taxId: 'DE1' },
      charges: { currency: 'EUR', lines, taxation: VAT },
      numberPrefix: 'ACME',
      dueDays: 14,
      now: NOW,
      ...terms,
    },
    { type: 'FinalizeInvoice', number: 'ACME-001', draws, creditGrantId: 'grant_over', now: NOW },
  ];
}

export function run(commands: readonly InvoiceCommand[], from = initialInvoice) {
  const events: InvoiceEvent[] = [];
  let state = from;
  for (const command of commands)
    for (const event of invoice.decide(command, state)) {
      events.push(event);
      state = invoice.evolve(state, event);
    }
  return { events, state };
}

export const credit = (grantId: string, available: string | number): MonetaryCredit => ({
  grantId,
  description: `Credit ${grantId}`,
  available: amount(available),
});

// 1000 + 19 %
export const PLAIN = beginning([fixed(1000)]);
export const pay = (paymentId: string, cents: number): InvoiceCommand => ({
  type: 'RecordPayment',
  paymentId,
  amount: amount(cents),
  provider: 'stripe',
  reference: 'pi_1',
  creditGrantId: `grant_${paymentId}`,
  paidAt: NOW,
});
export const fail = (now: number = NOW, members: object = {}): InvoiceCommand => ({
  type: 'RecordFailure',
  provider: 'stripe',
  reference: 'pi_1',
  reason: 'card_declined',
  methods: [],
  now,
  ...members,
});
export const mark = (type: 'MarkUncollectible' | 'VoidInvoice'): InvoiceCommand => ({
  type,
  reason: 'because',
  now: NOW,
});
export const note = (creditNoteId: string, lines?: OpenCreditNote['lines']): InvoiceCommand => ({
  type: 'OpenCreditNote',
  creditNoteId,
  reason: 'wrong',
  lines,
  now: NOW,
});
export const issueNote = (creditNoteId: string, number = 'ACME-CN-001'): InvoiceCommand => ({
  type: 'IssueCreditNote',
  creditNoteId,
  number,
  creditGrantId: `grant_${creditNoteId}`,
  now: NOW,
});
