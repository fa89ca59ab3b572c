import type { CreditCommand, CreditEvent } from '#libs/credits';
import type { Position } from '#libs/event-store';
import type { Instant } from '#libs/kernel';
import { eachDue } from '../each-due.js';
import type { CommandContext } from '../stream-kind.js';
import type { CreditsDeps } from './deps.js';

/** Records what time had made due on one account at `at`, by default now: all of it, in as many appends as it takes. */
export async function settleAccount(
  { writer, account, expiryGrace }: Pick<CreditsDeps, 'writer' | 'account' | 'expiryGrace'>,
  context: CommandContext,
  customerId: string,
  at: Instant = Infinity,
): Promise<{ readonly events: readonly CreditEvent[]; readonly position: Position }> {
  const events: CreditEvent[] = [];
  for (;;) {
    const written = await writer.execute(account, customerId, {
      context: { ...context, idempotencyKey: undefined },
      operation: 'settle',
      input: {},
      settleFirst: false, // that would go up to now
      command: (now): CreditCommand => ({ type: 'SettleDue', now: Math.min(at, now), grace: expiryGrace }),
    });
    events.push(...written.events);
    const { nextDue } = await written.stateAfter();
    if (written.events.length === 0 || nextDue > Math.min(at, written.recordedAt))
      return { events, position: written.position };
  }
}

/** What a run of a job recorded. */
export interface SettledCounts {
  /** Those on which something was due. */
  accounts: number;
  expired: number;
  activated: number;
  settled: number;
  renewed: number;
  /** Balances that were carried into a renewal. */
  carried: number;
  /** Holds whose time ran out. */
  timedOut: number;
}

const COUNTED: Partial<Record<CreditEvent['type'], Exclude<keyof SettledCounts, 'accounts'>>> = {
  GrantExpired: 'expired',
  GrantActivated: 'activated',
  DebtSettled: 'settled',
  GrantRenewed: 'renewed',
  BalanceCarried: 'carried',
  HoldReleased: 'timedOut',
};

/** Adds an event to the counts, if it is counted. */
export function countSettled(counts: SettledCounts, type: CreditEvent['type']): void {
  const counted = COUNTED[type];
  if (counted) counts[counted]++;
}

/** Accounts settled at once: enough to fill an append, little enough to stay out of the way of callers. */
const ACCOUNTS_AT_ONCE = 500;

/**
 * Records what time had made due at `at` on every account of the tenant, or on those alone of which a series renews by then:
 * exactly that, also where more is due by now. Running it again records nothing.
 */
export async function settleDue(
  deps: CreditsDeps,
  context: CommandContext,
  at: Instant,
  which: 'all' | 'renewing',
): Promise<SettledCounts> {
  const counts: SettledCounts = {
    accounts: 0,
    expired: 0,
    activated: 0,
    settled: 0,
    renewed: 0,
    carried: 0,
    timedOut: 0,
  };
  await eachDue(
    async (after) => (await deps.customersDue(context.tenant, at, after)).slice(0, ACCOUNTS_AT_ONCE),
    async (customerId) =>
      which === 'renewing' && !(await renewsBy(deps, context.tenant, customerId, at))
        ? []
        : (await settleAccount(deps, context, customerId, at)).events,
    (events) => {
      if (events.length > 0) counts.accounts++;
      for (const { type } of events) countSettled(counts, type);
    },
  );
  return counts;
}

async function renewsBy(
  { writer, account }: CreditsDeps,
  tenant: string,
  customerId: string,
  at: Instant,
): Promise<boolean> {
  const { state } = await writer.read(account, tenant, customerId);
  for (const { status, nextAt } of state.series.values())
    if (status === 'active' && nextAt <= at) return true;
  return false;
}
