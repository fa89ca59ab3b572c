import { formatAmount, type StoredAmount } from '#libs/kernel';
import type { CreditNoteContent, InvoiceEvent, InvoiceFinalized } from './invoice-events.js';
import { dueOf, evolveInvoice, initialInvoice, type InvoiceState, type InvoiceStatus } from './invoice.js';

/** An issued invoice as the API shows it. Amounts are whole minor units of its currency. */
export interface InvoiceAnswer extends Omit<InvoiceFinalized, 'invoiceId' | 'overpaid'> {
  readonly id: string;
  readonly status: InvoiceStatus;
  readonly amountPaid: StoredAmount;
  readonly amountDue: StoredAmount;
  /** Totals of its credit notes. */
  readonly amountCredited: StoredAmount;
  /** What became credit of the customer. */
  readonly amountOverpaid: StoredAmount;
  readonly creditNotes: readonly (Omit<CreditNoteContent, 'creditNoteId' | 'returns'> & {
    readonly id: string;
    /** Null: it is being issued. */
    readonly number: string | null;
  })[];
}

/** @param facts from the first one on, the finalizing one among them */
export const invoiceAnswer = (facts: readonly InvoiceEvent[]): InvoiceAnswer =>
  answerOf(facts.reduce(evolveInvoice, initialInvoice));

/** @throws Error before it is issued */
export function answerOf(state: InvoiceState): InvoiceAnswer {
  if (!state.final) throw new Error('the invoice is not issued');
  const { invoiceId, overpaid: _, ...final } = state.final;
  return {
    id: invoiceId,
    status: state.status,
    ...final,
    amountPaid: formatAmount(state.paid),
    amountDue: formatAmount(dueOf(state)),
    amountCredited: formatAmount(state.credited),
    amountOverpaid: formatAmount(state.overpaid),
    creditNotes: [...state.creditNotes.values()].map(({ content, number }) => {
      const { creditNoteId, returns: __, ...rest } = content;
      return { id: creditNoteId, number, ...rest };
    }),
  };
}
