import { latest, type EventStore, type Position } from '#libs/event-store';
import { formatInstant, inBatches, type Instant } from '#libs/kernel';
import type pg from 'pg';
import { asProblem } from '../reading.js';
import { dueWorkIn } from '../schedules/due-rows.js';
import { run, textArray } from '../sink.js';
import { LIVE } from '../table.js';
import type { PositionWaiter } from '../projecting/waiting.js';

/** Milliseconds that a lookup waits for the read model to reach the end of the log. */
const LOOKUP_WAIT = 5000;
/** Subscriptions on one page. */
const PAGE = 200;

/** Questions that one statement answers, and statements side by side. */
const TOGETHER = { most: 100, atOnce: 2, worth: 1 };

interface CustomersAsked {
  readonly tenant: string;
  /** Each once. */
  readonly customerIds: readonly string[];
  readonly position: Position;
}

/** Of a tenant, and of what ended by an instant: usage of that is accepted no more. */
const TO_BILL = `select b.id from ${LIVE}.subscription_billing b where b.tenant = $1 and b.moment > b.closed
  union select b.id from ${LIVE}.subscription_billing b where b.tenant = $1 and b.ended_at <= $2
  union select i.subscription_id from ${LIVE}.invoices i
    where i.tenant = $1 and i.number is null and i.subscription_id is not null`;

/** What invoicing finds its work by. Each throws Problem `read_model_behind` when that takes too long. */
export function createInvoiceLookups(
  pool: pg.Pool,
  eventStore: Pick<EventStore, 'head'>,
  { waitForPosition }: Pick<PositionWaiter, 'waitForPosition'>,
) {
  async function rowsOf<Row extends object>(
    position: Position,
    text: string,
    values: readonly unknown[],
    readModels: readonly ('invoices' | 'subscriptions')[] = ['invoices'],
    name?: string,
  ): Promise<readonly Row[]> {
    await waitForPosition(position, LOOKUP_WAIT, readModels);
    return (await run<Row>(pool, text, values, name).catch(asProblem)).rows;
  }
  /** A run asks it of hundreds of subscriptions at once. */
  const subscriptionsOf = inBatches(async (asked: readonly CustomersAsked[]) => {
    const of = asked.flatMap(({ tenant, customerIds }) => customerIds.map((id) => ({ tenant, id })));
    const rows = await rowsOf<{ tenant: string; customer: string; id: string; created: string }>(
      latest(asked.map(({ position }) => position)),
      `select b.tenant, b.customer_id as customer, b.id, b.created_position::text as created
         from (select distinct * from unnest($1::text[], $2::text[])) as wanted(tenant, id)
         join ${LIVE}.subscription_billing b on b.tenant = wanted.tenant and b.customer_id = wanted.id`,
      [textArray(of.map(({ tenant }) => tenant)), textArray(of.map(({ id }) => id))],
      ['invoices'],
      'invoices.subscriptions',
    );
    const byCustomer = new Map<string, { readonly id: string; readonly createdPosition: Position }[]>();
    for (const { tenant, customer, id, created } of rows) {
      const key = `${tenant}\n${customer}`;
      const found = { id, createdPosition: BigInt(created) };
      const known = byCustomer.get(key);
      if (known) known.push(found);
      else byCustomer.set(key, [found]);
    }
    return asked.map(({ tenant, customerIds }) =>
      customerIds.flatMap((id) => byCustomer.get(`${tenant}\n${id}`) ?? []),
    );
  }, TOGETHER);

  return {
    subscriptionsToBill: async (tenant: string, endedBy: Instant, after: string | null) =>
      (
        await rowsOf<{ id: string }>(
          await eventStore.head(),
          `select id from (${TO_BILL}) open where id > $3 order by id limit ${PAGE}`,
          [tenant, formatInstant(endedBy), after ?? ''],
        )
      ).map(({ id }) => id),
    invoicesDue: async (tenant: string, at: Instant, after: string | null) =>
      (
        await rowsOf<{ id: string }>(
          await eventStore.head(),
          `select id from ${LIVE}.invoices where tenant = $1 and (due_at <= $2 or undriven) and id > $3 order by id limit ${PAGE}`,
          [tenant, formatInstant(at), after ?? ''],
        )
      ).map(({ id }) => id),
    /** A customer's subscriptions that may be charged yet, the oldest first: those that ended until what came late is closed too. */
    subscriptionsCharged: async (tenant: string, customerId: string) =>
      (
        await rowsOf<{ id: string }>(
          await eventStore.head(),
          `select s.id from ${LIVE}.subscriptions s join ${LIVE}.subscription_billing b using (tenant, id)
           where s.tenant = $1 and s.customer_id = $2 and (s.status <> 'canceled' or b.ended_at is not null)
           order by s.created_position`,
          [tenant, customerId],
          ['subscriptions', 'invoices'],
        )
      ).map(({ id }) => id),
    subscriptionsOfAll: (tenant: string, customerIds: readonly string[], position: Position) =>
      subscriptionsOf({ tenant, customerIds, position }),
  };
}

/** Up to `limit` subscriptions of one share of the tenant's work that are to be invoiced, without those in `except`. */
export async function subscriptionsToInvoice(
  client: pg.ClientBase,
  tenant: string,
  endedBy: Instant,
  share: { readonly index: number; readonly of: number },
  except: readonly string[],
  limit: number,
): Promise<readonly string[]> {
  const { rows } = await run<{ id: string }>(
    client,
    `select id from (${TO_BILL}) open where (hashtext(id) & 2147483647) % $3 = $4 and id <> all($5::text[]) limit $6`,
    [tenant, formatInstant(endedBy), share.of, share.index, except, limit],
    'invoices.due',
  );
  return rows.map(({ id }) => id);
}

/** Whether anything of the tenant is to be invoiced. */
export async function anyToInvoice(
  client: pg.ClientBase,
  tenant: string,
  endedBy: Instant,
): Promise<boolean> {
  const { rows } = await run<{ any: boolean }>(
    client,
    `select exists(${TO_BILL}) as any`,
    [tenant, formatInstant(endedBy)],
    'invoices.any',
  );
  return rows[0]?.any === true;
}

export const { oldest: oldestDueInvoice, ids: dueInvoices } = dueWorkIn('invoices');
