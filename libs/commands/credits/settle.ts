import type { AccountState, CreditCommand, CreditEvent } from '#libs/credits';
import type { Instant } from '#libs/kernel';
import type { CommandContext, Written } from '../stream-kind.js';
import type { CreditsDeps } from './deps.js';

/** Records what time had made due on one account at `at`, by default now. */
export const settleAccount = (
  { writer, account, expiryGrace }: Pick<CreditsDeps, 'writer' | 'account' | 'expiryGrace'>,
  context: CommandContext,
  customerId: string,
  at: Instant = Infinity,
): Promise<Written<AccountState, CreditEvent>> =>
  writer.execute(account, customerId, {
    context: { ...context, idempotencyKey: undefined },
    operation: 'settle',
    input: {},
    settleFirst: false, // that would go up to now
    command: (now): CreditCommand => ({ type: 'SettleDue', now: Math.min(at, now), grace: expiryGrace }),
  });

/** What a run of the expiry job recorded. */
export interface SettledCounts {
  accounts: number;
  expired: number;
  activated: number;
  settled: number;
}

/** Accounts settled at once: enough to fill an append, little enough to stay out of the way of callers. */
const ACCOUNTS_AT_ONCE = 500;

/**
 * Records what time had made due at `at` on every account of the tenant: exactly that, also where more is due by now.
 * Running it again records nothing.
 */
export async function settleDue(
  deps: CreditsDeps,
  context: CommandContext,
  at: Instant,
): Promise<SettledCounts> {
  const counts: SettledCounts = { accounts: 0, expired: 0, activated: 0, settled: 0 };
  let after: string | null = null;
  for (;;) {
    const customers = (await deps.customersDue(context.tenant, at, after)).slice(0, ACCOUNTS_AT_ONCE);
    if (customers.length === 0) return counts;
    const written = await Promise.all(
      customers.map((customerId) => settleAccount(deps, context, customerId, at)),
    );
    for (const { events } of written) {
      if (events.length > 0) counts.accounts++;
      for (const { type } of events) {
        if (type === 'GrantExpired') counts.expired++;
        else if (type === 'GrantActivated') counts.activated++;
        else if (type === 'DebtSettled') counts.settled++;
      }
    }
    after = customers.at(-1)!;
  }
}
