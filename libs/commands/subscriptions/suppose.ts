import type { Instant } from '#libs/kernel';
import { meteredUsage, type AccountState, type CreditEvent, type MeteredUsage } from '#libs/credits';
import { latest } from '#libs/event-store';
import { streamName, upcast } from '#libs/event-types';
import type { Subscription } from '#libs/subscriptions';
import { createCatalogReader, type CatalogIndex, type CatalogReader } from '../catalog/catalog-reader.js';
import { settleAccount } from '../credits/settle.js';
import { createStreamWriter } from '../stream-writer.js';
import { supposedLog } from '../supposed-log.js';
import { noWriteCache, type WriteCache } from '../write-cache.js';
import { subscriptions, type SubscriptionsDeps } from './deps.js';
import { settleSubscription } from './drive.js';

/** A customer as all recording up to an instant would leave it. */
export interface Supposed {
  /** In the order of the ids; those that did not exist yet are left out. */
  readonly subscriptions: readonly Subscription[];
  readonly account: AccountState;
  /** The catalogue as it stood in the log. */
  readonly catalog: CatalogReader;
  /** Usage by meter in the order of the log, within `[start, end)`. */
  usages(
    meterId: string,
    window: { readonly start: Instant; readonly end: Instant },
  ): Promise<readonly MeteredUsage[]>;
  /** Position of the last event of the account and the subscriptions that is taken in. */
  readonly position: bigint;
}

/**
 * Settles a customer and its subscriptions in memory by the code that records: nothing is appended.
 * @param writeCache shortens the reading of long streams; it is only read, and only for what is asked about now
 * @param known default: everything; else what was recorded by then
 */
export async function suppose(
  deps: SubscriptionsDeps & { readonly index: CatalogIndex; readonly writeCache?: WriteCache },
  tenant: string,
  customerId: string,
  subscriptionIds: readonly string[],
  at: Instant,
  known?: Instant,
): Promise<Supposed> {
  const { account, eventStore } = deps.credits;
  const log = supposedLog(eventStore, known);
  const writeCache: WriteCache =
    known === undefined && deps.writeCache ? { ...deps.writeCache, save: noWriteCache.save } : noWriteCache;
  const writer = createStreamWriter({ eventStore: log, clock: () => at, writeCache });
  const catalog = createCatalogReader({ writer, index: deps.index, monotonic: () => 0 });
  const credits = { ...deps.credits, eventStore: log, writer, catalog, now: () => at };
  const context = { tenant, actor: 'time', correlationId: 'suppose' };
  const read = await Promise.all(subscriptionIds.map((id) => writer.read(subscriptions, tenant, id)));
  const real = await writer.read(account, tenant, customerId);
  const there = subscriptionIds.filter((_, index) => read[index]!.state !== null);
  for (const id of there) await settleSubscription({ ...deps, credits }, context, id, at, customerId);
  if (real.revision >= 0 || there.length > 0) await settleAccount(credits, context, customerId);
  const settled = await Promise.all(there.map((id) => writer.read(subscriptions, tenant, id)));
  return {
    subscriptions: settled.map(({ state }) => state!),
    account: (await writer.read(account, tenant, customerId)).state,
    catalog,
    async usages(meterId, { start, end }) {
      const found: MeteredUsage[] = [];
      for await (const event of log.readStream(streamName(account.category, tenant, customerId))) {
        const metered = meteredUsage(upcast(event, account.eventTypes) as unknown as CreditEvent);
        if (metered?.usage.meterId !== meterId) continue;
        if (metered.effectiveAt >= start && metered.effectiveAt < end) found.push(metered);
      }
      return found;
    },
    position: latest([...read, real].map(({ position }) => position)),
  };
}
