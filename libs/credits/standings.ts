import { readInstant } from '#libs/kernel';
import type { CreditEvent } from './events.js';

/** What a fact says of a grant it touches. What is absent stays as it was. */
export interface GrantStanding {
  readonly grantId: string;
  readonly remaining?: string;
  /** Something was taken of it, so it was open. */
  readonly drawn?: true;
  /** Over all holds. */
  readonly held?: string;
  /** It has ended so for good. */
  readonly over?: 'expired' | 'voided';
  readonly window?: GrantWindow;
  /** It is activated if its start is not after this instant. */
  readonly startedBy?: string;
}

export interface GrantWindow {
  readonly effectiveAt: string;
  readonly expiresAt?: string;
}

/**
 * What stands of each grant after a fact, in order. A grant that is not over is depleted while nothing of it remains and
 * nothing is held: every fact that changes one says so, and the other stays.
 */
export function standingsOf({ type, data }: CreditEvent): readonly GrantStanding[] {
  switch (type) {
    case 'GrantIssued': {
      const { grantId, amount, issuedAt } = data;
      return [{ grantId, remaining: amount, held: '0', window: windowOf(data), startedBy: issuedAt }];
    }
    case 'GrantActivated':
      return [{ grantId: data.grantId, startedBy: data.activatedAt }];
    case 'CreditsConsumed':
      return data.allocations.map(({ grantId, remainingAfter }) => ({
        grantId,
        remaining: remainingAfter,
        drawn: true,
      }));
    case 'DebtSettled':
      return [{ grantId: data.grantId, remaining: data.remainingAfter, drawn: true }];
    case 'GrantAdjusted':
      return [{ grantId: data.grantId, remaining: data.remainingAfter }];
    case 'GrantExpired':
      return [{ grantId: data.grantId, remaining: '0', over: 'expired' }];
    case 'GrantVoided':
      return [{ grantId: data.grantId, remaining: '0', over: 'voided' }];
    case 'GrantAmended': {
      const { grantId, remainingAfter, amendedAt } = data;
      return [{ grantId, remaining: remainingAfter, window: windowOf(data), startedBy: amendedAt }];
    }
    case 'BalanceCarried': {
      const { grantId, remainingAfter: remaining } = data;
      return [{ grantId, remaining, ...(remaining === '0' ? { over: 'expired' } : {}) }];
    }
    case 'HoldPlaced':
    case 'HoldCaptured':
    case 'HoldReleased':
      return data.allocations.map(({ grantId, remainingAfter, heldAfter }) => ({
        grantId,
        remaining: remainingAfter,
        held: heldAfter,
      }));
    case 'ConsumptionReversed':
      return data.allocations.flatMap(({ grantId, remainingAfter, forfeited }) =>
        forfeited === undefined ? [{ grantId, remaining: remainingAfter, startedBy: data.reversedAt }] : [],
      );
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

const windowOf = ({ effectiveAt, expiresAt }: GrantWindow): GrantWindow => ({
  effectiveAt,
  ...(expiresAt === undefined ? {} : { expiresAt }),
});

/** Whether a start is not after an instant; both as stored. */
export const hasStarted = (effectiveAt: string, by: string): boolean =>
  readInstant(effectiveAt) <= readInstant(by);

/** Something was drawn and something is left: nothing but `remaining` has changed. */
export const isPlainDraw = ({ remaining, drawn }: GrantStanding): boolean =>
  drawn === true && remaining !== '0';
