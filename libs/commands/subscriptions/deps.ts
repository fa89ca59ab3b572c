import { Problem, type Instant } from '#libs/kernel';
import { eventTypesOf } from '#libs/event-types';
import {
  dueFacts,
  settled,
  subscriptionDecider,
  type Subscription,
  type SubscriptionCommand,
  type SubscriptionEvent,
} from '#libs/subscriptions';
import type { CatalogPorts } from '../catalog/catalog-writer.js';
import type { CreditsDeps } from '../credits/deps.js';
import type { StreamKind } from '../stream-kind.js';

/** What the commands on subscriptions work with. */
export interface SubscriptionsDeps {
  readonly credits: CreditsDeps;
  readonly ports: CatalogPorts;
  readonly lookups: SubscriptionLookups;
}

/** What subscriptions must find in the read models: as of the end of the log, or Problem `read_model_behind`. */
export interface SubscriptionLookups {
  /** Ids of the active definitions of scope plan that name one of the plans, in the order of their creation. */
  definitionsOfPlans(tenant: string, planIds: readonly string[]): Promise<readonly string[]>;
  /** Ids of a customer's subscriptions that are not known to be over, the oldest first. */
  subscriptionsOf(tenant: string, customerId: string): Promise<readonly string[]>;
  /**
   * Those on a version of a plan that are not known to be over, in order of their ids: up to `limit` after the id `after`,
   * without those whose next period begins on the version `plannedTo`.
   */
  subscriptionsOn(
    tenant: string,
    planId: string,
    page: { readonly after: string | null; readonly limit: number; readonly plannedTo: string | null },
  ): Promise<readonly string[]>;
  /** Those of which something is due at an instant, or is not driven yet: a page after the id `after`. */
  subscriptionsDue(tenant: string, at: Instant, after: string | null): Promise<readonly string[]>;
}

/** The streams of subscriptions, named by the subscription's id. */
export const subscriptions: StreamKind<Subscription | null, SubscriptionCommand, SubscriptionEvent> = {
  category: 'subscription',
  decider: subscriptionDecider,
  settle: dueFacts,
  eventTypes: eventTypesOf('subscription'),
  effectiveAt: ({ data }) =>
    'start' in data ? data.start : 'from' in data ? data.from : 'at' in data ? data.at : undefined,
  weight: (state) => (state === null ? 1 : 4 + state.lines.length + state.seats.length),
};

/** A subscription as a decision taken now would find it. @throws Problem `not_found` */
export async function readSubscription(
  { credits }: Pick<SubscriptionsDeps, 'credits'>,
  tenant: string,
  id: string,
): Promise<{ readonly subscription: Subscription; readonly position: bigint }> {
  const { state, position } = await credits.writer.read(subscriptions, tenant, id);
  if (!state) throw new Problem('not_found', `There is no subscription ${JSON.stringify(id)}.`);
  return { subscription: settled(state, credits.now(tenant)), position };
}
