import { formatAmount, formatInstant, minAmount, Problem, type Amount, type Instant } from '#libs/kernel';
import { findGrant, heldOf, unitOf, type AccountState, type Hold } from './account.js';
import { burnDown } from './burn-down.js';
import type { CaptureHold, PlaceHold, ReleaseHold } from './commands.js';
import { consume } from './consume.js';
import type { CapturedPart, CreditEvent, HoldReleased } from './events.js';
import { factsFrom, isEmpty, refused } from './facts.js';

export function placeHold(command: PlaceHold, state: AccountState): CreditEvent {
  const { holdId, unit, amount, onShortage, effectiveAt, expiresAt, context, now, reference } = command;
  if (state.holds.has(holdId)) throw new Problem('already_exists', `There is a hold ${holdId} already.`);
  const account = unitOf(state, unit);
  const { allocations, drawn, availableAfter } = burnDown(account, amount, effectiveAt, now, context);
  const asked = {
    holdId,
    unit,
    requested: formatAmount(amount),
    onShortage,
    effectiveAt: formatInstant(effectiveAt),
    ...(isEmpty(context) ? {} : { context }),
    ...(reference === undefined ? {} : { reference }),
  };
  if (drawn === 0n || (drawn < amount && onShortage === 'refuse'))
    return {
      type: 'HoldRefused',
      data: { ...asked, reason: 'insufficient_credit', available: formatAmount(drawn) },
    };
  return {
    type: 'HoldPlaced',
    data: {
      ...asked,
      amount: formatAmount(drawn),
      ...(expiresAt === undefined ? {} : { expiresAt: formatInstant(expiresAt) }),
      allocations: allocations.map(({ grant, amount: part, remainingAfter }) => ({
        grantId: grant.id,
        amount: formatAmount(part),
        remainingAfter: formatAmount(remainingAfter),
        heldAfter: formatAmount(grant.held + part),
      })),
      balanceAfter: formatAmount(account.balance - drawn),
      heldAfter: formatAmount(account.held + drawn),
      availableAfter: formatAmount(availableAfter),
      placedAt: formatInstant(now),
    },
  };
}

export function captureHold(command: CaptureHold, state: AccountState): readonly CreditEvent[] {
  const { holdId, more, now, rate, reference } = command;
  const hold = state.holds.get(holdId);
  if (!hold || now >= hold.expiresAt) return [notOpen('CaptureHold', holdId)];
  const amount = command.amount ?? hold.amount;
  const beyond = amount > hold.amount ? amount - hold.amount : 0n;
  if (beyond > 0n && !more)
    return [
      refused('CaptureHold', 'hold_exceeded', { holdId }, `Only ${formatAmount(hold.amount)} is held.`),
    ];
  const { parts, returned } = partsOf(state, hold, amount - beyond);
  const account = unitOf(state, hold.unit);
  const facts = factsFrom(state);
  facts.record({
    type: 'HoldCaptured',
    data: {
      holdId,
      unit: hold.unit,
      ...(rate === undefined ? {} : { rate }),
      captured: formatAmount(amount - beyond),
      released: formatAmount(hold.amount - amount + beyond),
      allocations: parts,
      effectiveAt: formatInstant(command.effectiveAt),
      ...(isEmpty(hold.context) ? {} : { context: hold.context }),
      ...(command.usage === undefined ? {} : { usage: command.usage }),
      ...(reference === undefined ? {} : { reference }),
      ...(beyond > 0n && more ? { moreConsumptionId: more.consumptionId } : {}),
      balanceAfter: formatAmount(account.balance + returned),
      heldAfter: formatAmount(account.held - hold.amount),
      capturedAt: formatInstant(now),
    },
  });
  if (beyond === 0n || !more) return facts.events;
  const rest = consume(
    {
      ...more,
      type: 'Consume',
      now,
      unit: hold.unit,
      amount: beyond,
      effectiveAt: command.effectiveAt,
      context: hold.context,
      ...(rate === undefined ? {} : { rate }),
      ...(reference === undefined ? {} : { reference }),
    },
    facts.state,
  );
  return rest.type === 'CreditsConsumed' ? [...facts.events, rest] : [rest]; // then the hold stays as it is
}

export function releaseHold({ holdId, now, reference }: ReleaseHold, state: AccountState): CreditEvent {
  const hold = state.holds.get(holdId);
  if (!hold || now >= hold.expiresAt) return notOpen('ReleaseHold', holdId);
  return holdReleased(state, hold, 'released', now, reference);
}

/** The fact that a hold is over with nothing drawn. */
export function holdReleased(
  state: AccountState,
  hold: Hold,
  cause: HoldReleased['cause'],
  at: Instant,
  reference?: string,
): CreditEvent {
  const { parts, returned } = partsOf(state, hold, 0n);
  const account = unitOf(state, hold.unit);
  return {
    type: 'HoldReleased',
    data: {
      holdId: hold.id,
      unit: hold.unit,
      cause,
      released: formatAmount(hold.amount),
      allocations: parts.map(({ released, ...part }) => ({ ...part, amount: released })),
      balanceAfter: formatAmount(account.balance + returned),
      heldAfter: formatAmount(account.held - hold.amount),
      releasedAt: formatInstant(at),
      ...(reference === undefined ? {} : { reference }),
    },
  };
}

/** What is drawn and what comes back of each part of a hold; `returned` is what does come back to open grants. */
function partsOf(
  state: AccountState,
  hold: Hold,
  captured: Amount,
): { readonly parts: readonly CapturedPart[]; readonly returned: Amount } {
  let wanted = captured;
  let returned = 0n;
  const parts = hold.parts.map(({ grantId, amount }): CapturedPart => {
    const drawn = minAmount(wanted, amount);
    const released = amount - drawn;
    wanted -= drawn;
    const grant = findGrant(state, grantId);
    if (grant) returned += released;
    const lost = state.ended.get(grantId)?.endedAs === 'voided' ? 'voided' : 'expired';
    return {
      grantId,
      amount: formatAmount(drawn),
      released: formatAmount(released),
      remainingAfter: formatAmount(grant ? grant.remaining + released : 0n),
      heldAfter: formatAmount((grant?.held ?? heldOf(state, grantId)) - amount),
      ...(grant || released === 0n ? {} : { forfeited: lost }),
    };
  });
  return { parts, returned };
}

const notOpen = (command: 'CaptureHold' | 'ReleaseHold', holdId: string): CreditEvent =>
  refused(command, 'hold_not_open', { holdId }, 'The hold is over already.');
