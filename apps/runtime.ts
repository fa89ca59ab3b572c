import pg from 'pg';
import { Gauge } from 'prom-client';
import { typeidUnboxed } from 'typeid-js';
import {
  createClocks,
  createStreamWriter,
  noWriteCache,
  openPostgresWriteCache,
  type ClosableStreamWriter,
  type Clocks,
  type NewId,
} from '#libs/commands';
import { accountKind, settleAccount, type CreditsDeps } from '#libs/commands/credits';
import { createCatalogReader, type CatalogReader } from '#libs/commands/catalog';
import { collectInvoice, invoiceSubscriptions, type InvoicesDeps } from '#libs/commands/invoices';
import { createSecrets, type Secrets } from '#libs/commands/payments';
import {
  settleBilling,
  settleSubscription,
  suppose,
  type SubscriptionsDeps,
  type Supposed,
} from '#libs/commands/subscriptions';
import type { Checkpoint, EventStore } from '#libs/event-store';
import { createScheduleHold, startSchedules } from '#libs/schedules';
import { createReadModels, migrateReadModels, type ReadModels } from '#libs/read-models';
import type { Instant } from '#libs/kernel';
import {
  createMetrics,
  createOutageLog,
  startDatabase,
  systemClock,
  type Closer,
  type Config,
  type Database,
  type Logger,
} from '#libs/platform';
import { isAway, openEventStore } from './event-store.js';
import { projectInThread } from './projector/thread.js';

/** Everything a process of the product holds, made from its configuration; the one place where the parts meet. */
export interface Runtime {
  readonly config: Config;
  readonly database: Database;
  readonly pool: pg.Pool;
  readonly eventStore: EventStore;
  readonly writer: ClosableStreamWriter;
  readonly catalog: CatalogReader;
  readonly clocks: Clocks;
  readonly readModels: ReadModels;
  readonly credits: CreditsDeps;
  readonly subscriptions: SubscriptionsDeps;
  /** A customer as all recording up to `at` would leave it, or would have, had only what was `known` by then been recorded. */
  readonly suppose: (
    tenant: string,
    customerId: string,
    subscriptionIds: readonly string[],
    at: Instant,
    known?: Instant,
  ) => Promise<Supposed>;
  readonly invoices: InvoicesDeps;
  /** Null: the configuration has no key for them. */
  readonly secrets: Secrets | null;
  readonly holdSchedules: ReturnType<typeof createScheduleHold>;
  readonly newId: NewId;
  readonly metrics: ReturnType<typeof createMetrics>;
  readonly logger: Logger;
}

/** Milliseconds a caller waits for a connection. */
const CONNECT_MS = 10_000;
/** Milliseconds for which who moved a test clock may record himself what that made due. */
const CLOCK_MOVED = 3_000;
/** Milliseconds a job waits for the read model to know all that was written before it. */
const DUE_WAIT = 10_000;

/** Who writes what time has made due, where nobody asked. */
const bySchedule = (tenant: string) => ({ tenant, actor: 'schedule', correlationId: 'schedule' });

/**
 * Makes the parts in order.
 * @param patiently does something until the event store answers
 * @param opened receives what is open already, first to be closed first
 */
