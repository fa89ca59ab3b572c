import { formatAmount, formatInstant, withinRange } from '#libs/kernel';
import { unitOf, type AccountState } from './account.js';
import { burnDown } from './burn-down.js';
import type { Consume } from './commands.js';
import type { ConsumptionRefused, CreditEvent } from './events.js';
import { isEmpty, outOfRange } from './facts.js';

export function consume(command: Consume, state: AccountState): CreditEvent {
  const { unit, amount, onShortage, debtLimit, effectiveAt, context } = command;
  const account = unitOf(state, unit);
  const { allocations, drawn, availableAfter } = burnDown(account, amount, effectiveAt, command.now, context);
  const shortfall = amount - drawn;
  const debt = onShortage === 'pending' ? shortfall : 0n;
  if (!withinRange(account.debt + debt)) throw outOfRange(unit);
  // members in canonical order, so that nothing is copied on the way to the log
  const refuse = (reason: ConsumptionRefused['reason']): CreditEvent => ({
    type: 'ConsumptionRefused',
    data: {
      available: formatAmount(drawn), // short of what was asked, it would have drawn all there is
      consumptionId: command.consumptionId,
      context: isEmpty(context) ? undefined : context,
      debtLimit: debtLimit === undefined ? undefined : formatAmount(debtLimit),
      effectiveAt: formatInstant(effectiveAt),
      onShortage,
      rating: command.rating,
      reason,
      reference: command.reference,
      requested: formatAmount(amount),
      unit,
      usage: command.usage,
    },
  });
  if (shortfall > 0n && onShortage === 'refuse') return refuse('insufficient_credit');
  if (debt > 0n && debtLimit !== undefined && account.debt + debt > debtLimit) return refuse('debt_limit');
  return {
    type: 'CreditsConsumed',
    data: {
      allocations: allocations.map(({ grant, amount: part, remainingAfter }) => ({
        amount: formatAmount(part),
        grantId: grant.id,
        remainingAfter: formatAmount(remainingAfter),
      })),
      availableAfter: formatAmount(availableAfter),
      balanceAfter: formatAmount(account.balance - drawn),
      consumed: formatAmount(drawn),
      consumptionId: command.consumptionId,
      context: isEmpty(context) ? undefined : context,
      debt: formatAmount(debt),
      debtAfter: formatAmount(account.debt + debt),
      effectiveAt: formatInstant(effectiveAt),
      onShortage,
      rate: command.rate,
      rating: command.rating,
      reference: command.reference,
      requested: formatAmount(amount),
      shortfall: formatAmount(shortfall),
      unit,
      usage: command.usage,
    },
  };
}
