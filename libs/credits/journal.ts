import type { Amount, Instant } from '#libs/kernel';
import type { CreditEvent } from './events.js';
import { movementsOf, type Movement, type MovementKind } from './movements.js';

/** Accounts of the double-entry journal. `outstanding` is what customers can still draw; `debt` is what they owe. */
export type JournalAccount =
  'outstanding' | 'held' | 'debt' | 'issued' | 'consumed' | 'breakage' | 'voided' | 'adjustments' | 'carried';

/** One side of a booking: a credit is above zero, a debit below. */
export interface Posting {
  readonly account: JournalAccount;
  readonly unit: string;
  readonly amount: Amount;
  readonly grantId: string | null;
  readonly at: Instant;
}

/** Where the other side of a movement of credit is booked. */
const CONTRA: Readonly<Record<MovementKind, JournalAccount>> = {
  grant: 'issued',
  rollover: 'carried',
  consumption: 'consumed',
  capture: 'consumed',
  reversal: 'consumed',
  debt: 'consumed',
  settlement: 'debt',
  expiration: 'breakage',
  void: 'voided',
  amendment: 'adjustments',
  adjustment: 'adjustments',
  hold: 'held',
  release: 'held',
};

/** A fact as postings: two for each movement, which add up to nothing in their unit. */
export const postingsOf = (fact: CreditEvent): readonly Posting[] => movementsOf(fact).flatMap(bothSides);

function bothSides({ kind, grantId, unit, amount, at }: Movement): readonly Posting[] {
  const account = grantId === null ? 'debt' : 'outstanding';
  return [
    { account, unit, amount, grantId, at },
    { account: CONTRA[kind], unit, amount: -amount, grantId, at },
  ];
}
