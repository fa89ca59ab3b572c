import { readInstant, type Amount, type Instant } from '#libs/kernel';
import { initialAccount } from './account.js';
import { allDue } from './due.js';
import type { CreditEvent } from './events.js';
import { evolve } from './evolve.js';
import { movementsOf, type MovementKind } from './movements.js';

/** One unit of an account as it stood at an instant. */
export interface UnitAsOf {
  readonly unit: string;
  /**
   * What remained on the grants that were active, and what was held. Usage that was reported later may have drawn what was
   * given back only after `at`: then this is below what is held, or below 0, as the sum of the movements is.
   */
  readonly ledger: Amount;
  /** Set aside by holds that were open. */
  readonly held: Amount;
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
  /** Number of the fact that issued it. */
  readonly issued: number;
  effectiveAt: Instant;
  expiresAt: Instant;
  remaining: Amount;
}

/** A fact, and when it was recorded. */
export interface RecordedFact {
  readonly fact: CreditEvent;
  readonly recordedAt: Instant;
}

/**
 * The account at `at` as the given facts tell it: a movement counts from its own effective time on, whenever it was
 * recorded after that, and a grant in `[effectiveAt, expiresAt)`. Usage ahead of its recording counts from then on: what it
 * has drawn nobody else can. More facts recorded later change nothing of what these tell.
 */
export function accountAsOf(known: readonly RecordedFact[], at: Instant): readonly UnitAsOf[] {
  const timeline = createTimeline();
  let state = initialAccount;
  for (const recorded of known) {
    timeline.add(recorded);
    state = evolve(state, recorded.fact);
  }
  return timeline.asOf(known.length, allDue(state, at), at);
}

/** An account's facts reduced to what they move and when: what answers `accountAsOf` again and again. */
export interface Timeline {
  /** Facts taken in. */
  readonly length: number;
  /** Facts, movements and grants kept. */
  readonly size: number;
  /** @throws Error for a fact about a grant that was not issued */
  add(recorded: RecordedFact): void;
  /**
   * The account at `at` as its first `count` facts tell it.
   * @param due what time has made due by `at` after those facts
   */
  asOf(count: number, due: readonly CreditEvent[], at: Instant): readonly UnitAsOf[];
}

/** From an instant on a grant has another window, or is over. */
interface Change {
  readonly fact: number;
  readonly grant: number;
  /** When it counts. */
  readonly at: Instant;
  readonly window: Pick<GrantAsOf, 'effectiveAt' | 'expiresAt'> | null;
}

