import { readAmount, readInstant, type Amount, type Instant } from '#libs/kernel';
import type {
  CreditNoteContent,
  CreditReturn,
  InvoiceEvent,
  InvoiceFinalized,
  InvoiceSealed,
  Overpaid,
  PaymentFailed,
  PaymentRecorded,
  PaymentRequested,
} from './invoice-events.js';

/**
 * `sealed` is a draft to everybody else. From `issued` on: paid, unpaid or uncollectible, as payments come or do not; void
 * for good.
 */
export type InvoiceStatus = 'none' | 'sealed' | 'issued' | 'unpaid' | 'paid' | 'uncollectible' | 'void';

export interface InvoiceState {
  readonly status: InvoiceStatus;
  /** Of the stream; -1 before the first fact. */
  readonly revision: number;
  readonly sealed: InvoiceSealed | null;
  readonly final: InvoiceFinalized | null;
  readonly paid: Amount;
  /** Totals of the credit notes that were issued. */
  readonly credited: Amount;
  /** What became credit of the customer. */
  readonly overpaid: Amount;
  /** By their ids, in the order in which they came. */
  readonly payments: ReadonlyMap<string, PaymentRecorded>;
  readonly failures: readonly PaymentFailed[];
  readonly creditNotes: ReadonlyMap<string, CreditNote>;
  /** What was asked for, in order. */
  readonly attempts: readonly Attempt[];
  /** What the provider calls the methods that were tried since payment was asked for anew. */
  readonly tried: readonly string[];
  /** Null while it was never unpaid. */
  readonly unpaidAt: Instant | null;
  /** What the subscription is to be told and is not known to have heard. */
  readonly subscription: { readonly revision: number; readonly action: 'pause' | 'cancel' } | null;
  /** What follows on the customer's account and is not known to be there. */
  readonly toDrive: readonly AccountWork[];
}

export interface CreditNote {
  readonly content: CreditNoteContent;
  /** Null until it is issued. */
  readonly number: string | null;
}

/** A request for payment, and what became of it; `withdrawn`: another took its place, or nothing is expected any more. */
export interface Attempt extends PaymentRequested {
  readonly status: 'requested' | 'failed' | 'paid' | 'withdrawn';
}

/** What one fact wants of the customer's account: reversals, and a grant of what was overpaid. */
export interface AccountWork {
  readonly revision: number;
  readonly returns: readonly CreditReturn[];
  readonly grant: Overpaid | null;
  /** Whether the grant is money that came in, tax and all; else it is what was given back of prices, before tax. */
  readonly received: boolean;
}

export const initialInvoice: InvoiceState = {
  status: 'none',
  revision: -1,
  sealed: null,
  final: null,
  paid: 0n,
  credited: 0n,
  overpaid: 0n,
  payments: new Map(),
  failures: [],
  creditNotes: new Map(),
  attempts: [],
  tried: [],
  unpaidAt: null,
  subscription: null,
  toDrive: [],
};

/** What is owed in all: the total less credit notes; nothing of a void invoice. May be below zero. */
export const owedOf = ({ status, final, credited }: InvoiceState): Amount =>
  status === 'void' || final === null ? 0n : readAmount(final.total) - credited;

/** What is still to be paid. paid + due = owed + overpaid. */
export const dueOf = (state: InvoiceState): Amount => above(owedOf(state) - state.paid);

/** What was paid beyond what is owed. */
export const excessOf = (state: InvoiceState): Amount => above(state.paid - owedOf(state));

const above = (amount: Amount): Amount => (amount > 0n ? amount : 0n);

