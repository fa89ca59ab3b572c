import { describe, expect, test } from '@jest/globals';
import {
  balanceOf,
  consume,
  DAY,
  exact,
  grant,
  HOUR,
  iso,
  newAccount,
  newCustomer,
  newUnit,
  ok,
  readGrant,
  sumOf,
  transactionsOf,
  worldOfTests,
  type Account,
} from './world.js';

/** Which grant burns first, what debt remembers, and the rows that all of it leaves. */

const world = worldOfTests();
const { api } = world;

const CONSUME = '/v1/credits/consume';
const streamOf = async ({ customerId }: Pick<Account, 'customerId'>) =>
  ok(await api.get(`/v1/audit/streams/creditAccount-default.test_${customerId}?limit=1000`)).data as any[];
const drawnFrom = (consumption: any): string[] =>
  consumption.allocations.map(({ grantId }: { grantId: string }) => grantId);

describe('order of drawdown', () => {
  const at = (time: number) => ({ expiryDate: iso(Date.now() + time) });
  const NONE = {};
  const cases: [rule: string, first: object, second: object, context: object][] = [
    ['the lower priority', { priority: 1 }, { priority: 2 }, NONE],
    ['free before paid', { category: 'promotional' }, { category: 'paid' }, NONE],
    ['a source of topup is paid', { source: 'manual' }, { source: 'topup' }, NONE],
    [
      'a cost basis of 0',
      { category: 'paid', costBasis: '0' },
      { category: 'paid', costBasis: '0.30' },
      NONE,
    ],
    [
      'the narrower',
      { applicability: { products: ['p1'] } },
      { applicability: { products: ['p1', 'p2'] } },
      { productId: 'p1' },
    ],
    ['the targeted before all', { applicability: { products: ['p1'] } }, {}, { productId: 'p1' }],
    ['the earlier expiry', at(DAY), at(2 * DAY), NONE],
    ['an expiry before none', at(400 * DAY), {}, NONE],
    [
      'the earlier start',
      { startDate: iso(Date.now() - 2 * HOUR) },
      { startDate: iso(Date.now() - HOUR) },
      NONE,
    ],
    [
      'priority over cost basis',
      { priority: 1, category: 'paid' },
      { priority: 2, category: 'promotional' },
      NONE,
    ],
    ['cost basis over expiry', { category: 'promotional' }, { category: 'paid', ...at(DAY) }, NONE],
    ['expiry over start', at(DAY), { ...at(2 * DAY), startDate: iso(Date.now() - HOUR) }, NONE],
  ];

  test.each(cases)('%s first', async (_, first, second, context) => {
    const account = await newAccount(api);
    const two = await grant(api, { ...account, amount: 10, ...second });
    const one = await grant(api, { ...account, amount: 10, ...first });
    const body = { ...account, context };
    expect(drawnFrom(await consume(api, { ...body, amount: 15 }))).toEqual([one.id, two.id]);
    expect((await readGrant(api, two.id)).remainingAmount).toBe('5');
  });

  test('of equals, the one issued first; each part says what remains', async () => {
    const account = await newAccount(api);
    const startDate = iso(Date.now() - HOUR);
    const ids: string[] = [];
    for (let n = 0; n < 4; n += 1) ids.push((await grant(api, { ...account, amount: 3, startDate })).id);
    const { allocations, balanceAfter } = await consume(api, { ...account, amount: 8 });
    expect(allocations).toEqual([
      { grantId: ids[0], amount: '3', remainingAfter: '0' },
      { grantId: ids[1], amount: '3', remainingAfter: '0' },
      { grantId: ids[2], amount: '2', remainingAfter: '1' },
    ]);
    expect(balanceAfter).toBe('4');
  });
});

