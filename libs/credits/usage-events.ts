import type { StoredAmount, StoredId, StoredInstant, StoredSignedAmount } from '#libs/kernel';
import type { UsageContext } from './applicability.js';

export type ShortagePolicy = 'refuse' | 'partial' | 'overage' | 'pending';

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
  /** Units for one of what the meter counts, where an amount in units was asked for and it is not 1. */
  readonly rate?: StoredAmount;
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

/** What comes back to one grant. `forfeited`: the grant had ended that way, so the amount is gone at once. */
export interface ReturnedPart {
  readonly grantId: StoredId;
  readonly amount: StoredAmount;
  readonly remainingAfter: StoredAmount;
  readonly forfeited?: 'expired' | 'voided';
}

/**
 * Part or all of a consumption is taken back: first what no grant had covered, then what is still owed, then what grants paid
 * for that debt, then what grants gave, each from the last to the first. amount = uncovered + debt + sum of allocations.
 */
export interface ConsumptionReversed {
  readonly reversalId: StoredId;
  /** Of the consumption, or the hold that was captured. */
  readonly consumptionId: StoredId;
  readonly unit: string;
  readonly amount: StoredAmount;
  /** Overage that is no longer to be billed. */
  readonly uncovered: StoredAmount;
  /** Debt that is no longer owed. */
  readonly debt: StoredAmount;
  readonly allocations: readonly ReturnedPart[];
  /** Sum of all reversals of this consumption so far. */
  readonly reversedTotal: StoredAmount;
  readonly reason: string;
  /** The usage event of a negative value that caused it. */
  readonly usageEventId?: StoredId;
  readonly balanceAfter: StoredAmount;
  readonly debtAfter: StoredAmount;
  readonly reversedAt: StoredInstant;
  /** When it counts: not before the usage it takes back. */
  readonly effectiveAt: StoredInstant;
}
