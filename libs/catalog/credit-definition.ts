import { parseAmount } from '#libs/kernel';
import type { Issue, IssueCode, StoredAmount, StoredId } from '#libs/kernel';
import { isCurrency } from './currency.js';
import type { DocumentKind } from './document.js';
import { checkRenewalTerms, type Rollover } from './renewal-terms.js';

export const SCOPES = ['component', 'price', 'plan', 'merchant'] as const;
/** Who has the grant that a seat of a plan brings: the seat's own customer, or the organisation, as one pool. */
export const SEAT_CREDITS = ['per_seat', 'pooled'] as const;
export const APPLICATION_TYPES = ['usage', 'monetary'] as const;

export type SeatCredits = (typeof SEAT_CREDITS)[number];
export type Scope = (typeof SCOPES)[number];
export type ApplicationType = (typeof APPLICATION_TYPES)[number];

/** The template of grants. A grant copies what it needs when it is issued. */
export type CreditDefinition = {
  readonly name: string;
  readonly description?: string | undefined;
  /** Where it applies; orders monetary credits on the invoice. */
  readonly scope: Scope;
  readonly applicationType: ApplicationType;
  readonly planId?: StoredId | undefined;
  readonly featureId?: StoredId | undefined;
  readonly featureSlug?: string | undefined;
  readonly priceId?: StoredId | undefined;
  readonly priceComponentId?: StoredId | undefined;
  /** Amount of a grant, above zero. */
  readonly defaultAmount: StoredAmount;
  /** Amount of a renewal; absent: the default amount. */
  readonly refillAmount?: StoredAmount | undefined;
  /** Lifetime of a grant in days. */
  readonly expiryDays?: number | undefined;
  /** Canonical RFC 5545 rule without time zone. */
  readonly refillRrule?: string | undefined;
  readonly renewOnBilling: boolean;
  /** IANA name of the zone in which the rule's wall clocks are; absent: the customer's, else UTC. */
  readonly timezone?: string | undefined;
  /** Absent: what is left at a renewal is forfeited. */
  readonly rollover?: Rollover | undefined;
  /** Lifetime of a grant in renewals; absent, and without days: until the next one. */
  readonly lifetimePeriods?: number | undefined;
  /** Usage of scope plan only; absent: per_seat. */
  readonly seatCredits?: SeatCredits | undefined;
  readonly billingVisible: boolean;
  readonly billingDescription?: string | undefined;
  /** ISO 4217; monetary only. */
  readonly currency?: string | undefined;
  /** 0 to 100, lower first; decimals allowed. */
  readonly priority: number;
  readonly isActive: boolean;
  /** Code of the unit its amounts are in: the linked meter's, or the currency. */
  readonly unit: string;
  /** Ids of the meters of the linked feature and component. */
  readonly linkedMeters: readonly string[];
};

export const DEFINITION_DEFAULTS = {
  renewOnBilling: false,
  billingVisible: false,
  priority: 50,
  isActive: true,
} as const;

export const creditDefinitionKind: DocumentKind<CreditDefinition, 'CreditDefinition'> = {
  category: 'creditDefinition',
  name: 'CreditDefinition',
  immutable: ['scope', 'applicationType', 'currency', 'billingVisible', 'unit'],
  missing: 'not_found',
  check: (definition) => [
    ...checkKind(definition),
    ...checkScope(definition),
    ...checkSeats(definition),
    ...checkAmounts(definition),
    ...checkRenewalTerms(definition),
  ],
  present: () => ({}),
};

type Links = Pick<
  CreditDefinition,
  'scope' | 'applicationType' | 'planId' | 'featureId' | 'featureSlug' | 'priceId' | 'priceComponentId'
>;

function checkKind(
  definition: Links & Pick<CreditDefinition, 'currency' | 'billingVisible'>,
): readonly Issue[] {
  const { applicationType, featureId, featureSlug, priceId, priceComponentId, currency, billingVisible } =
    definition;
  const featureLinks = { featureSlug, featureId };
  const issues: Issue[] = [];
  if (applicationType === 'usage') {
    if (!featureId && !featureSlug && !priceId && !priceComponentId)
      for (const member of ['featureSlug', 'priceComponentId'])
        issues.push(
          issue(member, 'usage_link_required', 'Usage credits need a feature, or a price or its component.'),
        );
    if (currency !== undefined)
      issues.push(issue('currency', 'currency_not_applicable', 'Only monetary credits have a currency.'));
    return issues;
  }
  if (currency === undefined) issues.push(issue('currency', 'required', 'Monetary credits need a currency.'));
  else if (!isCurrency(currency))
    issues.push(issue('currency', 'currency_unknown', 'currency must be an ISO 4217 code.'));
  if (billingVisible !== true)
    issues.push(
      issue('billingVisible', 'billing_visible_required', 'Monetary credits must have billingVisible: true.'),
    );
  for (const [member, value] of Object.entries(featureLinks))
    if (value !== undefined)
      issues.push(issue(member, 'not_applicable', 'Monetary credits are not linked to a feature.'));
  return issues;
}

function checkScope({ scope, planId, priceId, priceComponentId, applicationType }: Links): readonly Issue[] {
  if (scope === 'plan' && !planId) return [issue('planId', 'required', 'Scope plan needs planId.')];
  // a usage definition may be of a component's or price's scope through its feature
  if (applicationType === 'usage') return [];
  if (scope === 'price' && !priceId && !priceComponentId)
    return [issue('priceId', 'required', 'Scope price needs priceId.')];
  if (scope === 'component' && !priceComponentId)
    return [issue('priceComponentId', 'required', 'Scope component needs priceComponentId.')];
  return [];
}

const checkSeats = ({ scope, applicationType, seatCredits }: CreditDefinition): readonly Issue[] =>
  seatCredits === undefined || (scope === 'plan' && applicationType === 'usage')
    ? []
    : [issue('seatCredits', 'not_applicable', 'Only usage credits of scope plan come with seats.')];

function checkAmounts({ defaultAmount, refillAmount, priority }: CreditDefinition): readonly Issue[] {
  const issues: Issue[] = [];
  for (const [member, text] of Object.entries({ defaultAmount, refillAmount })) {
    if (text === undefined) continue;
    const amount = parseAmount(text);
    if (typeof amount !== 'bigint') issues.push(issue(member, amount, `${member} is not an amount.`));
    else if (amount <= 0n) issues.push(issue(member, 'amount_not_positive', `${member} must be above zero.`));
  }
  if (!(priority >= 0 && priority <= 100))
    issues.push(issue('priority', 'out_of_range', 'priority must be 0 to 100.'));
  return issues;
}

const issue = (member: string, code: IssueCode, message: string): Issue => ({
  pointer: `/${member}`,
  code,
  message,
});
