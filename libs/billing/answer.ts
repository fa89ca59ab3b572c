import type { PaymentProvider } from '#libs/catalog';
import { formatAmount, type Instant, type StoredAmount } from '#libs/kernel';
import { settledInvoice } from './dunning.js';
import type {
  CreditNoteContent,
  InvoiceEvent,
  InvoiceFinalized,
  PaymentFailed,
  PaymentRecorded,
} from './invoice-events.js';
import {
  dueOf,
  evolveInvoice,
  initialInvoice,
  type Attempt,
  type InvoiceState,
  type InvoiceStatus,
} from './invoice.js';

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

/**
 * An invoice as time has made it by `now`, whether or not that is recorded.
 * @param facts from the first one on, the finalizing one among them
 */
export const invoiceAnswer = (facts: readonly InvoiceEvent[], now: Instant): InvoiceAnswer =>
  answerOf(settledInvoice(facts.reduce(evolveInvoice, initialInvoice), now));

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

/** How an invoice is collected, as the API shows it. */
export interface PaymentsAnswer {
  readonly invoiceId: string;
  readonly status: InvoiceStatus;
  readonly amountDue: StoredAmount;
  /** In order; whoever collects acts on the one that is `requested`. */
  readonly attempts: readonly AttemptAnswer[];
  readonly payments: readonly PaymentRecorded[];
  readonly failures: readonly FailureAnswer[];
}

export interface AttemptAnswer extends Omit<Attempt, 'method'> {
  /** Null: the customer had none. */
  readonly method: {
    readonly id: string;
    readonly provider: PaymentProvider;
    readonly providerReference: string;
  } | null;
}

export interface FailureAnswer extends Omit<PaymentFailed, 'methodReference'> {
  /** Of the method that was tried, where that is known. */
  readonly providerReference?: string;
}

/** @throws Error before it is issued */
export function paymentsAnswer(state: InvoiceState): PaymentsAnswer {
  const { id: invoiceId, status, amountDue } = answerOf(state);
  return {
    invoiceId,
    status,
    amountDue,
    attempts: state.attempts.map(({ method, ...attempt }) => ({
      ...attempt,
      method: method
        ? { id: method.methodId, provider: method.provider, providerReference: method.reference }
        : null,
    })),
    payments: [...state.payments.values()],
    failures: state.failures.map(({ methodReference, ...failure }) => ({
      ...failure,
      ...(methodReference === undefined ? {} : { providerReference: methodReference }),
    })),
  };
}
