import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import { chainEvent, type AppendBatch } from '#libs/event-store';
import { eventTypesOf } from '#libs/event-types';
import { createMemoryEventStore } from '#libs/event-store/memory';
import { formatAmount, formatInstant, HOUR, Problem, readAmount } from '#libs/kernel';
import {
  creditAccount,
  dueFacts,
  grantAnswer,
  type AccountState,
  type CreditCommand,
  type CreditEvent,
  type GrantIssued,
} from '#libs/credits';
import {
  createReadModels,
  CustomerBalances,
  CustomerBalancesHandler,
  CustomerGrants,
  CustomerGrantsHandler,
  CustomerTransactions,
  CustomerTransactionsHandler,
  migrateReadModels,
  verifyLedger,
} from '#libs/read-models';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { NOW, ONE } from './given.js';

const CUSTOMERS = ['a', 'b', 'c'];
const UNITS = ['calls', 'USD'];
const everything = { limit: 1000, cursor: null };

/** A step of a history: time passes, then somebody asks for something. */
interface Step {
  readonly customer: string;
  readonly hours: number;
  readonly command: (now: number, n: number) => CreditCommand;
}

const amount = fc.integer({ min: 1, max: 3000 }).map((hundredths) => (BigInt(hundredths) * ONE) / 100n);
const unit = fc.constantFrom(...UNITS);
const someGrant = fc.integer({ min: 0, max: 40 });

const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .record({
        unit,
        amount,
        delay: fc.constantFrom(0, 0, 0, 3),
        lasts: fc.constantFrom(undefined, 2, 6, 24),
        features: fc.constantFrom(undefined, ['x']),
      })
      .map(({ unit, amount, delay, lasts, features }) => (now: number, n: number): CreditCommand => ({
        type: 'IssueGrants',
        now,
        grants: [
          {
            grantId: `g${n}`,
            unit,
            amount,
            effectiveAt: now + delay * HOUR,
            ...(lasts === undefined ? {} : { expiresAt: now + (delay + lasts) * HOUR }),
            ...(features ? { applicability: { features } } : {}),
            priority: 50,
            category: 'promotional',
            source: 'manual',
            kind: 'prepaid',
            scope: 'merchant',
            costBasis: '0',
          },
        ],
      })),
  },
  {
    weight: 8,
    arbitrary: fc
      .record({
        unit,
        amount,
        onShortage: fc.constantFrom(
          'refuse' as const,
          'partial' as const,
          'overage' as const,
          'pending' as const,
        ),
        late: fc.constantFrom(0, 0, 2),
        featureSlug: fc.constantFrom(undefined, 'x', 'y'),
      })
      .map(({ unit, amount, onShortage, late, featureSlug }) => (now: number, n: number): CreditCommand => ({
        type: 'Consume',
        now,
        consumptionId: `con${n}`,
        unit,
        amount,
        onShortage,
        effectiveAt: now - late * HOUR,
        context: featureSlug === undefined ? {} : { featureSlug },
      })),
  },
  {
    weight: 2,
    arbitrary: someGrant.map((n) => (now: number): CreditCommand => ({
      type: 'RevokeGrant',
      now,
      grantId: `g${n}`,
    })),
  },
  { weight: 1, arbitrary: fc.constant((now: number): CreditCommand => ({ type: 'SettleDue', now })) },
);
const history: fc.Arbitrary<Step[]> = fc.array(
  fc.record({ customer: fc.constantFrom(...CUSTOMERS), hours: fc.constantFrom(0, 0, 0, 1, 5), command }),
  { minLength: 1, maxLength: 40 },
);

interface Account {
  state: AccountState;
  hash: string | null;
  readonly issued: GrantIssued[];
}

describe('the read models of any history', () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateReadModels(database.url);
    pool = new pg.Pool({ connectionString: database.url, max: 6 });
    pool.on('error', () => undefined);
  });
  afterAll(async () => {
    await pool.end();
    await database.drop();
  });

  test('are what the decider folds', async () => {
    const check = async (steps: readonly Step[], batchSize: number): Promise<void> => {
      const eventStore = createMemoryEventStore();
      const accounts = new Map<string, Account>(
        CUSTOMERS.map((customer) => [
          customer,
          { state: creditAccount.initialState, hash: null, issued: [] },
        ]),
      );
      const errors: unknown[] = [];
      let now = NOW;
      for (const [n, step] of steps.entries()) {
        now += step.hours * HOUR;
        await eventStore.append(
          write(step.customer, accounts.get(step.customer)!, step.command(now, n), now),
        );
      }
      const models = await createReadModels({
        eventStore,
        pool,
        batchSize,
        onError: (error) => errors.push(error),
      });
      try {
        await models.waitForPosition(await eventStore.head(), 10_000);
        for (const [customer, account] of accounts) await compare(pool, customer, account, now);
        expect(await verifyLedger({ eventStore, pool })).toMatchObject({ faults: [], differences: [] });
        expect(errors).toEqual([]);
      } finally {
        await models.close();
        await eventStore.close();
      }
    };
    await fc.assert(fc.asyncProperty(history, fc.constantFrom(1, 3, 1000), check), { numRuns: 40 });
  }, 120_000);
});

