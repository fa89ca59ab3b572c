import { issue, type StoredId } from '#libs/kernel';
import type { DocumentKind } from './document.js';

export const MATCHER_TYPES = ['domain', 'email'] as const;

/** Who is given a plan without asking for one: everybody at a domain, or one address. */
export type EnrollmentRule = {
  readonly planId: StoredId;
  readonly matcherType: (typeof MATCHER_TYPES)[number];
  /** In small letters; a domain without its `@`. */
  readonly matcherValue: string;
};

export const enrollmentRuleKind: DocumentKind<EnrollmentRule, 'EnrollmentRule'> = {
  category: 'enrollmentRule',
  name: 'EnrollmentRule',
  immutable: ['planId', 'matcherType', 'matcherValue'],
  missing: 'not_found',
  check: ({ matcherType, matcherValue }) =>
    (matcherType === 'email' ? EMAIL : DOMAIN).test(matcherValue)
      ? []
      : [
          matcherType === 'email'
            ? issue('/matcherValue', 'email_invalid', 'matcherValue must be an e-mail address.')
            : issue('/matcherValue', 'domain_invalid', 'matcherValue must be a domain such as acme.example.'),
        ],
};

const EMAIL = /^[^\s@]+@[^\s@]+$/;
const DOMAIN = /^[^\s@.]+(\.[^\s@.]+)*$/;

/** An address or a domain as they are compared: small letters, a domain without its `@`. */
export const canonicalMatcher = (type: EnrollmentRule['matcherType'], value: string): string =>
  (type === 'domain' ? value.replace(/^@/, '') : value).toLowerCase();

/** Whether a rule is about an address: the same address, or exactly its domain, capitals aside. */
export function matchesEmail({ matcherType, matcherValue }: EnrollmentRule, email: string): boolean {
  const address = email.toLowerCase();
  return matcherValue === (matcherType === 'email' ? address : address.slice(address.lastIndexOf('@') + 1));
}

export interface Enrollment {
  readonly email: string;
  /** The plan the caller names; it wins. */
  readonly planId?: string | undefined;
  /** Rules in force, oldest first. */
  readonly rules: readonly EnrollmentRule[];
  /** Plans of active pricing tables, tables oldest first, each in its order. */
  readonly offered: readonly { readonly planId: string; readonly isFree: boolean }[];
}

export interface EnrollmentChoice {
  readonly planId: string;
  readonly because: 'asked' | 'rule' | 'pricing_table';
}

/** The plan of who enrols: the one asked for, else that of the first rule that matches, else the first free one offered; null: none. */
export function enrollmentPlan({ email, planId, rules, offered }: Enrollment): EnrollmentChoice | null {
  if (planId !== undefined) return { planId, because: 'asked' };
  const rule = rules.find((candidate) => matchesEmail(candidate, email));
  if (rule) return { planId: rule.planId, because: 'rule' };
  const free = offered.find(({ isFree }) => isFree);
  return free ? { planId: free.planId, because: 'pricing_table' } : null;
}
