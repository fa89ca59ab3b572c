import { readAmount, readInstant } from '#libs/kernel';
import { timersDueOf, type AccountState, type Hold } from './account.js';
import type { HoldCaptured, HoldPlaced, HoldReleased } from './events.js';
import { contradiction, UnitDraft } from './unit-draft.js';

export function held(state: AccountState, data: HoldPlaced): AccountState {
  if (state.holds.has(data.holdId)) throw contradiction(`hold ${data.holdId} was placed twice`);
  const effectiveAt = readInstant(data.effectiveAt);
  const parts = data.allocations.map(({ grantId, amount }) => ({ grantId, amount: readAmount(amount) }));
  const hold: Hold = {
    id: data.holdId,
    unit: data.unit,
    parts,
    amount: parts.reduce((sum, { amount }) => sum + amount, 0n),
    context: data.context ?? {},
    effectiveAt,
    expiresAt: data.expiresAt === undefined ? Infinity : readInstant(data.expiresAt),
  };
  const holds = new Map(state.holds).set(hold.id, hold);
  const draft = new UnitDraft(
    { ...state, holds, timersDue: Math.min(state.timersDue, hold.expiresAt) },
    data.unit,
  );
  for (const { grantId, amount, remainingAfter } of data.allocations)
    draft.hold(grantId, readAmount(amount), readAmount(remainingAfter), effectiveAt);
  return draft.done();
}

export const captured = (state: AccountState, data: HoldCaptured): AccountState =>
  over(
    state,
    data,
    data.allocations.map((part) => ({
      ...part,
      amount: readAmount(part.amount),
      released: readAmount(part.released),
    })),
  );

export const released = (state: AccountState, data: HoldReleased): AccountState =>
  over(
    state,
    data,
    data.allocations.map((part) => ({ ...part, amount: 0n, released: readAmount(part.amount) })),
  );

interface Part {
  readonly grantId: string;
  /** Drawn. */
  readonly amount: bigint;
  /** Comes back. */
  readonly released: bigint;
  readonly remainingAfter: string;
  readonly forfeited?: 'expired' | 'voided';
}

/** A hold ends once, with exactly what it held of each grant. */
function over(
  state: AccountState,
  { holdId, unit }: { readonly holdId: string; readonly unit: string },
  parts: readonly Part[],
): AccountState {
  const hold = state.holds.get(holdId);
  const isWhole =
    hold?.parts.length === parts.length &&
    hold.parts.every(
      ({ grantId, amount }, index) =>
        parts[index]!.grantId === grantId && parts[index]!.amount + parts[index]!.released === amount,
    );
  if (hold?.unit !== unit || !isWhole) throw contradiction(`hold ${holdId} ended`);
  const holds = new Map(state.holds);
  holds.delete(holdId);
  const timersDue = hold.expiresAt === state.timersDue ? timersDueOf({ ...state, holds }) : state.timersDue;
  const draft = new UnitDraft({ ...state, holds, timersDue }, unit);
  for (const { grantId, amount, released, remainingAfter, forfeited } of parts)
    draft.unhold(grantId, amount, released, readAmount(remainingAfter), forfeited !== undefined);
  return draft.done();
}
