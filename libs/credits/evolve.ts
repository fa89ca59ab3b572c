import { formatAmount, readAmount, readInstant, type Amount } from '#libs/kernel';
import { atRevision, unitOf, type AccountState, type Debt, type Grant } from './account.js';
import { narrowness } from './applicability.js';
import type {
  ConsumptionReversed,
  CreditEvent,
  CreditsConsumed,
  DebtSettled,
  GrantAmended,
  GrantEdited,
  GrantIssued,
} from './events.js';
import { captured, held, released } from './evolve-holds.js';
import {
  amended as renewalAmended,
  begun,
  cancelled,
  carried,
  paused,
  renewed,
  resumed,
} from './evolve-renewals.js';
import { contradiction, UnitDraft, withUnit } from './unit-draft.js';

/** Folds one fact in. Never refuses; throws only when history contradicts itself, so that replay stops loudly. */
export function evolve(before: AccountState, event: CreditEvent): AccountState {
  const state = atRevision(before, before.revision + 1);
  switch (event.type) {
    case 'GrantIssued':
      return issued(state, event.data);
    case 'GrantActivated':
      return changed(state, event.data, (grant) => ({ ...grant, activated: true }));
    case 'CreditsConsumed':
      return consumed(state, event.data);
    case 'DebtSettled':
      return settled(state, event.data);
    case 'GrantExpired':
      return ended(state, event.data, 'expired');
    case 'GrantVoided':
      return ended(state, event.data, 'voided');
    case 'GrantAmended':
      return changed(state, event.data, (grant) => amended(grant, event.data));
    case 'GrantAdjusted': {
      const { amount, remainingAfter } = event.data;
      return changed(state, event.data, (grant) => ({
        ...grant,
        adjusted: grant.adjusted + readAmount(amount),
        remaining: moved(grant, readAmount(amount), remainingAfter),
      }));
    }
    case 'GrantEdited':
      return edited(state, event.data);
    case 'HoldPlaced':
      return held(state, event.data);
    case 'HoldCaptured':
      return captured(state, event.data);
    case 'HoldReleased':
      return released(state, event.data);
    case 'ConsumptionReversed':
      return reversed(state, event.data);
    case 'RenewalBegun':
      return begun(state, event.data);
    case 'GrantRenewed':
      return renewed(state, event.data);
    case 'BalanceCarried':
      return carried(state, event.data);
    case 'RenewalAmended':
      return renewalAmended(state, event.data);
    case 'RenewalPaused':
      return paused(state, event.data);
    case 'RenewalResumed':
      return resumed(state, event.data);
    case 'RenewalCancelled':
      return cancelled(state, event.data);
    case 'ConsumptionRefused':
    case 'HoldRefused':
    case 'UsageRecorded':
    case 'CommandRefused':
      return state;
    default:
      return unknownEvent(event);
  }
}

/** An unknown fact stops the replay: skipping it would make a wrong balance. */
function unknownEvent(event: never): never {
  throw new Error(`unknown credit event ${JSON.stringify((event as CreditEvent).type)}`);
}

function issued(state: AccountState, data: GrantIssued): AccountState {
  const grant = grantFrom(data, state.revision);
  if (grant.amount <= 0n) throw contradiction(`grant ${grant.id} of ${data.amount}`);
  const draft = new UnitDraft(state, data.unit);
  draft.add(grant);
  const next = draft.done();
  if (data.uniquenessKey === undefined) return next;
  return {
    ...next,
    uniquenessKeys: new Map(next.uniquenessKeys).set(data.uniquenessKey, data.parentId ?? data.grantId),
  };
}

/** The open grant that a GrantIssued at this revision makes. */
export function grantFrom(data: GrantIssued, revision: number): Grant {
  const amount = readAmount(data.amount);
  const effectiveAt = readInstant(data.effectiveAt);
  return {
    id: data.grantId,
    parentId: data.parentId,
    unit: data.unit,
    amount,
    adjusted: 0n,
    remaining: amount,
    held: 0n,
    usedUntil: 0,
    applicability: data.applicability,
    activated: effectiveAt <= readInstant(data.issuedAt),
    scope: data.scope,
    kind: data.kind,
    priority: data.priority,
    free: readAmount(data.costBasis) === 0n,
    narrowness: narrowness(data.applicability),
    effectiveAt,
    expiresAt: data.expiresAt === undefined ? Infinity : readInstant(data.expiresAt),
    issued: revision,
  };
}

