import { readAmount, readInstant, type Amount, type Instant } from '#libs/kernel';
import { narrowness, type Applicability, type UsageContext } from './applicability.js';
import { compareBurnDown, type BurnDownRank } from './burn-down-order.js';
import type { CreditEvent, CreditsConsumed, DebtSettled, GrantIssued } from './events.js';

/** A grant that still has something left, whether effective yet or not. */
export interface Grant extends BurnDownRank {
  readonly id: string;
  readonly parentId?: string;
  readonly unit: string;
  readonly amount: Amount;
  /** > 0 while the grant is open. */
  readonly remaining: Amount;
  readonly applicability?: Applicability;
  /** Whether becoming effective is already a recorded fact. */
  readonly activated: boolean;
}

export type EndedAs = 'depleted' | 'expired' | 'voided';

/** What must be known for ever of a grant that has ended. */
export interface EndedGrant {
  readonly endedAs: EndedAs;
  readonly unit: string;
  /** Revision of its GrantIssued in the account's stream. */
  readonly issued: number;
}

/** What a consumption still owes. */
export interface Debt {
  readonly consumptionId: string;
  readonly amount: Amount;
  readonly context: UsageContext;
}

/** Everything of one unit. `grants` are the open ones in burn-down order. */
export interface UnitAccount {
  readonly grants: readonly Grant[];
  /** Sum of remaining over `grants`. */
  readonly balance: Amount;
  readonly debts: readonly Debt[];
  /** Sum of `debts`, kept apart from the balance; never negative. */
  readonly debt: Amount;
  /** Earliest instant at which time makes something due: an activation or an expiry. */
  readonly nextDue: Instant;
}

export interface AccountState {
  /** Revision of the last event folded in, -1 when there is none. */
  readonly revision: number;
  readonly units: ReadonlyMap<string, UnitAccount>;
  readonly ended: ReadonlyMap<string, EndedGrant>;
  /** Uniqueness keys of every grant ever issued here, with the grant's id. */
  readonly uniquenessKeys: ReadonlyMap<string, string>;
  /** Smallest `nextDue` of all units. */
  readonly nextDue: Instant;
}

export const initialAccount: AccountState = {
  revision: -1,
  units: new Map(),
  ended: new Map(),
  uniquenessKeys: new Map(),
  nextDue: Infinity,
};

export const emptyUnit: UnitAccount = { grants: [], balance: 0n, debts: [], debt: 0n, nextDue: Infinity };

export const unitOf = (state: AccountState, unit: string): UnitAccount => state.units.get(unit) ?? emptyUnit;

/** Id of a schedule's segment, the first has index 0. No caller's own id has a tilde, so it cannot be taken. */
export const segmentId = (parentId: string, index: number): string => `${parentId}~${index + 1}`;

/** The open grant with this id, in whichever unit. */
export function findGrant(state: AccountState, grantId: string): Grant | undefined {
  for (const unit of state.units.values()) {
    const grant = unit.grants.find(({ id }) => id === grantId);
    if (grant) return grant;
  }
  return undefined;
}

/** Folds one fact in. Never refuses; throws only when history contradicts itself, so that replay stops loudly. */
export function evolve(state: AccountState, event: CreditEvent): AccountState {
  const revision = state.revision + 1;
  switch (event.type) {
    case 'GrantIssued':
      return issued({ ...state, revision }, event.data);
    case 'GrantActivated': {
      const { unit, grantId } = event.data;
      const account = unitOf(state, unit);
      const index = account.grants.findIndex(({ id }) => id === grantId);
      const grant = account.grants[index];
      if (!grant) throw contradiction(`grant ${grantId} became effective`);
      const grants = account.grants.with(index, { ...grant, activated: true });
      return withUnit({ ...state, revision }, unit, { ...account, grants, nextDue: nextDueOf(grants) });
    }
    case 'CreditsConsumed':
      return consumed({ ...state, revision }, event.data);
    case 'DebtSettled':
      return settled({ ...state, revision }, event.data);
    case 'GrantExpired':
      return drawn(
        { ...state, revision },
        event.data.unit,
        event.data.grantId,
        readAmount(event.data.amount),
        'expired',
      );
    case 'GrantVoided':
      return drawn(
        { ...state, revision },
        event.data.unit,
        event.data.grantId,
        readAmount(event.data.amount),
        'voided',
      );
    case 'ConsumptionRefused':
    case 'UsageRecorded':
    case 'CommandRefused':
      return { ...state, revision };
    default:
      return unknownEvent(event);
  }
}

/** An unknown fact stops the replay: skipping it would make a wrong balance. */
function unknownEvent(event: never): never {
  throw new Error(`unknown credit event ${JSON.stringify((event as CreditEvent).type)}`);
}

const contradiction = (what: string): Error => new Error(`history contradicts itself: ${what}`);

function issued(state: AccountState, data: GrantIssued): AccountState {
  const account = unitOf(state, data.unit);
  const grant = grantFrom(data, state.revision);
  if (grant.amount <= 0n) throw contradiction(`grant ${grant.id} of ${data.amount}`);
  const grants = insertInOrder(account.grants, grant);
  const next = withUnit(state, data.unit, {
    ...account,
    grants,
    balance: account.balance + grant.amount,
    nextDue: Math.min(account.nextDue, dueAt(grant)),
  });
  if (data.uniquenessKey === undefined) return next;
  return {
    ...next,
    uniquenessKeys: new Map(next.uniquenessKeys).set(data.uniquenessKey, data.parentId ?? data.grantId),
  };
}

