import type { Issue, StoredAmount, StoredId } from '#libs/kernel';
import { isCurrency } from './currency.js';
import type { DocumentKind } from './document.js';
import { checkRecurrenceRule } from '#libs/calendar';

export const COMPONENT_TYPES = ['fixed', 'per_unit', 'usage'] as const;
export const MAX_COMPONENTS = 50;

/** One line of a price. Cents are minor units of the price's currency, as canonical decimal strings; fractions are kept. */
export type PriceComponent = {
  /** Unique in the tenant: a component can be named without its price. */
  readonly id: StoredId;
  readonly type: (typeof COMPONENT_TYPES)[number];
  readonly label: string;
  /** Canonical RFC 5545 rule; absent: charged once. */
  readonly recurrence_rule?: string | undefined;
  /** fixed: the charge. */
  readonly amount_cents?: StoredAmount | undefined;
  /** per_unit: the charge of one seat. */
  readonly unit_amount_cents?: StoredAmount | undefined;
  /** per_unit: seats that are charged at least. */
  readonly minimum_seats?: number | undefined;
  /** per_unit: whether an added seat is charged at once. */
  readonly bill_immediately?: boolean | undefined;
  /** usage: the charge of one unit of the metric. */
  readonly unit_cost_cents?: StoredAmount | undefined;
  readonly unit_label?: string | undefined;
  /** usage: the meter. */
  readonly metric_id?: StoredId | undefined;
};

export type Price = {
  readonly planId: StoredId;
  /** ISO 4217. */
  readonly currency: string;
  readonly pricingData: { readonly dsl_version: 1; readonly components: readonly PriceComponent[] };
};

type Member = keyof PriceComponent;

const MEMBERS_OF: Record<
  PriceComponent['type'],
  { readonly required: readonly Member[]; readonly optional: readonly Member[] }
> = {
  fixed: { required: ['amount_cents'], optional: [] },
  per_unit: { required: ['unit_amount_cents'], optional: ['minimum_seats', 'bill_immediately'] },
  usage: { required: ['unit_cost_cents', 'metric_id'], optional: ['unit_label'] },
};
const OF_A_TYPE: readonly Member[] = Object.values(MEMBERS_OF).flatMap(({ required, optional }) => [
  ...required,
  ...optional,
]);

export const priceKind: DocumentKind<Price, 'Price'> = {
  category: 'price',
  name: 'Price',
  immutable: ['planId', 'currency', 'pricingData'],
  missing: 'not_found',
  check({ currency, pricingData: { components } }) {
    const issues: Issue[] = [];
    if (!isCurrency(currency))
      issues.push({
        pointer: '/currency',
        code: 'currency_unknown',
        message: 'currency must be an ISO 4217 code.',
      });
    if (components.length < 1 || components.length > MAX_COMPONENTS)
      issues.push({
        pointer: '/pricingData/components',
        code: 'out_of_range',
        message: `A price has 1 to ${MAX_COMPONENTS} components.`,
      });
    const ids = new Set<string>();
    for (const [index, component] of components.entries()) {
      issues.push(...checkComponent(component, `/pricingData/components/${index}`));
      if (ids.has(component.id))
        issues.push({
          pointer: `/pricingData/components/${index}/id`,
          code: 'duplicate',
          message: 'Another component of this price has this id.',
        });
      ids.add(component.id);
    }
    return issues;
  },
};

function checkComponent(component: PriceComponent, at: string): readonly Issue[] {
  const { type, recurrence_rule: rule } = component;
  const { required, optional } = MEMBERS_OF[type];
  const issues: Issue[] = [];
  for (const member of OF_A_TYPE) {
    const pointer = `${at}/${member}`;
    if (component[member] === undefined) {
      if (required.includes(member))
        issues.push({ pointer, code: 'required', message: `${member} is required for ${type}.` });
    } else if (!required.includes(member) && !optional.includes(member))
      issues.push({ pointer, code: 'not_applicable', message: `${member} does not go with type ${type}.` });
  }
  const fault = rule === undefined ? null : checkRecurrenceRule(rule);
  if (fault) issues.push({ pointer: `${at}/recurrence_rule`, ...fault });
  return issues;
}

/** The components that charge usage; each names a meter. */
export const usageComponents = (price: Price): readonly (PriceComponent & { readonly metric_id: string })[] =>
  price.pricingData.components.filter(
    (component): component is PriceComponent & { readonly metric_id: string } =>
      component.type === 'usage' && component.metric_id !== undefined,
  );
