import type { BillingIdentity, DunningPolicy, PaymentProvider } from '#libs/catalog';
import type { DomainEvent, StoredAmount, StoredId, StoredInstant } from '#libs/kernel';
import type { InvoiceCharges, InvoiceContent } from './compose.js';
import type { StoredPeriod } from './lines.js';

/** The facts of an invoice. A draft is none of them: it is made from the log whenever somebody looks. */
export type InvoiceEvent =
  | DomainEvent<'InvoiceSealed', InvoiceSealed>
  | DomainEvent<'InvoiceFinalized', InvoiceFinalized>
  | DomainEvent<'PaymentRecorded', PaymentRecorded>
  | DomainEvent<'PaymentRequested', PaymentRequested>
  | DomainEvent<'PaymentFailed', PaymentFailed>
  | DomainEvent<'InvoicePaid', InvoicePaid>
  | DomainEvent<'InvoiceUnpaid', InvoiceUnpaid>
  | DomainEvent<'InvoiceUncollectible', InvoiceUncollectible>
  | DomainEvent<'InvoiceVoided', InvoiceVoided>
  | DomainEvent<'CreditNoteOpened', CreditNoteOpened>
  | DomainEvent<'CreditNoteIssued', CreditNoteIssued>
  | DomainEvent<'CreditsDriven', CreditsDriven>
  | DomainEvent<'SubscriptionDriven', SubscriptionDriven>
  | DomainEvent<'CommandRefused', CommandRefused>
  | DomainEvent<'NothingChanged', NothingChanged>;

/** What an invoice is about, copied so that it says the same for ever. */
export interface InvoiceHead {
  readonly invoiceId: StoredId;
  readonly customerId: StoredId;
  readonly subscriptionId?: StoredId;
  readonly billTo: BillTo;
  /** Who sends it; absent where nobody has said. */
  readonly billFrom?: BillingIdentity;
  readonly period?: StoredPeriod;
}

/** The customer as it was when the invoice was made. */
export interface BillTo {
  readonly name: string;
  readonly businessName?: string;
  readonly taxId?: string;
  readonly email?: string;
  /** IANA name of the zone whose days the invoice names; absent: UTC. */
  readonly timezone?: string;
}

/**
 * The charges are fixed: usage recorded from now on is for the next invoice. What is still to come is decided by them alone,
 * so that whoever goes on after a crash makes the same invoice: monetary credits, a number, tax.
 */
export interface InvoiceSealed extends InvoiceHead, InvoiceCharges {
  /** Names the series that gives it its number. */
  readonly numberPrefix: string;
  /** Days after the day of issue on which it is due. */
  readonly dueDays: number;
  /** Absent: nothing happens by itself where it is not paid. */
  readonly dunning?: DunningPolicy;
  readonly sealedAt: StoredInstant;
}

/** The invoice was issued. What it says never changes. */
export interface InvoiceFinalized extends InvoiceHead, InvoiceContent {
  /** Such as `ACME-007`: gapless in its series. */
  readonly number: string;
  readonly issuedAt: StoredInstant;
  readonly dueAt: StoredInstant;
  /** More is given back than charged. */
  readonly overpaid?: Overpaid;
}

/** What was paid beyond what is owed: it becomes monetary credit of the customer. */
export interface Overpaid {
  readonly amount: StoredAmount;
  /** The grant that it becomes. */
  readonly grantId: StoredId;
}

/** Money came in: a fact of the world, so it is recorded whatever the invoice is by then. */
export interface PaymentRecorded {
  /** The same payment counts once. */
  readonly paymentId: StoredId;
  /** Above zero; whole minor units. */
  readonly amount: StoredAmount;
  /** `manual`, or who collected it. */
  readonly provider: string;
  /** What the provider, or the bank, calls it. */
  readonly reference?: string;
  /** Sum of all payments. */
  readonly paidAfter: StoredAmount;
  readonly dueAfter: StoredAmount;
  readonly overpaid?: Overpaid;
  readonly paidAt: StoredInstant;
}

/** What is due is to be collected. Nobody is called: whoever collects finds it in the list of the invoice's payments. */
export interface PaymentRequested {
  /** 1 or more, one by one. */
  readonly attempt: number;
  /** `failed`: the method before it did not pay; `retry`: a day of the policy has come. */
  readonly cause: 'issued' | 'failed' | 'retry';
  /** What to charge; absent: the customer has no method. */
  readonly method?: RequestedMethod;
  /** All that is due. */
  readonly amount: StoredAmount;
  readonly at: StoredInstant;
}

