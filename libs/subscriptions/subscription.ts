import type { Metadata, PriceComponent, SeatCredits } from '#libs/catalog';
import type { Instant } from '#libs/kernel';
import type { PlanTerms } from './events.js';

/** As the API names them. */
export const SUBSCRIPTION_STATUSES = ['trialing', 'active', 'paused', 'canceled'] as const;
export type SubscriptionStatus = (typeof SUBSCRIPTION_STATUSES)[number];

/** A subscription as its stream says it stands: JSON throughout, so that a read model can keep it. */
export interface Subscription {
  /** Revision of the last event folded in. */
  readonly revision: number;
  readonly id: string;
  readonly customerId: string;
  readonly status: SubscriptionStatus;
  readonly terms: PlanTerms;
  readonly quantity: number | null;
  readonly metadata: Metadata | null;
  readonly startedAt: Instant;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
  /** From where the billing cycle counts. */
  readonly anchor: Instant;
  /** The current period `[start, end)`; a paused or cancelled one's last. */
  readonly period: { readonly number: number; readonly start: Instant; readonly end: Instant };
  /** The trial it has, or had. */
  readonly trial: { readonly endsAt: Instant; readonly then: PlanTerms | null } | null;
  readonly cancelAtPeriodEnd: boolean;
  readonly endedAt: Instant | null;
  /** What the next period begins with. */
  readonly change: { readonly terms: PlanTerms; readonly quantity: number | null } | null;
  /** In the order in which they were set. */
  readonly overrides: readonly FeatureOverride[];
  /** Charged instead of the price's components up to and including the period `lastPeriod`. */
  readonly priceOverride: {
    readonly components: readonly PriceComponent[];
    readonly lastPeriod: number;
  } | null;
  /** Those that are taken, and those removed in the current period. */
  readonly seats: readonly Seat[];
  /** The grants it keeps alive. */
  readonly lines: readonly GrantLine[];
  /** What the accounts have not been told yet, in order. */
  readonly pending: readonly GrantStep[];
}

export interface FeatureOverride {
  readonly slug: string;
  readonly value: boolean | string;
  readonly reason: string | null;
  readonly from: Instant;
  /** Null: until it is revoked. */
  readonly until: Instant | null;
}

export interface Seat {
  readonly customerId: string;
  readonly externalCustomerId: string;
  readonly addedAt: Instant;
  /** Null: it is taken. */
  readonly removedAt: Instant | null;
}

/** One definition's grants on one account, from their beginning to their end. */
export interface GrantLine {
  readonly definitionId: string;
  /** Whose account has the grants. */
  readonly customerId: string;
  /** The seat that brings them; null: the subscription itself. */
  readonly seat: string | null;
  /** Revision of the fact that began it: with the rest of the line, what makes its grants' ids. */
  readonly generation: number;
  /** False: it begins with the next period. */
  readonly begun: boolean;
  /** Whether it takes the place of a line before it: then it begins with a renewal. */
  readonly again: boolean;
}

/** Something that accounts must be told: what follows from the fact at `revision`. */
export type GrantStep = { readonly revision: number } & (
  | {
      readonly do: 'begin';
      readonly line: GrantLine;
      readonly at: Instant;
      readonly periodEnd: Instant;
    }
  | { readonly do: 'renew'; readonly line: GrantLine; readonly start: Instant; readonly end: Instant }
  | { readonly do: 'pause'; readonly line: GrantLine }
  | { readonly do: 'end'; readonly line: GrantLine; readonly revoke: boolean; readonly reason: string }
  /** The customer may have another subscription. */
  | { readonly do: 'release' }
);

export const activeSeats = ({ seats }: Pick<Subscription, 'seats'>): readonly Seat[] =>
  seats.filter(({ removedAt }) => removedAt === null);

/** The components that are charged in the current period. */
export const componentsOf = ({ terms, priceOverride }: Subscription): readonly PriceComponent[] =>
  priceOverride?.components ?? terms.components;

/** Whether a seat that is added is charged at once, not with the next period. */
export const chargesSeatsAtOnce = ({ components }: Pick<PlanTerms, 'components'>): boolean =>
  components.some(({ bill_immediately }) => bill_immediately === true);

/** The value that an override gives a feature at an instant; undefined: none does. */
export const overrideAt = (
  { overrides }: Pick<Subscription, 'overrides'>,
  slug: string,
  at: Instant,
): FeatureOverride | undefined =>
  overrides.findLast((one) => one.slug === slug && one.from <= at && (one.until === null || at < one.until));

/** Whose account has the grant that a seat brings. */
export const accountOf = (seats: SeatCredits, customerId: string, seat: string): string =>
  seats === 'pooled' ? customerId : seat;
