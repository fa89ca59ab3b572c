import { formatAmount, readAmount } from '#libs/kernel';
import {
  initialAccount,
  nextDueOf,
  type AccountState,
  type Debt,
  type EndedGrant,
  type Grant,
  type UnitAccount,
} from './account.js';

/** A snapshot with another version is ignored: the state is folded from the log instead. */
export const ACCOUNT_SNAPSHOT_VERSION = 1;

/** Amounts become decimal strings, the end of a grant that never ends becomes null: what JSON can carry. */
export function snapshotOf(state: AccountState): unknown {
  return {
    revision: state.revision,
    units: [...state.units].map(([unit, { grants, debts }]) => [
      unit,
      grants.map(({ amount, remaining, expiresAt, narrowness, ...rest }) => ({
        ...rest,
        amount: formatAmount(amount),
        remaining: formatAmount(remaining),
        expiresAt: finiteOrNull(expiresAt),
        narrowness: narrowness.map(finiteOrNull),
      })),
      debts.map((debt) => ({ ...debt, amount: formatAmount(debt.amount) })),
    ]),
    ended: [...state.ended],
    uniquenessKeys: [...state.uniquenessKeys],
  };
}

type Stored<T> = Omit<T, 'amount' | 'remaining' | 'expiresAt' | 'narrowness'>;
interface StoredState {
  readonly revision: number;
  readonly units: readonly [
    string,
    readonly (Stored<Grant> & {
      readonly amount: string;
      readonly remaining: string;
      readonly expiresAt: number | null;
      readonly narrowness: readonly (number | null)[];
    })[],
    readonly (Omit<Debt, 'amount'> & { readonly amount: string })[],
  ][];
  readonly ended: readonly [string, EndedGrant][];
  readonly uniquenessKeys: readonly [string, string][];
}

/** Inverse of {@link snapshotOf}. */
export function stateFromSnapshot(stored: unknown): AccountState {
  const { revision, units, ended, uniquenessKeys } = stored as StoredState;
  const accounts = new Map(units.map(([unit, grants, debts]) => [unit, unitFrom(grants, debts)]));
  return {
    ...initialAccount,
    revision,
    units: accounts,
    ended: new Map(ended),
    uniquenessKeys: new Map(uniquenessKeys),
    nextDue: Math.min(Infinity, ...[...accounts.values()].map(({ nextDue }) => nextDue)),
  };
}

function unitFrom(
  stored: StoredState['units'][number][1],
  owed: StoredState['units'][number][2],
): UnitAccount {
  const grants = stored.map((grant): Grant => ({
    ...grant,
    amount: readAmount(grant.amount),
    remaining: readAmount(grant.remaining),
    expiresAt: grant.expiresAt ?? Infinity,
    narrowness: grant.narrowness.map((count) => count ?? Infinity) as unknown as Grant['narrowness'],
  }));
  const debts = owed.map((debt): Debt => ({ ...debt, amount: readAmount(debt.amount) }));
  return {
    grants,
    balance: grants.reduce((sum, { remaining }) => sum + remaining, 0n),
    debts,
    debt: debts.reduce((sum, { amount }) => sum + amount, 0n),
    nextDue: nextDueOf(grants),
  };
}

const finiteOrNull = (value: number): number | null => (Number.isFinite(value) ? value : null);