/** @throws Error where facts contradict each other, or one is not known: replay stops, it never guesses */
export function evolveInvoice(before: InvoiceState, event: InvoiceEvent): InvoiceState {
  const state = { ...before, revision: before.revision + 1 };
  if ((event.type === 'InvoiceSealed') !== (before.status === 'none')) throw new Error(contradiction(event));
  switch (event.type) {
    case 'InvoiceSealed':
      return { ...state, status: 'sealed', sealed: event.data };
    case 'InvoiceFinalized':
      if (before.status !== 'sealed') throw new Error(contradiction(event));
      return withWork({ ...state, status: 'issued', final: event.data }, [], event.data.overpaid, false);
    case 'PaymentRecorded': {
      const { paymentId, amount, overpaid } = event.data;
      const payments = new Map(state.payments).set(paymentId, event.data);
      return withWork({ ...state, payments, paid: state.paid + readAmount(amount) }, [], overpaid);
    }
    case 'PaymentRequested':
      return requested(state, event.data);
    case 'PaymentFailed': {
      const { methodReference: reference } = event.data;
      const tried = reference === undefined ? state.tried : [...state.tried, reference];
      return { ...state, tried, failures: [...state.failures, event.data], attempts: ended(state, 'failed') };
    }
    case 'InvoicePaid':
      return { ...state, status: 'paid', attempts: ended(state, 'paid') };
    case 'InvoiceUnpaid':
      return { ...state, status: 'unpaid', unpaidAt: readInstant(event.data.at) };
    case 'InvoiceUncollectible': {
      const { subscription: action } = event.data;
      const subscription = action === undefined ? null : { revision: state.revision, action };
      return { ...state, status: 'uncollectible', attempts: ended(state, 'withdrawn'), subscription };
    }
    case 'InvoiceVoided': {
      const attempts = ended(state, 'withdrawn');
      return withWork({ ...state, status: 'void', attempts }, event.data.returns, undefined);
    }
    case 'CreditNoteOpened':
      return { ...state, creditNotes: withNote(state, event.data, null) };
    case 'CreditNoteIssued': {
      const { total, number, returns, overpaid } = event.data;
      const creditNotes = withNote(state, event.data, number);
      return withWork(
        { ...state, creditNotes, credited: state.credited + readAmount(total) },
        returns,
        overpaid,
      );
    }
    case 'CreditsDriven': {
      const { throughRevision } = event.data;
      return { ...state, toDrive: state.toDrive.filter(({ revision }) => revision > throughRevision) };
    }
    case 'SubscriptionDriven':
      return { ...state, subscription: null };
    case 'CommandRefused':
    case 'NothingChanged':
      return state;
    default:
      throw new Error(`unknown invoice event ${(event as { type: string }).type}`);
  }
}

function withWork(
  state: InvoiceState,
  returns: readonly CreditReturn[],
  grant: Overpaid | undefined,
  received = true,
): InvoiceState {
  if (returns.length === 0 && grant === undefined) return state;
  const work: AccountWork = { revision: state.revision, returns, grant: grant ?? null, received };
  return {
    ...state,
    overpaid: state.overpaid + (grant === undefined ? 0n : readAmount(grant.amount)),
    toDrive: [...state.toDrive, work],
  };
}

/** A new round begins wherever the attempt is no answer to a failure. */
function requested(state: InvoiceState, request: PaymentRequested): InvoiceState {
  const { cause, method } = request;
  const before = cause === 'failed' ? state.tried : [];
  return {
    ...state,
    attempts: [...ended(state, 'withdrawn'), { ...request, status: 'requested' }],
    tried: method === undefined ? before : [...before, method.reference],
  };
}

/** The attempts once the open one, which is the last if any, has ended. */
const ended = ({ attempts }: InvoiceState, status: Attempt['status']): readonly Attempt[] =>
  attempts.map((attempt) => (attempt.status === 'requested' ? { ...attempt, status } : attempt));

function withNote(
  { creditNotes }: InvoiceState,
  { creditNoteId, reason, lines, net, tax, total, returns }: CreditNoteContent,
  number: string | null,
): InvoiceState['creditNotes'] {
  const content = { creditNoteId, reason, lines, net, tax, total, returns };
  return new Map(creditNotes).set(creditNoteId, { content, number });
}

const contradiction = ({ type }: InvoiceEvent): string => `history contradicts itself: ${type}`;
