import type { Instant } from '#libs/kernel';
import type { BalanceKind, GrantScope } from './events.js';

/** What decides a grant's place in the order of drawdown; fixed when the grant is issued. */
export interface BurnDownRank {
  readonly id: string;
  readonly scope: GrantScope;
  readonly kind: BalanceKind;
  /** Lower burns first. */
  readonly priority: number;
  readonly free: boolean;
  readonly narrowness: readonly [number, number, number];
  readonly effectiveAt: Instant;
  /** Infinity: never. */
  readonly expiresAt: Instant;
  /** Revision of its GrantIssued: orders grants as their positions do. */
  readonly issued: number;
}

const SCOPE_STEP: Readonly<Record<GrantScope, number>> = { component: 0, price: 1, plan: 2, merchant: 3 };
const KIND_STEP: Readonly<Record<BalanceKind, number>> = { rollover: 0, prepaid: 1, postpaid: 2 };

/**
 * The one order of drawdown (rules.md): waterfall step, kind, priority, free before paid, narrower first, earlier expiry,
 * earlier start, position, id. Total: two different grants never compare as equal.
 */
export function compareBurnDown(a: BurnDownRank, b: BurnDownRank): number {
  return (
    SCOPE_STEP[a.scope] - SCOPE_STEP[b.scope] ||
    KIND_STEP[a.kind] - KIND_STEP[b.kind] ||
    a.priority - b.priority ||
    Number(b.free) - Number(a.free) ||
    compareNumbers(a.narrowness[0], b.narrowness[0]) ||
    compareNumbers(a.narrowness[1], b.narrowness[1]) ||
    compareNumbers(a.narrowness[2], b.narrowness[2]) ||
    compareNumbers(a.expiresAt, b.expiresAt) ||
    a.effectiveAt - b.effectiveAt ||
    a.issued - b.issued ||
    (a.id < b.id ? -1 : Number(a.id > b.id))
  );
}

/** Subtraction would make NaN of two infinities. */
const compareNumbers = (a: number, b: number): number => (a === b ? 0 : a < b ? -1 : 1);
