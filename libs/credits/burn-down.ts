import { minAmount, type Amount, type Instant } from '#libs/kernel';
import type { Grant, UnitAccount } from './account.js';
import { admits, type UsageContext } from './applicability.js';

/** What one grant gives to a consumption. */
export interface Allocation {
  readonly grant: Grant;
  /** > 0 */
  readonly amount: Amount;
  readonly remainingAfter: Amount;
}

export interface Drawdown {
  readonly allocations: readonly Allocation[];
  /** Sum of the allocations, at most what was asked for. */
  readonly drawn: Amount;
  /** What the same usage could draw after that. */
  readonly availableAfter: Amount;
}

/**
 * Draws `amount` from the grants that may pay for this usage at its time, in burn-down order.
 * Eligible at t: `effectiveAt <= t < expiresAt`.
 */
export function burnDown(account: UnitAccount, amount: Amount, at: Instant, usage: UsageContext): Drawdown {
  const allocations: Allocation[] = [];
  let wanted = amount;
  let availableAfter = 0n;
  for (const grant of account.grants) {
    if (grant.effectiveAt > at || at >= grant.expiresAt || !admits(grant.applicability, usage)) continue;
    if (wanted === 0n) {
      availableAfter += grant.remaining;
      continue;
    }
    const part = minAmount(wanted, grant.remaining);
    const remainingAfter = grant.remaining - part;
    allocations.push({ grant, amount: part, remainingAfter });
    wanted -= part;
    availableAfter += remainingAfter;
  }
  return { allocations, drawn: amount - wanted, availableAfter };
}
