import type pg from 'pg';
import { formatInstant, readAmount, type Amount, type Instant } from '#libs/kernel';
import { meteredUsage, type Applicability, type CreditEvent, type MeteredUsage } from '#libs/credits';
import type { Position } from '#libs/event-store';
import type { Entitling, FeatureCredit } from '#libs/subscriptions';
import { asProblem } from '../reading.js';
import { run } from '../sink.js';
import { LIVE } from '../table.js';

/** An open grant, as far as checks look at it. */
export interface CheckedGrant extends FeatureCredit {
  readonly unit: string;
  readonly applicability?: Applicability | undefined;
}

/** What is known of one customer. */
export interface EntitlementFacts {
  /** Those that entitle the customer, the oldest first. */
  readonly subscriptions: readonly Entitling[];
  readonly grants: readonly CheckedGrant[];
  /** In the window, by meter. */
  readonly usage: ReadonlyMap<string, Amount>;
}

export interface FoundFacts extends EntitlementFacts {
  readonly customerId: string;
  /** Every subscription the customer has or had, or a seat of it. */
  readonly subscriptionIds: readonly string[];
  /** False: time has brought about what is not recorded yet, so that only the streams can tell. */
  readonly exact: boolean;
}

interface Stored {
  readonly reflected: string | null;
  readonly customerId: string;
  readonly terms:
    | readonly {
        readonly subscription_id: string;
        readonly entitles: boolean;
        readonly exact_until: string | null;
        readonly undriven: boolean;
        readonly period_start: string;
        readonly period_end: string;
        readonly features: Entitling['features'];
        readonly overrides: Entitling['overrides'];
      }[]
    | null;
  readonly grants:
    | readonly {
        readonly unit: string;
        readonly amount: string;
        readonly remaining: string;
        readonly effective_at: string;
        readonly expires_at: string | null;
        readonly applicability: Applicability | null;
      }[]
    | null;
  readonly due: boolean;
  readonly usage: Readonly<Record<string, string>> | null;
}

/** Which read models an answer is made from: its position is the least of theirs. */
const SOURCES = `'entitlements', 'grants', 'schedules', 'usage'`;

/**
 * Usage of the meters in `$4` within the window [s, e): whole days, the whole hours beside them, and what the hours that
 * are cut off say one by one.
 */
const USAGE = `
  select json_object_agg(m.id, (
    select coalesce(sum(part.quantity), 0)::text from (
      select t.quantity from ${LIVE}.usage_totals t where t.tenant = $1 and t.customer_id = c.id and t.meter_id = m.id
        and t.span = 24 and t.start >= w.ds and t.start < w.de
      union all
      select t.quantity from ${LIVE}.usage_totals t where t.tenant = $1 and t.customer_id = c.id and t.meter_id = m.id
        and t.span = 1 and t.start >= w.hs and t.start < case when w.ds < w.de then w.ds else w.he end
      union all
      select t.quantity from ${LIVE}.usage_totals t where t.tenant = $1 and t.customer_id = c.id and t.meter_id = m.id
        and t.span = 1 and w.ds < w.de and t.start >= w.de and t.start < w.he
      union all
      select case when u.type = 'UsageRecorded' then u.value
          else coalesce(u.data #>> '{rating,quantity}', u.data ->> 'requested')::numeric end
        from ${LIVE}.usage u where u.tenant = $1 and u.customer_id = c.id and u.meter_id = m.id
        and u.type in ('CreditsConsumed', 'UsageRecorded')
        and u.effective_at >= w.s and u.effective_at < case when w.hs < w.he then w.hs else w.e end
      union all
      select case when u.type = 'UsageRecorded' then u.value
          else coalesce(u.data #>> '{rating,quantity}', u.data ->> 'requested')::numeric end
        from ${LIVE}.usage u where u.tenant = $1 and u.customer_id = c.id and u.meter_id = m.id
        and u.type in ('CreditsConsumed', 'UsageRecorded')
        and w.hs < w.he and u.effective_at >= w.he and u.effective_at < w.e
    ) part))
  from unnest($4::text[]) m(id)`;

