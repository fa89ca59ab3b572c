import { LRUCache } from 'lru-cache';
import { formatAmount, formatInstant, type Instant } from '#libs/kernel';
import type { UnitAsOf } from '#libs/credits';
import type { EventStore } from '#libs/event-store';
import { createHistory, type History, type KnownUntil } from './history.js';
import type { BalancesAnswer, UnitBalance } from './balances.query.js';

export interface BalancesAsOf {
  /**
   * A customer's balances at `at` as was known then or is known now, from the log itself. The answer names the position
   * of the account's last event it takes in: the same `at` with that position is answered the same for ever.
   * @throws UnknownEvent for one among those it would take in
   */
  balancesAsOf(
    stream: string,
    customerId: string,
    asked: { readonly unit?: string | undefined; readonly at: Instant; readonly known: KnownUntil },
  ): Promise<BalancesAnswer>;
}

/** Facts, movements and states kept over all accounts, at some 50 bytes each; one account of more is read anew each time. */
const MOST_KEPT = 4_000_000;
/** Facts between two states that are kept of an account. */
const STATE_EVERY = 4096;

/**
 * The first question about an account reads its whole stream. What is kept of that is a reduction of the log, so later
 * questions read what was appended since, and for one about an earlier position a stretch of bounded length.
 */
export function createBalancesAsOf(
  eventStore: Pick<EventStore, 'readStream'>,
  { mostKept = MOST_KEPT, stateEvery = STATE_EVERY } = {},
): BalancesAsOf {
  const kept = new LRUCache<string, History>({ maxSize: mostKept, sizeCalculation: ({ size }) => size });
  return {
    async balancesAsOf(stream, customerId, { unit, at, known }) {
      const history = kept.get(stream) ?? createHistory(eventStore, stream, stateEvery);
      kept.set(stream, history); // those who ask at once read it once
      const { units, position } = await history.asOf(known, at);
      kept.set(stream, history); // it has grown
      return {
        customerId,
        at: formatInstant(at),
        position: Number(position),
        balances: units.filter((one) => unit === undefined || one.unit === unit).map(balanceOf),
      };
    },
  };
}

const balanceOf = ({ unit, ledger, held, debt, scheduled, nextExpiry, grants }: UnitAsOf): UnitBalance => ({
  unit,
  ledger: formatAmount(ledger),
  held: formatAmount(held),
  debt: formatAmount(debt),
  available: formatAmount(ledger - held),
  scheduled: formatAmount(scheduled),
  nextExpiry: nextExpiry && { at: formatInstant(nextExpiry.at), amount: formatAmount(nextExpiry.amount) },
  grants,
});
