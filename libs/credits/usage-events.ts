import type { UsageContext } from './applicability.js';

export type ShortagePolicy = 'refuse' | 'partial' | 'overage' | 'pending';

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

/** What comes back to one grant. `forfeited`: the grant had ended that way, so the amount is gone at once. */
export interface ReturnedPart {
  readonly grantId: string;
  readonly amount: string;
  readonly remainingAfter: string;
  readonly forfeited?: 'expired' | 'voided';
}

/**
 * Part or all of a consumption is taken back: first what no grant had covered, then what is still owed, then what grants paid
 * for that debt, then what grants gave, each from the last to the first. amount = uncovered + debt + sum of allocations.
 */
export interface ConsumptionReversed {
  readonly reversalId: string;
  /** Of the consumption, or the hold that was captured. */
  readonly consumptionId: string;
  readonly unit: string;
  readonly amount: string;
  /** Overage that is no longer to be billed. */
  readonly uncovered: string;
  /** Debt that is no longer owed. */
  readonly debt: string;
  readonly allocations: readonly ReturnedPart[];
  /** Sum of all reversals of this consumption so far. */
  readonly reversedTotal: string;
  readonly reason: string;
  /** The usage event of a negative value that caused it. */
  readonly usageEventId?: string;
  readonly balanceAfter: string;
  readonly debtAfter: string;
  readonly reversedAt: string;
  /** When it counts: not before the usage it takes back. */
  readonly effectiveAt: string;
}
