import {
  formatAmount,
  formatInstant,
  minAmount,
  Problem,
  readAmount,
  readInstant,
  withinRange,
  type Amount,
  type Instant,
} from '#libs/kernel';
import { findGrant, unitOf, type AccountState } from './account.js';
import type { CorrectUsage, RecordedConsumption, ReverseConsumption } from './commands.js';
import type { CreditEvent, ReturnedPart } from './events.js';
import { factsFrom, outOfRange, refused } from './facts.js';

export function reverseConsumption(command: ReverseConsumption, state: AccountState): CreditEvent {
  const consumptionId = idOf(command.consumption);
  const left = leftOf(command.consumption, state);
  const amount = command.amount ?? left;
  if (amount <= 0n || amount > left)
    return refused(
      'ReverseConsumption',
      'consumption_exceeded',
      { consumptionId },
      `${formatAmount(left)} of the consumption is left to be taken back.`,
    );
  const { reversalId, consumption, reason, now } = command;
  return reversal({ reversalId, consumption, amount, reason, now }, state);
}

/** Takes back the newest consumptions first, and none of them where there are not enough. */
export function correctUsage(command: CorrectUsage, state: AccountState): readonly CreditEvent[] {
  const { usage, effectiveAt, now } = command;
  const facts = factsFrom(state);
  facts.record({ type: 'UsageRecorded', data: { usage, effectiveAt: formatInstant(effectiveAt) } });
  let wanted = command.amount;
  for (const { reversalId, consumption } of command.consumptions) {
    const amount = minAmount(wanted, leftOf(consumption, facts.state));
    if (amount === 0n) continue;
    wanted -= amount;
    const asked = {
      reversalId,
      consumption,
      amount,
      reason: 'negative usage',
      usageEventId: usage.eventId,
      now,
    };
    facts.record(reversal(asked, facts.state));
  }
  if (wanted === 0n) return facts.events;
  const detail = `Only ${formatAmount(command.amount - wanted)} was recorded that can be taken back.`;
  return [refused('CorrectUsage', 'consumption_exceeded', {}, detail)];
}

interface Asked {
  readonly reversalId: string;
  readonly consumption: RecordedConsumption;
  /** > 0, at most what is left. */
  readonly amount: Amount;
  readonly reason: string;
  readonly usageEventId?: string;
  readonly now: Instant;
}

function reversal(asked: Asked, state: AccountState): CreditEvent {
  const { consumption, now } = asked;
  const { unit } = consumption.event.data;
  const consumptionId = idOf(consumption);
  const { uncovered, debt, grants } = takenBack(asked, state);
  const account = unitOf(state, unit);
  const { allocations, returned } = returnedTo(state, grants, now);
  if (!withinRange(account.balance + returned)) throw outOfRange(unit);
  return {
    type: 'ConsumptionReversed',
    data: {
      reversalId: asked.reversalId,
      consumptionId,
      unit,
      amount: formatAmount(asked.amount),
      uncovered: formatAmount(uncovered),
      debt: formatAmount(debt),
      allocations,
      reversedTotal: formatAmount((state.reversed.get(consumptionId) ?? 0n) + asked.amount),
      reason: asked.reason,
      ...(asked.usageEventId === undefined ? {} : { usageEventId: asked.usageEventId }),
      balanceAfter: formatAmount(account.balance + returned),
      debtAfter: formatAmount(account.debt - debt),
      reversedAt: formatInstant(now),
      effectiveAt: formatInstant(Math.max(now, readInstant(consumption.event.data.effectiveAt))),
    },
  };
}

/** How the amount spreads over what is left, from the last taken to the first: uncovered, debt, settlements, allocations. */
function takenBack(
  { consumption, amount }: Asked,
  state: AccountState,
): {
  readonly uncovered: Amount;
  readonly debt: Amount;
  readonly grants: readonly { readonly grantId: string; readonly amount: Amount }[];
} {
  const { uncovered, debt, allocations } = piecesOf(consumption);
  const { settlements, event } = consumption;
  const paid = settlements.reduce((sum, part) => sum + readAmount(part.amount), 0n);
  const consumptionId = idOf(consumption);
  const before = state.reversed.get(consumptionId) ?? 0n;
  const owed =
    unitOf(state, event.data.unit).debts.find((each) => each.consumptionId === consumptionId)?.amount ?? 0n;
  const uncoveredBefore = minAmount(before, uncovered);
  const debtBefore = debt - owed - paid; // what was forgiven: neither owed nor paid
  let skip = before - uncoveredBefore - debtBefore;
  // what the caller read no longer is what there is: somebody paid meanwhile
  if (debtBefore < 0n || skip < 0n || (skip > 0n && owed > 0n))
    throw new Problem('write_conflict', `The debt of ${consumptionId} has changed.`);
  let wanted = amount;
  const take = (most: Amount): Amount => {
    const part = minAmount(wanted, most);
    wanted -= part;
    return part;
  };
  const uncoveredPart = take(uncovered - uncoveredBefore);
  const debtPart = take(owed);
  const grants: { grantId: string; amount: Amount }[] = [];
  for (const piece of [...allocations, ...settlements].reverse()) {
    const whole = readAmount(piece.amount);
    const gone = minAmount(skip, whole);
    skip -= gone;
    const part = take(whole - gone);
    if (part > 0n) grants.push({ grantId: piece.grantId, amount: part });
  }
  return { uncovered: uncoveredPart, debt: debtPart, grants };
}

/** Where each part goes: to its grant, or nowhere when that has ended for good. */
function returnedTo(
  state: AccountState,
  grants: readonly { readonly grantId: string; readonly amount: Amount }[],
  now: Instant,
): { readonly allocations: readonly ReturnedPart[]; readonly returned: Amount } {
  const remaining = new Map<string, Amount>();
  let returned = 0n;
  const allocations = grants.map(({ grantId, amount }): ReturnedPart => {
    const ended = state.ended.get(grantId);
    const grant =
      findGrant(state, grantId) ?? (ended?.grant && now < ended.grant.expiresAt ? ended.grant : undefined);
    if (!grant) {
      const forfeited = ended?.endedAs === 'voided' ? 'voided' : 'expired';
      return { grantId, amount: formatAmount(amount), remainingAfter: '0', forfeited };
    }
    const after = (remaining.get(grantId) ?? grant.remaining) + amount;
    remaining.set(grantId, after);
    returned += amount;
    return { grantId, amount: formatAmount(amount), remainingAfter: formatAmount(after) };
  });
  return { allocations, returned };
}

const idOf = ({ event }: RecordedConsumption): string =>
  event.type === 'HoldCaptured' ? event.data.holdId : event.data.consumptionId;

/** What a consumption consists of. Overage is part of it; what `partial` left out never was. */
function piecesOf({ event }: RecordedConsumption) {
  const { allocations } = event.data;
  if (event.type === 'HoldCaptured') return { uncovered: 0n, debt: 0n, allocations };
  const { shortfall, debt, onShortage } = event.data;
  return {
    uncovered: onShortage === 'overage' ? readAmount(shortfall) : 0n,
    debt: readAmount(debt),
    allocations,
  };
}

/** How much of a consumption was not taken back yet. */
export function leftOf(consumption: RecordedConsumption, state: AccountState): Amount {
  const { uncovered, debt, allocations } = piecesOf(consumption);
  const whole = allocations.reduce((sum, { amount }) => sum + readAmount(amount), uncovered + debt);
  return whole - (state.reversed.get(idOf(consumption)) ?? 0n);
}