/** The open grant that a GrantIssued at this revision makes. */
export function grantFrom(data: GrantIssued, revision: number): Grant {
  const amount = readAmount(data.amount);
  const effectiveAt = readInstant(data.effectiveAt);
  return {
    id: data.grantId,
    ...(data.parentId === undefined ? {} : { parentId: data.parentId }),
    unit: data.unit,
    amount,
    remaining: amount,
    ...(data.applicability === undefined ? {} : { applicability: data.applicability }),
    activated: effectiveAt <= readInstant(data.issuedAt),
    scope: data.scope,
    kind: data.kind,
    priority: data.priority,
    free: readAmount(data.costBasis) === 0n,
    narrowness: narrowness(data.applicability),
    effectiveAt,
    expiresAt: data.expiresAt === undefined ? Infinity : readInstant(data.expiresAt),
    issued: revision,
  };
}

function consumed(state: AccountState, data: CreditsConsumed): AccountState {
  let next = state;
  for (const part of data.allocations)
    next = drawn(
      next,
      data.unit,
      part.grantId,
      readAmount(part.amount),
      'depleted',
      readAmount(part.remainingAfter),
    );
  const debt = readAmount(data.debt);
  if (debt === 0n) return next;
  if (debt < 0n) throw contradiction(`debt of ${data.debt} by ${data.consumptionId}`);
  const account = unitOf(next, data.unit);
  const owed: Debt = { consumptionId: data.consumptionId, amount: debt, context: data.context ?? {} };
  return withUnit(next, data.unit, {
    ...account,
    debts: [...account.debts, owed],
    debt: account.debt + debt,
  });
}

function settled(state: AccountState, data: DebtSettled): AccountState {
  const amount = readAmount(data.amount);
  const next = drawn(state, data.unit, data.grantId, amount, 'depleted', readAmount(data.remainingAfter));
  const account = unitOf(next, data.unit);
  const paid = new Map(data.settlements.map((part) => [part.consumptionId, readAmount(part.amount)]));
  const debts = account.debts
    .map((debt) => ({ ...debt, amount: debt.amount - (paid.get(debt.consumptionId) ?? 0n) }))
    .filter((debt) => debt.amount !== 0n);
  const debt = account.debt - amount;
  if (debts.some((owed) => owed.amount < 0n) || debts.reduce((sum, owed) => sum + owed.amount, 0n) !== debt)
    throw contradiction(`grant ${data.grantId} paid ${data.amount} of debt`);
  return withUnit(next, data.unit, { ...account, debts, debt });
}

/** Takes `amount` out of an open grant; what reaches zero, or is expired or voided, has ended. */
function drawn(
  state: AccountState,
  unit: string,
  grantId: string,
  amount: Amount,
  endsAs: EndedAs,
  remainingAfter: Amount = 0n,
): AccountState {
  const account = unitOf(state, unit);
  const index = account.grants.findIndex(({ id }) => id === grantId);
  const grant = account.grants[index];
  if (
    grant === undefined ||
    amount <= 0n ||
    remainingAfter < 0n ||
    grant.remaining - amount !== remainingAfter
  )
    throw contradiction(`${amount} drawn from grant ${grantId}`);
  const grants = account.grants.slice();
  if (remainingAfter > 0n) {
    grants[index] = { ...grant, remaining: remainingAfter };
    return withUnit(state, unit, { ...account, grants, balance: account.balance - amount });
  }
  grants.splice(index, 1);
  const next = withUnit(state, unit, {
    ...account,
    grants,
    balance: account.balance - amount,
    nextDue: dueAt(grant) === account.nextDue ? nextDueOf(grants) : account.nextDue,
  });
  return {
    ...next,
    ended: new Map(next.ended).set(grantId, { endedAs: endsAs, unit, issued: grant.issued }),
  };
}

function withUnit(state: AccountState, unit: string, account: UnitAccount): AccountState {
  const units = new Map(state.units).set(unit, account);
  let nextDue = account.nextDue;
  if (units.size > 1) for (const other of units.values()) nextDue = Math.min(nextDue, other.nextDue);
  return { ...state, units, nextDue };
}

function insertInOrder(grants: readonly Grant[], grant: Grant): readonly Grant[] {
  let low = 0;
  let high = grants.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBurnDown(grants[middle]!, grant) <= 0) low = middle + 1;
    else high = middle;
  }
  return [...grants.slice(0, low), grant, ...grants.slice(low)];
}

const dueAt = (grant: Grant): Instant =>
  grant.activated ? grant.expiresAt : Math.min(grant.effectiveAt, grant.expiresAt);

/** Earliest instant at which time makes something of these grants due; Infinity: never. */
export const nextDueOf = (grants: readonly Grant[]): Instant =>
  grants.reduce((earliest, grant) => Math.min(earliest, dueAt(grant)), Infinity);
