import {
  ACCOUNT_SNAPSHOT_VERSION,
  creditAccount,
  DUE_ROOM,
  dueFacts,
  snapshotOf,
  stateFromSnapshot,
  type AccountState,
  type CreditCommand,
  type CreditEvent,
} from '#libs/credits';
import { eventTypesOf } from '#libs/event-types';
import type { StreamKind } from '../stream-kind.js';

export type AccountKind = StreamKind<AccountState, CreditCommand, CreditEvent>;

/** Events between two snapshots of an account with few grants. */
const SNAPSHOT_EVERY = 100;

/**
 * The credit account's streams: one per customer, named by the customer's id.
 * @param expiryGrace ms by which the recording of expiries is delayed, so that late usage can still draw
 */
export function accountKind(expiryGrace: number): AccountKind {
  return {
    category: 'creditAccount',
    decider: creditAccount,
    settle: (state, now) => dueFacts(state, now, expiryGrace, DUE_ROOM),
    eventTypes: eventTypesOf('creditAccount'),
    effectiveAt: effectiveAtOf,
    weight: weightOf,
    snapshots: {
      version: ACCOUNT_SNAPSHOT_VERSION,
      every: SNAPSHOT_EVERY,
      of: snapshotOf,
      from: stateFromSnapshot,
    },
  };
}

function effectiveAtOf({ data }: CreditEvent): string | undefined {
  if ('effectiveAt' in data) return data.effectiveAt;
  if ('expiredAt' in data) return data.expiredAt;
  if ('dueAt' in data) return data.dueAt;
  if ('carriedAt' in data) return data.carriedAt;
  if ('releasedAt' in data) return data.releasedAt;
  return 'activatedAt' in data ? data.activatedAt : undefined;
}

function weightOf({ units, ended, uniquenessKeys, holds, reversed, series }: AccountState): number {
  let weight = ended.size + uniquenessKeys.size + holds.size + reversed.size + series.size;
  for (const { grants, debts } of units.values()) weight += grants.length + debts.length;
  return weight;
}
