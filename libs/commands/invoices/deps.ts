import {
  closings,
  invoice,
  numberSeries,
  type Closed,
  type CloseCharges,
  type ClosingEvent,
  type InvoiceCommand,
  type InvoiceEvent,
  type InvoiceNumberEvent,
  type InvoiceState,
  type NumberSeries,
  type TakeNumbers,
} from '#libs/billing';
import type { Position } from '#libs/event-store';
import { eventTypesOf } from '#libs/event-types';
import type { Instant } from '#libs/kernel';
import type { CreditsDeps } from '../credits/deps.js';
import type { StreamKind } from '../stream-kind.js';
import type { SubscriptionsDeps } from '../subscriptions/deps.js';

/** What the commands on invoices work with. */
export interface InvoicesDeps {
  readonly credits: CreditsDeps;
  readonly lookups: InvoiceLookups;
  /** What an invoice that is given up may end. */
  readonly subscriptions: SubscriptionsDeps;
}

/** What invoicing must find in the read models, or Problem `read_model_behind`. */
export interface InvoiceLookups {
  /**
   * Subscriptions with charges to close or invoices to finish, and those that ended by an instant whose late usage is not
   * closed yet, as of the end of the log: a page after the id `after`, in order of their ids.
   */
  subscriptionsToBill(tenant: string, endedBy: Instant, after: string | null): Promise<readonly string[]>;
  /** Invoices of which something is due at an instant, or is not driven yet, as of the end of the log: a page in the same way. */
  invoicesDue(tenant: string, at: Instant, after: string | null): Promise<readonly string[]>;
  /** Every subscription of these customers, over or not, that was made by `position`; maybe later ones. */
  subscriptionsOfAll(
    tenant: string,
    customerIds: readonly string[],
    position: Position,
  ): Promise<readonly { readonly id: string; readonly createdPosition: bigint }[]>;
}

/** The streams of invoices, named by the invoice's id. */
export const invoices: StreamKind<InvoiceState, InvoiceCommand, InvoiceEvent> = {
  category: 'invoice',
  decider: invoice,
  eventTypes: eventTypesOf('invoice'),
  // what time has made due counts from its own instant
  effectiveAt: ({ data }) => ('at' in data ? data.at : undefined),
};

/** What a subscription has been charged, named by the subscription's id. */
export const subscriptionBilling: StreamKind<Closed, CloseCharges, ClosingEvent> = {
  category: 'subscriptionBilling',
  decider: closings,
  eventTypes: eventTypesOf('subscriptionBilling'),
  effectiveAt: ({ data }) => data.at,
};

/** Numbers, named by their prefix. */
export const invoiceNumbers: StreamKind<NumberSeries, TakeNumbers, InvoiceNumberEvent> = {
  category: 'invoiceNumbers',
  decider: numberSeries,
  eventTypes: eventTypesOf('invoiceNumbers'),
};
