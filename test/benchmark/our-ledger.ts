import pg from 'pg';
import { createStreamWriter, openPostgresWriteCache, type ClosableStreamWriter } from '#libs/commands';
import { accountKind } from '#libs/commands/credits';
import type { EventStore } from '#libs/event-store';
import { openPostgresEventStore } from '#libs/event-store/postgres';
import { parseAmount, type Amount } from '#libs/kernel';
import type { CreditCommand } from '#libs/credits';
import { createReadModels, migrateReadModels, type ReadModels } from '#libs/read-models';
import { projectInThread } from '../../apps/projector/thread.js';
import { GRANT_AMOUNT, GRANTS_PER_ACCOUNT } from './sql-ledger.js';

const account = accountKind(0);
const one = parseAmount('1') as Amount;

export interface Ledger {
  consume(customer: number, key: string): Promise<void>;
  /** Fails unless what remains is what was granted less what was consumed. */
  check(consumed: number): Promise<void>;
  close(): Promise<void>;
}

export interface OurLedger extends Ledger {
  readonly writer: ClosableStreamWriter;
  readonly readModels: ReadModels;
  readonly eventStore: EventStore;
  readonly tenant: string;
  /** Gives accounts `first` to `last` their grants. */
  grantTo(first: number, last: number): Promise<void>;
}

let tenants = 0;

/** Ours: the writer with every guarantee on and the projections running, accounts 1 to `accounts` with their grants. */
export async function openDrawdown(
  url: string,
  accounts: number,
  grants = GRANTS_PER_ACCOUNT,
): Promise<OurLedger> {
  const tenant = `bench${Date.now()}x${tenants++}`;
  const pool = new pg.Pool({ connectionString: url, max: 10 });
  pool.on('error', () => {}); // a connection that was let go of and ends with the server
  const eventStore = await openPostgresEventStore({ connectionString: url });
  await migrateReadModels(url);
  const readModels = await createReadModels({
    eventStore,
    pool,
    project: projectInThread({ eventStore: 'postgres', databaseUrl: url }, console.error),
    onError: (error) => console.error(error),
  });
  const writer = createStreamWriter({
    eventStore,
    clock: () => Date.now(),
    writeCache: await openPostgresWriteCache(pool, eventStore.identity),
  });
  const grantTo = inThousands((customer) => grant(writer, tenant, `c${customer}`, grants));
  await grantTo(1, accounts);
  await readModels.waitForPosition(await eventStore.head(), 600_000);
  return {
    writer,
    readModels,
    eventStore,
    tenant,
    grantTo,
    async consume(customer, key) {
      await writer.execute(account, `c${customer}`, {
        context: { tenant, actor: 'bench', correlationId: key, idempotencyKey: key },
        operation: 'credits.consume',
        input: { customerId: `c${customer}`, unit: 'calls', amount: '1' },
        command: (now): CreditCommand => ({
          type: 'Consume',
          now,
          consumptionId: `con_${key}`,
          unit: 'calls',
          amount: one,
          onShortage: 'refuse',
          effectiveAt: now,
          context: {},
        }),
      });
    },
    async check(consumed) {
      await readModels.waitForPosition(await eventStore.head(), 600_000);
      let remaining = 0n;
      for (let customer = 1; customer <= accounts; customer++) {
        const { state } = await writer.read(account, tenant, `c${customer}`, Infinity);
        remaining += state.units.get('calls')!.balance / one;
      }
      const granted = BigInt(accounts) * BigInt(grants) * BigInt(GRANT_AMOUNT);
      const { rows } = await pool.query<{ balance: string }>(
        'select sum(balance)::numeric(40, 0)::text as balance from read_models.balances where tenant = $1',
        [tenant],
      );
      if (remaining !== granted - BigInt(consumed) || BigInt(rows[0]!.balance) !== remaining)
        throw new Error('the ledger does not add up');
    },
    async close() {
      await writer.close();
      await readModels.close();
      await eventStore.close();
      await pool.end();
    },
  };
}

/** Grants of one command: more would make more events than go into one append. */
const AT_ONCE = 100;

async function grant(
  writer: ClosableStreamWriter,
  tenant: string,
  customer: string,
  grants: number,
): Promise<void> {
  for (let first = 0; first < grants; first += AT_ONCE)
    await writer.execute(account, customer, {
      context: { tenant, actor: 'bench', correlationId: 'prepare' },
      operation: 'grants.create',
      input: {},
      command: (now): CreditCommand => ({
        type: 'IssueGrants',
        now,
        grants: Array.from({ length: Math.min(AT_ONCE, grants - first) }, (_, index) => ({
          grantId: `${customer}-g${first + index}`,
          unit: 'calls',
          amount: BigInt(GRANT_AMOUNT) * one,
          effectiveAt: now,
          expiresAt: now + (365 + first + index) * 86_400_000,
          priority: 50,
          category: 'promotional' as const,
          source: 'manual',
          kind: 'prepaid' as const,
          scope: 'merchant' as const,
          costBasis: '0',
        })),
      }),
    });
}

/** So many at once that appends are full. */
const inThousands =
  (work: (n: number) => Promise<void>) =>
  async (first: number, last: number): Promise<void> => {
    let next = first;
    await Promise.all(
      Array.from({ length: 1000 }, async () => {
        while (next <= last) await work(next++);
      }),
    );
  };
