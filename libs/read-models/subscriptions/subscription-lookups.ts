import { formatInstant, type Instant } from '#libs/kernel';
import type { EventStore } from '#libs/event-store';
import type pg from 'pg';
import { asProblem } from '../reading.js';
import { tenantsIn } from '../schedules/due-accounts.js';
import { dueWorkIn } from '../schedules/due-rows.js';
import { run } from '../sink.js';
import { LIVE } from '../table.js';
import type { PositionWaiter } from '../projecting/waiting.js';

/** Milliseconds that a lookup waits for the read model to reach the end of the log. */
const LOOKUP_WAIT = 2000;
/** Subscriptions on one page. */
const PAGE = 200;

/**
 * What subscriptions are made from and found by, as of the end of the log.
 * Each throws Problem `read_model_behind` when that cannot be said within 2 s.
 */
export function createSubscriptionLookups(
  pool: pg.Pool,
  eventStore: Pick<EventStore, 'head'>,
  { waitForPosition }: Pick<PositionWaiter, 'waitForPosition'>,
) {
  async function idsOf(
    readModel: 'catalog' | 'subscriptions',
    text: string,
    values: readonly unknown[],
  ): Promise<readonly string[]> {
    await waitForPosition(await eventStore.head(), LOOKUP_WAIT, [readModel]);
    const { rows } = await run<{ id: string }>(pool, text, values).catch(asProblem);
    return rows.map(({ id }) => id);
  }

  return {
    definitionsOfPlans: (tenant: string, planIds: readonly string[]) =>
      idsOf(
        'catalog',
        `select id from ${LIVE}.catalog where tenant = $1 and kind = 'creditDefinition' and scope = 'plan'
           and plan_id = any($2::text[]) order by created_position`,
        [tenant, planIds],
      ),
    subscriptionsOf: (tenant: string, customerId: string) =>
      idsOf(
        'subscriptions',
        `select id from ${LIVE}.subscriptions where tenant = $1 and customer_id = $2 and status <> 'canceled'
         order by created_position`,
        [tenant, customerId],
      ),
    subscriptionsOn: (
      tenant: string,
      planId: string,
      { after, limit, plannedTo }: { after: string | null; limit: number; plannedTo: string | null },
    ) =>
      idsOf(
        'subscriptions',
        `select id from ${LIVE}.subscriptions where tenant = $1 and plan_id = $2 and status <> 'canceled' and id > $3
           and ($4::text is null or state->'change'->'terms'->>'planId' is distinct from $4)
         order by id limit $5`,
        [tenant, planId, after ?? '', plannedTo, limit],
      ),
    subscriptionsDue: (tenant: string, at: Instant, after: string | null) =>
      idsOf(
        'subscriptions',
        `select id from ${LIVE}.subscriptions where tenant = $1 and (due_at <= $2 or undriven) and id > $3
         order by id limit ${PAGE}`,
        [tenant, formatInstant(at), after ?? ''],
      ),
  };
}

/** Tenants with subscriptions that time will change, or that are not driven yet. */
export const subscribedTenants = (client: pg.ClientBase): Promise<readonly string[]> =>
  tenantsIn(client, 'subscriptions');

export const { oldest: oldestDueSubscription, ids: dueSubscriptions } = dueWorkIn('subscriptions');
