import type { StoredAmount, StoredId, StoredInstant, StoredSignedAmount } from '#libs/kernel';
import type { Applicability } from './applicability.js';

export type GrantCategory = 'paid' | 'promotional';
/** What a balance is, before priority counts: rollovers burn before prepaid, postpaid last. */
export type BalanceKind = 'rollover' | 'prepaid' | 'postpaid';
/** Scope of the monetary definition a grant came from: the steps of the waterfall. */
export type GrantScope = 'component' | 'price' | 'plan' | 'merchant';

/** An award in one unit, with everything that was configured when it was issued. */
export interface GrantIssued {
  readonly grantId: StoredId;
  /** Shared by the segments of one access schedule. */
  readonly parentId?: StoredId;
  /** Code of the unit that the amounts count. */
  readonly unit: string;
  /** What may be drawn in all; above zero. */
  readonly amount: StoredAmount;
  /** First instant at which the grant may be drawn. */
  readonly effectiveAt: StoredInstant;
  /** First instant at which it may not; absent: never. */
  readonly expiresAt?: StoredInstant;
  /** 0 to 100; lower burns first. */
  readonly priority: number;
  /** Whether it was paid for. */
  readonly category: GrantCategory;
  /** Why it was given, such as `manual`, `plan` or `topup`. */
  readonly source: string;
  readonly kind: BalanceKind;
  readonly scope: GrantScope;
  /** Paid / granted, a decimal string; 0 is free. */
  readonly costBasis: StoredAmount;
  readonly applicability?: Applicability;
  /** The credit definition it was made from. */
  readonly definitionId?: StoredId;
  /** What the definition was linked to. */
  readonly links?: GrantLinks;
  /** Whether it counts usage or money. */
  readonly applicationType?: 'usage' | 'monetary';
  readonly name?: string;
  readonly description?: string;
  /** Whether the invoice shows it. */
  readonly billingVisible?: boolean;
  /** The caller's own reference, such as an order number. */
  readonly referenceCode?: string;
  readonly notes?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** No other grant of the account has it, ever. */
  readonly uniquenessKey?: string;
  /** When it was recorded. */
  readonly issuedAt: StoredInstant;
  /** Sum of what remains on all open grants of the unit, scheduled ones included, after this grant. */
  readonly balanceAfter: StoredAmount;
}

/** Ids of the catalogue as the definition named them. */
export interface GrantLinks {
  readonly planId?: StoredId;
  readonly featureId?: StoredId;
  readonly featureSlug?: string;
  readonly priceId?: StoredId;
  readonly priceComponentId?: StoredId;
}

/** A scheduled grant has become effective. */
export interface GrantActivated {
  readonly grantId: StoredId;
  readonly unit: string;
  /** The instant the grant became effective, not the one at which that was recorded. */
  readonly activatedAt: StoredInstant;
}

/**
 * Why what remained was forfeited: the grant's own end came; it was ended by hand; it ended at a renewal that did not carry
 * it; its series was resumed with fresh grants; its series was cancelled.
 */
export type ExpiryCause = 'ended' | 'expired_now' | 'not_carried' | 'resumed' | 'cancelled';

/** Breakage: exactly what remained when the grant ended. What is held of it stays so until its hold ends. */
export interface GrantExpired {
  readonly grantId: StoredId;
  readonly unit: string;
  /** 0 only where all that was left is held. */
  readonly amount: StoredAmount;
  readonly cause: ExpiryCause;
  readonly balanceAfter: StoredAmount;
  /** The instant the grant ended, not the one at which that was recorded. */
  readonly expiredAt: StoredInstant;
  readonly notes?: string;
}

/** What remained is removed from now on; what was drawn or held before stays. */
export interface GrantVoided {
  readonly grantId: StoredId;
  readonly unit: string;
  /** 0 only where all that was left is held. */
  readonly amount: StoredAmount;
  readonly balanceAfter: StoredAmount;
  readonly voidedAt: StoredInstant;
  readonly notes?: string;
}

/** The grant's amount and window as they are from now on, all of them, changed or not. */
export interface GrantAmended {
  readonly grantId: StoredId;
  readonly unit: string;
  /** The initial amount as it counts now, adjustments aside. */
  readonly amount: StoredAmount;
  /** By how much that is more than before; signed. */
  readonly change: StoredSignedAmount;
  readonly effectiveAt: StoredInstant;
  readonly expiresAt?: StoredInstant;
  readonly remainingAfter: StoredAmount;
  readonly balanceAfter: StoredAmount;
  readonly amendedAt: StoredInstant;
  readonly reason?: string;
}

/** A manual entry on one grant. */
export interface GrantAdjusted {
  readonly grantId: StoredId;
  readonly unit: string;
  /** Signed, never 0. */
  readonly amount: StoredSignedAmount;
  readonly reason: string;
  readonly reference?: string;
  readonly remainingAfter: StoredAmount;
  readonly balanceAfter: StoredAmount;
  readonly adjustedAt: StoredInstant;
}

/** Members that were set anew; null: taken away. A priority puts the grant in another place from now on. */
export interface GrantEdited {
  readonly grantId: StoredId;
  readonly unit: string;
  readonly priority?: number;
  readonly name?: string | null;
  readonly description?: string | null;
  readonly notes?: string | null;
  readonly referenceCode?: string | null;
  readonly metadata?: Readonly<Record<string, string>> | null;
  readonly editedAt: StoredInstant;
}
