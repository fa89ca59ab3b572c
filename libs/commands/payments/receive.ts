import type { InvoiceCommand, InvoiceStatus, PaymentUnmatched, UnmatchedPaymentEvent } from '#libs/billing';
import type { PaymentProvider } from '#libs/catalog';
import { latest } from '#libs/event-store';
import { eventTypesOf } from '#libs/event-types';
import { formatAmount, formatInstant, parseAmount, type Amount, type Instant } from '#libs/kernel';
import { derivedId } from '../ids.js';
import { collectInvoice, driveInvoice, invoices, type InvoicesDeps } from '../invoices/index.js';
import type { CommandContext, StreamKind } from '../stream-kind.js';
import { requestableMethods } from './payment-methods.js';

/** What a provider says of a payment, its signature checked. */
export interface PaymentNews {
  readonly provider: Exclude<PaymentProvider, 'manual'>;
  /** Of the provider: the same news is told once. */
  readonly eventId: string;
  readonly outcome: 'succeeded' | 'failed';
  /** As the payment's metadata name it. */
  readonly invoiceId: string;
  /** What the provider calls the payment: the same payment is booked once. */
  readonly reference: string;
  /** Whole minor units. */
  readonly amount: number;
  /** ISO 4217, in capitals. */
  readonly currency: string;
  /** What the provider calls the method, where it says so. */
  readonly methodReference?: string | undefined;
  /** Why it failed. */
  readonly reason: string;
}

export interface Received {
  /** `ignored`: nothing follows from it; `unmatched`: money that no invoice can take. */
  readonly outcome: 'recorded' | 'ignored' | 'unmatched';
  readonly position: bigint;
  readonly replayed: boolean;
}

const unmatchedPayments: StreamKind<
  null,
  { readonly payment: Omit<PaymentUnmatched, 'at'>; readonly now: Instant },
  UnmatchedPaymentEvent
> = {
  category: 'unmatchedPayments',
  eventTypes: eventTypesOf('unmatchedPayments'),
  decider: {
    initialState: null,
    decide: ({ payment, now }) => [
      { type: 'PaymentUnmatched', data: { ...payment, at: formatInstant(now) } },
    ],
    evolve: () => null,
  },
};

/** Nothing follows from a failure any more. */
const SETTLED: readonly InvoiceStatus[] = ['paid', 'uncollectible', 'void'];

/**
 * Books a payment, or records that it failed and asks for the next method; once for ever for the same event of the provider.
 * @throws Problem `invoice_not_open` for an invoice that is not issued yet: the provider tells it again
 */
export async function receivePayment(
  deps: InvoicesDeps,
  context: CommandContext,
  news: PaymentNews,
): Promise<Received> {
  const { provider, eventId, outcome, invoiceId, reference, currency } = news;
  const { writer } = deps.credits;
  const { tenant } = context;
  const own: CommandContext = { ...context, idempotencyKey: eventId };
  const { state, position } = await writer.read(invoices, tenant, invoiceId);
  const amount = parseAmount(news.amount);
  const isMoney = outcome === 'succeeded' && typeof amount === 'bigint' && amount > 0n;
  const mismatch =
    state.sealed === null
      ? 'invoice_unknown'
      : state.sealed.currency !== currency
        ? 'currency_differs'
        : null;
  if (isMoney && mismatch) return recordUnmatched(deps, own, news, amount, mismatch);
  if (mismatch || (outcome === 'succeeded' ? !isMoney : SETTLED.includes(state.status)))
    return { outcome: 'ignored', position, replayed: false };

  await collectInvoice(deps, context, invoiceId);
  const methods = await requestableMethods(deps.credits, tenant, state.sealed!.customerId);
  const paymentId = derivedId('pay', tenant, provider, reference);
  const written = await writer.execute(invoices, invoiceId, {
    context: own,
    operation: `payments.${provider}`,
    input: { invoiceId, reference },
    command: (now): InvoiceCommand =>
      isMoney
        ? {
            type: 'RecordPayment',
            paymentId,
            amount,
            provider,
            reference,
            creditGrantId: derivedId('grant', tenant, invoiceId, paymentId),
            paidAt: now,
          }
        : {
            type: 'RecordFailure',
            provider,
            reference,
            methodReference: news.methodReference,
            reason: news.reason,
            methods,
            now,
          },
  });
  const driven = await driveInvoice(deps, context, invoiceId);
  return {
    outcome: written.events.length > 0 ? 'recorded' : 'ignored',
    position: latest([written.position, driven]),
    replayed: written.replayed,
  };
}

/** Keeps what cannot be booked where somebody finds it: in a stream of its own. */
async function recordUnmatched(
  { credits }: InvoicesDeps,
  context: CommandContext,
  { provider, reference, invoiceId, currency }: PaymentNews,
  amount: Amount,
  reason: PaymentUnmatched['reason'],
): Promise<Received> {
  const payment = { provider, reference, invoiceId, amount: formatAmount(amount), currency, reason };
  const { position, replayed } = await credits.writer.execute(unmatchedPayments, provider, {
    context,
    operation: 'payments.unmatched',
    input: { reference },
    command: (now) => ({ payment, now }),
  });
  return { outcome: 'unmatched', position, replayed };
}
