import type { PriceComponent } from '#libs/catalog';
import { formatInstant, type Instant } from '#libs/kernel';
import type { SubscriptionFeature } from './events.js';
import { activeSeats, componentsOf, type Subscription, type SubscriptionStatus } from './subscription.js';

/** A subscription as the API shows it. */
export interface SubscriptionAnswer {
  readonly id: string;
  /** Survives changes of plan and version. */
  readonly stableSubscriptionId: string;
  readonly customerId: string;
  readonly planId: string;
  readonly stablePlanId: string;
  readonly versionNumber: number;
  readonly planName: string;
  readonly effectivePriceId: string | null;
  readonly currency: string | null;
  readonly status: SubscriptionStatus;
  readonly quantity: number | null;
  readonly startTimestamp: string;
  readonly endTimestamp: string | null;
  readonly currentPeriodStart: string;
  readonly currentPeriodEnd: string;
  /** 0 is the trial. */
  readonly periodNumber: number;
  readonly billingCycleAnchor: string;
  readonly recurrenceRule: string;
  readonly timezone: string;
  readonly cancelAtPeriodEnd: boolean;
  readonly trialEndDate: string | null;
  /** What the next period begins with. */
  readonly scheduledChange: {
    readonly planId: string;
    readonly effectivePriceId: string | null;
    readonly versionNumber: number;
  } | null;
  readonly priceComponents: readonly PriceComponent[];
  /** Whether an override's components are charged, not the price's own. */
  readonly isPriceOverridden: boolean;
  readonly featureOverrides: readonly {
    readonly featureSlug: string;
    readonly value: boolean | string;
    readonly reason: string | null;
    readonly effectiveFrom: string;
    readonly effectiveUntil: string | null;
  }[];
  /** Seats that are taken. */
  readonly seats: number;
  readonly subscriptionFeatures: readonly SubscriptionFeature[];
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** Of a subscription settled up to the moment of the answer. */
export function subscriptionAnswer(subscription: Subscription): SubscriptionAnswer {
  const { id, customerId, status, terms, period, trial, change } = subscription;
  const scheduled = change?.terms ?? (status === 'trialing' ? trial?.then : null) ?? null;
  return {
    id,
    stableSubscriptionId: id,
    customerId,
    planId: terms.planId,
    stablePlanId: terms.stablePlanId,
    versionNumber: terms.versionNumber,
    planName: terms.planName,
    effectivePriceId: terms.priceId ?? null,
    currency: terms.currency ?? null,
    status,
    quantity: subscription.quantity,
    startTimestamp: formatInstant(subscription.startedAt),
    endTimestamp: textOf(subscription.endedAt),
    currentPeriodStart: formatInstant(period.start),
    currentPeriodEnd: formatInstant(period.end),
    periodNumber: period.number,
    billingCycleAnchor: formatInstant(subscription.anchor),
    recurrenceRule: terms.rule,
    timezone: terms.zone,
    cancelAtPeriodEnd: subscription.cancelAtPeriodEnd,
    trialEndDate: textOf(trial?.endsAt ?? null),
    scheduledChange: scheduled && {
      planId: scheduled.planId,
      effectivePriceId: scheduled.priceId ?? null,
      versionNumber: scheduled.versionNumber,
    },
    priceComponents: componentsOf(subscription),
    isPriceOverridden: subscription.priceOverride !== null,
    featureOverrides: subscription.overrides.map(({ slug, value, reason, from, until }) => ({
      featureSlug: slug,
      value,
      reason,
      effectiveFrom: formatInstant(from),
      effectiveUntil: textOf(until),
    })),
    seats: activeSeats(subscription).length,
    subscriptionFeatures: terms.features,
    metadata: subscription.metadata,
    createdAt: formatInstant(subscription.createdAt),
    updatedAt: formatInstant(subscription.updatedAt),
  };
}

const textOf = (instant: Instant | null): string | null => (instant === null ? null : formatInstant(instant));
