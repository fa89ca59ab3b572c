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
  /** What usage of the same kind could draw now, after that. */
  readonly availableAfter: Amount;
}

/**
 * Draws `amount` from the grants that may pay for this usage at its time `at`, in burn-down order.
 * Eligible at t: `effectiveAt <= t < expiresAt`.
 */
export function burnDown(
  account: UnitAccount,
  amount: Amount,
  at: Instant,
  now: Instant,
  usage: UsageContext,
): Drawdown {
  const allocations: Allocation[] = [];
  let wanted = amount;
  // taken from the whole, because most grants count and few are drawn on
  let availableAfter = account.balance;
  for (const grant of account.grants) {
    const pays = wanted > 0n && grant.remaining > 0n && grant.effectiveAt <= at && at < grant.expiresAt;
    const counts = grant.effectiveAt <= now && now < grant.expiresAt;
    const mayPay = (pays || counts) && admits(grant.applicability, usage);
    if (!mayPay || !counts) availableAfter -= grant.remaining;
    if (!mayPay || !pays) continue;
    const part = minAmount(wanted, grant.remaining);
    allocations.push({ grant, amount: part, remainingAfter: grant.remaining - part });
    if (counts) availableAfter -= part;
    wanted -= part;
  }
  return { allocations, drawn: amount - wanted, availableAfter };
}
