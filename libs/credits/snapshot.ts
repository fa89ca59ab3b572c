import { formatAmount, readAmount } from '#libs/kernel';
import {
  nextDueOf,
  timersDueOf,
  type AccountState,
  type Debt,
  type EndedGrant,
  type Grant,
  type Hold,
  type Series,
  type UnitAccount,
} from './account.js';

/** A snapshot with another version is ignored: the state is folded from the log instead. */
export const ACCOUNT_SNAPSHOT_VERSION = 3;

/** Amounts become decimal strings, what never comes becomes null: what JSON can carry. */
export function snapshotOf(state: AccountState): unknown {
  return {
    revision: state.revision,
    units: [...state.units].map(([unit, { grants, debts }]) => [
      unit,
      grants.map(storedGrant),
      debts.map((debt) => ({ ...debt, amount: formatAmount(debt.amount) })),
    ]),
    ended: [...state.ended].map(([id, { grant, ...end }]) => [
      id,
      grant ? { ...end, grant: storedGrant(grant) } : end,
    ]),
    uniquenessKeys: [...state.uniquenessKeys],
    holds: [...state.holds.values()].map(({ parts, amount, expiresAt, ...rest }) => ({
      ...rest,
      parts: parts.map((part) => ({ ...part, amount: formatAmount(part.amount) })),
      amount: formatAmount(amount),
      expiresAt: finiteOrNull(expiresAt),
    })),
    reversed: [...state.reversed].map(([id, amount]) => [id, formatAmount(amount)]),
    series: [...state.series.values()].map((one) => ({ ...one, nextAt: finiteOrNull(one.nextAt) })),
  };
}

/** Member by member: taking the rest of an object takes ten times as long, and an account may have very many grants. */
const storedGrant = (grant: Grant): StoredGrant => ({
  id: grant.id,
  parentId: grant.parentId,
  unit: grant.unit,
  amount: formatAmount(grant.amount),
  adjusted: formatAmount(grant.adjusted),
  remaining: formatAmount(grant.remaining),
  held: formatAmount(grant.held),
  usedUntil: grant.usedUntil,
  applicability: grant.applicability,
  activated: grant.activated,
  scope: grant.scope,
  kind: grant.kind,
  priority: grant.priority,
  free: grant.free,
  narrowness: grant.narrowness.map(finiteOrNull),
  effectiveAt: grant.effectiveAt,
  expiresAt: finiteOrNull(grant.expiresAt),
  issued: grant.issued,
});

type GrantAmounts = 'amount' | 'adjusted' | 'remaining' | 'held';

type StoredGrant = Omit<Grant, GrantAmounts | 'expiresAt' | 'narrowness'> &
  Record<GrantAmounts, string> & {
    readonly expiresAt: number | null;
    readonly narrowness: readonly (number | null)[];
  };

interface StoredState {
  readonly revision: number;
  readonly units: readonly [
    string,
    readonly StoredGrant[],
    readonly (Omit<Debt, 'amount'> & { readonly amount: string })[],
  ][];
  readonly ended: readonly [string, Omit<EndedGrant, 'grant'> & { readonly grant?: StoredGrant }][];
  readonly uniquenessKeys: readonly [string, string][];
  readonly holds: readonly (Omit<Hold, 'parts' | 'amount' | 'expiresAt'> & {
    readonly parts: readonly { readonly grantId: string; readonly amount: string }[];
    readonly amount: string;
    readonly expiresAt: number | null;
  })[];
  readonly reversed: readonly [string, string][];
  readonly series: readonly (Omit<Series, 'nextAt'> & { readonly nextAt: number | null })[];
}

/** Inverse of {@link snapshotOf}. */
export function stateFromSnapshot(stored: unknown): AccountState {
  const { revision, units, ended, uniquenessKeys, ...rest } = stored as StoredState;
  const holds = new Map(
    rest.holds.map((hold) => [
      hold.id,
      {
        ...hold,
        parts: hold.parts.map((part) => ({ ...part, amount: readAmount(part.amount) })),
        amount: readAmount(hold.amount),
        expiresAt: hold.expiresAt ?? Infinity,
      },
    ]),
  );
  const series = new Map(rest.series.map((one) => [one.id, { ...one, nextAt: one.nextAt ?? Infinity }]));
  const accounts = new Map(
    units.map(([unit, grants, debts]) => [unit, unitFrom(grants, debts, heldIn(unit, holds))]),
  );
  const timersDue = timersDueOf({ holds, series });
  return {
    revision,
    units: accounts,
    ended: new Map(
      ended.map(([id, { grant, ...end }]) => [id, grant ? { ...end, grant: grantFromStored(grant) } : end]),
    ),
    uniquenessKeys: new Map(uniquenessKeys),
    holds,
    reversed: new Map(rest.reversed.map(([id, amount]) => [id, readAmount(amount)])),
    series,
    timersDue,
    nextDue: Math.min(timersDue, ...[...accounts.values()].map(({ nextDue }) => nextDue)),
  };
}

const heldIn = (unit: string, holds: ReadonlyMap<string, Hold>): bigint =>
  [...holds.values()].reduce((sum, hold) => (hold.unit === unit ? sum + hold.amount : sum), 0n);

/** In the order of `grantFrom`, so that both have one shape in V8. */
const grantFromStored = (grant: StoredGrant): Grant => ({
  id: grant.id,
  parentId: grant.parentId,
  unit: grant.unit,
  amount: readAmount(grant.amount),
  adjusted: readAmount(grant.adjusted),
  remaining: readAmount(grant.remaining),
  held: readAmount(grant.held),
  usedUntil: grant.usedUntil,
  applicability: grant.applicability,
  activated: grant.activated,
  scope: grant.scope,
  kind: grant.kind,
  priority: grant.priority,
  free: grant.free,
  narrowness: grant.narrowness.map((count) => count ?? Infinity) as unknown as Grant['narrowness'],
  effectiveAt: grant.effectiveAt,
  expiresAt: grant.expiresAt ?? Infinity,
  issued: grant.issued,
});

function unitFrom(
  stored: StoredState['units'][number][1],
  owed: StoredState['units'][number][2],
  held: bigint,
): UnitAccount {
  const grants = stored.map(grantFromStored);
  const debts = owed.map((debt): Debt => ({ ...debt, amount: readAmount(debt.amount) }));
  return {
    grants,
    balance: grants.reduce((sum, { remaining }) => sum + remaining, 0n),
    held,
    debts,
    debt: debts.reduce((sum, { amount }) => sum + amount, 0n),
    nextDue: nextDueOf(grants),
  };
}

const finiteOrNull = (value: number): number | null => (Number.isFinite(value) ? value : null);
