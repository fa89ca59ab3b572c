import type { FeatureType, Metadata, PriceComponent, SeatCredits } from '#libs/catalog';
import type { DomainEvent, StoredId, StoredInstant } from '#libs/kernel';

export type SubscriptionEvent =
  | DomainEvent<'SubscriptionCreated', SubscriptionCreated>
  | DomainEvent<'SubscriptionPeriodBegun', SubscriptionPeriodBegun>
  | DomainEvent<'SubscriptionTrialEnded', SubscriptionTrialEnded>
  | DomainEvent<'SubscriptionPaused', SubscriptionPaused>
  | DomainEvent<'SubscriptionResumed', SubscriptionResumed>
  | DomainEvent<'SubscriptionCancellationScheduled', SubscriptionCancellationScheduled>
  | DomainEvent<'SubscriptionCancellationUnscheduled', SubscriptionCancellationUnscheduled>
  | DomainEvent<'SubscriptionCancelled', SubscriptionCancelled>
  | DomainEvent<'SubscriptionChanged', SubscriptionChanged>
  | DomainEvent<'SubscriptionChangeScheduled', SubscriptionChangeScheduled>
  | DomainEvent<'FeatureOverridden', FeatureOverridden>
  | DomainEvent<'FeatureOverrideRevoked', FeatureOverrideRevoked>
  | DomainEvent<'PriceOverridden', PriceOverridden>
  | DomainEvent<'PriceOverrideEnded', PriceOverrideEnded>
  | DomainEvent<'SeatAdded', SeatAdded>
  | DomainEvent<'SeatRemoved', SeatRemoved>
  | DomainEvent<'GrantsDriven', GrantsDriven>
  | DomainEvent<'CommandRefused', CommandRefused>
  | DomainEvent<'NothingChanged', NothingChanged>;

/** What a customer has agreed to: copied from a plan's version and one of its prices, so that replay never looks them up. */
export interface PlanTerms {
  /** The version of the plan. */
  readonly planId: StoredId;
  /** Id that all versions of the plan share. */
  readonly stablePlanId: StoredId;
  readonly versionNumber: number;
  readonly planName: string;
  /** Absent: the plan has no price. */
  readonly priceId?: StoredId;
  /** ISO 4217; of the price. */
  readonly currency?: string;
  readonly components: readonly PriceComponent[];
  readonly features: readonly SubscriptionFeature[];
  /** The plan's credit definitions. */
  readonly credits: readonly PlanCredit[];
  /** Canonical RFC 5545 rule of the billing cycle, without an end. */
  readonly rule: string;
  /** IANA name of the zone in which the rule's wall clocks are. */
  readonly zone: string;
}

export interface SubscriptionFeature {
  readonly featureId: StoredId;
  readonly slug: string;
  readonly type: FeatureType;
  /** A boolean, a canonical decimal string, or text. */
  readonly value: boolean | string;
  /** The meter that counts its usage. */
  readonly meterId?: StoredId;
}

/** A credit definition that the subscription drives. */
export interface PlanCredit {
  readonly definitionId: StoredId;
  /** Who has the grant that a seat brings: the seat's customer, or the subscription's; absent: seats bring none. */
  readonly seats?: SeatCredits;
}

/** The subscription exists. Its first period begins right after. */
export interface SubscriptionCreated {
  readonly subscriptionId: StoredId;
  readonly customerId: StoredId;
  readonly terms: PlanTerms;
  /** Units of what is charged per unit, where no more seats are taken. */
  readonly quantity?: number;
  /** From where the billing cycle counts, a trial's end aside. */
  readonly startedAt: StoredInstant;
  readonly trial?: Trial;
  readonly metadata?: Metadata;
  readonly at: StoredInstant;
}

export interface Trial {
  /** First instant after the trial. */
  readonly endsAt: StoredInstant;
  /** What the subscription becomes then; absent: it keeps its terms. */
  readonly then?: PlanTerms;
}

/** A billing period `[start, end)` has begun. The trial has the number 0; later numbers go on over pauses. */
export interface SubscriptionPeriodBegun {
  readonly number: number;
  readonly start: StoredInstant;
  readonly end: StoredInstant;
}