describe('debt', () => {
  test('remembers the context of its usage: only a grant that could have paid it settles it', async () => {
    const account = await newAccount(api);
    const inContract = { ...account, context: { contractId: 'c1' } };
    await consume(api, { ...inContract, amount: 10, onShortage: 'pending' });
    const other = await grant(api, { ...account, amount: 50, applicability: { contracts: ['c2'] } });
    expect(other.remainingAmount).toBe('50');
    expect(await balanceOf(api, account.customerId, account.unit)).toMatchObject({
      debt: '10',
      available: '50',
    });
    const own = await grant(api, { ...account, amount: 4, applicability: { contracts: ['c1'] } });
    expect(own).toMatchObject({ initialAmount: '4', remainingAmount: '0', status: 'DEPLETED' });
    const wide = await grant(api, { ...account, amount: 9 });
    expect(wide.remainingAmount).toBe('3');
    expect(await balanceOf(api, account.customerId, account.unit)).toMatchObject({
      debt: '0',
      available: '53',
    });
  });
});

test('a shared history: every rule of the transactions holds', async () => {
  const customerId = await newCustomer(api);
  const [a, b] = [await newUnit(api), await newUnit(api)];
  const grants: string[] = [];
  const usageTime = iso(Date.now() - HOUR);
  for (let round = 0; round < 8; round += 1) {
    const unit = round % 2 === 0 ? a : b;
    const startDate = iso(Date.now() - 2 * HOUR);
    for (const amount of ['10.5', '0.000001', '7'])
      grants.push((await grant(api, { customerId, unit, amount, startDate, priority: round })).id);
    const body = { customerId, unit, effectiveAt: usageTime };
    await consume(api, { ...body, amount: '4.25' });
    await consume(api, { ...body, amount: '33.000001', onShortage: 'pending' });
    await api.post(CONSUME, { ...body, amount: '1000' });
    grants.push((await grant(api, { customerId, unit, amount: '21' })).id);
    if (round % 3 === 0) ok(await api.post(`/v1/credits/grants/${grants.at(-1)}/revoke`, {}));
  }
  grants.push((await grant(api, { customerId, unit: a, amount: 5, startDate: iso(Date.now() + DAY) })).id);
  const rows = await transactionsOf(api, customerId);
  expect(new Set(rows.map(({ type }) => type))).toEqual(
    new Set(['grant', 'consumption', 'debt', 'settlement', 'void']),
  );
  const facts = new Map((await streamOf({ customerId })).map((fact) => [fact.position, fact]));
  for (const unit of [a, b]) {
    const own = rows.filter((row) => row.unit === unit);
    let [balance, debt] = [0n, 0n];
    for (const row of own) {
      if (row.creditGrantId !== null) balance += exact(row.amount);
      if (row.type === 'debt' || row.type === 'settlement')
        debt += row.type === 'debt' ? -exact(row.amount) : exact(row.amount);
      expect(row.creditGrantId === null).toBe(row.type === 'debt');
      expect([row.id, exact(row.balanceAfter)]).toEqual([row.id, balance]);
      expect([row.id, exact(row.debtAfter)]).toEqual([row.id, debt]);
      const fact = facts.get(row.position);
      expect(row.recordedAt).toBe(fact.metadata.recordedAt);
      if (row.type === 'consumption') expect(row.eventTimestamp).toBe(usageTime);
    }
    const now = await balanceOf(api, customerId, unit);
    expect(exact(now.ledger) + exact(now.scheduled)).toBe(balance);
    expect(exact(now.debt)).toBe(debt);
  }
  for (const id of grants) {
    const own = await transactionsOf(api, customerId, `?grantId=${id}`);
    expect(own.length).toBeGreaterThan(0);
    const found = await readGrant(api, id);
    expect([id, sumOf(own.map(({ amount }) => amount))]).toEqual([id, exact(found.remainingAmount)]);
    expect([id, own.at(-1).grantBalanceAfter]).toEqual([id, found.remainingAmount]);
  }
  expect(await transactionsOf(api, customerId, `?unit=${a}`)).toEqual(rows.filter(({ unit }) => unit === a));
  expect(await transactionsOf(api, customerId, '?type=debt')).toEqual(
    rows.filter(({ type }) => type === 'debt'),
  );
  const positions = rows.map(({ position }) => position as number);
  expect([...positions].sort((x, y) => x - y)).toEqual(positions);
});
