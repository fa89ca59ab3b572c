import { minAmount, type Amount, type Instant } from '#libs/kernel';
import { unitOf, type AccountState } from './account.js';
import { admits, type Applicability, type UsageContext } from './applicability.js';
import { burnDown } from './burn-down.js';

/** What must be bought before usage can go on. */
export interface MinimumPurchase {
  /** What a grant with these limits would pay of what is owed. */
  readonly debt: Amount;
  /** The smallest grant: pays that debt and leaves what is needed. 0: nothing must be bought. */
  readonly amount: Amount;
  /** How many packs that is; null without packs. */
  readonly packs: bigint | null;
  /** What such a purchase leaves available, packs being whole. */
  readonly availableAfter: Amount;
}

/**
 * The smallest grant in a unit that clears its debt and lets usage of `needed` draw.
 * @param pack amount of one pack, > 0; what is bought is whole packs
 */
export function minimumPurchase(
  state: AccountState,
  unit: string,
  asked: {
    readonly now: Instant;
    readonly needed?: Amount;
    readonly pack?: Amount;
    readonly context?: UsageContext;
    /** Limits of the grant that would be bought. */
    readonly applicability?: Applicability;
  },
): MinimumPurchase {
  const { now, needed = 0n, pack, context = {}, applicability } = asked;
  const account = unitOf(state, unit);
  const available = burnDown(account, 0n, now, now, context).availableAfter;
  let debt = 0n;
  for (const owed of account.debts) if (admits(applicability, owed.context)) debt += owed.amount;
  const amount = debt + (needed > available ? needed - available : 0n);
  const packs = pack === undefined ? null : (amount + pack - 1n) / pack;
  const bought = packs === null ? amount : packs * pack!;
  return { debt, amount, packs, availableAfter: available + bought - minAmount(bought, debt) };
}

/** Whether service may go on, and if it may not, why. */
export type Availability =
  | { readonly canContinue: true }
  | { readonly canContinue: false; readonly reason: 'insufficient_credit' | 'debt_limit' | 'recharge_limit' };

/**
 * Whether service may go on: what is available covers what is needed and owed, or automatic recharges would cover the rest,
 * at most so many of them and at most so much of it.
 */
export function verifyAvailability(
  state: AccountState,
  unit: string,
  asked: {
    readonly now: Instant;
    readonly context?: UsageContext;
    /** Usage that is not recorded yet. */
    readonly needed?: Amount;
    /** Most that may be lacking at all; absent: no bound. */
    readonly debtLimit?: Amount;
    /** > 0; absent: nothing recharges. */
    readonly recharge?: { readonly amount: Amount; readonly most: number };
  },
): Availability {
  const { now, context = {}, needed = 0n, debtLimit, recharge } = asked;
  const account = unitOf(state, unit);
  const available = burnDown(account, 0n, now, now, context).availableAfter;
  const lacking = needed + account.debt - available;
  if (lacking < 0n || (lacking === 0n && needed > 0n)) return { canContinue: true };
  if (debtLimit !== undefined && lacking > debtLimit) return { canContinue: false, reason: 'debt_limit' };
  if (!recharge) return { canContinue: false, reason: 'insufficient_credit' };
  const times = (lacking + recharge.amount - 1n) / recharge.amount || 1n; // with nothing left one is needed
  return times <= BigInt(recharge.most)
    ? { canContinue: true }
    : { canContinue: false, reason: 'recharge_limit' };
}
