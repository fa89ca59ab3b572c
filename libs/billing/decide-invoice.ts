import type { BillingIdentity, DunningPolicy, PaymentProvider } from '#libs/catalog';
import {
  DAY,
  formatAmount,
  formatInstant,
  Problem,
  readAmount,
  type Amount,
  type Decider,
  type Instant,
} from '#libs/kernel';
import { completeInvoice, type InvoiceCharges } from './compose.js';
import type { BalanceDraw } from './balance.js';
import { creditNoteContent, returnsOfAll, type CreditNoteRequest } from './credit-note.js';
import { dueFacts, paymentRequest } from './dunning.js';
import type {
  BillTo,
  InvoiceEvent,
  InvoiceFinalized,
  InvoiceSealed,
  Overpaid,
  RequestedMethod,
} from './invoice-events.js';
import {
  dueOf,
  evolveInvoice,
  excessOf,
  initialInvoice,
  type InvoiceState,
  type InvoiceStatus,
} from './invoice.js';
import type { StoredPeriod } from './lines.js';
import { ONE } from './rating.js';
import type { MonetaryDraw } from './waterfall.js';

export type InvoiceCommand =
  | SealInvoice
  | FinalizeInvoice
  | RecordPayment
  | MarkPaid
  | RecordFailure
  | SettleInvoice
  | Mark<'MarkUncollectible'>
  | Mark<'VoidInvoice'>
  | OpenCreditNote
  | IssueCreditNote
  /** Asks for an invoice that is issued, which it is by now. */
  | { readonly type: 'ConfirmFinalized' }
  | { readonly type: 'RecordDriven' | 'RecordSubscriptionDriven'; readonly throughRevision: number };

export interface SealInvoice {
  readonly type: 'SealInvoice';
  readonly invoiceId: string;
  readonly customerId: string;
  readonly subscriptionId?: string | undefined;
  readonly billTo: BillTo;
  readonly billFrom?: BillingIdentity;
  readonly period?: StoredPeriod | undefined;
  readonly charges: InvoiceCharges;
  readonly numberPrefix: string;
  readonly dueDays: number;
  readonly dunning?: DunningPolicy;
  readonly now: Instant;
}

export interface FinalizeInvoice {
  readonly type: 'FinalizeInvoice';
  readonly number: string;
  /** What the account gave for its lines, in their order. */
  readonly draws: readonly MonetaryDraw[];
  /** What the customer's balance paid of the total; absent: nothing. */
  readonly balance?: BalanceDraw | undefined;
  /** Id of the grant that an overpayment becomes. */
  readonly creditGrantId: string;
  readonly now: Instant;
}

export interface RecordPayment {
  readonly type: 'RecordPayment';
  readonly paymentId: string;
  /** Above zero; whole minor units. */
  readonly amount: Amount;
  readonly provider: string;
  readonly reference?: string | undefined;
  readonly creditGrantId: string;
  readonly paidAt: Instant;
}

/** No money came of a payment, and the next method is asked for. */
export interface RecordFailure {
  readonly type: 'RecordFailure';
  readonly provider: PaymentProvider;
  readonly reference?: string | undefined;
  /** The method that was tried, where that is known. */
  readonly methodReference?: string | undefined;
  readonly reason: string;
  /** Of the customer, in order. */
  readonly methods: readonly RequestedMethod[];
  readonly now: Instant;
}

/** Records what time has made due of the collection. */
export interface SettleInvoice {
  readonly type: 'SettleDue';
  readonly methods: readonly RequestedMethod[];
  /** Not after now. */
  readonly upTo: Instant;
}

/** All that is due was paid. */
export interface MarkPaid {
  readonly type: 'MarkPaid';
  readonly paymentId: string;
  readonly reference?: string | undefined;
  readonly creditGrantId: string;
  readonly now: Instant;
}

export interface Mark<Type extends string> {
  readonly type: Type;
  readonly reason: string;
  readonly now: Instant;
}

export interface OpenCreditNote extends CreditNoteRequest {
  readonly type: 'OpenCreditNote';
  readonly now: Instant;
}

export interface IssueCreditNote {
  readonly type: 'IssueCreditNote';
  readonly creditNoteId: string;
  readonly number: string;
  readonly creditGrantId: string;
  readonly now: Instant;
}

/** In which statuses a command changes something, and in which it has nothing left to do. Everywhere else it is refused. */
const ALLOWED: Readonly<
  Record<
    InvoiceCommand['type'],
    { readonly in: readonly InvoiceStatus[]; readonly done: readonly InvoiceStatus[] }
  >
