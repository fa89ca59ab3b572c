import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import { createMemoryEventStore } from '#libs/event-store/memory';
import { formatAmount, formatInstant, HOUR, readAmount } from '#libs/kernel';
import {
  allDue,
  changedGrant,
  creditAccount,
  grantAnswer,
  heldOf,
  type AccountState,
  type CreditEvent,
  type GrantIssued,
} from '#libs/credits';
import { createReadModels, verifyLedger } from '#libs/read-models';
import {
  CustomerBalances,
  CustomerBalancesHandler,
  CustomerGrants,
  CustomerGrantsHandler,
  CustomerHolds,
  CustomerHoldsHandler,
  CustomerRenewals,
  CustomerRenewalsHandler,
  CustomerTransactions,
  CustomerTransactionsHandler,
} from '#libs/read-models/queries';
import { appendFacts } from '../support/append-event.js';
import { lives } from '../support/arbitraries.js';
import { fold, play } from '../support/credit-history.js';
import { createMigratedDatabase, type TestDatabase } from '../support/postgres.js';

const CUSTOMERS = ['a', 'b', 'c'] as const;
const everything = { limit: 1000, cursor: null };

interface Account {
  readonly state: AccountState;
  readonly log: readonly CreditEvent[];
}

describe('the read models of any history', () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  beforeAll(async () => {
    database = await createMigratedDatabase();
    pool = new pg.Pool({ connectionString: database.url, max: 6 });
    pool.on('error', () => undefined);
  });
  afterAll(async () => {
    await pool.end();
    await database.drop();
  });

  test('are what the decider folds', async () => {
    const seen = new Set<string>();
    const check = async (
      histories: readonly Parameters<typeof play>[0][],
      batchSize: number,
    ): Promise<void> => {
      const eventStore = createMemoryEventStore();
      const append = appendFacts(eventStore);
      const accounts = new Map<string, Account>();
      const errors: unknown[] = [];
      // the accounts take turns, so that a batch holds several
      const turns = histories.flatMap((steps, n) =>
        play(steps).map((turn) => ({ turn, customer: CUSTOMERS[n]! })),
      );
      for (const { turn, customer } of turns.sort((x, y) => x.turn.now - y.turn.now)) {
        const facts = [...turn.settled, ...turn.events].map((fact) => ofCustomer(customer, fact));
        for (const { type } of facts) seen.add(type);
        const { log, state } = accounts.get(customer) ?? { log: [], state: creditAccount.initialState };
        await append(`creditAccount-t_${customer}`, facts, turn.now);
        accounts.set(customer, { log: [...log, ...facts], state: fold(facts, state) });
      }
      const now = Math.max(...turns.map(({ turn }) => turn.now));
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
    const histories = fc.array(lives(), { minLength: 1, maxLength: CUSTOMERS.length });
    // always the same ones, which have everything; then others
    for (const [index, some] of fc
      .sample(fc.array(lives(40), { minLength: 2, maxLength: CUSTOMERS.length }), { seed: SEED, numRuns: 25 })
      .entries())
      await check(some, [1, 3, 1000][index % 3]!);
    for (const type of FACTS) expect(seen).toContain(type);
    await fc.assert(fc.asyncProperty(histories, fc.constantFrom(1, 3, 1000), check), { numRuns: 25 });
  }, 240_000);
});

const SEED = 6;

/** What must have been met for this to mean anything. */
const FACTS: readonly CreditEvent['type'][] = [
  ...(['GrantAmended', 'GrantAdjusted', 'GrantEdited', 'GrantExpired', 'GrantVoided'] as const),
  ...(['HoldPlaced', 'HoldCaptured', 'HoldReleased', 'ConsumptionReversed', 'DebtSettled'] as const),
  ...(['RenewalBegun', 'GrantRenewed', 'BalanceCarried', 'RenewalPaused', 'RenewalResumed'] as const),
];

/** Histories name things alike, and ids are unique in a tenant. */
const ofCustomer = (customer: string, fact: CreditEvent): CreditEvent =>
  JSON.parse(
    JSON.stringify(fact).replaceAll(/"((?:g|con|hold|more|rev|series)\d+(?:~[^"]*)?)"/g, `"${customer}-$1"`),
  ) as CreditEvent;

