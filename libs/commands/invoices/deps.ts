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
import type { CreditsDeps } from '../credits/deps.js';
import type { StreamKind } from '../stream-kind.js';

/** What the commands on invoices work with. */
export interface InvoicesDeps {
  readonly credits: CreditsDeps;
  readonly lookups: InvoiceLookups;
}

/** What invoicing must find in the read models, or Problem `read_model_behind`. */
export interface InvoiceLookups {
  /**
   * Subscriptions with charges to close or invoices to finish, as of the end of the log: a page after the id `after`, in
   * order of their ids.
   */
  subscriptionsToBill(tenant: string, after: string | null): Promise<readonly string[]>;
  /** Every subscription of these customers, over or not, that was made by `position`; maybe later ones. */
  subscriptionsOfAll(
    tenant: string,
    customerIds: readonly string[],
    position: Position,
  ): Promise<readonly { readonly id: string; readonly createdPosition: bigint }[]>;
}

/** Begins the numbers of customers that have no prefix of their own. */
export const NUMBER_PREFIX = 'INV';
/** Days after the day of issue on which an invoice is due. */
export const DUE_DAYS = 14;

/** The streams of invoices, named by the invoice's id. */
export const invoices: StreamKind<InvoiceState, InvoiceCommand, InvoiceEvent> = {
  category: 'invoice',
  decider: invoice,
  eventTypes: eventTypesOf('invoice'),
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
