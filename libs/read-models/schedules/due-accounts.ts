import { formatInstant, readInstant, type Instant } from '#libs/kernel';
import type pg from 'pg';
import { asProblem } from '../reading.js';
import { run } from '../sink.js';
import { LIVE } from '../table.js';

/** Accounts on one page of due work. */
export const DUE_PAGE = 500;

export interface DueWork {
  /** Accounts on which time has made something due at an instant: a page after the customer `after`, ordered by id. */
  customersDue(tenant: string, at: Instant, after: string | null): Promise<readonly string[]>;
}

export const createDueWork = (pool: pg.Pool): DueWork => ({
  async customersDue(tenant, at, after) {
    const { rows } = await run<{ customerId: string }>(
      pool,
      `select distinct customer_id as "customerId" from ${LIVE}.schedules
       where tenant = $1 and open and due_at <= $2 and customer_id > $3 order by 1 limit ${DUE_PAGE}`,
      [tenant, formatInstant(at), after ?? ''],
      'schedules.customers',
    ).catch(asProblem);
    return rows.map(({ customerId }) => customerId);
  },
});

/** Tenants that have anything scheduled. */
export const scheduledTenants = (client: pg.ClientBase): Promise<readonly string[]> =>
  tenantsIn(client, 'schedules', 'r.open');

/** Tenants with rows in a table whose index begins with them; `where` speaks of the row `r`. */
export async function tenantsIn(
  client: pg.ClientBase,
  table: string,
  where = 'true',
): Promise<readonly string[]> {
  // from one tenant to the next by the index: there are few tenants and many rows
  const { rows } = await run<{ tenant: string }>(
    client,
    `with recursive next as (
       select min(r.tenant) as tenant from ${LIVE}.${table} r where ${where}
       union all
       select (select min(r.tenant) from ${LIVE}.${table} r where ${where} and r.tenant > next.tenant) from next
       where next.tenant is not null
     ) select tenant from next where tenant is not null`,
    [],
    `${table}.tenants`,
  );
  return rows.map(({ tenant }) => tenant);
}

/** When the first thing fell due that is not recorded yet; null when nothing is. `grace` (ms) delays expiries. */
export async function oldestDue(
  client: pg.ClientBase,
  tenant: string,
  now: Instant,
  grace: number,
): Promise<Instant | null> {
  const { rows } = await run<{ oldest: Date | null }>(
    client,
    `select min(due_at) as oldest from ${LIVE}.schedules where ${DUE}`,
    [tenant, formatInstant(now), formatInstant(now - grace)],
    'schedules.oldest',
  );
  const oldest = rows[0]?.oldest;
  return oldest ? readInstant(oldest.toISOString()) : null;
}

/** Up to `limit` accounts of one share of the tenant's work, longest due first, without those in `except`. */
export async function dueAccounts(
  client: pg.ClientBase,
  tenant: string,
  now: Instant,
  grace: number,
  share: { readonly index: number; readonly of: number },
  except: readonly string[],
  limit: number,
): Promise<readonly string[]> {
  const { rows } = await run<{ customerId: string }>(
    client,
    `select customer_id as "customerId", min(due_at) as due from ${LIVE}.schedules
     where ${DUE} and (hashtext(customer_id) & 2147483647) % $4 = $5 and customer_id <> all($6::text[])
     group by 1 order by 2 limit $7`,
    [tenant, formatInstant(now), formatInstant(now - grace), share.of, share.index, except, limit],
    'schedules.due',
  );
  return rows.map(({ customerId }) => customerId);
}

const DUE = `tenant = $1 and open and due_at <= $2 and (kind <> 'expiry' or due_at <= $3)`;
