import type { StoredAmount, StoredId, StoredInstant } from '#libs/kernel';
import type { UsageContext } from './applicability.js';
import type { ReturnedPart, StoredUsage } from './usage-events.js';

/** What one grant sets aside for a hold. */
export interface HeldPart {
  readonly grantId: StoredId;
  readonly amount: StoredAmount;
  readonly remainingAfter: StoredAmount;
  /** Of this grant, over all holds. */
  readonly heldAfter: StoredAmount;
}

/** Amounts set aside on concrete grants, in the order of drawdown. They are out of what remains until the hold ends. */
export interface HoldPlaced {
  readonly holdId: StoredId;
  readonly unit: string;
  readonly requested: StoredAmount;
  /** Sum of the allocations; less than requested under `partial` only. */
  readonly amount: StoredAmount;
  readonly onShortage: HoldPolicy;
  readonly effectiveAt: StoredInstant;
  /** First instant at which it is no longer held; absent: until somebody ends it. */
  readonly expiresAt?: StoredInstant;
  readonly context?: UsageContext;
  readonly reference?: string;
  readonly allocations: readonly HeldPart[];
  readonly balanceAfter: StoredAmount;
  /** Of the unit, over all holds. */
  readonly heldAfter: StoredAmount;
  readonly availableAfter: StoredAmount;
  readonly placedAt: StoredInstant;
}

/** All or nothing, or what there is. */
export type HoldPolicy = 'refuse' | 'partial';

export interface HoldRefused {
  readonly holdId: StoredId;
  readonly unit: string;
  readonly requested: StoredAmount;
  readonly onShortage: HoldPolicy;
  readonly effectiveAt: StoredInstant;
  readonly context?: UsageContext;
  readonly reference?: string;
  readonly reason: 'insufficient_credit';
  /** What it could have set aside. */
  readonly available: StoredAmount;
}

/** One part of a hold when it is captured: `amount` is drawn, `released` comes back; either may be 0. */
export interface CapturedPart extends ReturnedPart {
  readonly released: StoredAmount;
  readonly heldAfter: StoredAmount;
}

/** The hold is over: `captured` is drawn, the rest comes back, last set aside first. As a consumption it has the hold's id. */
export interface HoldCaptured {
  readonly holdId: StoredId;
  readonly unit: string;
  /** Units for one of what the meter counts, where it is not 1. */
  readonly rate?: StoredAmount;
  readonly captured: StoredAmount;
  /** What comes back, forfeited parts included. */
  readonly released: StoredAmount;
  readonly allocations: readonly CapturedPart[];
  readonly effectiveAt: StoredInstant;
  readonly context?: UsageContext;
  readonly usage?: StoredUsage;
  readonly reference?: string;
  /** The consumption that drew what the capture took beyond the hold. */
  readonly moreConsumptionId?: StoredId;
  readonly balanceAfter: StoredAmount;
  readonly heldAfter: StoredAmount;
  readonly capturedAt: StoredInstant;
}

/** The hold is over and all of it comes back: somebody released it, or its time ran out. */
export interface HoldReleased {
  readonly holdId: StoredId;
  readonly unit: string;
  readonly cause: 'released' | 'timed_out';
  readonly released: StoredAmount;
  readonly allocations: readonly (ReturnedPart & { readonly heldAfter: StoredAmount })[];
  readonly balanceAfter: StoredAmount;
  readonly heldAfter: StoredAmount;
  /** The instant it ended, not the one at which a time-out was recorded. */
  readonly releasedAt: StoredInstant;
  readonly reference?: string;
}
