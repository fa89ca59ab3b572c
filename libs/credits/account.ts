import type { Amount, Instant } from '#libs/kernel';
import type { Applicability, UsageContext } from './applicability.js';
import type { BurnDownRank } from './burn-down-order.js';
import type { Lifetime, RenewalTemplate, RolloverPolicy } from './events.js';

/** A grant that still has something left or held, whether effective yet or not. */
export interface Grant extends BurnDownRank {
  readonly id: string;
  readonly parentId?: string;
  readonly unit: string;
  /** As issued or amended. */
  readonly amount: Amount;
  /** Sum of the manual entries; signed. */
  readonly adjusted: Amount;
  /** What can still be drawn; above zero while the grant is open, unless something is held. */
  readonly remaining: Amount;
  /** Set aside by holds, and no longer in `remaining`. */
  readonly held: Amount;
  /** Latest time of usage that drew on it or holds a part of it; 0 when none did. */
  readonly usedUntil: Instant;
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
  /** Of a depleted grant: as it was when it had nothing left. A reversal or an adjustment opens it again. */
  readonly grant?: Grant;
}

/** What a consumption still owes. */
export interface Debt {
  readonly consumptionId: string;
  readonly amount: Amount;
  readonly context: UsageContext;
}

/** An open hold. */
export interface Hold {
  readonly id: string;
  readonly unit: string;
  /** In the order of drawdown, each above zero. */
  readonly parts: readonly { readonly grantId: string; readonly amount: Amount }[];
  /** Sum of the parts. */
  readonly amount: Amount;
  readonly context: UsageContext;
  readonly effectiveAt: Instant;
  /** Infinity: never. */
  readonly expiresAt: Instant;
}

/** A series of grants that renews. */
export interface Series {
  readonly id: string;
  readonly unit: string;
  /** Canonical RFC 5545 rule; null: renewed by billing. */
  readonly rule: string | null;
  readonly zone: string;
  readonly anchor: Instant;
  readonly lifetime: Lifetime;
  readonly rollover: RolloverPolicy;
  readonly template: RenewalTemplate;
  readonly status: 'active' | 'paused' | 'cancelled';
  /** Number of the last occurrence. */
  readonly occurrence: number;
  /** Its instant. */
  readonly lastAt: Instant;
  /** When the next is due; Infinity: never, or when billing says. */
  readonly nextAt: Instant;
  /** Its grants and carried balances that may be open still. */
  readonly grantIds: readonly string[];
  /** How often a balance was carried. */
  readonly carried: number;
}

/** Everything of one unit. `grants` are the open ones in burn-down order. */
export interface UnitAccount {
  readonly grants: readonly Grant[];
  /** Sum of remaining over `grants`. */
  readonly balance: Amount;
  /** Sum of the parts of open holds, on grants that ended meanwhile too; not in the balance. */
  readonly held: Amount;
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
  /** Open holds by id, the oldest first. */
  readonly holds: ReadonlyMap<string, Hold>;
  /** How much was taken back of each consumption of which something was. */
  readonly reversed: ReadonlyMap<string, Amount>;
  readonly series: ReadonlyMap<string, Series>;
  /** Earliest time-out of a hold or renewal of a series. */
  readonly timersDue: Instant;
  /** Smallest of `timersDue` and the `nextDue` of all units. */
  readonly nextDue: Instant;
}

export const initialAccount: AccountState = {
  revision: -1,
  units: new Map(),
  ended: new Map(),
  uniquenessKeys: new Map(),
  holds: new Map(),
  reversed: new Map(),
  series: new Map(),
  timersDue: Infinity,
  nextDue: Infinity,
};

export const emptyUnit: UnitAccount = {
  grants: [],
  balance: 0n,
  held: 0n,
  debts: [],
  debt: 0n,
  nextDue: Infinity,
};

/** The state as it stands at another revision. Written out, for speed: what spreading makes has no shape of its own in V8. */
export const atRevision = (state: AccountState, revision: number): AccountState => ({
  revision,
  units: state.units,
  ended: state.ended,
  uniquenessKeys: state.uniquenessKeys,
  holds: state.holds,
  reversed: state.reversed,
  series: state.series,
  timersDue: state.timersDue,
  nextDue: state.nextDue,
});

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

/** What is held of one grant, open or not. */
export const heldOf = (state: AccountState, grantId: string): Amount => {
  let held = 0n;
  for (const { parts } of state.holds.values())
    for (const part of parts) if (part.grantId === grantId) held += part.amount;
  return held;
};

/** When time next makes something of a grant due. */
export const dueAt = (grant: Grant): Instant =>
  grant.activated ? grant.expiresAt : Math.min(grant.effectiveAt, grant.expiresAt);

/** Earliest instant at which time makes something of these grants due; Infinity: never. */
export const nextDueOf = (grants: readonly Grant[]): Instant =>
  grants.reduce((earliest, grant) => Math.min(earliest, dueAt(grant)), Infinity);

/** The same of holds and series. */
export function timersDueOf({ holds, series }: Pick<AccountState, 'holds' | 'series'>): Instant {
  let earliest = Infinity;
  for (const { expiresAt } of holds.values()) earliest = Math.min(earliest, expiresAt);
  for (const { status, nextAt } of series.values())
    if (status === 'active') earliest = Math.min(earliest, nextAt);
  return earliest;
}
