import { readAmount, type Amount } from '#libs/kernel';
import { completeInvoice, type InvoiceCharges } from './compose.js';
import { ONE, roundToMinor } from './rating.js';
import type { MonetaryDraw } from './waterfall.js';

/**
 * What a customer's balance pays: the total of an invoice, tax and all, as other money does. It names no component that a
 * price could have, so that grants of it stay out of what reduces a price before tax.
 */
export const BALANCE_PAYS = '~total';

/** Of the balance for an invoice, as that of a line that none is; the payment has the same id. */
export const balanceDrawId = (invoiceId: string): string => `${invoiceId}~0`;

/** Whether a consumption is one of the balance for an invoice. */
export const isBalanceDraw = (consumptionId: string): boolean => consumptionId.endsWith('~0');

/** What was drawn of a customer's balance for an invoice: whole minor units. */
export interface BalanceDraw {
  readonly drawId: string;
  readonly amount: Amount;
}

/** What is to be paid of an invoice once credits have reduced it; zero or below: nothing. */
export const toPay = (charges: InvoiceCharges, draws: readonly MonetaryDraw[]): Amount =>
  readAmount(completeInvoice(charges, draws).total);

/** What was drawn in whole minor units, as on any line. */
export const wholeOf = (drawn: Amount): Amount => roundToMinor(drawn * ONE);
