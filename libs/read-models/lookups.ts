import type { EventStore } from '#libs/event-store';
import type pg from 'pg';
import { asProblem } from './reading.js';
import { run } from './sink.js';
import { LIVE } from './table.js';
import type { PositionWaiter } from './projecting/waiting.js';

/** Milliseconds that a lookup waits for the read model to reach the end of the log. */
const LOOKUP_WAIT = 2000;

/** Where an event stands: in the account of a customer, at a revision. */
export interface Place {
  readonly customerId: string;
  readonly revision: number;
}

/**
 * What commands must find before they know the account. Null: there is none at the end of the log. Each throws Problem
 * `read_model_behind` when that cannot be said within 2 s.
 */
export interface Lookups {
  /** The customer that holds a grant, by its id or the id of its schedule. */
  locateGrant(tenant: string, grantId: string): Promise<{ customerId: string } | null>;
  /** The HoldPlaced of a hold. */
  locateHold(tenant: string, holdId: string): Promise<Place | null>;
  /** The CreditsConsumed, ConsumptionRefused or HoldCaptured of a consumption. */
  locateConsumption(tenant: string, consumptionId: string): Promise<Place | null>;
  /** The RenewalBegun of a series. */
  locateSeries(tenant: string, seriesId: string): Promise<Place | null>;
  /** Ids of the prices made for a version of a plan, oldest first. */
  pricesOfPlan(tenant: string, planId: string): Promise<readonly string[]>;
  /** Ids of the versions of a plan, oldest first. */
  versionsOfPlan(tenant: string, stablePlanId: string): Promise<readonly string[]>;
  /** Ids of the credit definitions that name any version of a plan, oldest first. */
  definitionsOfPlan(tenant: string, stablePlanId: string): Promise<readonly string[]>;
  /** A customer's consumptions of a meter of which something can still be taken back, `limit` at most, the newest first. */
  drawnByMeter(
    tenant: string,
    customerId: string,
    meterId: string,
    limit: number,
  ): Promise<readonly { readonly consumptionId: string; readonly revision: number }[]>;
}

/** The lookups that commands need: of rows, but as of the end of the log. */
export function createLookups(
  pool: pg.Pool,
  eventStore: Pick<EventStore, 'head'>,
  { waitForPosition }: Pick<PositionWaiter, 'waitForPosition'>,
): Lookups {
  const rowsOf = async <Row extends object>(
    text: string,
    values: readonly unknown[],
    name: string,
  ): Promise<readonly Row[]> => (await run<Row>(pool, text, values, name).catch(asProblem)).rows;

  const atTheEnd = async (readModel: string): Promise<void> =>
    waitForPosition(await eventStore.head(), LOOKUP_WAIT, [readModel]);

  /** What is there already never goes away; only what is not yet has to be waited for. */
  async function locate<Row extends object>(readModel: string, text: string, tenant: string, id: string) {
    const look = async (): Promise<Row | null> =>
      (await rowsOf<Row>(text, [tenant, id], `${readModel}.locate`))[0] ?? null;
    const found = await look();
    if (found) return found;
    await atTheEnd(readModel);
    return look();
  }

  const locatePlace = async (readModel: string, tenant: string, id: string, where = '') => {
    const text = `select customer_id as "customerId", revision::text as revision from ${LIVE}.${readModel}
      where tenant = $1 and id = $2${where}`;
    const found = await locate<{ customerId: string; revision: string }>(readModel, text, tenant, id);
    return found && { customerId: found.customerId, revision: Number(found.revision) };
  };

  /** Ids of objects of the catalogue, oldest first; `where` speaks of the row `c`. */
  const idsOf = (kind: string, where: string) => async (tenant: string, id: string) => {
    await atTheEnd('catalog');
    const text = `select c.id from ${LIVE}.catalog c where c.tenant = $1 and c.kind = '${kind}' and ${where}
      order by c.created_position`;
    return (await rowsOf<{ id: string }>(text, [tenant, id], `catalog.${kind}`)).map((row) => row.id);
  };

  return {
    pricesOfPlan: idsOf('price', 'c.plan_id = $2'),
    versionsOfPlan: idsOf('plan', 'c.stable_plan_id = $2'),
    definitionsOfPlan: idsOf(
      'creditDefinition',
      `c.plan_id in (select p.id from ${LIVE}.catalog p
        where p.tenant = $1 and p.kind = 'plan' and p.stable_plan_id = $2)`,
    ),
    locateGrant: (tenant, grantId) =>
      locate<{ customerId: string }>(
        'grants',
        `select customer_id as "customerId" from ${LIVE}.grants where tenant = $1 and grant_id = $2
         union all
         select customer_id from ${LIVE}.grants where tenant = $1 and parent_id = $2 limit 1`,
        tenant,
        grantId,
      ),
    locateHold: (tenant, holdId) => locatePlace('holds', tenant, holdId),
    locateConsumption: (tenant, consumptionId) =>
      locatePlace('usage', tenant, consumptionId, ' and status is not null'),
    locateSeries: (tenant, seriesId) => locatePlace('renewals', tenant, seriesId),

    async drawnByMeter(tenant, customerId, meterId, limit) {
      await atTheEnd('usage');
      const rows = await rowsOf<{ id: string; revision: string }>(
        `select id, revision::text as revision from ${LIVE}.usage
         where tenant = $1 and customer_id = $2 and meter_id = $3 and status is not null and type <> 'ConsumptionRefused'
           and reversed < (case when type = 'HoldCaptured' then data->>'captured'
             when data->>'onShortage' = 'partial' then data->>'consumed' else data->>'requested' end)::numeric
         order by position desc limit $4`,
        [tenant, customerId, meterId, limit],
        'usage.drawn',
      );
      return rows.map(({ id, revision }) => ({ consumptionId: id, revision: Number(revision) }));
    },
  };
}