function write(customer: string, account: Account, command: CreditCommand, now: number): AppendBatch[] {
  const due = dueFacts(account.state, now);
  const settled = due.reduce(creditAccount.evolve, account.state);
  let decided: readonly CreditEvent[] = [];
  try {
    decided = creditAccount.decide(command, settled);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
  const stream = `creditAccount-t_${customer}`;
  const expectedRevision = account.state.revision;
  const events = [...due, ...decided].map((fact) => {
    const { event, hash } = chainEvent({
      stream,
      previousHash: account.hash,
      type: fact.type,
      data: fact.data as unknown as Record<string, unknown>,
      metadata: {
        recordedAt: formatInstant(now),
        schemaVersion: eventTypesOf('creditAccount').get(fact.type)!.version,
        tenant: 't',
      },
    });
    account.hash = hash;
    account.state = creditAccount.evolve(account.state, fact);
    if (fact.type === 'GrantIssued') account.issued.push(fact.data);
    return event;
  });
  return events.length === 0 ? [] : [{ stream, expectedRevision, events }];
}

async function compare(
  pool: pg.Pool,
  customer: string,
  { state, issued }: Account,
  now: number,
): Promise<void> {
  // what the grants show
  const grants = await new CustomerGrantsHandler(pool).execute(
    new CustomerGrants('t', customer, {}, everything, now),
  );
  const open = new Map(
    [...state.units.values()].flatMap((unit) => unit.grants.map((one) => [one.id, one.remaining])),
  );
  expect(grants.data).toEqual(
    issued.map((data) =>
      grantAnswer(
        customer,
        data,
        {
          remaining: open.get(data.grantId) ?? 0n,
          held: 0n,
          endedAs: state.ended.get(data.grantId)?.endedAs ?? null,
        },
        now,
      ),
    ),
  );

  // what the balances show, now and when other grants are active
  for (const at of [now, now + HOUR, now + 7 * HOUR]) {
    const { balances } = await new CustomerBalancesHandler(pool).execute(
      new CustomerBalances('t', customer, {}, at),
    );
    expect(
      // usage that nothing paid for leaves a unit of nothing
      balances
        .filter(({ unit }) => state.units.has(unit))
        .map(({ unit, ledger, scheduled, debt, grants: count, nextExpiry }) => [
          unit,
          ledger,
          scheduled,
          debt,
          count,
          nextExpiry,
        ]),
    ).toEqual(
      [...state.units]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([unit, { grants: own, debt }]) => {
          const active = own.filter(({ effectiveAt, expiresAt }) => effectiveAt <= at && at < expiresAt);
          const sum = (some: typeof own) => some.reduce((total, { remaining }) => total + remaining, 0n);
          const end = Math.min(...active.map(({ expiresAt }) => expiresAt));
          return [
            unit,
            formatAmount(sum(active)),
            formatAmount(sum(own.filter(({ effectiveAt }) => effectiveAt > at))),
            formatAmount(debt),
            active.length,
            end === Infinity
              ? null
              : {
                  at: formatInstant(end),
                  amount: formatAmount(sum(active.filter(({ expiresAt }) => expiresAt === end))),
                },
          ];
        }),
    );
  }

  // the movements run beside the balance and the debt, and add up to them
  const { data } = await new CustomerTransactionsHandler(pool).execute(
    new CustomerTransactions('t', customer, {}, everything),
  );
  for (const unit of UNITS) {
    let balance = 0n;
    let debt = 0n;
    const perGrant = new Map<string, bigint>();
    for (const row of data.filter((one) => one.unit === unit)) {
      const moved = readAmount(row.amount);
      if (row.type === 'debt') debt -= moved;
      if (row.type === 'settlement') debt += moved;
      if (row.creditGrantId !== null) {
        balance += moved;
        perGrant.set(row.creditGrantId, (perGrant.get(row.creditGrantId) ?? 0n) + moved);
        expect(row.grantBalanceAfter).toBe(formatAmount(perGrant.get(row.creditGrantId)!));
      }
      expect([row.balanceAfter, row.debtAfter]).toEqual([formatAmount(balance), formatAmount(debt)]);
    }
    expect([balance, debt]).toEqual([
      state.units.get(unit)?.balance ?? 0n,
      state.units.get(unit)?.debt ?? 0n,
    ]);
    for (const [grantId, left] of perGrant) expect(left).toBe(open.get(grantId) ?? 0n);
  }
}
