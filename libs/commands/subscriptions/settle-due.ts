import type { Instant } from '#libs/kernel';
import type { AccountState, CreditEvent } from '#libs/credits';
import { nextDue } from '#libs/subscriptions';
import { eachDue } from '../each-due.js';
import type { CommandContext } from '../stream-kind.js';
import { settleSubscription } from './drive.js';
import { subscriptions as kind, type SubscriptionsDeps } from './deps.js';

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
  await eachDue(
    (after) => deps.lookups.subscriptionsDue(context.tenant, at, after),
    (id) => settleSubscription(deps, context, id, at),
    (settled) => {
      if (settled.facts > 0 || settled.events.length > 0) subscriptions++;
      events.push(...settled.events);
    },
  );
  return { subscriptions, events };
}

/**
 * The same of the subscriptions that renew an account's grants, as of now: an account cannot tell by itself that a period has
 * ended. Costs a look into memory where nothing is due.
 */
export async function settleBilling(
  deps: SubscriptionsDeps,
  tenant: string,
  customerId: string,
): Promise<void> {
  const { writer, account, now } = deps.credits;
  const { state } = await writer.read(account, tenant, customerId, Infinity);
  for (const id of renewingSubscriptions(state)) {
    const { state: subscription } = await writer.read(kind, tenant, id, Infinity);
    if (!subscription || (nextDue(subscription) ?? Infinity) > now(tenant)) continue;
    await settleSubscription(deps, { tenant, actor: 'time', correlationId: id }, id);
  }
}

/** Ids of the subscriptions behind the series that are renewed by billing: their grants refer to them. */
function renewingSubscriptions({ series }: AccountState): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const { rule, status, template } of series.values())
    if (rule === null && status === 'active' && template.referenceCode !== undefined)
      ids.add(template.referenceCode);
  return ids;
}