/** The trial is over: the billing cycle counts from here. A change of terms follows where the trial said so. */
export interface SubscriptionTrialEnded {
  readonly at: StoredInstant;
}

/** No period begins any more, until it is resumed. */
export interface SubscriptionPaused {
  readonly at: StoredInstant;
  readonly reason?: string;
}

/** The billing cycle counts from here; a period begins right after, with fresh grants. */
export interface SubscriptionResumed {
  readonly at: StoredInstant;
  readonly reason?: string;
}

/** It will end with the current period. */
export interface SubscriptionCancellationScheduled {
  /** End of the period as it stands. */
  readonly endsAt: StoredInstant;
  readonly at: StoredInstant;
  readonly reason?: string;
}

export interface SubscriptionCancellationUnscheduled {
  readonly at: StoredInstant;
}

/** It is over, for ever. */
export interface SubscriptionCancelled {
  /** The instant at which it ended, not the one at which that was recorded. */
  readonly at: StoredInstant;
  readonly reason?: string;
}

/** When the difference of a change, by days, is charged: at once, or with the end of the period or the subscription. */
export type Proration = 'immediate' | 'next_cycle';

/** It goes on under other terms. */
export interface SubscriptionChanged {
  readonly terms: PlanTerms;
  /** Units from now on; absent: as before. */
  readonly quantity?: number;
  readonly proration: Proration;
  /** Whether the billing cycle counts from here: a period begins right after. */
  readonly restarts: boolean;
  readonly at: StoredInstant;
}

/** It will go on under other terms when the next period begins. An earlier plan of that kind is void. */
export interface SubscriptionChangeScheduled {
  readonly terms: PlanTerms;
  readonly quantity?: number;
  readonly at: StoredInstant;
}

/** A feature has another value within `[from, until)`; of several that hold, the last one set counts. */
export interface FeatureOverridden {
  readonly slug: string;
  /** A boolean, a canonical decimal string, or text, as the feature's type says. */
  readonly value: boolean | string;
  readonly reason?: string;
  readonly from: StoredInstant;
  /** Null: until it is revoked. */
  readonly until: StoredInstant | null;
  readonly at: StoredInstant;
}

/** No override of the feature holds any more. */
export interface FeatureOverrideRevoked {
  readonly slug: string;
  readonly at: StoredInstant;
}

/** Other components are charged, in the current period and those after it, `cycles` in all. */
export interface PriceOverridden {
  readonly components: readonly PriceComponent[];
  readonly cycles: number;
  readonly reason?: string;
  readonly at: StoredInstant;
}

/** The price's own components are charged again. */
export interface PriceOverrideEnded {
  readonly at: StoredInstant;
}

/** A customer takes a seat. */
export interface SeatAdded {
  /** The seat's customer. */
  readonly customerId: StoredId;
  /** As the caller names it. */
  readonly externalCustomerId: string;
  readonly metadata?: Metadata;
  readonly at: StoredInstant;
}

/** The seat is free; it is counted until the period ends that has been charged. */
export interface SeatRemoved {
  readonly customerId: StoredId;
  readonly externalCustomerId: string;
  readonly countedUntil: StoredInstant;
  readonly at: StoredInstant;
}

/** The accounts have every grant that follows from the facts up to a revision. */
export interface GrantsDriven {
  readonly throughRevision: number;
  /** Grants that an account could not take. */
  readonly refused?: readonly RefusedGrant[];
}

export interface RefusedGrant {
  readonly definitionId: StoredId;
  readonly customerId: StoredId;
  /** Code and words of the refusal. */
  readonly code: string;
  readonly detail: string;
}

/** What a command with a key asked for, its state did not allow. It stays refused under the key. */
export interface CommandRefused {
  /** Such as `subscriptions.pause`. */
  readonly operation: string;
  readonly code: RefusalCode;
  readonly detail: string;
}

export type RefusalCode = 'subscription_not_active' | 'seat_taken' | 'seat_not_found';

/** What a command with a key asked for was so already: the fact remembers the key. */
export interface NothingChanged {
  readonly operation: string;
}
