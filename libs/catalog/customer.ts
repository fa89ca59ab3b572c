import { issue, type Issue, type StoredAmount, type StoredId } from '#libs/kernel';
import { isCurrency } from './currency.js';
import type { DocumentKind } from './document.js';
import { checkCountry, checkPrefix, checkTaxRate } from './merchant.js';
import type { Metadata } from './plan.js';

export type Customer = {
  /** The caller's own name for the customer; unique in the tenant. */
  readonly externalCustomerId?: string | undefined;
  readonly name: string;
  readonly email?: string | undefined;
  readonly businessName?: string | undefined;
  readonly taxId?: string | undefined;
  /** IANA time zone. */
  readonly timezone?: string | undefined;
  /** ISO 4217. */
  readonly preferredCurrency?: string | undefined;
  /** BCP 47 language tag. */
  readonly preferredLanguage?: string | undefined;
  readonly addressLine1?: string | undefined;
  readonly addressLine2?: string | undefined;
  readonly city?: string | undefined;
  readonly state?: string | undefined;
  readonly postalCode?: string | undefined;
  /** ISO 3166-1, two capitals. */
  readonly country?: string | undefined;
  /** No tax is charged. */
  readonly taxExempt?: boolean | undefined;
  readonly taxExemptReason?: string | undefined;
  /** A rate of its own instead of the calculated one: a fraction, 0 to 1. */
  readonly taxRate?: StoredAmount | undefined;
  /** Begins the numbers of its invoices; 1 to 20 letters, digits and dashes. */
  readonly invoicePrefix?: string | undefined;
  /** A member's organisation: the id of its primary customer. */
  readonly customerOrganizationId?: StoredId | undefined;
  /** A primary customer has seats, a member holds one; absent: neither. */
  readonly orgRole?: (typeof ORG_ROLES)[number] | undefined;
  readonly metadata?: Metadata | undefined;
};

export const ORG_ROLES = ['primary', 'member'] as const;

export const customerKind: DocumentKind<Customer, 'Customer'> = {
  category: 'customer',
  name: 'Customer',
  immutable: [],
  missing: 'customer_not_found',
  check: (customer) => [...checkProfile(customer), ...checkTax(customer), ...checkOrganization(customer)],
};

function checkProfile(customer: Customer): readonly Issue[] {
  const { name, timezone, preferredCurrency, preferredLanguage, country, invoicePrefix } = customer;
  const issues: Issue[] = [];
  if (!name) issues.push(issue('/name', 'required', 'name is required.'));
  if (timezone !== undefined && !isTimeZone(timezone))
    issues.push(issue('/timezone', 'timezone_unknown', 'timezone must be an IANA time zone.'));
  if (preferredCurrency !== undefined && !isCurrency(preferredCurrency))
    issues.push(
      issue('/preferredCurrency', 'currency_unknown', 'preferredCurrency must be an ISO 4217 code.'),
    );
  if (preferredLanguage !== undefined && !isLanguage(preferredLanguage))
    issues.push(
      issue(
        '/preferredLanguage',
        'language_unknown',
        'preferredLanguage must be a BCP 47 tag such as en-GB.',
      ),
    );
  return [...issues, ...checkCountry(country), ...checkPrefix(invoicePrefix)];
}

function checkTax({ taxExempt, taxExemptReason, taxRate }: Customer): readonly Issue[] {
  const issues: Issue[] = [];
  if (taxExemptReason !== undefined && taxExempt !== true)
    issues.push(issue('/taxExemptReason', 'not_applicable', 'Only who is exempt has a reason for it.'));
  if (taxRate === undefined) return issues;
  issues.push(...checkTaxRate(taxRate));
  if (taxExempt === true) issues.push(issue('/taxRate', 'exclusive', 'Who is exempt from tax has no rate.'));
  return issues;
}

function checkOrganization({ orgRole, customerOrganizationId }: Customer): readonly Issue[] {
  if (orgRole === 'member' && customerOrganizationId === undefined)
    return [issue('/customerOrganizationId', 'required', 'A member needs its organisation.')];
  return orgRole !== 'member' && customerOrganizationId !== undefined
    ? [issue('/customerOrganizationId', 'not_applicable', 'Only a member (orgRole) is in an organisation.')]
    : [];
}

function isLanguage(text: string): boolean {
  try {
    return Intl.getCanonicalLocales(text).length === 1;
  } catch {
    return false;
  }
}

/** Whether the text names an IANA time zone this runtime knows. Offsets such as `+01:00` are no zones. */
export function isTimeZone(text: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]*$/.test(text)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    return true;
  } catch {
    return false;
  }
}
