import { formatAmount, formatInstant, Problem, withinRange, type Instant } from '#libs/kernel';
import { findGrant, unitOf, type AccountState, type Grant } from './account.js';
import type { AdjustGrant, AmendGrant, EditGrant, ExpireGrant, RevokeGrant } from './commands.js';
import type { CommandRefused, CreditEvent } from './events.js';
import { factsFrom, outOfRange, refused } from './facts.js';
import { settleDebts } from './issue.js';

export function revokeGrant({ grantId, notes, now }: RevokeGrant, state: AccountState): CreditEvent {
  const grant = findGrant(state, grantId);
  if (!grant || now >= grant.expiresAt) return notActive('RevokeGrant', grantId, state);
  return {
    type: 'GrantVoided',
    data: {
      grantId,
      unit: grant.unit,
      amount: formatAmount(grant.remaining),
      balanceAfter: formatAmount(unitOf(state, grant.unit).balance - grant.remaining),
      voidedAt: formatInstant(now),
      ...(notes === undefined ? {} : { notes }),
    },
  };
}

export function expireGrant({ grantId, notes, now }: ExpireGrant, state: AccountState): CreditEvent {
  const grant = findGrant(state, grantId);
  if (!grant || now >= grant.expiresAt) return notActive('ExpireGrant', grantId, state);
  return {
    type: 'GrantExpired',
    data: {
      grantId,
      unit: grant.unit,
      amount: formatAmount(grant.remaining),
      cause: 'expired_now',
      balanceAfter: formatAmount(unitOf(state, grant.unit).balance - grant.remaining),
      expiredAt: formatInstant(now),
      ...(notes === undefined ? {} : { notes }),
    },
  };
}

export function amendGrant(command: AmendGrant, state: AccountState): readonly CreditEvent[] {
  const { grantId, now, reason } = command;
  const grant = changeable(state, grantId, now);
  if (!grant) return [notActive('AmendGrant', grantId, state)];
  const amount = command.amount ?? grant.amount;
  const effectiveAt = command.effectiveAt ?? grant.effectiveAt;
  const expiresAt = command.expiresAt === undefined ? grant.expiresAt : (command.expiresAt ?? Infinity);
  const change = amount - grant.amount;
  const remaining = grant.remaining + change;
  const refuse = (code: 'amount_in_use' | 'window_in_use', detail: string): readonly CreditEvent[] => [
    refused('AmendGrant', code, { grantId }, detail),
  ];
  if (remaining < 0n || amount <= 0n)
    return refuse('amount_in_use', `${formatAmount(grant.amount - grant.remaining)} of it is drawn or held.`);
  if (effectiveAt !== grant.effectiveAt && (grant.activated || grant.usedUntil > 0))
    return refuse('window_in_use', 'It has begun, or usage drew on it before: the start stays.');
  if (expiresAt !== grant.expiresAt && (expiresAt <= now || expiresAt <= grant.usedUntil))
    return refuse('window_in_use', 'The new end must lie after now and after all usage it paid for.');
  if (expiresAt <= effectiveAt) return refuse('window_in_use', 'The end must lie after the start.');
  const balance = unitOf(state, grant.unit).balance + change;
  if (!withinRange(balance)) throw outOfRange(grant.unit);
  const facts = factsFrom(state);
  facts.record({
    type: 'GrantAmended',
    data: {
      grantId,
      unit: grant.unit,
      amount: formatAmount(amount),
      change: formatAmount(change),
      effectiveAt: formatInstant(effectiveAt),
      ...(expiresAt === Infinity ? {} : { expiresAt: formatInstant(expiresAt) }),
      remainingAfter: formatAmount(remaining),
      balanceAfter: formatAmount(balance),
      amendedAt: formatInstant(now),
      ...(reason === undefined ? {} : { reason }),
    },
  });
  if (!grant.activated) facts.record(...settleDebts(facts.state, grant.unit, grantId, now));
  return facts.events;
}

export function adjustGrant(command: AdjustGrant, state: AccountState): CreditEvent {
  const { grantId, amount, now, reason, reference } = command;
  const grant = changeable(state, grantId, now);
  if (!grant) return notActive('AdjustGrant', grantId, state);
  const remaining = grant.remaining + amount;
  if (remaining < 0n)
    return refused(
      'AdjustGrant',
      'amount_in_use',
      { grantId },
      `Only ${formatAmount(grant.remaining)} remains that is not held.`,
    );
  const balance = unitOf(state, grant.unit).balance + amount;
  if (amount === 0n || !withinRange(balance)) throw outOfRange(grant.unit);
  return {
    type: 'GrantAdjusted',
    data: {
      grantId,
      unit: grant.unit,
      amount: formatAmount(amount),
      reason,
      ...(reference === undefined ? {} : { reference }),
      remainingAfter: formatAmount(remaining),
      balanceAfter: formatAmount(balance),
      adjustedAt: formatInstant(now),
    },
  };
}

export function editGrant({ grantId, changes, now }: EditGrant, state: AccountState): CreditEvent {
  const grant = findGrant(state, grantId) ?? state.ended.get(grantId);
  if (!grant) throw unknownGrant(grantId);
  if (changes.priority !== undefined && !changeable(state, grantId, now))
    return notActive('EditGrant', grantId, state);
  return {
    type: 'GrantEdited',
    data: { ...changes, grantId, unit: grant.unit, editedAt: formatInstant(now) },
  };
}

/** The grant as long as its window lasts and it has ended in no other way than by being used up. */
function changeable(state: AccountState, grantId: string, now: Instant): Grant | undefined {
  const grant = findGrant(state, grantId) ?? state.ended.get(grantId)?.grant;
  return grant && now < grant.expiresAt ? grant : undefined;
}

function notActive(command: CommandRefused['command'], grantId: string, state: AccountState): CreditEvent {
  const ended = state.ended.get(grantId);
  if (!ended && !findGrant(state, grantId)) throw unknownGrant(grantId);
  const detail = `The grant is ${ended?.endedAs ?? 'expired'} already.`;
  return refused(command, 'grant_not_active', { grantId }, detail);
}

const unknownGrant = (grantId: string): Problem =>
  new Problem('grant_not_found', `There is no grant ${grantId}.`);