> = {
  SealInvoice: { in: ['none'], done: ['sealed', 'issued', 'unpaid', 'paid', 'uncollectible', 'void'] },
  FinalizeInvoice: { in: ['sealed'], done: ['issued', 'unpaid', 'paid', 'uncollectible', 'void'] },
  ConfirmFinalized: { in: [], done: ['issued', 'unpaid', 'paid', 'uncollectible', 'void'] },
  RecordPayment: { in: ['issued', 'unpaid', 'paid', 'uncollectible', 'void'], done: [] },
  MarkPaid: { in: ['issued', 'unpaid', 'uncollectible'], done: ['paid'] },
  RecordFailure: { in: ['issued', 'unpaid'], done: [] },
  SettleDue: { in: ['issued', 'unpaid'], done: ['none', 'sealed', 'paid', 'uncollectible', 'void'] },
  MarkUncollectible: { in: ['issued', 'unpaid'], done: ['uncollectible'] },
  VoidInvoice: { in: ['issued', 'unpaid', 'uncollectible'], done: ['void'] },
  OpenCreditNote: { in: ['issued', 'unpaid', 'paid', 'uncollectible'], done: [] },
  IssueCreditNote: { in: ['issued', 'unpaid', 'paid', 'uncollectible'], done: [] },
  RecordDriven: { in: ['issued', 'unpaid', 'paid', 'uncollectible', 'void'], done: [] },
  RecordSubscriptionDriven: { in: ['issued', 'unpaid', 'paid', 'uncollectible', 'void'], done: [] },
};

/**
 * The choices of an invoice.
 * @throws Problem `not_found` before it is sealed, and for a credit note; `invoice_not_open` where its status does not allow
 *   it, and for voiding what was paid or credited in part; `credit_note_exceeded`; `validation_failed` for lines of a note
 */
export function decideInvoice(command: InvoiceCommand, state: InvoiceState): readonly InvoiceEvent[] {
  const { status } = state;
  const allowed = ALLOWED[command.type];
  if (allowed.done.includes(status)) {
    if (command.type === 'FinalizeInvoice') refuseOtherNumber(state.final!.number, command.number);
    return [];
  }
  if (!allowed.in.includes(status)) {
    if (status === 'none') throw new Problem('not_found', 'There is no such invoice.');
    throw notOpen(`That is not possible: the invoice is ${status}.`);
  }
  switch (command.type) {
    case 'ConfirmFinalized':
      return [];
    case 'SealInvoice':
      return [seal(command)];
    case 'FinalizeInvoice':
      return finalize(command, state, state.sealed!);
    case 'RecordPayment':
      return recordPayment(command, state);
    case 'MarkPaid': {
      const { now, ...payment } = command;
      const amount = dueOf(state);
      return recordPayment(
        { ...payment, type: 'RecordPayment', amount, provider: 'manual', paidAt: now },
        state,
      );
    }
    case 'RecordFailure':
      return recordFailure(command, state);
    case 'SettleDue':
      return dueFacts(state, command.upTo, command.methods);
    case 'MarkUncollectible':
      return [
        { type: 'InvoiceUncollectible', data: { reason: command.reason, at: formatInstant(command.now) } },
      ];
    case 'VoidInvoice':
      return [voidInvoice(command, state)];
    case 'OpenCreditNote': {
      if (state.creditNotes.has(command.creditNoteId)) return [];
      const content = creditNoteContent(command, state);
      return [{ type: 'CreditNoteOpened', data: { ...content, openedAt: formatInstant(command.now) } }];
    }
    case 'IssueCreditNote':
      return issueCreditNote(command, state);
    case 'RecordDriven': {
      const { throughRevision } = command;
      const known = state.toDrive.some(({ revision }) => revision <= throughRevision);
      return known ? [{ type: 'CreditsDriven', data: { throughRevision } }] : [];
    }
    case 'RecordSubscriptionDriven': {
      const { throughRevision } = command;
      const known = (state.subscription?.revision ?? Infinity) <= throughRevision;
      return known ? [{ type: 'SubscriptionDriven', data: { throughRevision } }] : [];
    }
  }
}

export const invoice: Decider<InvoiceState, InvoiceCommand, InvoiceEvent> = {
  initialState: initialInvoice,
  decide: decideInvoice,
  evolve: evolveInvoice,
};

const notOpen = (detail: string): Problem => new Problem('invoice_not_open', detail);

function seal({ type: _, charges, now, period, subscriptionId, ...rest }: SealInvoice): InvoiceEvent {
  const data: InvoiceSealed = {
    ...rest,
    ...charges,
    ...(subscriptionId === undefined ? {} : { subscriptionId }),
    ...(period === undefined ? {} : { period }),
    sealedAt: formatInstant(now),
  };
  return { type: 'InvoiceSealed', data };
}

