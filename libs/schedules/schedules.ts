import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { latest } from '#libs/event-store';
import type { Instant } from '#libs/kernel';
import {
  anyToInvoice,
  dueAccounts,
  dueInvoices,
  dueSubscriptions,
  oldestDue,
  oldestDueInvoice,
  oldestDueSubscription,
  scheduledTenants,
  subscribedTenants,
  subscriptionsToInvoice,
} from '#libs/read-models';

export interface ScheduleOptions {
  /** Database of the read models. One connection is held. */
  readonly pool: pg.Pool;
  /** The environment's now; null: leave its work to others for the moment. */
  readonly now: (tenant: string) => Promise<Instant | null>;
  /** Milliseconds by which the recording of expiries is delayed. */
  readonly grace: number;
  /** Milliseconds that usage is accepted back. */
  readonly accepted: number;
  /** Records what time has made due on one account. @returns the position up to which it is recorded */
  readonly settle: (tenant: string, customerId: string) => Promise<bigint>;
  /** The same of a subscription, and tells the accounts what follows from it. */
  readonly settleSubscription: (tenant: string, subscriptionId: string) => Promise<bigint>;
  /** Invoices what is to be charged of subscriptions. */
  readonly invoice: (tenant: string, subscriptionIds: readonly string[]) => Promise<bigint>;
  /** Records what time has made due of an invoice's collection, and tells the account and the subscription. */
  readonly collect: (tenant: string, invoiceId: string) => Promise<bigint>;
  /** Resolves when the read models reflect a position; rejects when that takes too long. */
  readonly projected: (position: bigint) => Promise<void>;
  /** Told, of each environment, how long (ms) the oldest due work has been waiting. */
  readonly onLag?: (tenant: string, lag: number) => void;
  readonly onError: (error: unknown) => void;
}

export interface Schedules {
  /** Resolves when the batch in hand is recorded. */
  stop(): Promise<void>;
}

/** Milliseconds between two looks for due work. */
const LOOK_EVERY = 200;
/** The shares into which each environment's work is cut, so that several workers take part. */
const SHARES = 8;
/** Accounts of one share settled at once. */
const BATCH = 200;
/** Subscriptions of one share invoiced at once. */
const INVOICED_AT_ONCE = 50;
/** Milliseconds for which one share is worked off without a break. */
const LONGEST_TURN = 1_000;
/** Milliseconds for which an account that could not be settled is left alone. */
const LEAVE_ALONE = 5_000;

/**
 * Turns what time has made due into recorded facts. Any number of workers may run it: a share of the work belongs to
 * whoever has its lock, which ends with the connection, so a worker that dies is replaced by the next look of another one.
 * Settling is idempotent; nothing depends on it but the time at which facts are recorded.
 */
