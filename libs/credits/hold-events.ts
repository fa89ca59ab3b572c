import type { UsageContext } from './applicability.js';
import type { ReturnedPart, StoredUsage } from './usage-events.js';

/** What one grant sets aside for a hold. */
export interface HeldPart {
  readonly grantId: string;
  readonly amount: string;
  readonly remainingAfter: string;
  /** Of this grant, over all holds. */
  readonly heldAfter: string;
}

/** Amounts set aside on concrete grants, in the order of drawdown. They are out of what remains until the hold ends. */
export interface HoldPlaced {
  readonly holdId: string;
  readonly unit: string;
  readonly requested: string;
  /** Sum of the allocations; less than requested under `partial` only. */
  readonly amount: string;
  readonly onShortage: HoldPolicy;
  readonly effectiveAt: string;
  /** First instant at which it is no longer held; absent: until somebody ends it. */
  readonly expiresAt?: string;
  readonly context?: UsageContext;
  readonly reference?: string;
  readonly allocations: readonly HeldPart[];
  readonly balanceAfter: string;
  /** Of the unit, over all holds. */
  readonly heldAfter: string;
  readonly availableAfter: string;
  readonly placedAt: string;
}

/** All or nothing, or what there is. */
export type HoldPolicy = 'refuse' | 'partial';

export interface HoldRefused {
  readonly holdId: string;
  readonly unit: string;
  readonly requested: string;
  readonly onShortage: HoldPolicy;
  readonly effectiveAt: string;
  readonly context?: UsageContext;
  readonly reference?: string;
  readonly reason: 'insufficient_credit';
  /** What it could have set aside. */
  readonly available: string;
}

/** One part of a hold when it is captured: `amount` is drawn, `released` comes back; either may be 0. */
export interface CapturedPart extends ReturnedPart {
  readonly released: string;
  readonly heldAfter: string;
}

/** The hold is over: `captured` is drawn, the rest comes back, last set aside first. As a consumption it has the hold's id. */
export interface HoldCaptured {
  readonly holdId: string;
  readonly unit: string;
  readonly captured: string;
  /** What comes back, forfeited parts included. */
  readonly released: string;
  readonly allocations: readonly CapturedPart[];
  readonly effectiveAt: string;
  readonly context?: UsageContext;
  readonly usage?: StoredUsage;
  readonly reference?: string;
  /** The consumption that drew what the capture took beyond the hold. */
  readonly moreConsumptionId?: string;
  readonly balanceAfter: string;
  readonly heldAfter: string;
  readonly capturedAt: string;
}

/** The hold is over and all of it comes back: somebody released it, or its time ran out. */
export interface HoldReleased {
  readonly holdId: string;
  readonly unit: string;
  readonly cause: 'released' | 'timed_out';
  readonly released: string;
  readonly allocations: readonly (ReturnedPart & { readonly heldAfter: string })[];
  readonly balanceAfter: string;
  readonly heldAfter: string;
  /** The instant it ended, not the one at which a time-out was recorded. */
  readonly releasedAt: string;
  readonly reference?: string;
}
