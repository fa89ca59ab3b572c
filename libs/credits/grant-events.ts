import type { Applicability } from './applicability.js';

export type GrantCategory = 'paid' | 'promotional';
/** What a balance is, before priority counts: rollovers burn before prepaid, postpaid last. */
export type BalanceKind = 'rollover' | 'prepaid' | 'postpaid';
/** Scope of the monetary definition a grant came from: the steps of the waterfall. */
export type GrantScope = 'component' | 'price' | 'plan' | 'merchant';

/** An award in one unit, with everything that was configured when it was issued. */
export interface GrantIssued {
  readonly grantId: string;
  /** Shared by the segments of one access schedule. */
  readonly parentId?: string;
  readonly unit: string;
  readonly amount: string;
  /** First instant at which the grant may be drawn. */
  readonly effectiveAt: string;
  /** First instant at which it may not; absent: never. */
  readonly expiresAt?: string;
  readonly priority: number;
  readonly category: GrantCategory;
  readonly source: string;
  readonly kind: BalanceKind;
  readonly scope: GrantScope;
  /** Paid / granted, a decimal string; 0 is free. */
  readonly costBasis: string;
  readonly applicability?: Applicability;
  readonly definitionId?: string;
  /** What the definition was linked to. */
  readonly links?: GrantLinks;
  readonly applicationType?: 'usage' | 'monetary';
  readonly name?: string;
  readonly description?: string;
  readonly billingVisible?: boolean;
  readonly referenceCode?: string;
  readonly notes?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly uniquenessKey?: string;
  readonly issuedAt: string;
  /** Sum of what remains on all open grants of the unit, scheduled ones included, after this grant. */
  readonly balanceAfter: string;
}

/** Ids of the catalogue as the definition named them. */
export interface GrantLinks {
  readonly planId?: string;
  readonly featureId?: string;
  readonly featureSlug?: string;
  readonly priceId?: string;
  readonly priceComponentId?: string;
}

/** A scheduled grant has become effective. */
export interface GrantActivated {
  readonly grantId: string;
  readonly unit: string;
  readonly activatedAt: string;
}

/**
 * Why what remained was forfeited: the grant's own end came; it was ended by hand; it ended at a renewal that did not carry
 * it; its series was resumed with fresh grants; its series was cancelled.
 */
export type ExpiryCause = 'ended' | 'expired_now' | 'not_carried' | 'resumed' | 'cancelled';

/** Breakage: exactly what remained when the grant ended. What is held of it stays so until its hold ends. */
export interface GrantExpired {
  readonly grantId: string;
  readonly unit: string;
  /** 0 only where all that was left is held. */
  readonly amount: string;
  readonly cause: ExpiryCause;
  readonly balanceAfter: string;
  /** The instant the grant ended, not the one at which that was recorded. */
  readonly expiredAt: string;
  readonly notes?: string;
}

/** What remained is removed from now on; what was drawn or held before stays. */
export interface GrantVoided {
  readonly grantId: string;
  readonly unit: string;
  /** 0 only where all that was left is held. */
  readonly amount: string;
  readonly balanceAfter: string;
  readonly voidedAt: string;
  readonly notes?: string;
}

/** The grant's amount and window as they are from now on, all of them, changed or not. */
export interface GrantAmended {
  readonly grantId: string;
  readonly unit: string;
  /** The initial amount as it counts now, adjustments aside. */
  readonly amount: string;
  /** By how much that is more than before; signed. */
  readonly change: string;
  readonly effectiveAt: string;
  readonly expiresAt?: string;
  readonly remainingAfter: string;
  readonly balanceAfter: string;
  readonly amendedAt: string;
  readonly reason?: string;
}

/** A manual entry on one grant. */
export interface GrantAdjusted {
  readonly grantId: string;
  readonly unit: string;
  /** Signed, never 0. */
  readonly amount: string;
  readonly reason: string;
  readonly reference?: string;
  readonly remainingAfter: string;
  readonly balanceAfter: string;
  readonly adjustedAt: string;
}

/** Members that were set anew; null: taken away. A priority puts the grant in another place from now on. */
export interface GrantEdited {
  readonly grantId: string;
  readonly unit: string;
  readonly priority?: number;
  readonly name?: string | null;
  readonly description?: string | null;
  readonly notes?: string | null;
  readonly referenceCode?: string | null;
  readonly metadata?: Readonly<Record<string, string>> | null;
  readonly editedAt: string;
}
