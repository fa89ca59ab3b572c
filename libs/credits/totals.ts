import { type Amount } from '#libs/kernel';
import type { CreditEvent, GrantIssued } from './events.js';
import { movementsOf, type Movement } from './movements.js';

/**
 * What became of credit. For every key:
 * granted + amended + adjusted + carriedIn + reversed = consumed + settled + expired + voided + carriedOut + held + outstanding.
 */
export interface Totals {
  granted: Amount;
  /** Signed. */
  amended: Amount;
  /** Signed. */
  adjusted: Amount;
  carriedIn: Amount;
  /** Came back from consumption, forfeited parts included. */
  reversed: Amount;
  /** Drawn by usage and captures, gross. */
  consumed: Amount;
  /** Paid for debt. */
  settled: Amount;
  /** Breakage, all causes together. */
  expired: Amount;
  /** By cause. */
  breakage: Partial<Record<NonNullable<Movement['cause']>, Amount>>;
  voided: Amount;
  carriedOut: Amount;
  held: Amount;
  /** What remains, scheduled grants included. */
  outstanding: Amount;
}

const noTotals = (): Totals => ({
  granted: 0n,
  amended: 0n,
  adjusted: 0n,
  carriedIn: 0n,
  reversed: 0n,
  consumed: 0n,
  settled: 0n,
  expired: 0n,
  breakage: {},
  voided: 0n,
  carriedOut: 0n,
  held: 0n,
  outstanding: 0n,
});

/** What a movement counts under; null: not at all. */
export type TotalsKey = (grant: GrantIssued, movement: Movement) => string | null;

/**
 * Totals of movements by whatever `keyOf` makes of a movement and the grant it moves: the unit, its definition, category or
 * source, the period in which the movement counts. What only moves debt has no part in it. With periods in the key,
 * `outstanding` and `held` are what the period changed. Told fact by fact, of one account or of many.
 */
export function totalsOf(keyOf: TotalsKey) {
  const grants = new Map<string, GrantIssued>();
  const totals = new Map<string, Totals>();
  return {
    totals: totals as ReadonlyMap<string, Readonly<Totals>>,
    add(fact: CreditEvent): void {
      if (fact.type === 'GrantIssued') grants.set(fact.data.grantId, fact.data);
      for (const movement of movementsOf(fact)) {
        if (movement.grantId === null) continue;
        const key = keyOf(grants.get(movement.grantId)!, movement);
        if (key === null) continue;
        const sums = totals.get(key) ?? noTotals();
        totals.set(key, sums);
        add(sums, movement);
      }
    },
  };
}

function add(sums: Totals, { kind, amount, cause }: Movement): void {
  sums.outstanding += amount;
  switch (kind) {
    case 'grant':
      sums.granted += amount;
      break;
    case 'amendment':
      sums.amended += amount;
      break;
    case 'adjustment':
      sums.adjusted += amount;
      break;
    case 'rollover':
      if (amount > 0n) sums.carriedIn += amount;
      else sums.carriedOut -= amount;
      break;
    case 'reversal':
      sums.reversed += amount;
      break;
    case 'consumption':
    case 'capture':
      sums.consumed -= amount;
      break;
    case 'settlement':
      sums.settled -= amount;
      break;
    case 'expiration':
      sums.expired -= amount;
      if (cause) sums.breakage[cause] = (sums.breakage[cause] ?? 0n) - amount;
      break;
    case 'void':
      sums.voided -= amount;
      break;
    case 'hold':
    case 'release':
      sums.held -= amount;
      break;
    case 'debt': // names no grant
  }
}
