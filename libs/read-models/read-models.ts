import type pg from 'pg';
import { createBalancesAsOf, type BalancesAsOf } from './balances/balances-as-of.js';
import { createEntitlementReads, type EntitlementReads } from './entitlements/entitlement-facts.js';
import { createInvoiceLookups } from './invoices/invoice-lookups.js';
import { createLookups, type Lookups } from './lookups.js';
import { createDueWork, type DueWork } from './schedules/due-accounts.js';
import { createSubscriptionLookups } from './subscriptions/subscription-lookups.js';
import { startProjector, type Projector, type ProjectorOptions } from './projecting/projector.js';

/** The read side of a process: the projector, or the one who looks on, and what commands look up in it. */
export interface ReadModels
  extends Omit<Projector, 'stop'>, Lookups, DueWork, BalancesAsOf, EntitlementReads {
  readonly pool: pg.Pool;
  readonly subscriptions: ReturnType<typeof createSubscriptionLookups>;
  readonly invoices: ReturnType<typeof createInvoiceLookups>;
  /** Resolves when the batch in hand is committed and nothing more is projected. */
  close(): Promise<void>;
}

export interface ReadModelsOptions extends ProjectorOptions {
  /** All that was recorded before this time (of `performance.now`) was told to `learn`. Default: nothing is. */
  readonly learnedUpTo?: () => number;
}

/** @throws ReadModelsOfAnotherLog when the rows were made from another log, or from more of it than there is */
export async function createReadModels(options: ReadModelsOptions): Promise<ReadModels> {
  const { pool, eventStore, learnedUpTo = () => -Infinity } = options;
  const projector = await startProjector(options);
  const { waitForPosition, status, currentPosition, stop } = projector;
  return {
    pool,
    get active() {
      return projector.active;
    },
    waitForPosition,
    status,
    currentPosition,
    close: stop,
    ...createLookups(pool, eventStore, projector),
    subscriptions: createSubscriptionLookups(pool, eventStore, projector),
    invoices: createInvoiceLookups(pool, eventStore, projector),
    ...createDueWork(pool),
    ...createBalancesAsOf(eventStore),
    ...createEntitlementReads(pool, learnedUpTo),
  };
}
