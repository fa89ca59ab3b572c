import { formatAmount, readAmount, type Amount, type StoredSignedAmount } from '#libs/kernel';
import type { ChargeLine, InvoiceLine, UsageCreditLine } from './lines.js';
import { taxLines, type InvoiceTax } from './tax.js';
import { creditLines, payables, type MonetaryDraw } from './waterfall.js';

/** What an invoice says. Every amount is the sum of lines; total = subtotal + credits + tax. */
export interface InvoiceContent {
  /** ISO 4217; amounts are its minor units, whole. */
  readonly currency: string;
  readonly lines: readonly InvoiceLine[];
  /** Charges less usage credits. Below zero where more is given back than charged. */
  readonly subtotal: StoredSignedAmount;
  /** Monetary credits: zero or below. */
  readonly credits: StoredSignedAmount;
  readonly tax: StoredSignedAmount;
  readonly total: StoredSignedAmount;
  readonly taxation: InvoiceTax;
}

/** The part of an invoice that needs no credit yet: from here on only draws decide. */
export interface InvoiceCharges {
  readonly currency: string;
  readonly lines: readonly (ChargeLine | UsageCreditLine)[];
  readonly taxation: InvoiceTax;
}

/**
 * The invoice with what was drawn for it.
 * @throws Error when more was drawn for a line than it can take
 */
export function completeInvoice(
  { currency, lines, taxation }: InvoiceCharges,
  draws: readonly MonetaryDraw[],
): InvoiceContent {
  const credits = creditLines(payables(lines), draws, lines.length + 1);
  const subtotal = sumOf(lines);
  const paid = sumOf(credits);
  const tax = taxLines(taxation, subtotal + paid, lines.length + credits.length + 1);
  return {
    currency,
    lines: [...lines, ...credits, ...tax],
    subtotal: formatAmount(subtotal),
    credits: formatAmount(paid),
    tax: formatAmount(sumOf(tax)),
    total: formatAmount(subtotal + paid + sumOf(tax)),
    taxation,
  };
}

/** What lines come to. */
export const sumOf = (lines: readonly InvoiceLine[]): Amount =>
  lines.reduce((sum, { amount }) => sum + readAmount(amount), 0n);