/** A payment method as it stood when it was asked for. */
export interface RequestedMethod {
  readonly methodId: StoredId;
  readonly provider: PaymentProvider;
  /** What the provider calls it. */
  readonly reference: string;
}

/** Somebody tried to pay, or to charge, and no money came. */
export interface PaymentFailed {
  readonly provider: PaymentProvider;
  /** What the provider calls the payment. */
  readonly reference?: string;
  /** What the provider calls the method. */
  readonly methodReference?: string;
  readonly reason: string;
  /** The attempt that it ends; absent: none was open. */
  readonly attempt?: number;
  readonly at: StoredInstant;
}

/** Nothing is owed any more. */
export interface InvoicePaid {
  readonly paidAt: StoredInstant;
}

/** Payment failed, or did not come in time. */
export interface InvoiceUnpaid {
  readonly reason: string;
  readonly at: StoredInstant;
}

/** Payment is not expected any more. */
export interface InvoiceUncollectible {
  readonly reason: string;
  /** What is to become of the subscription; absent: it goes on. */
  readonly subscription?: 'pause' | 'cancel';
  readonly at: StoredInstant;
}

/** Nothing of it is owed; it keeps its number. The credits it used go back to the grants they came from. */
export interface InvoiceVoided {
  readonly reason: string;
  readonly returns: readonly CreditReturn[];
  readonly voidedAt: StoredInstant;
}

/** A reversal on the customer's account. */
export interface CreditReturn {
  readonly reversalId: StoredId;
  readonly consumptionId: StoredId;
  readonly amount: StoredAmount;
}

/** Part of an invoice is taken back. */
export interface CreditNoteContent {
  readonly creditNoteId: StoredId;
  readonly reason: string;
  /** What is taken back of each charge: first what was left to pay, then what credits paid. */
  readonly lines: readonly CreditNoteLine[];
  /** What is no longer to be paid, before tax. */
  readonly net: StoredAmount;
  readonly tax: StoredAmount;
  /** net + tax. All notes of an invoice together are at most its total. */
  readonly total: StoredAmount;
  readonly returns: readonly CreditReturn[];
}

export interface CreditNoteLine {
  /** Of the invoice. */
  readonly lineId: StoredId;
  readonly amount: StoredAmount;
  /** The part of it that goes back to grants. */
  readonly returned: StoredAmount;
}

/** What a credit note says is fixed, and nothing else may take it back; it has no number yet. */
export interface CreditNoteOpened extends CreditNoteContent {
  readonly openedAt: StoredInstant;
}

/** The credit note was issued. */
export interface CreditNoteIssued extends CreditNoteContent {
  /** Such as `ACME-CN-002`: gapless in the series of credit notes. */
  readonly number: string;
  readonly dueAfter: StoredAmount;
  readonly overpaid?: Overpaid;
  readonly issuedAt: StoredInstant;
}

/** The customer's account has everything that follows from the facts up to a revision of this stream. */
export interface CreditsDriven {
  readonly throughRevision: number;
}

/** The subscription has heard what follows from the facts up to a revision of this stream. */
export interface SubscriptionDriven {
  readonly throughRevision: number;
}

/** What a command with a key asked for, the state of the invoice did not allow. It stays refused under the key. */
export interface CommandRefused {
  /** Such as `invoices.void`. */
  readonly operation: string;
  readonly code: RefusalCode;
  readonly detail: string;
}

export type RefusalCode = 'invoice_not_open' | 'credit_note_exceeded';

/** What a command with a key asked for was so already: the fact remembers the key. */
export interface NothingChanged {
  readonly operation: string;
}

export type UnmatchedPaymentEvent = DomainEvent<'PaymentUnmatched', PaymentUnmatched>;

/** Money came that cannot be booked: somebody must look. */
export interface PaymentUnmatched {
  readonly provider: Exclude<PaymentProvider, 'manual'>;
  /** What the provider calls the payment. */
  readonly reference: string;
  /** As the provider names it. */
  readonly invoiceId: string;
  /** Minor units. */
  readonly amount: StoredAmount;
  /** ISO 4217. */
  readonly currency: string;
  readonly reason: 'invoice_unknown' | 'currency_differs';
  readonly at: StoredInstant;
}

export type InvoiceNumberEvent = DomainEvent<'NumbersTaken', NumbersTaken>;

/**
 * The next numbers of a series belong to these invoices, or credit notes. They must have them before any other gets one:
 * whoever comes next finishes them first.
 */
export interface NumbersTaken {
  /** 1 or more. */
  readonly first: number;
  /** In the order of their numbers. */
  readonly ids: readonly StoredId[];
}
