import type { EventStore } from '#libs/event-store';
import type pg from 'pg';
import { asProblem } from '../reading.js';
import { run } from '../sink.js';
import { LIVE } from '../table.js';
import type { PositionWaiter } from '../waiting.js';

/** Milliseconds that a lookup waits for the read model to reach the end of the log. */
const LOOKUP_WAIT = 2000;

export interface GrantLookups {
  /**
   * The customer that holds a grant, by its id or the id of its schedule; null when none has it at the end of the log.
   * @throws Problem `read_model_behind` when that cannot be said within 2 s
   */
  locateGrant(tenant: string, grantId: string): Promise<{ customerId: string } | null>;
}

/** The lookups that commands on grants need: of rows, but as of the end of the log. */
export function createGrantLookups(
  pool: pg.Pool,
  eventStore: Pick<EventStore, 'head'>,
  { waitForPosition }: Pick<PositionWaiter, 'waitForPosition'>,
): GrantLookups {
  async function look(tenant: string, grantId: string): Promise<{ customerId: string } | null> {
    const { rows } = await run<{ customerId: string }>(
      pool,
      `select customer_id as "customerId" from ${LIVE}.grants where tenant = $1 and grant_id = $2
       union all
       select customer_id from ${LIVE}.grants where tenant = $1 and parent_id = $2 limit 1`,
      [tenant, grantId],
      'grants.locate',
    ).catch(asProblem);
    return rows[0] ?? null;
  }

  return {
    async locateGrant(tenant: string, grantId: string): Promise<{ customerId: string } | null> {
      const found = await look(tenant, grantId);
      if (found) return found;
      await waitForPosition(await eventStore.head(), LOOKUP_WAIT, ['grants']);
      return look(tenant, grantId);
    },
  };
}
