import type pg from 'pg';
import { formatInstant, type Instant } from '#libs/kernel';
import { run } from '../sink.js';
import { LIVE } from '../table.js';

/**
 * The due work of a read model whose rows say when something of them falls due, and whether what was recorded is still to
 * be told to others (`undriven`).
 */
export const dueWorkIn = (table: 'subscriptions' | 'invoices') => ({
  /** When the first thing fell due that is not recorded yet; null when nothing is. */
  async oldest(client: pg.ClientBase, tenant: string, now: Instant): Promise<Instant | null> {
    const { rows } = await run<{ oldest: Date | null }>(
      client,
      `select least(
         (select min(due_at) from ${LIVE}.${table} where tenant = $1 and due_at <= $2),
         (select $2::timestamptz from ${LIVE}.${table} where tenant = $1 and undriven limit 1)) as oldest`,
      [tenant, formatInstant(now)],
      `${table}.oldest-due`,
    );
    return rows[0]?.oldest?.getTime() ?? null;
  },

  /** Up to `limit` ids of one share of the tenant's work, longest due first, without those in `except`. */
  async ids(
    client: pg.ClientBase,
    tenant: string,
    now: Instant,
    share: { readonly index: number; readonly of: number },
    except: readonly string[],
    limit: number,
  ): Promise<readonly string[]> {
    const { rows } = await run<{ id: string }>(
      client,
      `select id from ${LIVE}.${table} where tenant = $1 and (due_at <= $2 or undriven)
         and (hashtext(id) & 2147483647) % $3 = $4 and id <> all($5::text[])
       order by due_at limit $6`,
      [tenant, formatInstant(now), share.of, share.index, except, limit],
      `${table}.ids-due`,
    );
    return rows.map(({ id }) => id);
  },
});
