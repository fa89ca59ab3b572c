import { readInstant, type Decider, type DomainEvent, type StoredId, type StoredInstant } from '#libs/kernel';
import type { Bound } from './due-charges.js';

export type ClosingEvent = DomainEvent<'ChargesClosed', ChargesClosed>;

/**
 * What a subscription is charged up to here is fixed: everything due at or before `at` that stands in the subscription and the
 * accounts up to these revisions, less what was closed before. So the same log makes the same invoice, whoever makes it.
 */
export interface ChargesClosed {
  /** 1 or more, one by one. */
  readonly number: number;
  readonly at: StoredInstant;
  /** Of the subscription's stream; included. */
  readonly subscriptionRevision: number;
  /** Whose usage is charged: the customer first, then seats. */
  readonly accounts: readonly ClosedAccount[];
  /** The invoices that charge it, one for each currency; none where there was nothing to charge. */
  readonly invoices: readonly { readonly invoiceId: StoredId; readonly currency: string }[];
}

export interface ClosedAccount {
  readonly customerId: StoredId;
  /** Of the account's stream; included. */
  readonly throughRevision: number;
  /** The first revision at which something stands that is to be charged later. */
  readonly openFrom: number;
}

/** Null: nothing was closed yet. */
export type Closed = ChargesClosed | null;

export interface CloseCharges {
  readonly type: 'CloseCharges';
  readonly closing: ChargesClosed;
}

/** Decides nothing where somebody else has closed the same, or more: whoever asked looks again. */
export const closings: Decider<Closed, CloseCharges, ClosingEvent> = {
  initialState: null,
  decide: ({ closing }, closed) =>
    closing.number === (closed?.number ?? 0) + 1 ? [{ type: 'ChargesClosed', data: closing }] : [],
  evolve: (closed, { data }) => {
    if (data.number !== (closed?.number ?? 0) + 1)
      throw new Error(`history contradicts itself: closing ${data.number} after ${closed?.number ?? 0}`);
    return data;
  },
};

/** An account and the inclusive revision up to which its usage is looked at. */
export interface AccountBound {
  readonly customerId: string;
  readonly throughRevision: number;
}

/** Up to where charges are to be closed. */
export interface Closing {
  readonly bound: Bound;
  readonly accounts: readonly AccountBound[];
}

/** Up to where they were. */
export interface PastClosing extends Closing {
  readonly number: number;
  /** By customer: the first revision at which something stands that is to be charged later. */
  readonly openFrom: ReadonlyMap<string, number>;
}

/** What was closed up to a bound, for what comes after. */
export const pastClosing = (
  number: number,
  bound: Bound,
  accounts: readonly ClosedAccount[],
): PastClosing => ({
  number,
  bound,
  accounts,
  openFrom: new Map(accounts.map(({ customerId, openFrom }) => [customerId, openFrom])),
});

/** A closing as it stands in the log. */
export const closingOf = ({ number, at, subscriptionRevision, accounts }: ChargesClosed): PastClosing =>
  pastClosing(number, { at: readInstant(at), revision: subscriptionRevision }, accounts);
