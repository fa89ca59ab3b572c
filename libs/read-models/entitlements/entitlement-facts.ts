import type pg from 'pg';
import { formatInstant, inBatches, type Amount, type Instant } from '#libs/kernel';
import { meteredUsage, type CreditEvent, type MeteredUsage } from '#libs/credits';
import { usageWindow } from '#libs/subscriptions';
import type { Position, RecordedEvent } from '#libs/event-store';
import { asProblem } from '../reading.js';
import { run } from '../sink.js';
import { LIVE } from '../table.js';
import { createWindows } from './cut-hours.js';
import { findFacts, type EntitlementFacts, type FactsQuestion } from './facts-query.js';
import { createKeptFacts } from './kept-facts.js';

/** Customers that one query tells of at most, and queries side by side. */
const BATCHES = { most: 128, atOnce: 4, worth: 4 };

export interface FactsOptions {
  /** Of the usage; default: as `usageWindow` tells. */
  readonly window?: FactsQuestion['window'];
  /** Position that the read models have reached, and facts from memory must reflect. Default 0. */
  readonly atLeast?: Position;
}

/** What checks are answered from. */
export interface EntitlementReads {
  /** Customers in the order asked, all of one snapshot. */
  entitlementFacts(
    tenant: string,
    customerIds: readonly string[],
    now: Instant,
    meterIds: readonly string[],
    options?: FactsOptions,
  ): Promise<readonly EntitlementFacts[]>;
  /** Takes in what the log holds, as it comes, without a gap: facts that it says nothing new of need not be read again. */
  learn(events: readonly RecordedEvent[]): void;
  /** Usage of a meter that does more than add up, one by one in the order of the log. */
  meteredUsages(
    tenant: string,
    customerId: string,
    meterId: string,
    window: { readonly start: Instant; readonly end: Instant },
  ): Promise<readonly MeteredUsage[]>;
  /** Slugs of a tenant's features, archived ones aside, in the order of their creation. */
  featureSlugs(tenant: string): Promise<readonly string[]>;
  /** The members of an organisation after its primary customer, in the order of their creation. */
  organizationMembers(tenant: string, organizationId: string): Promise<readonly string[]>;
}

/**
 * @param learnedUpTo all that was recorded before this time (of `performance.now`) was learned
 * @throws Problem `store_unavailable` when the database does not answer, each of them
 */
export function createEntitlementReads(pool: pg.Pool, learnedUpTo: () => number): EntitlementReads {
  const kept = createKeptFacts(learnedUpTo);
  const facts = inBatches((questions: readonly FactsQuestion[]) => findFacts(pool, questions), BATCHES);
  const usedIn = createWindows(pool, BATCHES);
  const idsOf = async (text: string, values: readonly unknown[], name: string): Promise<readonly string[]> =>
    (await run<{ id: string }>(pool, text, values, name).catch(asProblem)).rows.map(({ id }) => id);
  return {
    learn: kept.learn,

    async entitlementFacts(tenant, customerIds, now, meterIds, { window, atLeast = 0n } = {}) {
      const [question, ...more] = customerIds.map((customerId): FactsQuestion => ({
        tenant,
        customerId,
        now,
        meterIds,
        window,
      }));
      // several are answered from one snapshot, and are not many
      const keeps = more.length === 0 && !window;
      const current = keeps ? kept.find(question!, atLeast) : undefined;
      if (current) return [current];
      try {
        const found =
          more.length > 0 ? await findFacts(pool, [question!, ...more]) : [await facts(question!)];
        const answers = await Promise.all(
          found.map(async (stored) => {
            const { customerId, known, position, subscriptionIds, exactUntil, subscriptions, grants } =
              stored;
            const within = window ?? usageWindow(subscriptions, now);
            const usage = new Map<string, Amount>();
            for (const used of stored.usage)
              usage.set(used.meterId, await usedIn(tenant, customerId, used, within));
            // written out: objects that are spread get hidden classes of their own, which only a full collection takes away
            return {
              customerId,
              known,
              position,
              subscriptionIds,
              exactUntil,
              subscriptions,
              grants,
              usage,
            };
          }),
        );
        if (keeps) kept.keep(question!, answers[0]!);
        return answers;
      } catch (error) {
        return asProblem(error);
      }
    },

    async meteredUsages(tenant, customerId, meterId, { start, end }) {
      const { rows } = await run<{ type: string; data: object }>(
        pool,
        `select type, data from ${LIVE}.usage where tenant = $1 and customer_id = $2 and meter_id = $3
           and effective_at >= $4 and effective_at < $5 order by position`,
        [tenant, customerId, meterId, formatInstant(start), formatInstant(end)],
        'entitlements.usages',
      ).catch(asProblem);
      return rows.flatMap((row) => meteredUsage(row as unknown as CreditEvent) ?? []);
    },

    featureSlugs: (tenant) =>
      idsOf(
        `select slug as id from ${LIVE}.catalog where tenant = $1 and kind = 'feature' and body ->> 'archivedAt' is null
         order by created_position`,
        [tenant],
        'entitlements.features',
      ),

    organizationMembers: (tenant, organizationId) =>
      idsOf(
        `select id from ${LIVE}.customers where tenant = $1 and organization_id = $2 and body ->> 'archivedAt' is null
         order by created_position`,
        [tenant, organizationId],
        'entitlements.members',
      ),
  };
}
