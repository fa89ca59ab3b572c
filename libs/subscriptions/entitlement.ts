import type { FeatureType } from '#libs/catalog';
import { formatAmount, formatInstant, readAmount, type Amount, type Instant } from '#libs/kernel';
import type { SubscriptionFeature } from './events.js';
import { overrideAt, type FeatureOverride, type Subscription } from './subscription.js';

export const ENTITLEMENT_SOURCES = ['credits', 'override', 'plan', 'default'] as const;
export type EntitlementSource = (typeof ENTITLEMENT_SOURCES)[number];

/** Whether a customer may use a feature, why, and how much is left. */
export interface Entitlement {
  readonly entitled: boolean;
  readonly feature: { readonly slug: string; readonly value: boolean | string };
  /** What gave the value. */
  readonly source: EntitlementSource;
  /** Of the feature's meter in the period; none where the feature has none. */
  readonly usages: readonly { readonly metricId: string; readonly usage: string }[];
  /** Of the credit that usage of the feature can draw on; zeros and null where there is none. */
  readonly creditInfo: {
    readonly creditAllowance: string;
    readonly creditsRemaining: string;
    readonly nextExpiryDate: string | null;
  };
}

/** What a subscription says of features, to its own customer and to its seats. */
export interface Entitling {
  readonly features: readonly SubscriptionFeature[];
  readonly overrides: readonly FeatureOverride[];
  readonly period: { readonly start: Instant; readonly end: Instant };
}

/** A feature as the catalogue has it. */
export interface FeatureDefault {
  readonly type: FeatureType;
  readonly value: boolean | string;
}

/** A grant that usage of the feature can draw on, effective within `[effectiveAt, expiresAt)`. */
export interface FeatureCredit {
  readonly amount: Amount;
  /** Without what is held; 0 where all that is left is. */
  readonly remaining: Amount;
  readonly effectiveAt: Instant;
  /** Infinity: never. */
  readonly expiresAt: Instant;
}

export interface FeatureFacts {
  readonly slug: string;
  /** The subscriptions that entitle the customer, the oldest first. */
  readonly subscriptions: readonly Entitling[];
  /** Null: the catalogue has no such feature, or not any more. */
  readonly default: FeatureDefault | null;
  /** Open grants, whether effective or not. */
  readonly credits: readonly FeatureCredit[];
  /** In the period `usageWindow` tells; null: the feature has no meter. */
  readonly usage: { readonly meterId: string; readonly value: Amount } | null;
}

/** A paused or cancelled subscription entitles nobody: what credit it gave counts as long as it lasts. */
export const entitles = ({ status }: Pick<Subscription, 'status'>): boolean =>
  status === 'trialing' || status === 'active';

/** Half-open: the billing period of the oldest subscription; without one the calendar month in UTC. */
export function usageWindow(subscriptions: readonly Pick<Entitling, 'period'>[], at: Instant) {
  if (subscriptions[0]) return subscriptions[0].period;
  const date = new Date(at);
  const month = (more: number): Instant => Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + more);
  return { start: month(0), end: month(1) };
}

/**
 * What holds at an instant. Credit goes before overrides, these before the plan's value and this before the default; of
 * several subscriptions the oldest that has the feature counts. A number entitles while usage is below it, credit while
 * something is left, text when there is any. What nobody knows is false.
 */
export function entitlementOf(facts: FeatureFacts, at: Instant): Entitlement {
  const { slug, usage } = facts;
  const credits = facts.credits.filter(({ effectiveAt, expiresAt }) => effectiveAt <= at && at < expiresAt);
  const sum = (of: 'amount' | 'remaining'): Amount => credits.reduce((total, one) => total + one[of], 0n);
  const allowance = formatAmount(sum('amount'));
  const remaining = sum('remaining');
  const nextExpiry = credits.reduce((first, { expiresAt }) => Math.min(first, expiresAt), Infinity);
  const { source, value } =
    credits.length > 0 ? { source: 'credits' as const, value: allowance } : granted(facts, at);
  return {
    entitled: source === 'credits' ? remaining > 0n : allows(facts, value),
    feature: { slug, value },
    source,
    usages: usage ? [{ metricId: usage.meterId, usage: formatAmount(usage.value) }] : [],
    creditInfo: {
      creditAllowance: allowance,
      creditsRemaining: formatAmount(remaining),
      nextExpiryDate: nextExpiry === Infinity ? null : formatInstant(nextExpiry),
    },
  };
}

/** The value without credit, and who gives it. */
function granted({ slug, subscriptions, default: fallback }: FeatureFacts, at: Instant) {
  for (const subscription of subscriptions) {
    const override = overrideAt(subscription, slug, at);
    if (override) return { source: 'override' as const, value: override.value };
  }
  for (const { features } of subscriptions) {
    const feature = features.find((one) => one.slug === slug);
    if (feature) return { source: 'plan' as const, value: feature.value };
  }
  return { source: 'default' as const, value: fallback?.value ?? false };
}

function allows({ slug, subscriptions, default: fallback, usage }: FeatureFacts, value: boolean | string) {
  if (typeof value === 'boolean') return value;
  const type = subscriptions.flatMap(({ features }) => features).find((one) => one.slug === slug)?.type;
  // nobody may change a feature's type
  if ((type ?? fallback?.type) !== 'number') return value !== '';
  return (usage?.value ?? 0n) < readAmount(value);
}
