import { readAmount, readInstant, type Amount, type Instant } from '#libs/kernel';
import type { CreditEvent, CreditsConsumed, ExpiryCause, HoldCaptured, ReturnedPart } from './events.js';

export type MovementKind =
  | 'grant'
  | 'consumption'
  | 'expiration'
  | 'void'
  | 'amendment'
  | 'adjustment'
  | 'rollover'
  | 'reversal'
  | 'hold'
  | 'capture'
  | 'release'
  | 'debt'
  | 'settlement';

/** What one fact does to what one grant has left, or to what is owed. */
export interface Movement {
  readonly kind: MovementKind;
  /** null: it moves debt. */
  readonly grantId: string | null;
  readonly unit: string;
  /** Signed: what the grant has more. Without a grant: minus what is owed more. */
  readonly amount: Amount;
  /** When it counts. */
  readonly at: Instant;
  /** Of an expiration; `hold_ended` where a hold gave back to a grant that had ended, `reversed` where a reversal did. */
  readonly cause?: ExpiryCause | 'hold_ended' | 'reversed';
}

/**
 * A fact as movements, in the order in which they follow each other: per grant they add up to what remains, per unit to the
 * balance. A capture lets go of all that was held and draws; what comes back to a grant that has ended is lost again at once.
 */
export function movementsOf({ type, data }: CreditEvent): readonly Movement[] {
  switch (type) {
    case 'GrantIssued': {
      const kind = data.source === 'rollover' && data.kind === 'rollover' ? 'rollover' : 'grant';
      return [moved(kind, data, readAmount(data.amount), data.issuedAt)];
    }
    case 'CreditsConsumed':
      return consumed(data);
    case 'DebtSettled':
      return [moved('settlement', data, -readAmount(data.amount), data.settledAt)];
    case 'GrantExpired': {
      const lost = moved('expiration', data, -readAmount(data.amount), data.expiredAt);
      return lost.amount === 0n ? [] : [{ ...lost, cause: data.cause }];
    }
    case 'GrantVoided': {
      const lost = moved('void', data, -readAmount(data.amount), data.voidedAt);
      return lost.amount === 0n ? [] : [lost];
    }
    case 'GrantAmended':
      return data.change === '0' ? [] : [moved('amendment', data, readAmount(data.change), data.amendedAt)];
    case 'GrantAdjusted':
      return [moved('adjustment', data, readAmount(data.amount), data.adjustedAt)];
    case 'BalanceCarried':
      return [moved('rollover', data, -readAmount(data.amount), data.carriedAt)];
    case 'HoldPlaced':
      return data.allocations.map(({ grantId, amount }) =>
        moved('hold', { grantId, unit: data.unit }, -readAmount(amount), data.placedAt),
      );
    case 'HoldCaptured':
      return captured(data);
    case 'HoldReleased':
      return data.allocations.flatMap((part) =>
        returned('release', 'hold_ended', data.unit, part, readAmount(part.amount), data.releasedAt),
      );
    case 'ConsumptionReversed': {
      const parts = data.allocations.flatMap((part) =>
        returned('reversal', 'reversed', data.unit, part, readAmount(part.amount), data.effectiveAt),
      );
      if (data.debt === '0') return parts;
      return [
        moved('reversal', { grantId: null, unit: data.unit }, readAmount(data.debt), data.effectiveAt),
        ...parts,
      ];
    }
    case 'GrantActivated':
    case 'ConsumptionRefused':
    case 'UsageRecorded':
    case 'GrantEdited':
    case 'HoldRefused':
    case 'RenewalBegun':
    case 'GrantRenewed':
    case 'RenewalAmended':
    case 'RenewalPaused':
    case 'RenewalResumed':
    case 'RenewalCancelled':
    case 'CommandRefused':
      return [];
  }
}

function moved(
  kind: MovementKind,
  { grantId, unit }: { readonly grantId: string | null; readonly unit: string },
  amount: Amount,
  at: string,
): Movement {
  return { kind, grantId, unit, amount, at: readInstant(at) };
}

function consumed({ allocations, unit, debt, effectiveAt }: CreditsConsumed): readonly Movement[] {
  const parts = allocations.map(({ grantId, amount }) =>
    moved('consumption', { grantId, unit }, -readAmount(amount), effectiveAt),
  );
  return debt === '0'
    ? parts
    : [...parts, moved('debt', { grantId: null, unit }, -readAmount(debt), effectiveAt)];
}

function captured({ allocations, unit, capturedAt }: HoldCaptured): readonly Movement[] {
  return allocations.flatMap((part) => {
    const drawn = readAmount(part.amount);
    const whole = drawn + readAmount(part.released);
    const [back, ...lost] = returned('release', 'hold_ended', unit, part, whole, capturedAt);
    if (drawn === 0n) return [back!, ...lost];
    const capture = moved('capture', { grantId: part.grantId, unit }, -drawn, capturedAt);
    return [back!, capture, ...lost.map((loss) => ({ ...loss, amount: loss.amount + drawn }))];
  });
}

function returned(
  kind: 'release' | 'reversal',
  cause: 'hold_ended' | 'reversed',
  unit: string,
  { grantId, forfeited }: Pick<ReturnedPart, 'grantId' | 'forfeited'>,
  amount: Amount,
  at: string,
): readonly Movement[] {
  const back = moved(kind, { grantId, unit }, amount, at);
  if (forfeited === undefined) return [back];
  const lost = moved(forfeited === 'voided' ? 'void' : 'expiration', { grantId, unit }, -amount, at);
  return [back, forfeited === 'voided' ? lost : { ...lost, cause }];
}
