import { issue, parseAmount, type Issue, type StoredAmount } from '#libs/kernel';
import type { DocumentKind } from './document.js';

/** Who collects money. `manual`: whoever tells us that it came. */
export const PAYMENT_PROVIDERS = ['manual', 'stripe', 'dodo'] as const;
export type PaymentProvider = (typeof PAYMENT_PROVIDERS)[number];

/** What happens to an invoice that is given up; it is uncollectible in any case. */
export const DUNNING_ENDS = ['uncollectible', 'pause_subscription', 'cancel_subscription'] as const;

/** How an invoice that was not paid is collected. Days have 24 hours and count from the moment it became unpaid. */
export type DunningPolicy = {
  /** Before it is given up; 0 to 365. */
  readonly graceDays: number;
  /** When payment is asked for again, rising; 1 to 365 each. */
  readonly retryDays: readonly number[];
  readonly endAction: (typeof DUNNING_ENDS)[number];
};

/** Who sends an invoice, as it is printed. */
export type BillingIdentity = {
  readonly name: string;
  readonly addressLine1?: string | undefined;
  readonly addressLine2?: string | undefined;
  readonly postalCode?: string | undefined;
  readonly city?: string | undefined;
  readonly state?: string | undefined;
  /** ISO 3166-1, two capitals. */
  readonly country?: string | undefined;
  readonly taxId?: string | undefined;
  readonly email?: string | undefined;
};

/** Settings of one environment of a tenant. */
export type Merchant = {
  /** For customers without a rate of their own: a fraction, 0 to 1. */
  readonly taxRate?: StoredAmount | undefined;
  /** Stands on the line of the tax. */
  readonly taxName?: string | undefined;
  /** Begins the numbers of customers that have no prefix of their own; default `INV`. */
  readonly invoicePrefix?: string | undefined;
  /** Days after the day of issue on which an invoice is due; default 14. */
  readonly paymentTermsDays?: number | undefined;
  readonly billFrom?: BillingIdentity | undefined;
  /** Encrypted: the log and its exports hold no secret in clear text. */
  readonly stripeWebhookSecret?: string | undefined;
  /** Encrypted. */
  readonly dodoWebhookSecret?: string | undefined;
  /** Absent: nothing happens by itself to what is not paid. */
  readonly dunning?: DunningPolicy | undefined;
};

/** Begins the numbers of invoices where nobody has said otherwise. */
export const NUMBER_PREFIX = 'INV';
/** Days after the day of issue on which an invoice is due, where nobody has said otherwise. */
export const DUE_DAYS = 14;

/** One document per environment, made by its first change. */
export const merchantKind: DocumentKind<Merchant, 'Merchant'> = {
  category: 'merchant',
  name: 'Merchant',
  immutable: [],
  missing: 'not_found',
  check: ({ taxRate, taxName, invoicePrefix, billFrom, dunning }) => [
    ...checkTaxRate(taxRate),
    ...(taxName !== undefined && taxRate === undefined
      ? [issue('/taxName', 'not_applicable', 'Only a tax that has a rate has a name.')]
      : []),
    ...checkPrefix(invoicePrefix),
    ...checkCountry(billFrom?.country, '/billFrom/country'),
    ...(dunning ? checkDunning(dunning) : []),
  ],
};

export function checkTaxRate(taxRate: string | undefined): readonly Issue[] {
  if (taxRate === undefined) return [];
  const rate = parseAmount(taxRate);
  if (typeof rate !== 'bigint') return [issue('/taxRate', rate, 'taxRate is not a decimal.')];
  return rate < 0n || rate > (parseAmount('1') as bigint)
    ? [issue('/taxRate', 'out_of_range', 'taxRate must be 0 to 1.')]
    : [];
}

export const checkPrefix = (invoicePrefix: string | undefined): readonly Issue[] =>
  invoicePrefix === undefined || /^[A-Za-z0-9-]{1,20}$/.test(invoicePrefix)
    ? []
    : [issue('/invoicePrefix', 'prefix_invalid', 'invoicePrefix must be 1 to 20 of A-Z, a-z, 0-9 and "-".')];

export const checkCountry = (country: string | undefined, pointer = '/country'): readonly Issue[] =>
  country === undefined || /^[A-Z]{2}$/.test(country)
    ? []
    : [issue(pointer, 'country_invalid', 'country must be two capitals, as in ISO 3166-1.')];

const checkDunning = ({ retryDays }: DunningPolicy): readonly Issue[] =>
  retryDays.every((day, index) => index === 0 || day > retryDays[index - 1]!)
    ? []
    : [issue('/dunning/retryDays', 'not_allowed', 'Each of retryDays must be more than the one before it.')];
