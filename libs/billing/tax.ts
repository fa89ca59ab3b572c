import { formatAmount, readAmount, type Amount, type StoredAmount } from '#libs/kernel';
import type { TaxLine } from './lines.js';
import { roundToMinor } from './rating.js';

/** What is known of a customer's tax when an invoice is made. */
export interface TaxTerms {
  readonly taxId?: string | undefined;
  readonly businessName?: string | undefined;
  /** The customer pays none; why, where that is known. */
  readonly exempt?: { readonly reason?: string | undefined } | undefined;
  /** The customer's own rate. */
  readonly manual?: TaxRate | undefined;
  /** The merchant's, for customers without one. */
  readonly standard?: TaxRate | undefined;
}

export interface TaxRate {
  /** A fraction: 0.19 is 19 %. */
  readonly rate: Amount;
  readonly description?: string | undefined;
}

/** The rate of an invoice and why it is that one. */
export interface InvoiceTax {
  readonly method: 'exempt' | 'manual' | 'default' | 'none';
  /** A fraction: 0.19 is 19 %. */
  readonly rate: StoredAmount;
  /** Why there is none: `b2c_tax_not_supported`, `no_tax_rate`, or what the exemption says. */
  readonly reason?: string;
  readonly description?: string;
}

/** Exempt customers pay none; neither do those with neither tax id nor business name; then the customer's rate, then the merchant's. */
export function taxOf({ taxId, businessName, exempt, manual, standard }: TaxTerms): InvoiceTax {
  if (exempt)
    return { method: 'exempt', rate: '0', ...(exempt.reason === undefined ? {} : { reason: exempt.reason }) };
  if (!taxId && !businessName) return { method: 'none', rate: '0', reason: 'b2c_tax_not_supported' };
  const method = manual ? 'manual' : 'default';
  const rate = manual ?? standard;
  if (!rate) return { method: 'none', rate: '0', reason: 'no_tax_rate' };
  return {
    method,
    rate: formatAmount(rate.rate),
    ...(rate.description === undefined ? {} : { description: rate.description }),
  };
}

/** The tax on an amount of 0 or more. */
export const taxOn = ({ rate }: InvoiceTax, taxable: Amount): Amount =>
  roundToMinor(taxable * readAmount(rate));

/** The line of the tax; none where the rate is 0, or nothing remains to be taxed. */
export function taxLines(tax: InvoiceTax, taxable: Amount, lineId: number): readonly TaxLine[] {
  if (readAmount(tax.rate) === 0n || taxable <= 0n) return [];
  return [
    {
      type: 'tax',
      lineId: String(lineId),
      description: tax.description ?? `Tax ${percent(readAmount(tax.rate))} %`,
      rate: tax.rate,
      taxable: formatAmount(taxable),
      amount: formatAmount(taxOn(tax, taxable)),
      rounding: 'half_away_from_zero',
    },
  ];
}

const percent = (rate: Amount): string => formatAmount(rate * 100n);