export async function startRuntime(
  config: Config,
  logger: Logger,
  patiently: <T>(work: () => Promise<T>) => Promise<T>,
  opened: Closer[],
): Promise<Runtime> {
  const opening = <T>(name: string, resource: T, close: (resource: T) => Promise<unknown>): T => {
    opened.unshift({ name, close: async () => void (await close(resource)) });
    return resource;
  };
  try {
    const database = opening(
      'database',
      await startDatabase(config, { log: (line) => logger.debug({ context: 'postgres' }, line.trim()) }),
      (started) => started.stop(),
    );
    const outage = createOutageLog(logger, 'the event store');
    const onError = (error: unknown): void =>
      isAway(error) ? outage.away(error) : logger.error({ err: error }, 'in the background');
    // every statement walks an index: to plan one anew for its values costs more than to run it
    const options = '-c plan_cache_mode=force_generic_plan';
    const pool = opening(
      'connections',
      new pg.Pool({
        connectionString: database.url,
        max: 10,
        options,
        connectionTimeoutMillis: CONNECT_MS,
        // a connection knows its statements: a quiet minute must not make the first callers after it wait for new ones
        idleTimeoutMillis: 600_000,
      }),
      (it) => {
        it.off('error', onError).on('error', () => undefined); // connections end because we say so
        return it.end();
      },
    );
    pool.on('error', onError);
    const eventStore = opening(
      'event store',
      await patiently(() => openEventStore(config, database.url, { onError, onConnected: outage.back })),
      (store) => store.close(),
    );
    await migrateReadModels(database.url);
    let learned = -Infinity;
    const learnedUpTo = (): number => learned;
    const readModels = opening(
      'read models',
      await patiently(() =>
        createReadModels({
          eventStore,
          pool,
          project: projectsIn(config, database.url, onError),
          learnedUpTo,
          onError,
        }),
      ),
      (models) => models.close(),
    );
    const wall = systemClock();
    const clocks = createClocks(() => wall.now(''));
    const writeCache =
      config.eventStore === 'memory' ? noWriteCache : await openPostgresWriteCache(pool, eventStore.identity);
    const writer = opening(
      'writer',
      createStreamWriter({
        eventStore,
        clock: clocks.now,
        writeCache,
        onError,
      }),
      (it) => it.close(),
    );
    clocks.attach(writer);
    const catalog = createCatalogReader({
      writer,
      index: readModels,
      monotonic: () => performance.now(),
      learnedUpTo,
    });
    // in EventStoreDB it would be told of its own events as well, one by one
    if (config.eventStore === 'postgres' || config.role === 'api')
      opening(
        'what others write',
        eventStore.subscribe(await endOf(eventStore), {
          handle: async ({ events }) => {
            writer.learn(events);
            catalog.learn(events);
            readModels.learn(events);
          },
          onCaughtUp: (asOf) => (learned = asOf),
          onError,
        }),
        (it) => it.stop(),
      );
    const newId: NewId = (prefix) => typeidUnboxed(prefix);
    const credits: CreditsDeps = {
      writer,
      eventStore,
      catalog,
      newId,
      account: accountKind(config.expiryGrace),
      now: clocks.now,
      expiryGrace: config.expiryGrace,
      maxEventAge: config.maxEventAge,
      locateGrant: readModels.locateGrant,
      locateHold: readModels.locateHold,
      locateConsumption: readModels.locateConsumption,
      locateSeries: readModels.locateSeries,
      drawnByMeter: readModels.drawnByMeter,
      settleBilling: (tenant, customerId) => settleBilling(subscriptions, tenant, customerId),
      customersDue: async (tenant, at, after) => {
        if (after === null) await readModels.waitForPosition(await eventStore.head(), DUE_WAIT);
        return readModels.customersDue(tenant, at, after);
      },
    };
    const subscriptions: SubscriptionsDeps = {
      credits,
      ports: { writer, reader: catalog, newId },
      lookups: readModels.subscriptions,
    };
    const invoices: InvoicesDeps = { credits, lookups: readModels.invoices, subscriptions };
    const metrics = createMetrics();
    if (config.role !== 'api') {
      const lag = new Gauge({
        name: 'drawdown_schedule_lag_seconds',
        help: 'How long the oldest due work of an environment has been waiting to be recorded.',
        labelNames: ['tenant'],
        registers: [metrics],
      });
      opening(
        'schedules',
        startSchedules({
          pool,
          now: async (tenant) => {
            await clocks.sync(tenant);
            return clocks.sinceMoved(tenant) < CLOCK_MOVED ? null : clocks.now(tenant);
          },
          grace: config.expiryGrace,
          accepted: config.maxEventAge,
          settle: async (tenant, customerId) =>
            (await settleAccount(credits, bySchedule(tenant), customerId)).position,
          settleSubscription: async (tenant, id) =>
            (await settleSubscription(subscriptions, bySchedule(tenant), id)).position,
          invoice: async (tenant, ids) =>
            (await invoiceSubscriptions(invoices, bySchedule(tenant), ids)).position,
          collect: async (tenant, id) => (await collectInvoice(invoices, bySchedule(tenant), id)).position,
          projected: (position) => readModels.waitForPosition(position, DUE_WAIT),
          onLag: (tenant, milliseconds) => lag.set({ tenant }, milliseconds / 1000),
          onError,
        }),
        (it) => it.stop(),
      );
    }
    return {
      config,
      database,
      pool,
      eventStore,
      writer,
      catalog,
      clocks,
      readModels,
      credits,
      subscriptions,
      suppose: (...asked) => suppose({ ...subscriptions, index: readModels, writeCache }, ...asked),
      invoices,
      secrets: config.secretsKey === undefined ? null : createSecrets(config.secretsKey),
      holdSchedules: createScheduleHold(pool),
      newId,
      metrics,
      logger,
    };
  } catch (error) {
    for (const { close } of opened) await close();
    throw error;
  }
}

/** A log in memory is in this thread alone. */
function projectsIn({ role, eventStore }: Config, databaseUrl: string, onError: (error: unknown) => void) {
  if (role === 'api') return false;
  return eventStore === 'memory' ? true : projectInThread({ eventStore, databaseUrl }, onError);
}

/** Where to read on so that the last event comes first. */
async function endOf(eventStore: EventStore): Promise<Checkpoint | null> {
  const head = await eventStore.head();
  return head === 0n ? null : eventStore.checkpointBefore(head);
}
