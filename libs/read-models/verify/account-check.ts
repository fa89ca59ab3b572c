import { formatAmount, readAmount, type Amount } from '#libs/kernel';
import { evolve, initialAccount, unitOf, type AccountState, type CreditEvent } from '#libs/credits';
import type { Position, RecordedEvent } from '#libs/event-store';

/** What became of a grant's amount so far. */
interface GrantLedger {
  readonly amount: Amount;
  consumed: Amount;
  settled: Amount;
  expired: Amount;
  voided: Amount;
}

/** One credit account, folded again beside sums of its own. */
export interface CheckedAccount {
  state: AccountState;
  /** Of the open grants: what has ended was checked when it did. */
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

/** What does not add up at the end: each open grant's ledger, and each unit's balance. */
export function unbalanced({ state, ledgers, broken }: CheckedAccount): readonly string[] {
  if (broken) return [];
  const reasons: string[] = [];
  for (const [unit, { grants, balance, debts, debt }] of state.units) {
    let sum = 0n;
    for (const { id, remaining } of grants) {
      sum += remaining;
      const ledger = ledgers.get(id);
      if (!ledger || left(ledger) !== remaining)
        reasons.push(
          `grant ${id}: ${formatAmount(remaining)} remains, its movements leave ${ledger ? formatAmount(left(ledger)) : 'nothing'}`,
        );
    }
    if (sum !== balance)
      reasons.push(
        `${unit}: the grants add up to ${formatAmount(sum)}, the balance is ${formatAmount(balance)}`,
      );
    const owed = debts.reduce((total, { amount }) => total + amount, 0n);
    if (owed !== debt || debt < 0n)
      reasons.push(`${unit}: the debts add up to ${formatAmount(owed)}, the debt is ${formatAmount(debt)}`);
  }
  return reasons;
}

const left = ({ amount, consumed, settled, expired, voided }: GrantLedger): Amount =>
  amount - consumed - settled - expired - voided;

function statedAfter(state: AccountState, { data }: CreditEvent): readonly string[] {
  if (!('balanceAfter' in data)) return [];
  const { balance, debt } = unitOf(state, data.unit);
  const reasons: string[] = [];
  if (readAmount(data.balanceAfter) !== balance)
    reasons.push(`balanceAfter is ${data.balanceAfter}, what follows is ${formatAmount(balance)}`);
  if ('debtAfter' in data && readAmount(data.debtAfter) !== debt)
    reasons.push(`debtAfter is ${data.debtAfter}, what follows is ${formatAmount(debt)}`);
  return reasons;
}

function moved(ledgers: Map<string, GrantLedger>, { type, data }: CreditEvent): readonly string[] {
  const move = (
    grantId: string,
    member: Exclude<keyof GrantLedger, 'amount'>,
    amount: string,
    ends: boolean,
  ): string[] => {
    const ledger = ledgers.get(grantId);
    if (!ledger) return [`grant ${grantId} is not open`];
    ledger[member] += readAmount(amount);
    if (!ends) return [];
    ledgers.delete(grantId);
    return left(ledger) === 0n
      ? []
      : [`grant ${grantId} ends with ${formatAmount(left(ledger))} unaccounted for`];
  };
  switch (type) {
    case 'GrantIssued':
      ledgers.set(data.grantId, {
        amount: readAmount(data.amount),
        consumed: 0n,
        settled: 0n,
        expired: 0n,
        voided: 0n,
      });
      return [];
    case 'CreditsConsumed': {
      const taken = data.allocations.reduce((sum, { amount }) => sum + readAmount(amount), 0n);
      const adds =
        taken === readAmount(data.consumed) &&
        taken + readAmount(data.shortfall) === readAmount(data.requested);
      return [
        ...(adds ? [] : ['the allocations and the shortfall are not what was requested']),
        ...data.allocations.flatMap(({ grantId, amount, remainingAfter }) =>
          move(grantId, 'consumed', amount, remainingAfter === '0'),
        ),
      ];
    }
    case 'DebtSettled':
      return move(data.grantId, 'settled', data.amount, data.remainingAfter === '0');
    case 'GrantExpired':
      return move(data.grantId, 'expired', data.amount, true);
    case 'GrantVoided':
      return move(data.grantId, 'voided', data.amount, true);
    case 'GrantActivated':
    case 'ConsumptionRefused':
    case 'UsageRecorded':
    case 'CommandRefused':
    case 'GrantAmended':
    case 'GrantAdjusted':
    case 'GrantEdited':
    case 'HoldPlaced':
    case 'HoldRefused':
    case 'HoldCaptured':
    case 'HoldReleased':
    case 'ConsumptionReversed':
    case 'RenewalBegun':
    case 'GrantRenewed':
    case 'BalanceCarried':
    case 'RenewalAmended':
    case 'RenewalPaused':
    case 'RenewalResumed':
    case 'RenewalCancelled':
      return [];
  }
}
