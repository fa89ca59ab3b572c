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

/** Version of the payloads below. */
export const CREDIT_SCHEMA_VERSION = 1;

export type ShortagePolicy = 'refuse' | 'partial' | 'overage' | 'pending';
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

/** One part of a consumption: what one grant gave. */
export interface StoredAllocation {
  readonly grantId: string;
  readonly amount: string;
  readonly remainingAfter: string;
}

/** The usage event behind a consumption. */
export interface StoredUsage {
  readonly eventId: string;
  readonly eventName: string;
  readonly meterId: string;
  readonly value?: string;
  readonly text?: string;
  readonly idempotencyKey?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
}

interface Consumption {
  readonly consumptionId: string;
  readonly unit: string;
  readonly requested: string;
  readonly onShortage: ShortagePolicy;
  /** The usage's own time: grants effective then may pay. */
  readonly effectiveAt: string;
  readonly context?: UsageContext;
  readonly usage?: StoredUsage;
  /** Set when requested = quantity x rate. */
  readonly rating?: { readonly quantity: string; readonly rate: string; readonly rounding?: 'half_up' };
  readonly reference?: string;
}

/** requested = sum of allocations + shortfall; debt is the part of the shortfall that is owed. */
export interface CreditsConsumed extends Consumption {
  readonly allocations: readonly StoredAllocation[];
  readonly consumed: string;
  readonly shortfall: string;
  readonly debt: string;
  readonly balanceAfter: string;
  readonly debtAfter: string;
  /** What usage of the same kind could draw at the time of recording, after this. */
  readonly availableAfter: string;
}

export interface ConsumptionRefused extends Consumption {
  readonly reason: 'insufficient_credit' | 'debt_limit';
  /** What it could have drawn. */
  readonly available: string;
  readonly debtLimit?: string;
}

/** Usage that is measured and draws nothing. */
export interface UsageRecorded {
  readonly usage: StoredUsage;
  readonly effectiveAt: string;
}

/** A grant pays what is owed, oldest debt first, as far as it could have paid that usage. */
export interface DebtSettled {
  readonly grantId: string;
  readonly unit: string;
  readonly amount: string;
  readonly settlements: readonly { readonly consumptionId: string; readonly amount: string }[];
  readonly remainingAfter: string;
  readonly balanceAfter: string;
  readonly debtAfter: string;
  readonly settledAt: string;
}

/** Breakage: exactly what remained when the grant ended. */
export interface GrantExpired {
  readonly grantId: string;
  readonly unit: string;
  readonly amount: string;
  readonly balanceAfter: string;
  /** The instant the grant ended, not the one at which that was recorded. */
  readonly expiredAt: string;
}

/** What remained is removed from now on; what was drawn before stays. */
export interface GrantVoided {
  readonly grantId: string;
  readonly unit: string;
  readonly amount: string;
  readonly balanceAfter: string;
  readonly voidedAt: string;
  readonly notes?: string;
}

/** A command on a grant that its state does not allow. It stays refused under its key. */
export interface CommandRefused {
  readonly command: 'IssueGrants' | 'RevokeGrant';
  readonly code: 'grant_not_active' | 'uniqueness_key_used';
  readonly detail: string;
  readonly grantId: string;
}