function finalize(
  { number, draws, balance, creditGrantId, now }: FinalizeInvoice,
  state: InvoiceState,
  sealed: InvoiceSealed,
): readonly InvoiceEvent[] {
  const { numberPrefix: _, dueDays, dunning: __, sealedAt: ___, currency, lines, taxation, ...head } = sealed;
  const data: InvoiceFinalized = {
    ...head,
    ...completeInvoice({ currency, lines, taxation }, draws),
    number,
    issuedAt: formatInstant(now),
    dueAt: formatInstant(now + dueDays * DAY),
  };
  const made = settled(
    state,
    (overpaid) => ({ type: 'InvoiceFinalized', data: { ...data, ...overpaid } }),
    creditGrantId,
    now,
  );
  if (!balance || balance.amount === 0n) return made;
  const { drawId: paymentId, amount } = balance;
  const payment = { paymentId, amount, provider: 'balance', creditGrantId, paidAt: now };
  return [
    ...made,
    ...recordPayment({ type: 'RecordPayment', ...payment }, made.reduce(evolveInvoice, state)),
  ];
}

function recordPayment(command: RecordPayment, state: InvoiceState): readonly InvoiceEvent[] {
  const { paymentId, amount, provider, reference, creditGrantId, paidAt } = command;
  if (state.payments.has(paymentId)) return [];
  if (amount <= 0n || amount % ONE !== 0n) throw new Error('a payment is whole minor units, above zero');
  const paid = state.paid + amount;
  return settled(
    state,
    (overpaid) => ({
      type: 'PaymentRecorded',
      data: {
        paymentId,
        amount: formatAmount(amount),
        provider,
        ...(reference === undefined ? {} : { reference }),
        paidAfter: formatAmount(paid),
        dueAfter: formatAmount(dueOf({ ...state, paid })),
        ...overpaid,
        paidAt: formatInstant(paidAt),
      },
    }),
    creditGrantId,
    paidAt,
  );
}

function recordFailure(command: RecordFailure, state: InvoiceState): readonly InvoiceEvent[] {
  const { provider, reference, methodReference, reason, methods, now } = command;
  const open = state.attempts.findLast(({ status }) => status === 'requested');
  const at = formatInstant(now);
  const failed: InvoiceEvent = {
    type: 'PaymentFailed',
    data: {
      provider,
      ...(reference === undefined ? {} : { reference }),
      ...(methodReference === undefined ? {} : { methodReference }),
      reason,
      ...(open === undefined ? {} : { attempt: open.attempt }),
      at,
    },
  };
  const unpaid: readonly InvoiceEvent[] =
    state.status === 'issued' ? [{ type: 'InvoiceUnpaid', data: { reason, at } }] : [];
  const { tried } = evolveInvoice(state, failed);
  const next = methods.find((method) => !tried.includes(method.reference));
  return [failed, ...unpaid, ...(next ? [paymentRequest(state, 'failed', next, now)] : [])];
}

function voidInvoice({ reason, now }: Mark<'VoidInvoice'>, state: InvoiceState): InvoiceEvent {
  if (state.paid > 0n || state.creditNotes.size > 0)
    throw notOpen('The invoice was paid or credited in part: issue a credit note.');
  return {
    type: 'InvoiceVoided',
    data: { reason, returns: returnsOfAll(state.final!), voidedAt: formatInstant(now) },
  };
}

function issueCreditNote(command: IssueCreditNote, state: InvoiceState): readonly InvoiceEvent[] {
  const { creditNoteId, number, creditGrantId, now } = command;
  const note = state.creditNotes.get(creditNoteId);
  if (!note) throw new Problem('not_found', `There is no credit note ${creditNoteId}.`);
  if (note.number !== null) {
    refuseOtherNumber(note.number, number);
    return [];
  }
  const credited = state.credited + readAmount(note.content.total);
  return settled(
    state,
    (overpaid) => ({
      type: 'CreditNoteIssued',
      data: {
        ...note.content,
        number,
        dueAfter: formatAmount(dueOf({ ...state, credited })),
        ...overpaid,
        issuedAt: formatInstant(now),
      },
    }),
    creditGrantId,
    now,
  );
}

/** A number that is taken twice leaves a gap: whoever asks did not look whether it is finished. */
function refuseOtherNumber(has: string, wanted: string): void {
  if (has !== wanted) throw new Error(`${has} cannot become ${wanted}`);
}

/** The fact with what it makes of money that nobody owes, and that nothing is owed any more where that is so. */
function settled(
  state: InvoiceState,
  factOf: (overpaid: { readonly overpaid?: Overpaid }) => InvoiceEvent,
  grantId: string,
  at: Instant,
): readonly InvoiceEvent[] {
  const excess = excessOf(evolveInvoice(state, factOf({}))) - excessOf(state);
  const fact = factOf(excess > 0n ? { overpaid: { amount: formatAmount(excess), grantId } } : {});
  const after = evolveInvoice(state, fact);
  const paid = dueOf(after) === 0n && after.status !== 'paid' && after.status !== 'void';
  return paid ? [fact, { type: 'InvoicePaid', data: { paidAt: formatInstant(at) } }] : [fact];
}
