import { formatAmount, readAmount, type Amount } from '#libs/kernel';
import {
  evolve,
  initialAccount,
  movementsOf,
  standingsOf,
  unitOf,
  type AccountState,
  type CreditEvent,
} from '#libs/credits';
import type { Position, RecordedEvent } from '#libs/event-store';

/** What movements have left of a grant. */
interface GrantLedger {
  remaining: Amount;
  held: Amount;
  /** Ended for good: nothing may remain. */
  over: boolean;
}

/** One credit account, folded again beside sums of its own. */
export interface CheckedAccount {
  state: AccountState;
  /** Of the grants that can still move. */
  readonly ledgers: Map<string, GrantLedger>;
  /** Of its last event. */
  position: Position;
  /** Set once history contradicts itself: what follows cannot be folded. */
  broken: boolean;
}

export const uncheckedAccount = (): CheckedAccount => ({
  state: initialAccount,
  ledgers: new Map(),
  position: 0n,
  broken: false,
});

/**
 * Folds the next event in with the decider's own `evolve`, and checks what that leaves open: that the balance and debt the
 * event states are those that follow, and that every grant's amount is accounted for to the last digit.
 * @returns what is wrong with the event
 */
export function checkEvent(account: CheckedAccount, event: RecordedEvent): readonly string[] {
  account.position = event.position;
  if (account.broken) return [];
  const fact = { type: event.type, data: event.data } as unknown as CreditEvent;
  try {
    account.state = evolve(account.state, fact);
  } catch (error) {
    account.broken = true;
    return [error instanceof Error ? error.message : String(error)];
  }
  return [...statedAfter(account.state, fact), ...moved(account.ledgers, fact)];
}

/** What does not add up at the end: each open grant's ledger, and each unit's balance, holds and debt. */
export function unbalanced({ state, ledgers, broken }: CheckedAccount): readonly string[] {
  if (broken) return [];
  const reasons: string[] = [];
  const add = (reason: string, isWrong: boolean): void => void (isWrong && reasons.push(reason));
  for (const [unit, { grants, balance, held, debts, debt }] of state.units) {
    let sum = 0n;
    for (const grant of grants) {
      sum += grant.remaining;
      const ledger = ledgers.get(grant.id);
      add(
        `grant ${grant.id}: ${textOf(grant)}, its movements leave ${ledger ? textOf(ledger) : 'nothing'}`,
        ledger?.remaining !== grant.remaining || ledger.held !== grant.held || ledger.over,
      );
    }
    add(
      `${unit}: the grants add up to ${formatAmount(sum)}, the balance is ${formatAmount(balance)}`,
      sum !== balance,
    );
    const parts = [...state.holds.values()].reduce(
      (all, hold) => (hold.unit === unit ? all + hold.amount : all),
      0n,
    );
    add(`${unit}: the holds add up to ${formatAmount(parts)}, held is ${formatAmount(held)}`, parts !== held);
    const owed = debts.reduce((total, { amount }) => total + amount, 0n);
    add(
      `${unit}: the debts add up to ${formatAmount(owed)}, the debt is ${formatAmount(debt)}`,
      owed !== debt || debt < 0n,
    );
  }
  return reasons;
}

const textOf = ({ remaining, held }: Pick<GrantLedger, 'remaining' | 'held'>): string =>
  `${formatAmount(remaining)} remains and ${formatAmount(held)} is held`;

function statedAfter(state: AccountState, { data }: CreditEvent): readonly string[] {
  if (!('balanceAfter' in data)) return [];
  const { balance, debt, held } = unitOf(state, data.unit);
  const reasons: string[] = [];
  const compare = (member: string, stated: string, follows: Amount): void => {
    if (readAmount(stated) !== follows)
      reasons.push(`${member} is ${stated}, what follows is ${formatAmount(follows)}`);
  };
  compare('balanceAfter', data.balanceAfter, balance);
  if ('debtAfter' in data) compare('debtAfter', data.debtAfter, debt);
  if ('heldAfter' in data) compare('heldAfter', data.heldAfter, held);
  return reasons;
}

/** Books the event's movements, and compares what they leave with what the event says of each grant. */
function moved(ledgers: Map<string, GrantLedger>, fact: CreditEvent): readonly string[] {
  const reasons = [...sumsOf(fact)];
  if (fact.type === 'GrantIssued') ledgers.set(fact.data.grantId, { remaining: 0n, held: 0n, over: false });
  for (const { kind, grantId, amount } of movementsOf(fact)) {
    if (grantId === null) continue;
    const ledger = ledgers.get(grantId);
    if (!ledger) {
      // what comes back to a grant that is over is lost at once
      if (fact.type !== 'ConsumptionReversed') reasons.push(`grant ${grantId} is not open`);
      continue;
    }
    ledger.remaining += amount;
    if (kind === 'hold' || kind === 'release') ledger.held -= amount;
  }
  for (const { grantId, remaining, held, over } of standingsOf(fact)) {
    const ledger = ledgers.get(grantId);
    if (!ledger) continue;
    ledger.over ||= over !== undefined;
    if (
      (remaining !== undefined && readAmount(remaining) !== ledger.remaining) ||
      (held !== undefined && readAmount(held) !== ledger.held)
    )
      reasons.push(`grant ${grantId} is left with ${remaining}, its movements leave ${textOf(ledger)}`);
    if (ledger.over && ledger.held === 0n) ledgers.delete(grantId);
  }
  return reasons;
}

/** What an event says of itself as a whole, against its parts. */
function* sumsOf({ type, data }: CreditEvent): Iterable<string> {
  const sum = (parts: readonly { readonly amount: string }[]): Amount =>
    parts.reduce((total, { amount }) => total + readAmount(amount), 0n);
  if (type === 'CreditsConsumed') {
    const taken = sum(data.allocations);
    if (
      taken !== readAmount(data.consumed) ||
      taken + readAmount(data.shortfall) !== readAmount(data.requested)
    )
      yield 'the allocations and the shortfall are not what was requested';
  }
  if (type === 'DebtSettled' && sum(data.settlements) !== readAmount(data.amount))
    yield 'the settlements are not what was paid';
  if (type === 'HoldPlaced' && sum(data.allocations) !== readAmount(data.amount))
    yield 'the parts are not what is held';
  if (type === 'HoldReleased' && sum(data.allocations) !== readAmount(data.released))
    yield 'the parts are not what was released';
  if (type === 'HoldCaptured' && sum(data.allocations) !== readAmount(data.captured))
    yield 'the parts are not what was captured';
  if (
    type === 'ConsumptionReversed' &&
    sum(data.allocations) + readAmount(data.debt) + readAmount(data.uncovered) !== readAmount(data.amount)
  )
    yield 'the parts are not what was taken back';
}
