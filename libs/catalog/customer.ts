import type { Issue } from '#libs/kernel';
import { isCurrency } from './currency.js';
import type { DocumentKind } from './document.js';
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
  readonly metadata?: Metadata | undefined;
};

export const customerKind: DocumentKind<Customer, 'Customer'> = {
  category: 'customer',
  name: 'Customer',
  immutable: [],
  missing: 'customer_not_found',
  check({ name, timezone, preferredCurrency }) {
    const issues: Issue[] = [];
    if (!name) issues.push({ pointer: '/name', code: 'required', message: 'name is required.' });
    if (timezone !== undefined && !isTimeZone(timezone))
      issues.push({
        pointer: '/timezone',
        code: 'timezone_unknown',
        message: 'timezone must be an IANA time zone.',
      });
    if (preferredCurrency !== undefined && !isCurrency(preferredCurrency))
      issues.push({
        pointer: '/preferredCurrency',
        code: 'currency_unknown',
        message: 'preferredCurrency must be an ISO 4217 code.',
      });
    return issues;
  },
};

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
