import { formatAmount, type Amount, type Instant } from '#libs/kernel';
import {
  dueAt,
  emptyUnit,
  nextDueOf,
  type AccountState,
  type EndedAs,
  type EndedGrant,
  type Grant,
  type UnitAccount,
} from './account.js';
import { compareBurnDown } from './burn-down-order.js';

/**
 * One unit of an account while a fact is folded in: copied once, changed in place, put back. Every step checks what the fact
 * says against what follows from the facts before it, and stops the replay where they differ.
 */
export class UnitDraft {
  private readonly grants: Grant[];
  private ended: Map<string, EndedGrant | null> | null = null;
  private balance: Amount;
  private held: Amount;
  private nextDue: Instant;

  constructor(
    private readonly state: AccountState,
    private readonly unit: string,
  ) {
    const account = state.units.get(unit) ?? emptyUnit;
    this.grants = account.grants.slice();
    this.balance = account.balance;
    this.held = account.held;
    this.nextDue = account.nextDue;
  }

  /** A new grant takes its place. */
  add(grant: Grant): void {
    this.insert(grant);
    this.balance += grant.remaining;
  }

  /** Usage at `usedAt`, or a debt, takes `amount`; what then has nothing is depleted. */
  take(grantId: string, amount: Amount, remainingAfter: Amount, usedAt: Instant): void {
    const index = this.indexOf(grantId);
    const grant = this.grants[index]!;
    if (amount <= 0n || remainingAfter < 0n || grant.remaining - amount !== remainingAfter)
      throw contradiction(`${formatAmount(amount)} drawn from grant ${grantId}`);
    this.balance -= amount;
    const usedUntil = usedAt > grant.usedUntil ? usedAt : grant.usedUntil;
    this.grants[index] = withLeft(grant, remainingAfter, grant.held, usedUntil);
    if (remainingAfter === 0n && grant.held === 0n) this.close(index, 'depleted');
  }

  /** A balance goes on in another grant; what then has nothing is over. */
  carry(grantId: string, amount: Amount, remainingAfter: Amount): void {
    const index = this.indexOf(grantId);
    const grant = this.grants[index]!;
    if (amount <= 0n || remainingAfter < 0n || grant.remaining - amount !== remainingAfter)
      throw contradiction(`${formatAmount(amount)} carried from grant ${grantId}`);
    this.balance -= amount;
    if (remainingAfter === 0n) this.close(index, 'expired');
    else this.grants[index] = withLeft(grant, remainingAfter);
  }

  /** The end of a grant: all that remains is gone. */
  end(grantId: string, amount: Amount, endsAs: 'expired' | 'voided'): void {
    const index = this.indexOf(grantId);
    const grant = this.grants[index]!;
    if (grant.remaining !== amount || (amount === 0n && grant.held === 0n))
      throw contradiction(`${formatAmount(amount)} ${endsAs} of grant ${grantId}`);
    this.balance -= amount;
    this.close(index, endsAs);
  }

  /** Puts the grant's amount, window or entries as they are from now on; one that was depleted is open again. */
  set(grantId: string, change: (grant: Grant) => Grant): void {
    const index = this.grants.findIndex(({ id }) => id === grantId);
    const before = this.grants[index] ?? this.state.ended.get(grantId)?.grant;
    if (!before) throw contradiction(`grant ${grantId} was changed`);
    const after = change(before);
    if (after.remaining < 0n || after.held < 0n)
      throw contradiction(`grant ${grantId} has less than nothing`);
    this.balance += after.remaining - before.remaining;
    if (index >= 0) this.grants.splice(index, 1);
    this.nextDue = nextDueOf(this.grants);
    if (after.remaining > 0n || after.held > 0n) {
      if (index < 0) this.ends(grantId, null);
      this.insert(after);
    } else this.ends(grantId, depleted(after));
  }

  /** Something that was drawn comes back at `at`; `forfeited`: not to the grant, which has ended that way. */
  give(
    grantId: string,
    amount: Amount,
    remainingAfter: Amount,
    forfeited: EndedAs | undefined,
    at: Instant,
  ): void {
    if (amount <= 0n) throw contradiction(`${formatAmount(amount)} came back to grant ${grantId}`);
    if (forfeited !== undefined) {
      if (this.grants.some(({ id }) => id === grantId))
        throw contradiction(`grant ${grantId} lost what came back`);
      return;
    }
    this.set(grantId, (grant) => {
      const remaining = grant.remaining + amount;
      if (remaining !== remainingAfter)
        throw contradiction(`${formatAmount(amount)} came back to grant ${grantId}`);
      return { ...grant, remaining, activated: grant.activated || grant.effectiveAt <= at };
    });
  }

