import { taxOf, type BillTo, type InvoiceTax } from '#libs/billing';
import {
  DUE_DAYS,
  NUMBER_PREFIX,
  type BillingIdentity,
  type Customer,
  type Document,
  type DunningPolicy,
  type Merchant,
} from '#libs/catalog';
import { readAmount } from '#libs/kernel';

/** What an invoice takes over from the customer and the merchant when it is sealed. */
export interface InvoiceTerms {
  readonly billTo: BillTo;
  readonly billFrom?: BillingIdentity;
  readonly taxation: InvoiceTax;
  readonly numberPrefix: string;
  readonly dueDays: number;
  readonly dunning?: DunningPolicy;
}

/** The customer's own terms count before the merchant's. */
export function invoiceTerms(
  { attributes: customer }: Document<Customer>,
  merchant: Document<Merchant> | null,
): InvoiceTerms {
  const { name, businessName, taxId, email, timezone, invoicePrefix } = customer;
  const { taxExempt, taxExemptReason, taxRate } = customer;
  const { billFrom, dunning, paymentTermsDays, ...own } = merchant?.attributes ?? {};
  return {
    billTo: {
      name,
      ...(businessName === undefined ? {} : { businessName }),
      ...(taxId === undefined ? {} : { taxId }),
      ...(email === undefined ? {} : { email }),
      ...(timezone === undefined || timezone === 'UTC' ? {} : { timezone }),
    },
    ...(billFrom === undefined ? {} : { billFrom }),
    taxation: taxOf({
      taxId,
      businessName,
      ...(taxExempt === true ? { exempt: { reason: taxExemptReason } } : {}),
      ...(taxRate === undefined ? {} : { manual: { rate: readAmount(taxRate) } }),
      ...(own.taxRate === undefined
        ? {}
        : { standard: { rate: readAmount(own.taxRate), description: own.taxName } }),
    }),
    numberPrefix: invoicePrefix ?? own.invoicePrefix ?? NUMBER_PREFIX,
    dueDays: paymentTermsDays ?? DUE_DAYS,
    ...(dunning === undefined ? {} : { dunning }),
  };
}
