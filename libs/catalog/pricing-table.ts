import { issue, type Issue, type StoredId } from '#libs/kernel';
import type { DocumentKind } from './document.js';
import { SLUG } from './feature.js';

/** A plan in a pricing table, and how it is shown there. */
export type PricingTablePlan = {
  /** Any version of the plan; its newest is shown. */
  readonly planId: StoredId;
  readonly displayOrder?: number | undefined;
  readonly isPopular?: boolean | undefined;
  readonly popularText?: string | undefined;
  /** Absent: the plan's own. */
  readonly buttonText?: string | undefined;
  readonly buttonOutline?: boolean | undefined;
};

/** Plans side by side, as a public page shows them. */
export type PricingTable = {
  readonly name: string;
  /** Unique in the tenant; what the public read names it by. */
  readonly slug: string;
  readonly heading?: string | undefined;
  readonly subheading?: string | undefined;
  /** Whether the public can read it. */
  readonly isActive: boolean;
  /** At least one; by displayOrder, those without after the others, else as they came. */
  readonly plans: readonly PricingTablePlan[];
};

export const MAX_TABLE_PLANS = 50;

export const pricingTableKind: DocumentKind<PricingTable, 'PricingTable'> = {
  category: 'pricingTable',
  name: 'PricingTable',
  immutable: ['slug'],
  missing: 'not_found',
  check({ slug, plans }) {
    const issues: Issue[] = [];
    if (!SLUG.test(slug))
      issues.push(issue('/slug', 'slug_invalid', 'slug must be 1 to 64 of a-z, 0-9 and "-".'));
    if (plans.length < 1 || plans.length > MAX_TABLE_PLANS)
      issues.push(issue('/planIds', 'out_of_range', `A table has 1 to ${MAX_TABLE_PLANS} plans.`));
    return issues;
  },
  present: ({ attributes, archivedAt }) => ({ isActive: attributes.isActive && archivedAt === null }),
};

/** The plans in the order they are shown. */
export const inDisplayOrder = (plans: readonly PricingTablePlan[]): readonly PricingTablePlan[] =>
  plans.toSorted((a, b) => (a.displayOrder ?? Infinity) - (b.displayOrder ?? Infinity) || 0);
