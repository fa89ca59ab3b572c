import pg from 'pg';
import { createStreamWriter, type CommandContext, type CommandRequest } from '#libs/commands';
import { accountKind } from '#libs/commands/credits';
import type { EventStore } from '#libs/event-store';
import type { EventTypes } from '#libs/event-types';
import { createMemoryEventStore } from '#libs/event-store/memory';
import type { CreditCommand, CreditEvent } from '#libs/credits';
import type { Instant } from '#libs/kernel';
import { createReadModels, type Project, type Projection, type ReadModels } from '#libs/read-models';
import { cloneDatabase, createMigratedDatabase, type TestDatabase } from '../support/postgres.js';

export const NOW = Date.UTC(2026, 0, 1);
export const account = accountKind(0);
export const ONE = 10n ** 12n;

export const context: CommandContext = { tenant: 't', actor: 'key_1', correlationId: 'r1' };

type At = (now: Instant) => CreditCommand;

export const grant =
  (
    id: string,
    amount: bigint,
    more: Partial<Extract<CreditCommand, { type: 'IssueGrants' }>['grants'][number]> = {},
  ): At =>
  (now) => ({
    type: 'IssueGrants',
    now,
    grants: [
      {
        grantId: id,
        unit: 'calls',
        amount: amount * ONE,
        effectiveAt: now,
        priority: 50,
        category: 'promotional',
        source: 'manual',
        kind: 'prepaid',
        scope: 'merchant',
        costBasis: '0',
        ...more,
      },
    ],
  });

export const consume =
  (id: string, amount: bigint, more: Partial<Extract<CreditCommand, { type: 'Consume' }>> = {}): At =>
  (now) => ({
    type: 'Consume',
    now,
    consumptionId: id,
    unit: 'calls',
    amount: amount * ONE,
    onShortage: 'refuse',
    effectiveAt: now,
    context: {},
    ...more,
  });

export const revoke =
  (grantId: string, notes?: string): At =>
  (now) => ({ type: 'RevokeGrant', now, grantId, ...(notes === undefined ? {} : { notes }) });

export const hold =
  (id: string, amount: bigint, more: Partial<Extract<CreditCommand, { type: 'PlaceHold' }>> = {}): At =>
  (now) => ({
    type: 'PlaceHold',
    now,
    holdId: id,
    unit: 'calls',
    amount: amount * ONE,
    onShortage: 'refuse',
    effectiveAt: now,
    context: {},
    ...more,
  });

/** A series that renews every day, its first grant with the id of the series and `-0`. */
export const begin =
  (id: string, amount: bigint, more: Partial<Extract<CreditCommand, { type: 'BeginRenewal' }>> = {}): At =>
  (now) => {
    const issue = grant(`${id}-0`, amount, { source: 'plan', definitionId: 'def' })(now);
    return {
      type: 'BeginRenewal',
      now,
      seriesId: id,
      grant: (issue as Extract<CreditCommand, { type: 'IssueGrants' }>).grants[0]!,
      rule: 'FREQ=DAILY',
      zone: 'UTC',
      lifetime: { periods: 1 },
      rollover: { kind: 'reset' },
      refillAmount: amount * ONE,
      ...more,
    };
  };

export const settle: At = (now) => ({ type: 'SettleDue', now });

export interface GivenOptions {
  /** Default: in memory. */
  readonly store?: (url: string) => Promise<EventStore>;
  /** Begins with all that a ledger left. */
  readonly like?: TestDatabase;
}

/** A ledger in a database of its own: writer, store and read models. */
export async function givenLedger({ store, like }: GivenOptions = {}) {
  const database = await (like ? cloneDatabase(like.url) : createMigratedDatabase());
  const eventStore = store ? await store(database.url) : createMemoryEventStore();
  const pool = new pg.Pool({ connectionString: database.url, max: 12 });
  pool.on('error', () => {}); // connections are cut in tests
  const clock = { now: NOW };
  const writer = createStreamWriter({ eventStore, clock: () => clock.now });
  const running: ReadModels[] = [];
  const errors: unknown[] = [];

  const request = (command: At, tenant = 't'): CommandRequest<CreditCommand> => ({
    context: { ...context, tenant },
    operation: 'test',
    input: {},
    command,
    ...(command === settle ? { settleFirst: false as const } : {}),
  });

  /** Closes it. @returns its database, for others to begin like it */
  async function leave(): Promise<TestDatabase> {
    await Promise.all(running.map((readModels) => readModels.close()));
    await writer.close();
    await eventStore.close();
    await pool.end();
    return database;
  }

  return {
    url: database.url,
    eventStore,
    pool,
    clock,
    writer,
    errors,
    async write(customerId: string, command: At, tenant = 't'): Promise<readonly CreditEvent[]> {
      return (await writer.execute(account, customerId, request(command, tenant))).events;
    },
    async project(
      options: {
        projections?: readonly Projection[];
        eventTypes?: EventTypes;
        batchSize?: number;
        project?: boolean | Project;
        pool?: pg.Pool;
        learnedUpTo?: () => number;
      } = {},
    ): Promise<ReadModels> {
      const readModels = await createReadModels({
        eventStore,
        pool,
        onError: (error) => errors.push(error),
        ...options,
      });
      running.push(readModels);
      return readModels;
    },
    async caughtUp(readModels: ReadModels): Promise<void> {
      await readModels.waitForPosition(await eventStore.head(), 20_000);
    },
    leave,
    async close(): Promise<void> {
      await leave();
      await database.drop();
    },
  };
}

export type Ledger = Awaited<ReturnType<typeof givenLedger>>;

const TABLES = [
  ...['balances', 'grants', 'holds', 'renewals', 'schedules', 'subscriptions', 'transactions', 'usage'],
  ...['customers', 'catalog', 'entitlement_terms', 'usage_days'],
];

/** Every row of every read model as text, in order. */
export async function allRows(pool: pg.Pool): Promise<Record<string, readonly string[]>> {
  const all: Record<string, readonly string[]> = {};
  for (const table of TABLES) {
    const { rows } = await pool.query<{ row: string }>(
      `select t::text as row from read_models.${table} t order by 1`,
    );
    all[table] = rows.map(({ row }) => row);
  }
  return all;
}