  /** Sets `amount` aside. */
  hold(grantId: string, amount: Amount, remainingAfter: Amount, usedAt: Instant): void {
    const index = this.indexOf(grantId);
    const grant = this.grants[index]!;
    if (amount <= 0n || remainingAfter < 0n || grant.remaining - amount !== remainingAfter)
      throw contradiction(`${formatAmount(amount)} of grant ${grantId} held`);
    this.balance -= amount;
    this.held += amount;
    const usedUntil = usedAt > grant.usedUntil ? usedAt : grant.usedUntil;
    this.grants[index] = withLeft(grant, remainingAfter, grant.held + amount, usedUntil);
  }

  /** Ends the hold of `amount + released`: the first is drawn, the second comes back, unless the grant has ended meanwhile. */
  unhold(
    grantId: string,
    amount: Amount,
    released: Amount,
    remainingAfter: Amount,
    forfeited: boolean,
  ): void {
    this.held -= amount + released;
    const index = this.grants.findIndex(({ id }) => id === grantId);
    if (index < 0) {
      if (!this.state.ended.has(grantId) || (released > 0n && !forfeited))
        throw contradiction(`a hold on grant ${grantId} ended`);
      return;
    }
    const grant = this.grants[index]!;
    const remaining = grant.remaining + released;
    const held = grant.held - amount - released;
    if (held < 0n || forfeited || remaining !== remainingAfter)
      throw contradiction(`a hold on grant ${grantId} ended`);
    this.balance += released;
    this.grants[index] = withLeft(grant, remaining, held);
    if (remaining === 0n && held === 0n) this.close(index, 'depleted');
  }

  /** The account with the unit put back. */
  done(): AccountState {
    const { debts, debt } = this.state.units.get(this.unit) ?? emptyUnit;
    const { grants, balance, held, nextDue } = this;
    return withUnit(
      this.state,
      this.unit,
      { grants, balance, held, debts, debt, nextDue },
      this.endedSince(),
    );
  }

  private endedSince(): AccountState['ended'] {
    if (this.ended === null) return this.state.ended;
    const all = new Map(this.state.ended);
    for (const [id, end] of this.ended)
      if (end) all.set(id, end);
      else all.delete(id);
    return all;
  }

  /** @param end null: the grant is open again */
  private ends(grantId: string, end: EndedGrant | null): void {
    (this.ended ??= new Map()).set(grantId, end);
  }

  private indexOf(grantId: string): number {
    const index = this.grants.findIndex(({ id }) => id === grantId);
    if (index < 0) throw contradiction(`grant ${grantId} is not open`);
    return index;
  }

  private close(index: number, endedAs: EndedAs): void {
    const [grant] = this.grants.splice(index, 1);
    const { id, unit, issued } = grant!;
    this.ends(id, endedAs === 'depleted' ? depleted(grant!) : { endedAs, unit, issued });
    if (dueAt(grant!) === this.nextDue) this.nextDue = nextDueOf(this.grants);
  }

  private insert(grant: Grant): void {
    let low = 0;
    let high = this.grants.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBurnDown(this.grants[middle]!, grant) <= 0) low = middle + 1;
      else high = middle;
    }
    this.grants.splice(low, 0, grant);
    this.nextDue = Math.min(this.nextDue, dueAt(grant));
  }
}

/** The grant with something else left or held. Written out, as {@link atRevision} is. */
const withLeft = (
  grant: Grant,
  remaining: Amount,
  held = grant.held,
  usedUntil = grant.usedUntil,
): Grant => ({
  id: grant.id,
  parentId: grant.parentId,
  unit: grant.unit,
  amount: grant.amount,
  adjusted: grant.adjusted,
  remaining,
  held,
  usedUntil,
  applicability: grant.applicability,
  activated: grant.activated,
  scope: grant.scope,
  kind: grant.kind,
  priority: grant.priority,
  free: grant.free,
  narrowness: grant.narrowness,
  effectiveAt: grant.effectiveAt,
  expiresAt: grant.expiresAt,
  issued: grant.issued,
});

const depleted = (grant: Grant): EndedGrant => ({
  endedAs: 'depleted',
  unit: grant.unit,
  issued: grant.issued,
  grant: withLeft(grant, 0n),
});

export const contradiction = (what: string): Error => new Error(`history contradicts itself: ${what}`);

/** The account with one unit put in the place of what it was. */
export function withUnit(
  state: AccountState,
  unit: string,
  account: UnitAccount,
  ended = state.ended,
): AccountState {
  const units = new Map(state.units).set(unit, account);
  let nextDue = Math.min(account.nextDue, state.timersDue);
  if (units.size > 1) for (const other of units.values()) nextDue = Math.min(nextDue, other.nextDue);
  const { revision, uniquenessKeys, holds, reversed, series, timersDue } = state;
  return { revision, units, ended, uniquenessKeys, holds, reversed, series, timersDue, nextDue };
}
