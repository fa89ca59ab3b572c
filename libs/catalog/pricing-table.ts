import { issue, type Issue, type StoredId } from '#libs/kernel';
import type { DocumentKind } from './document.js';
import { SLUG } from './feature.js';

/** Plans side by side, as a public page shows them. */
export type PricingTable = {
  readonly name: string;
  /** Unique in the tenant; what the public read names it by. */
  readonly slug: string;
  readonly heading?: string | undefined;
  readonly subheading?: string | undefined;
  /** Whether the public can read it. */
  readonly isActive: boolean;
  /** 1 to 50 plans, each by any of its versions; the newest version is shown. */
  readonly planIds: readonly StoredId[];
  readonly planConfigs?: readonly PlanConfig[] | undefined;
};

/** How one plan is shown in a pricing table. */
export type PlanConfig = {
  /** One of the table's. */
  readonly planId: StoredId;
  /** Lower first; those without follow in the order of `planIds`. */
  readonly displayOrder?: number | undefined;
  readonly isPopular?: boolean | undefined;
  readonly popularText?: string | undefined;
  /** Absent: the plan's own. */
  readonly buttonText?: string | undefined;
  readonly buttonOutline?: boolean | undefined;
};

export const MAX_TABLE_PLANS = 50;

export const pricingTableKind: DocumentKind<PricingTable, 'PricingTable'> = {
  category: 'pricingTable',
  name: 'PricingTable',
  immutable: ['slug'],
  missing: 'not_found',
  check({ slug, planIds, planConfigs = [] }) {
    const issues: Issue[] = [];
    if (!SLUG.test(slug))
      issues.push(issue('/slug', 'slug_invalid', 'slug must be 1 to 64 of a-z, 0-9 and "-".'));
    if (planIds.length < 1 || planIds.length > MAX_TABLE_PLANS)
      issues.push(issue('/planIds', 'out_of_range', `A table has 1 to ${MAX_TABLE_PLANS} plans.`));
    const configured = planConfigs.map(({ planId }) => planId);
    for (const [index, planId] of planIds.entries())
      if (planIds.indexOf(planId) < index)
        issues.push(issue(`/planIds/${index}`, 'duplicate', 'This plan stands twice.'));
    for (const [index, planId] of configured.entries()) {
      const pointer = `/planConfigs/${index}/planId`;
      if (!planIds.includes(planId))
        issues.push(issue(pointer, 'plan_not_in_table', 'This plan is not among planIds.'));
      if (configured.indexOf(planId) < index)
        issues.push(issue(pointer, 'duplicate', 'This plan is configured twice.'));
    }
    return issues;
  },
  present: ({ attributes, archivedAt }) => ({ isActive: attributes.isActive && archivedAt === null }),
};

/** The plans of a table in the order they are shown, each with how. */
export function inDisplayOrder({
  planIds,
  planConfigs = [],
}: Pick<PricingTable, 'planIds' | 'planConfigs'>): readonly PlanConfig[] {
  const order = ({ displayOrder = Number.MAX_SAFE_INTEGER }: PlanConfig): number => displayOrder;
  return planIds
    .map((planId) => planConfigs.find((config) => config.planId === planId) ?? { planId })
    .toSorted((a, b) => order(a) - order(b));
}
