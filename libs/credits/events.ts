import type { StoredAmount, StoredId, StoredInstant, StoredSignedAmount } from '#libs/kernel';
import type { Applicability, UsageContext } from './applicability.js';

/**
 * The facts of a credit account, as they are stored: JSON primitives only, amounts as canonical decimal strings,
 * times as ISO 8601 in UTC. Members that do not apply are absent. A stored shape never changes; a new one is a new version.
 */
export type CreditEvent =
  | { readonly type: 'GrantIssued'; readonly data: GrantIssued }
  | { readonly type: 'GrantActivated'; readonly data: GrantActivated }
  | { readonly type: 'CreditsConsumed'; readonly data: CreditsConsumed }
  | { readonly type: 'ConsumptionRefused'; readonly data: ConsumptionRefused }
  | { readonly type: 'UsageRecorded'; readonly data: UsageRecorded }
  | { readonly type: 'DebtSettled'; readonly data: DebtSettled }
  | { readonly type: 'GrantExpired'; readonly data: GrantExpired }
  | { readonly type: 'GrantVoided'; readonly data: GrantVoided }
  | { readonly type: 'CommandRefused'; readonly data: CommandRefused };

export type CreditEventType = CreditEvent['type'];

export type ShortagePolicy = 'refuse' | 'partial' | 'overage' | 'pending';
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
  readonly unit: string;
  readonly amount: StoredAmount;
  /** First instant at which the grant may be drawn. */
  readonly effectiveAt: StoredInstant;
  /** First instant at which it may not; absent: never. */
  readonly expiresAt?: StoredInstant;
  readonly priority: number;
  readonly category: GrantCategory;
  readonly source: string;
  readonly kind: BalanceKind;
  readonly scope: GrantScope;
  /** Paid / granted, a decimal string; 0 is free. */
  readonly costBasis: StoredAmount;
  readonly applicability?: Applicability;
  readonly definitionId?: StoredId;
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
  readonly activatedAt: StoredInstant;
}

/** One part of a consumption: what one grant gave. */
export interface StoredAllocation {
  readonly grantId: StoredId;
  readonly amount: StoredAmount;
  readonly remainingAfter: StoredAmount;
}

/** The usage event behind a consumption. */
export interface StoredUsage {
  readonly eventId: StoredId;
  readonly eventName: string;
  readonly meterId: StoredId;
  readonly value?: StoredSignedAmount;
  readonly text?: string;
  readonly idempotencyKey?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
}

interface Consumption {
  readonly consumptionId: StoredId;
  readonly unit: string;
  readonly requested: StoredAmount;
  readonly onShortage: ShortagePolicy;
  /** The usage's own time: grants effective then may pay. */
  readonly effectiveAt: StoredInstant;
  readonly context?: UsageContext;
  readonly usage?: StoredUsage;
  /** Set when requested = quantity x rate. */
  readonly rating?: {
    readonly quantity: StoredAmount;
    readonly rate: StoredAmount;
    readonly rounding?: 'half_up';
  };
  readonly reference?: string;
}

/** requested = sum of allocations + shortfall; debt is the part of the shortfall that is owed. */
export interface CreditsConsumed extends Consumption {
  readonly allocations: readonly StoredAllocation[];
  readonly consumed: StoredAmount;
  readonly shortfall: StoredAmount;
  readonly debt: StoredAmount;
  readonly balanceAfter: StoredAmount;
  readonly debtAfter: StoredAmount;
  /** What usage of the same kind could draw at the time of recording, after this. */
  readonly availableAfter: StoredAmount;
}

export interface ConsumptionRefused extends Consumption {
  readonly reason: 'insufficient_credit' | 'debt_limit';
  /** What it could have drawn. */
  readonly available: StoredAmount;
  readonly debtLimit?: StoredAmount;
}

/** Usage that is measured and draws nothing. */
export interface UsageRecorded {
  readonly usage: StoredUsage;
  readonly effectiveAt: StoredInstant;
}

/** A grant pays what is owed, oldest debt first, as far as it could have paid that usage. */
export interface DebtSettled {
  readonly grantId: StoredId;
  readonly unit: string;
  readonly amount: StoredAmount;
  readonly settlements: readonly { readonly consumptionId: StoredId; readonly amount: StoredAmount }[];
  readonly remainingAfter: StoredAmount;
  readonly balanceAfter: StoredAmount;
  readonly debtAfter: StoredAmount;
  readonly settledAt: StoredInstant;
}

/** Why a grant ended with something left. */
export type ExpiryCause = 'ended';

/** Breakage: exactly what remained when the grant ended. Version 1 had no `cause`. */
export interface GrantExpired {
  /** `ended`: it reached the end it was issued with. */
  readonly cause: ExpiryCause;
  readonly grantId: StoredId;
  readonly unit: string;
  readonly amount: StoredAmount;
  readonly balanceAfter: StoredAmount;
  /** The instant the grant ended, not the one at which that was recorded. */
  readonly expiredAt: StoredInstant;
}

/** What remained is removed from now on; what was drawn before stays. */
export interface GrantVoided {
  readonly grantId: StoredId;
  readonly unit: string;
  readonly amount: StoredAmount;
  readonly balanceAfter: StoredAmount;
  readonly voidedAt: StoredInstant;
  readonly notes?: string;
}

/** A command on a grant that its state does not allow. It stays refused under its key. */
export interface CommandRefused {
  readonly command: 'IssueGrants' | 'RevokeGrant';
  readonly code: 'grant_not_active' | 'uniqueness_key_used';
  readonly detail: string;
  readonly grantId: StoredId;
}