export function createTimeline(): Timeline {
  const numbers = new Map<string, number>();
  const units = new Map<string, number>();
  /** Of each unit: the fact that first named it. */
  const firsts: number[] = [];
  const grants: GrantAsOf[] = [];
  const changes: Change[] = [];
  /** Of each fact: where its movements end. */
  const ends: number[] = [];
  // one entry for each movement
  const ats: Instant[] = [];
  /** The grant; below zero the unit, counted from -1 down, where debt alone moves. */
  const whose: number[] = [];
  const kinds: MovementKind[] = [];
  const amounts: Amount[] = [];

  const numberOf = (grantId: string): number => {
    const number = numbers.get(grantId);
    if (number === undefined) throw new Error(`grant ${grantId} was not issued`);
    return number;
  };
  const unitNumber = (unit: string): number => {
    let number = units.get(unit);
    if (number === undefined) {
      units.set(unit, (number = units.size));
      firsts.push(ends.length);
    }
    return number;
  };

  function add({ fact, recordedAt }: RecordedFact): void {
    const number = ends.length;
    if ('balanceAfter' in fact.data) unitNumber(fact.data.unit);
    if (fact.type === 'GrantIssued') {
      const { grantId, unit } = fact.data;
      numbers.set(grantId, grants.length);
      grants.push({ unit, issued: number, ...windowOf(fact.data), remaining: 0n });
    }
    const change = changeOf(fact);
    if (change) changes.push({ ...change, fact: number, grant: numberOf(change.grantId) });
    for (const { kind, grantId, unit, amount, at } of movementsOf(fact)) {
      whose.push(grantId === null ? -1 - unitNumber(unit) : numberOf(grantId));
      ats.push(fact.type === 'GrantIssued' ? -Infinity : Math.min(at, recordedAt)); // a grant is known before it counts
      kinds.push(kind);
      amounts.push(amount);
    }
    ends.push(ats.length);
  }

  return {
    get length() {
      return ends.length;
    },
    get size() {
      return ends.length + ats.length + grants.length;
    },
    add,

    asOf(count, due, at) {
      const own = grants.filter(({ issued }) => issued < count).map((grant) => ({ ...grant }));
      const later = new Map<string, GrantAsOf>();
      const sums = createSums();
      const applyTo = (grant: GrantAsOf, { at: counts, window }: Pick<Change, 'at' | 'window'>): void => {
        if (counts > at) return;
        if (window) Object.assign(grant, window);
        else grant.expiresAt = Math.min(grant.expiresAt, counts);
      };
      for (const change of changes) if (change.fact < count) applyTo(own[change.grant]!, change);
      const names = [...units.keys()];
      const end = count === 0 ? 0 : ends[count - 1]!;
      for (let index = 0; index < end; index++) {
        if (ats[index]! > at) continue;
        const number = whose[index]!;
        const grant = number < 0 ? null : own[number]!;
        sums.add(grant, grant?.unit ?? names[-1 - number]!, kinds[index]!, amounts[index]!);
      }
      // what time made due is little, and not kept
      const grantOf = (grantId: string): GrantAsOf => later.get(grantId) ?? own[numberOf(grantId)]!;
      for (const fact of due) {
        if (fact.type === 'GrantIssued')
          later.set(fact.data.grantId, {
            unit: fact.data.unit,
            issued: count,
            ...windowOf(fact.data),
            remaining: 0n,
          });
        const change = changeOf(fact);
        if (change) applyTo(grantOf(change.grantId), change);
        for (const { kind, grantId, unit, amount, at: counts } of movementsOf(fact))
          if (counts <= at || fact.type === 'GrantIssued')
            sums.add(grantId === null ? null : grantOf(grantId), unit, kind, amount);
      }
      const named = names.filter((_, number) => firsts[number]! < count);
      return sums.units(named, [...own, ...later.values()], at);
    },
  };
}

function changeOf({
  type,
  data,
}: CreditEvent): (Pick<Change, 'at' | 'window'> & { readonly grantId: string }) | null {
  if (type === 'GrantAmended')
    return { grantId: data.grantId, at: readInstant(data.amendedAt), window: windowOf(data) };
  if (type === 'GrantExpired')
    return { grantId: data.grantId, at: readInstant(data.expiredAt), window: null };
  if (type === 'GrantVoided') return { grantId: data.grantId, at: readInstant(data.voidedAt), window: null };
  return null;
}

/** Sums of movements up to an instant: what remains stands in the grants. */
function createSums() {
  const debts = new Map<string, Amount>();
  const held = new Map<string, Amount>();
  const put = (sums: Map<string, Amount>, unit: string, amount: Amount): void =>
    void sums.set(unit, (sums.get(unit) ?? 0n) + amount);
  return {
    add(grant: GrantAsOf | null, unit: string, kind: MovementKind, amount: Amount): void {
      if (grant) grant.remaining += amount;
      if (!grant) put(debts, unit, -amount);
      else if (kind === 'settlement') put(debts, unit, amount);
      else if (kind === 'hold' || kind === 'release') put(held, unit, -amount);
    },
    units(named: readonly string[], all: readonly GrantAsOf[], at: Instant): readonly UnitAsOf[] {
      const units = [...new Set([...named, ...all.map(({ unit }) => unit)])].sort();
      return units.map((unit) => unitAsOf(unit, all, held.get(unit) ?? 0n, debts.get(unit) ?? 0n, at));
    },
  };
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