export function startSchedules(options: ScheduleOptions): Schedules {
  const {
    pool,
    now,
    grace,
    accepted,
    settle,
    settleSubscription,
    invoice,
    collect,
    projected,
    onLag,
    onError,
  } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  /** Accounts, subscriptions and invoices that could not be settled, and until when (by `performance.now()`) they are left alone. */
  const failed = new Map<string, number>();

  async function work(client: pg.PoolClient): Promise<void> {
    while (!signal.aborted) {
      const tenants = new Set([...(await scheduledTenants(client)), ...(await subscribedTenants(client))]);
      for (const tenant of tenants) {
        await lookAfter(client, tenant).catch((error: unknown) => {
          // what is wrong with one environment does not keep the others waiting; a lost connection ends the turn
          if (!(error instanceof pg.DatabaseError)) throw error;
          onError(error);
        });
      }
      await pause(LOOK_EVERY, undefined, { signal }).catch(ignore);
    }
  }

  async function lookAfter(client: pg.PoolClient, tenant: string): Promise<void> {
    const at = await now(tenant);
    if (at === null) return;
    const oldest = earliest(
      await oldestDue(client, tenant, at, grace),
      await oldestDueSubscription(client, tenant, at),
      await oldestDueInvoice(client, tenant, at),
    );
    onLag?.(tenant, oldest === null ? 0 : at - oldest);
    if (oldest !== null || (await anyToInvoice(client, tenant, at - accepted)))
      await unlessHeld(client, tenant, () => takeShares(client, tenant));
  }

  async function takeShares(client: pg.PoolClient, tenant: string): Promise<void> {
    for (let index = 0; index < SHARES && !signal.aborted; index++) {
      const lock = [SHARE_LOCK + index, tenant] as const;
      if (!(await tryLock(client, 'pg_try_advisory_lock', ...lock))) continue;
      try {
        await workOff(client, tenant, index);
      } finally {
        await client.query('select pg_advisory_unlock($1, hashtext($2))', [...lock]);
      }
    }
  }

  async function workOff(client: pg.PoolClient, tenant: string, index: number): Promise<void> {
    // now and then somebody else may want the environment for himself
    const until = performance.now() + LONGEST_TURN;
    while (!signal.aborted && performance.now() < until) {
      const share = { index, of: SHARES };
      const at = await now(tenant);
      if (at === null) return;
      // subscriptions first: what they tell accounts is due there too
      const subscriptions = await dueSubscriptions(client, tenant, at, share, leftAlone(tenant), BATCH);
      const customers = await dueAccounts(client, tenant, at, grace, share, leftAlone(tenant), BATCH);
      const collected = await dueInvoices(client, tenant, at, share, leftAlone(tenant), BATCH);
      // what is over is charged once nothing else of the share is due
      const charged =
        subscriptions.length + customers.length + collected.length > 0
          ? []
          : await subscriptionsToInvoice(
              client,
              tenant,
              at - accepted,
              share,
              leftAlone(tenant),
              INVOICED_AT_ONCE,
            );
      if (subscriptions.length + customers.length + collected.length + charged.length === 0) return;
      const positions = [
        ...(await settleAll(tenant, subscriptions, settleSubscription)),
        ...(await settleAll(tenant, customers, settle)),
        ...(await settleAll(tenant, collected, collect)),
        ...(await invoiceAll(tenant, charged)),
      ];
      // what is recorded is due no more once the read model knows
      await projected(latest(positions));
    }
  }

  const settleAll = (
    tenant: string,
    ids: readonly string[],
    settleOne: (tenant: string, id: string) => Promise<bigint>,
  ): Promise<readonly bigint[]> =>
    Promise.all(
      ids.map((id) =>
        settleOne(tenant, id).catch((error: unknown) => {
          failed.set(`${tenant}\n${id}`, performance.now() + LEAVE_ALONE);
          onError(error);
          return 0n;
        }),
      ),
    );

  /** Together, because their numbers are; one that fails does not keep the others waiting for long. */
  async function invoiceAll(tenant: string, ids: readonly string[]): Promise<readonly bigint[]> {
    if (ids.length === 0) return [];
    try {
      return [await invoice(tenant, ids)];
    } catch {
      return settleAll(tenant, ids, (name, id) => invoice(name, [id]));
    }
  }

  function leftAlone(tenant: string): readonly string[] {
    const current = performance.now();
    for (const [key, until] of failed) if (until <= current) failed.delete(key);
    return [...failed.keys()]
      .filter((key) => key.startsWith(`${tenant}\n`))
      .map((key) => key.slice(tenant.length + 1));
  }

  async function keepWorking(): Promise<void> {
    while (!signal.aborted) {
      try {
        const client = await pool.connect();
        client.on('error', ignore); // the statement in hand reports it
        try {
          await work(client);
        } finally {
          client.off('error', ignore);
          client.release(true); // ends every lock
        }
      } catch (error) {
        if (signal.aborted) return;
        onError(error);
        await pause(LEAVE_ALONE, undefined, { signal }).catch(ignore);
      }
    }
  }

  const done = keepWorking();
  return {
    stop: () => {
      stopping.abort();
      return done;
    },
  };
}

/**
 * Keeps workers away from an environment's due work while something is done, such as moving its clock and recording what
 * that makes due: the count of what was recorded is then its own. One at a time for each environment.
 */
export function createScheduleHold(pool: pg.Pool) {
  const last = new Map<string, Promise<unknown>>();
  return <T>(tenant: string, work: () => Promise<T>): Promise<T> => {
    // in turn, so that those who wait hold no connections
    const turn = (last.get(tenant) ?? Promise.resolve()).then(async () => {
      const client = await pool.connect();
      try {
        await client.query('select pg_advisory_lock($1, hashtext($2))', [TENANT_LOCK, tenant]);
        return await work();
      } finally {
        client.release(true); // ends the lock
      }
    });
    last.set(tenant, turn.catch(ignore));
    return turn;
  };
}

async function unlessHeld(client: pg.PoolClient, tenant: string, work: () => Promise<void>): Promise<void> {
  if (!(await tryLock(client, 'pg_try_advisory_lock_shared', TENANT_LOCK, tenant))) return;
  try {
    await work();
  } finally {
    await client.query('select pg_advisory_unlock_shared($1, hashtext($2))', [TENANT_LOCK, tenant]);
  }
}

/** Advisory locks, in pairs with an environment: any numbers that nothing else in the database locks in pairs. */
const TENANT_LOCK = 1_325_422_000;
const SHARE_LOCK = 1_325_422_001;

async function tryLock(
  client: pg.PoolClient,
  kind: 'pg_try_advisory_lock' | 'pg_try_advisory_lock_shared',
  lock: number,
  tenant: string,
): Promise<boolean> {
  const { rows } = await client.query<{ mine: boolean }>(`select ${kind}($1, hashtext($2)) as mine`, [
    lock,
    tenant,
  ]);
  return rows[0]!.mine;
}

function earliest(...instants: readonly (Instant | null)[]): Instant | null {
  const known = instants.filter((one) => one !== null);
  return known.length === 0 ? null : Math.min(...known);
}

const ignore = (): void => {};
