import { readAmount, readInstant, type Amount, type Instant } from '#libs/kernel';
import { evolve, initialAccount } from './account.js';
import { dueFacts } from './decide.js';
import type { CreditEvent } from './events.js';

/** One unit of an account as it stood at an instant. */
export interface UnitAsOf {
  readonly unit: string;
  /** What remained on the grants that were active. */
  readonly ledger: Amount;
  readonly debt: Amount;
  /** What was not effective yet. */
  readonly scheduled: Amount;
  /** The earliest instant at which active credit ended, and how much of it. */
  readonly nextExpiry: { readonly at: Instant; readonly amount: Amount } | null;
  /** Active grants with something left. */
  readonly grants: number;
}

interface GrantAsOf {
  readonly unit: string;
  readonly effectiveAt: Instant;
  readonly expiresAt: Instant;
  remaining: Amount;
}

/**
 * The account at `at` as the given facts tell it: a movement counts from its own effective time on, whenever it was
 * recorded, and a grant in `[effectiveAt, expiresAt)`. More facts recorded later change nothing of what these tell.
 */
export function accountAsOf(known: readonly CreditEvent[], at: Instant): readonly UnitAsOf[] {
  const facts = [...known, ...dueFacts(known.reduce(evolve, initialAccount), at)];
  const grants = new Map<string, GrantAsOf>();
  const debts = new Map<string, Amount>();
  const take = (grantId: string, amount: string): void => {
    grants.get(grantId)!.remaining -= readAmount(amount);
  };
  const owe = (unit: string, amount: Amount): void => void debts.set(unit, (debts.get(unit) ?? 0n) + amount);
  for (const { type, data } of facts) {
    if (type === 'GrantIssued')
      grants.set(data.grantId, {
        unit: data.unit,
        effectiveAt: readInstant(data.effectiveAt),
        expiresAt: data.expiresAt === undefined ? Infinity : readInstant(data.expiresAt),
        remaining: readAmount(data.amount),
      });
    else if (type === 'CreditsConsumed' && readInstant(data.effectiveAt) <= at) {
      for (const { grantId, amount } of data.allocations) take(grantId, amount);
      owe(data.unit, readAmount(data.debt));
    } else if (type === 'DebtSettled' && readInstant(data.settledAt) <= at) {
      take(data.grantId, data.amount);
      owe(data.unit, -readAmount(data.amount));
    } else if (type === 'GrantVoided' && readInstant(data.voidedAt) <= at) take(data.grantId, data.amount);
    else if (type === 'GrantExpired' && readInstant(data.expiredAt) <= at) take(data.grantId, data.amount);
  }
  const units = [...new Set([...grants.values()].map(({ unit }) => unit).concat([...debts.keys()]))].sort();
  return units.map((unit) => unitAsOf(unit, [...grants.values()], debts.get(unit) ?? 0n, at));
}

function unitAsOf(unit: string, all: readonly GrantAsOf[], debt: Amount, at: Instant): UnitAsOf {
  const sum = (some: readonly GrantAsOf[]): Amount =>
    some.reduce((total, { remaining }) => total + remaining, 0n);
  const ours = all.filter((grant) => grant.unit === unit && grant.remaining > 0n);
  const active = ours.filter(({ effectiveAt, expiresAt }) => effectiveAt <= at && at < expiresAt);
  const ends = Math.min(...active.map(({ expiresAt }) => expiresAt));
  return {
    unit,
    ledger: sum(active),
    debt,
    scheduled: sum(ours.filter(({ effectiveAt }) => effectiveAt > at)),
    nextExpiry: Number.isFinite(ends)
      ? { at: ends, amount: sum(active.filter(({ expiresAt }) => expiresAt === ends)) }
      : null,
    grants: active.length,
  };
}
