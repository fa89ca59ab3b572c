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

/** One part of a consumption: what one grant gave. */
export interface StoredAllocation {
  readonly grantId: StoredId;
  /** What was drawn from it. */
  readonly amount: StoredAmount;
  /** What it has left. */
  readonly remainingAfter: StoredAmount;
}

/** The usage event behind a consumption. */
export interface StoredUsage {
  readonly eventId: StoredId;
  /** What was reported; it says which meter counts. */
  readonly eventName: string;
  readonly meterId: StoredId;
  /** The number that was reported. */
  readonly value?: StoredSignedAmount;
  /** The text that was reported, where the meter looks at texts. */
  readonly text?: string;
  readonly idempotencyKey?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
}

interface Consumption {
  readonly consumptionId: StoredId;
  readonly unit: string;
  /** What the usage costs in the unit. */
  readonly requested: StoredAmount;
  /** What was to happen if credit was short. */
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
  /** The caller's own reference. */
  readonly reference?: string;
}

/** Usage drew credit: requested = sum of allocations + shortfall; debt is the part of the shortfall that is owed. */
export interface CreditsConsumed extends Consumption {
  /** Which grants paid, in the order of drawdown. */
  readonly allocations: readonly StoredAllocation[];
  /** Sum of the allocations. */
  readonly consumed: StoredAmount;
  /** What no grant could pay. */
  readonly shortfall: StoredAmount;
  /** The part of the shortfall that is owed from now on. */
  readonly debt: StoredAmount;
  /** What remains on all open grants of the unit. */
  readonly balanceAfter: StoredAmount;
  /** What is owed in the unit, all in all. */
  readonly debtAfter: StoredAmount;
  /** What usage of the same kind could draw at the time of recording, after this. */
  readonly availableAfter: StoredAmount;
}

/** Usage that nothing paid for; the key it came with stays refused. */
export interface ConsumptionRefused extends Consumption {
  readonly reason: 'insufficient_credit' | 'debt_limit';
  /** What it could have drawn. */
  readonly available: StoredAmount;
  /** The most that may be owed. */
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
  /** What was paid. */
  readonly amount: StoredAmount;
  /** Which consumptions it was owed for. */
  readonly settlements: readonly { readonly consumptionId: StoredId; readonly amount: StoredAmount }[];
  /** What the grant has left. */
  readonly remainingAfter: StoredAmount;
  /** What remains on all open grants of the unit. */
  readonly balanceAfter: StoredAmount;
  /** What is still owed in the unit. */
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
  /** What is lost. */
  readonly amount: StoredAmount;
  /** What remains on all open grants of the unit. */
  readonly balanceAfter: StoredAmount;
  /** The instant the grant ended, not the one at which that was recorded. */
  readonly expiredAt: StoredInstant;
}

/** What remained is removed from now on; what was drawn before stays. */
export interface GrantVoided {
  readonly grantId: StoredId;
  readonly unit: string;
  /** What is removed. */
  readonly amount: StoredAmount;
  /** What remains on all open grants of the unit. */
  readonly balanceAfter: StoredAmount;
  readonly voidedAt: StoredInstant;
  readonly notes?: string;
}

/** A command on a grant that its state does not allow. It stays refused under its key. */
export interface CommandRefused {
  readonly command: 'IssueGrants' | 'RevokeGrant';
  readonly code: 'grant_not_active' | 'uniqueness_key_used';
  /** The reason, for people. */
  readonly detail: string;
  readonly grantId: StoredId;
}