/** The window: what is asked for, else that of the oldest subscription, else the calendar month. */
const WINDOW = `
  select s, e, date_trunc('hour', s + interval '1 hour' - interval '1 microsecond', 'UTC') as hs,
    date_trunc('hour', e, 'UTC') as he, date_trunc('day', s + interval '1 day' - interval '1 microsecond', 'UTC') as ds,
    date_trunc('day', e, 'UTC') as de
  from (select coalesce($5::timestamptz, o.period_start, date_trunc('month', $3::timestamptz, 'UTC')) as s,
      coalesce($6::timestamptz, o.period_end, date_trunc('month', $3::timestamptz, 'UTC') + interval '1 month') as e
    from (values (1)) one left join lateral (
      select period_start, period_end from ${LIVE}.entitlement_terms
      where tenant = $1 and customer_id = c.id and entitles order by created_position limit 1
    ) o on true) bounds`;

const FACTS = `
  select (select min(position)::text from ${LIVE}.checkpoints where projection in (${SOURCES})) as reflected,
    c.id as "customerId",
    (select json_agg(t order by t.created_position) from (
       select subscription_id, entitles, exact_until, undriven, period_start, period_end, features, overrides,
         created_position from ${LIVE}.entitlement_terms where tenant = $1 and customer_id = c.id
     ) t) as terms,
    (select json_agg(g) from (
       select unit, data ->> 'amount' as amount, remaining::text, effective_at, expires_at,
         data -> 'applicability' as applicability
       from ${LIVE}.grants where tenant = $1 and customer_id = c.id and ended_as is null order by position
     ) g) as grants,
    exists (select from ${LIVE}.schedules where tenant = $1 and customer_id = c.id and open and due_at <= $3::timestamptz)
      as due,
    (${USAGE}) as usage
  from unnest($2::text[]) with ordinality c(id, n) cross join lateral (${WINDOW}) w order by c.n`;

/** What checks are answered from. */
export interface EntitlementReads {
  /** Customers in the order asked, all of one snapshot. @param window of the usage; default: as `usageWindow` tells */
  entitlementFacts(
    tenant: string,
    customerIds: readonly string[],
    now: Instant,
    meterIds: readonly string[],
    window?: { readonly start: Instant; readonly end: Instant },
  ): Promise<{ readonly customers: readonly FoundFacts[]; readonly position: Position }>;
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

/** @throws Problem `store_unavailable` when the database does not answer, each of them */
export function createEntitlementReads(pool: pg.Pool): EntitlementReads {
  const idsOf = async (text: string, values: readonly unknown[], name: string): Promise<readonly string[]> =>
    (await run<{ id: string }>(pool, text, values, name).catch(asProblem)).rows.map(({ id }) => id);
  return {
    async entitlementFacts(tenant, customerIds, now, meterIds, window) {
      const { rows } = await run<Stored>(
        pool,
        FACTS,
        [
          tenant,
          customerIds,
          formatInstant(now),
          meterIds,
          window ? formatInstant(window.start) : null,
          window ? formatInstant(window.end) : null,
        ],
        'entitlements.facts',
      ).catch(asProblem);
      return { customers: rows.map((row) => factsOf(row, now)), position: BigInt(rows[0]?.reflected ?? 0) };
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

function factsOf({ customerId, terms, grants, due, usage }: Stored, now: Instant): FoundFacts {
  const all = terms ?? [];
  return {
    customerId,
    subscriptionIds: all.map(({ subscription_id }) => subscription_id),
    exact:
      !due &&
      all.every(
        ({ undriven, exact_until: until }) => !undriven && (until === null || now < Date.parse(until)),
      ),
    subscriptions: all
      .filter((one) => one.entitles)
      .map(({ features, overrides, period_start, period_end }) => ({
        features,
        overrides,
        period: { start: Date.parse(period_start), end: Date.parse(period_end) },
      })),
    grants: (grants ?? []).map(({ unit, amount, remaining, effective_at, expires_at, applicability }) => ({
      unit,
      amount: readAmount(amount),
      remaining: readAmount(remaining),
      effectiveAt: Date.parse(effective_at),
      expiresAt: expires_at === null ? Infinity : Date.parse(expires_at),
      applicability: applicability ?? undefined,
    })),
    usage: new Map(Object.entries(usage ?? {}).map(([meter, value]) => [meter, readAmount(value)])),
  };
}