function consumed(state: AccountState, data: CreditsConsumed): AccountState {
  let next = state;
  if (data.allocations.length > 0) {
    const usedAt = readInstant(data.effectiveAt);
    const draft = new UnitDraft(state, data.unit);
    for (const { grantId, amount, remainingAfter } of data.allocations)
      draft.take(grantId, readAmount(amount), readAmount(remainingAfter), usedAt);
    next = draft.done();
  }
  const debt = readAmount(data.debt);
  if (debt === 0n) return next;
  if (debt < 0n) throw contradiction(`debt of ${data.debt} by ${data.consumptionId}`);
  const account = unitOf(next, data.unit);
  const owed: Debt = { consumptionId: data.consumptionId, amount: debt, context: data.context ?? {} };
  return withUnit(next, data.unit, {
    ...account,
    debts: [...account.debts, owed],
    debt: account.debt + debt,
  });
}

function settled(state: AccountState, data: DebtSettled): AccountState {
  const draft = new UnitDraft(state, data.unit);
  const amount = readAmount(data.amount);
  draft.take(data.grantId, amount, readAmount(data.remainingAfter), readInstant(data.settledAt));
  const paid = new Map(data.settlements.map((part) => [part.consumptionId, readAmount(part.amount)]));
  return paidOff(draft.done(), data.unit, amount, paid);
}

/** Takes `amount` off the unit's debt, as the consumptions that owe it say. */
function paidOff(
  state: AccountState,
  unit: string,
  amount: Amount,
  paid: ReadonlyMap<string, Amount>,
): AccountState {
  const account = unitOf(state, unit);
  const debts = account.debts
    .map((debt) => ({ ...debt, amount: debt.amount - (paid.get(debt.consumptionId) ?? 0n) }))
    .filter((debt) => debt.amount !== 0n);
  const debt = account.debt - amount;
  if (debts.some((owed) => owed.amount < 0n) || debts.reduce((sum, owed) => sum + owed.amount, 0n) !== debt)
    throw contradiction(`${formatAmount(amount)} of debt paid in ${unit}`);
  return withUnit(state, unit, { ...account, debts, debt });
}

function ended(
  state: AccountState,
  { unit, grantId, amount }: { readonly unit: string; readonly grantId: string; readonly amount: string },
  endsAs: 'expired' | 'voided',
): AccountState {
  const draft = new UnitDraft(state, unit);
  draft.end(grantId, readAmount(amount), endsAs);
  return draft.done();
}

function changed(
  state: AccountState,
  { unit, grantId }: { readonly unit: string; readonly grantId: string },
  change: (grant: Grant) => Grant,
): AccountState {
  const draft = new UnitDraft(state, unit);
  draft.set(grantId, change);
  return draft.done();
}

const amended = (grant: Grant, data: GrantAmended): Grant => {
  const effectiveAt = readInstant(data.effectiveAt);
  if (grant.amount + readAmount(data.change) !== readAmount(data.amount))
    throw contradiction(`grant ${grant.id} amended by ${data.change}`);
  return {
    ...grant,
    amount: readAmount(data.amount),
    remaining: moved(grant, readAmount(data.change), data.remainingAfter),
    effectiveAt,
    expiresAt: data.expiresAt === undefined ? Infinity : readInstant(data.expiresAt),
    activated: grant.activated || effectiveAt <= readInstant(data.amendedAt),
  };
};

function moved(grant: Grant, change: Amount, remainingAfter: string): Amount {
  if (grant.remaining + change !== readAmount(remainingAfter))
    throw contradiction(`${formatAmount(change)} put on grant ${grant.id}`);
  return grant.remaining + change;
}

/** Of what can be edited only the priority decides anything. */
function edited(state: AccountState, data: GrantEdited): AccountState {
  const { priority } = data;
  return priority === undefined ? state : changed(state, data, (grant) => ({ ...grant, priority }));
}

function reversed(state: AccountState, data: ConsumptionReversed): AccountState {
  const { unit, consumptionId, allocations } = data;
  const at = readInstant(data.reversedAt);
  const total = (state.reversed.get(consumptionId) ?? 0n) + readAmount(data.amount);
  if (total !== readAmount(data.reversedTotal))
    throw contradiction(`${data.amount} of ${consumptionId} reversed`);
  let next: AccountState = { ...state, reversed: new Map(state.reversed).set(consumptionId, total) };
  if (allocations.length > 0) {
    const draft = new UnitDraft(next, unit);
    for (const { grantId, amount, remainingAfter, forfeited } of allocations)
      draft.give(grantId, readAmount(amount), readAmount(remainingAfter), forfeited, at);
    next = draft.done();
  }
  const debt = readAmount(data.debt);
  return debt === 0n ? next : paidOff(next, unit, debt, new Map([[consumptionId, debt]]));
}
