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

export type BurnDownStep =
  | 'scope'
  | 'kind'
  | 'priority'
  | 'cost'
  | 'contract'
  | 'targets'
  | 'conditions'
  | 'expiry'
  | 'start'
  | 'position'
  | 'id';

const SCOPE_STEP: Readonly<Record<GrantScope, number>> = { component: 0, price: 1, plan: 2, merchant: 3 };
const KIND_STEP: Readonly<Record<BalanceKind, number>> = { rollover: 0, prepaid: 1, postpaid: 2 };

/**
 * The one order of drawdown (rules.md): waterfall step, kind, priority, free before paid, narrower first, earlier expiry,
 * earlier start, position, id. Total: two different grants never compare as equal.
 */
export function compareBurnDown(a: BurnDownRank, b: BurnDownRank): number {
  for (const { compare } of BURN_DOWN_STEPS) {
    const difference = compare(a, b);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Name of the step that puts one grant before the other. */
export const decidingStep = (a: BurnDownRank, b: BurnDownRank): BurnDownStep =>
  BURN_DOWN_STEPS.find(({ compare }) => compare(a, b) !== 0)?.step ?? 'id';

/** Subtraction would make NaN of two infinities. */
const compareNumbers = (a: number, b: number): number => (a === b ? 0 : a < b ? -1 : 1);

const BURN_DOWN_STEPS: readonly {
  readonly step: BurnDownStep;
  readonly compare: (a: BurnDownRank, b: BurnDownRank) => number;
}[] = [
  { step: 'scope', compare: (a, b) => SCOPE_STEP[a.scope] - SCOPE_STEP[b.scope] },
  { step: 'kind', compare: (a, b) => KIND_STEP[a.kind] - KIND_STEP[b.kind] },
  { step: 'priority', compare: (a, b) => a.priority - b.priority },
  { step: 'cost', compare: (a, b) => Number(b.free) - Number(a.free) },
  { step: 'contract', compare: (a, b) => compareNumbers(a.narrowness[0], b.narrowness[0]) },
  { step: 'targets', compare: (a, b) => compareNumbers(a.narrowness[1], b.narrowness[1]) },
  { step: 'conditions', compare: (a, b) => compareNumbers(a.narrowness[2], b.narrowness[2]) },
  { step: 'expiry', compare: (a, b) => compareNumbers(a.expiresAt, b.expiresAt) },
  { step: 'start', compare: (a, b) => a.effectiveAt - b.effectiveAt },
  { step: 'position', compare: (a, b) => a.issued - b.issued },
  { step: 'id', compare: (a, b) => (a.id < b.id ? -1 : Number(a.id > b.id)) },
];