/** What was issued, as it was amended and edited since. */
function grantsOf(log: readonly CreditEvent[]): readonly GrantIssued[] {
  const grants = new Map<string, GrantIssued>();
  for (const fact of log) {
    if (fact.type === 'GrantIssued') grants.set(fact.data.grantId, fact.data);
    if (fact.type === 'GrantAmended' || fact.type === 'GrantEdited')
      grants.set(fact.data.grantId, changedGrant(grants.get(fact.data.grantId)!, fact));
  }
  return [...grants.values()];
}

async function compare(pool: pg.Pool, customer: string, { state, log }: Account, now: number): Promise<void> {
  // what the grants show
  const open = new Map([...state.units.values()].flatMap(({ grants }) => grants.map((one) => [one.id, one])));
  const expected = grantsOf(log).map((data) =>
    grantAnswer(
      customer,
      data,
      {
        remaining: open.get(data.grantId)?.remaining ?? 0n,
        held: heldOf(state, data.grantId),
        endedAs: state.ended.get(data.grantId)?.endedAs ?? null,
      },
      now,
    ),
  );
  for (const status of [undefined, 'ACTIVE', 'SCHEDULED', 'DEPLETED', 'EXPIRED', 'REVOKED'] as const) {
    const grants = await new CustomerGrantsHandler(pool).execute(
      new CustomerGrants('t', customer, { status }, everything, now),
    );
    expect(grants.data).toEqual(expected.filter((one) => status === undefined || one.status === status));
  }

  // what the balances show, now and later, unless only settling can tell
  for (const at of [now, now + HOUR, now + 7 * HOUR]) {
    const { balances, needsSettling } = await new CustomerBalancesHandler(pool).execute(
      new CustomerBalances('t', customer, {}, at),
    );
    if (needsSettling) continue;
    // usage ahead of its time has been drawn in the one, and not yet in the other
    const account = allDue(state, at).reduce(creditAccount.evolve, state);
    expect(balances.filter(({ unit }) => account.units.has(unit))).toEqual(
      [...account.units]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([unit, { grants: own, debt, held }]) => {
          const left = own.filter(({ remaining }) => remaining > 0n);
          const active = left.filter(({ effectiveAt }) => effectiveAt <= at);
          const sum = (some: typeof own) => some.reduce((total, { remaining }) => total + remaining, 0n);
          const end = Math.min(...active.map(({ expiresAt }) => expiresAt));
          return {
            unit,
            ledger: formatAmount(sum(active) + held),
            held: formatAmount(held),
            debt: formatAmount(debt),
            available: formatAmount(sum(active)),
            scheduled: formatAmount(sum(left) - sum(active)),
            nextExpiry:
              end === Infinity
                ? null
                : {
                    at: formatInstant(end),
                    amount: formatAmount(sum(active.filter(({ expiresAt }) => expiresAt === end))),
                  },
            grants: active.length,
          };
        }),
    );
  }

  // the movements run beside the balance and the debt, and add up to them
  const { data } = await new CustomerTransactionsHandler(pool).execute(
    new CustomerTransactions('t', customer, {}, everything),
  );
  for (const unit of new Set(data.map((row) => row.unit))) {
    let balance = 0n;
    let debt = 0n;
    const perGrant = new Map<string, bigint>();
    for (const row of data.filter((one) => one.unit === unit)) {
      const moved = readAmount(row.amount);
      if (row.creditGrantId === null) debt -= moved;
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
    for (const [grantId, left] of perGrant) expect(left).toBe(open.get(grantId)?.remaining ?? 0n);
  }

  // holds and series
  const holds = await new CustomerHoldsHandler(pool).execute(
    new CustomerHolds('t', customer, { status: 'held' }, everything, now),
  );
  expect(holds.data.map(({ id, amount }) => [id, amount])).toEqual(
    [...state.holds.values()]
      .filter(({ expiresAt }) => expiresAt > now)
      .map(({ id, amount }) => [id, formatAmount(amount)]),
  );
  const series = await new CustomerRenewalsHandler(pool).execute(
    new CustomerRenewals('t', customer, {}, everything),
  );
  expect(series.data).toMatchObject(
    [...state.series.values()].map((one) => ({
      id: one.id,
      occurrence: one.occurrence,
      lastRenewalAt: formatInstant(one.lastAt),
      nextRenewalAt: one.status === 'active' && one.nextAt !== Infinity ? formatInstant(one.nextAt) : null,
    })),
  );
}
