import type { Instant } from '#libs/kernel';
import type { CreditEvent } from '#libs/credits';
import type { CommandContext } from '../stream-kind.js';
import { settleSubscription } from './drive.js';
import type { SubscriptionsDeps } from './deps.js';

/** What a run of a job recorded of subscriptions. */
export interface SubscriptionsSettled {
  /** Those of which something was due. */
  readonly subscriptions: number;
  /** What the accounts recorded of it. */
  readonly events: readonly CreditEvent[];
}

/** Records what time had made due at `at` on every subscription of the tenant, and tells the accounts. Again records nothing. */
export async function settleSubscriptions(
  deps: SubscriptionsDeps,
  context: CommandContext,
  at: Instant,
): Promise<SubscriptionsSettled> {
  const events: CreditEvent[] = [];
  let subscriptions = 0;
  for (let after: string | null = null; ;) {
    const ids: readonly string[] = await deps.lookups.subscriptionsDue(context.tenant, at, after);
    if (ids.length === 0) return { subscriptions, events };
    const done = await Promise.all(ids.map((id) => settleSubscription(deps, context, id, at)));
    for (const settled of done) {
      if (settled.facts > 0 || settled.events.length > 0) subscriptions++;
      events.push(...settled.events);
    }
    after = ids.at(-1)!;
  }
}
