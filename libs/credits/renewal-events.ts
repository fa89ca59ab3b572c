import type { StoredAmount, StoredId, StoredInstant } from '#libs/kernel';
import type { GrantIssued } from './grant-events.js';

/** How long the grants of a series live: days of 24 hours, or until that many renewals have come. */
export type Lifetime = { readonly days: number } | { readonly periods: number };

/**
 * What happens to what is left of the grants that end at a renewal: `reset` forfeits it, `carry` keeps it, at most up to
 * `upTo` or to `fraction` of the ended grant's amount where that is said.
 */
export type RolloverPolicy =
  | { readonly kind: 'reset' }
  | { readonly kind: 'carry'; readonly upTo?: StoredAmount; readonly fraction?: StoredAmount };

/** What every renewal copies onto its grant. */
export type RenewalTemplate = Omit<
  GrantIssued,
  | 'grantId'
  | 'parentId'
  | 'effectiveAt'
  | 'expiresAt'
  | 'source'
  | 'uniquenessKey'
  | 'issuedAt'
  | 'balanceAfter'
>;

/** A series of grants that renews begins with occurrence 0, a grant that is issued right after. */
export interface RenewalBegun {
  readonly seriesId: StoredId;
  /** Of occurrence 0. */
  readonly grantId: StoredId;
  readonly unit: string;
  /** Canonical RFC 5545 rule; absent: renewed by billing. */
  readonly rule?: string;
  /** IANA name of the zone in which the rule's wall clocks are. */
  readonly zone: string;
  /** From where the rule counts. */
  readonly anchor: StoredInstant;
  readonly lifetime: Lifetime;
  readonly rollover: RolloverPolicy;
  readonly template: RenewalTemplate;
  /** When the next grant is due; absent: never, or whenever billing says. */
  readonly nextAt?: StoredInstant;
  readonly begunAt: StoredInstant;
}

/** An occurrence of a series: the grant is issued right after. */
export interface GrantRenewed {
  readonly seriesId: StoredId;
  /** Counts on over pauses and resumptions; each number once. */
  readonly occurrence: number;
  readonly grantId: StoredId;
  readonly unit: string;
  /** The occurrence's own instant, not the one at which it was recorded. */
  readonly dueAt: StoredInstant;
  readonly nextAt?: StoredInstant;
}

/**
 * Credit leaves a grant that ends and goes on in another, issued right after with what all carry. A part that is not carried
 * is what GrantExpired forfeits next.
 */
export interface BalanceCarried {
  readonly seriesId: StoredId;
  /** The grant that ends. It has ended once nothing remains. */
  readonly grantId: StoredId;
  readonly intoGrantId: StoredId;
  readonly unit: string;
  /** > 0 */
  readonly amount: StoredAmount;
  readonly remainingAfter: StoredAmount;
  readonly balanceAfter: StoredAmount;
  readonly carriedAt: StoredInstant;
}

/** What renewals are from now on; grants that were issued stay as they are. */
export interface RenewalAmended {
  readonly seriesId: StoredId;
  readonly unit: string;
  readonly lifetime: Lifetime;
  readonly rollover: RolloverPolicy;
  readonly template: RenewalTemplate;
  readonly amendedAt: StoredInstant;
  readonly reason?: string;
}

export interface RenewalPaused {
  readonly seriesId: StoredId;
  readonly unit: string;
  readonly pausedAt: StoredInstant;
  readonly reason?: string;
}

/** The cycle begins anew: old grants of the series expire and a fresh one is issued, both right after. */
export interface RenewalResumed {
  readonly seriesId: StoredId;
  readonly unit: string;
  /** The rule counts from here now. */
  readonly anchor: StoredInstant;
  readonly resumedAt: StoredInstant;
  readonly reason?: string;
}

/** No occurrence any more. Unless they are kept, the series' grants expire right after. */
export interface RenewalCancelled {
  readonly seriesId: StoredId;
  readonly unit: string;
  readonly grantsKept: boolean;
  readonly cancelledAt: StoredInstant;
  readonly reason?: string;
}
