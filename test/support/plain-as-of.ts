import { readInstant, type Amount, type Instant } from '#libs/kernel';
import { allDue, creditAccount, movementsOf, type RecordedFact, type UnitAsOf } from '#libs/credits';

interface GrantAsOf {
  readonly unit: string;
  effectiveAt: Instant;
  expiresAt: Instant;
  remaining: Amount;
}

/** The account at `at` in the plainest way: every fact is looked at, every time. */
export function plainAsOf(known: readonly RecordedFact[], at: Instant): readonly UnitAsOf[] {
  const state = known.map(({ fact }) => fact).reduce(creditAccount.evolve, creditAccount.initialState);
  const facts = [...known, ...allDue(state, at).map((fact) => ({ fact, recordedAt: Infinity }))];
  const named = new Set<string>();
  const grants = new Map<string, GrantAsOf>();
  const debts = new Map<string, Amount>();
  const holds = new Map<string, Amount>();
  const add = (sums: Map<string, Amount>, unit: string, amount: Amount): void =>
    void sums.set(unit, (sums.get(unit) ?? 0n) + amount);
  const over = (grantId: string, ended: string): void => {
    const grant = grants.get(grantId)!;
    if (readInstant(ended) <= at) grant.expiresAt = Math.min(grant.expiresAt, readInstant(ended));
  };
  for (const { fact, recordedAt } of facts) {
    const { type, data } = fact;
    if ('balanceAfter' in data) named.add(data.unit);
    if (type === 'GrantIssued')
      grants.set(data.grantId, { unit: data.unit, ...windowOf(data), remaining: 0n });
    else if (type === 'GrantAmended' && readInstant(data.amendedAt) <= at)
      Object.assign(grants.get(data.grantId)!, windowOf(data));
    else if (type === 'GrantExpired') over(data.grantId, data.expiredAt);
    else if (type === 'GrantVoided') over(data.grantId, data.voidedAt);
    for (const { kind, grantId, unit, amount, at: counts } of movementsOf(fact)) {
      if (counts > at && recordedAt > at && type !== 'GrantIssued') continue;
      if (grantId !== null) grants.get(grantId)!.remaining += amount;
      if (grantId === null || kind === 'settlement')
        add(debts, unit, kind === 'settlement' ? amount : -amount);
      if (kind === 'hold' || kind === 'release') add(holds, unit, -amount);
    }
  }
  const all = [...grants.values()];
  return [...named]
    .sort()
    .map((unit) => unitAsOf(unit, all, holds.get(unit) ?? 0n, debts.get(unit) ?? 0n, at));
}

const windowOf = (data: { readonly effectiveAt: string; readonly expiresAt?: string }) => ({
  effectiveAt: readInstant(data.effectiveAt),
  expiresAt: data.expiresAt === undefined ? Infinity : readInstant(data.expiresAt),
});

function unitAsOf(
  unit: string,
  all: readonly GrantAsOf[],
  held: Amount,
  debt: Amount,
  at: Instant,
): UnitAsOf {
  const sum = (some: readonly GrantAsOf[]): Amount =>
    some.reduce((total, { remaining }) => total + remaining, 0n);
  const ours = all.filter((grant) => grant.unit === unit);
  const active = ours.filter(({ effectiveAt, expiresAt }) => effectiveAt <= at && at < expiresAt);
  const left = active.filter(({ remaining }) => remaining > 0n);
  const ends = Math.min(...left.map(({ expiresAt }) => expiresAt));
  return {
    unit,
    ledger: sum(active) + held,
    held,
    debt,
    scheduled: sum(ours.filter(({ effectiveAt }) => effectiveAt > at)),
    nextExpiry: Number.isFinite(ends)
      ? { at: ends, amount: sum(left.filter(({ expiresAt }) => expiresAt === ends)) }
      : null,
    grants: left.length,
  };
}
