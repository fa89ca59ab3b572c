import { describe, expect, test } from '@jest/globals';
import {
  consume,
  DAY,
  expectProblem,
  grant,
  iso,
  newAccount,
  newMeter,
  newCustomer,
  newUnit,
  nowOf,
  ok,
  sumOf,
  transactionsOf,
  worldOfTests,
} from './world.js';

/** Answers from the account itself: may service go on, why was it drawn so, how long does it last, and the books. */

const world = worldOfTests();
const { api } = world;

const of = (customerId: string) => `/v1/credits/customers/${customerId}`;
const get = async (path: string) => ok(await api.get(path), 200);

describe('availability', () => {
  const ask = ({ customerId, unit }: { customerId: string; unit: string }, query = '') =>
    get(`${of(customerId)}/availability?unit=${unit}${query}`);

  test('says whether service may go on, and the smallest purchase that clears the way', async () => {
    const account = await newAccount(api);
    expect(await ask(account)).toMatchObject({
      canContinue: false,
      reason: 'insufficient_credit',
      available: '0',
    });
    await grant(api, { ...account, amount: 10 });
    expect(await ask(account, '&amount=10')).toMatchObject({
      canContinue: true,
      reason: null,
      needed: '10',
      available: '10',
      debt: '0',
      minimumPurchase: { amount: '0', debt: '0', packs: null, availableAfter: '10' },
    });
    const usage = { ...account, amount: 30, onShortage: 'pending' };
    await consume(api, usage);
    expect(await ask(account, '&amount=5&pack=10')).toMatchObject({
      canContinue: false,
      debt: '20',
      minimumPurchase: { amount: '25', debt: '20', packs: 3, availableAfter: '10' },
    });
    expect(await ask(account, '&debtLimit=10')).toMatchObject({ reason: 'debt_limit' });
    const { amount } = (await ask(account, '&amount=5')).minimumPurchase;
    await grant(api, { ...account, amount });
    expect(await ask(account, '&amount=5')).toMatchObject({ canContinue: true, debt: '0', available: '5' });
    expect(await ask(account, '&amount=5.1')).toMatchObject({ canContinue: false });
  });

  test('counts what the usage may draw on alone, and is never behind', async () => {
    const account = await newAccount(api);
    const meter = await newMeter(api, { unit: account.unit, rate: 2 });
    await grant(api, { ...account, amount: 10, applicability: { products: ['search'] } });
    expect(await ask(account)).toMatchObject({ available: '0' });
    const context = encodeURIComponent(JSON.stringify({ productId: 'search' }));
    expect(await ask(account, `&context=${context}`)).toMatchObject({ available: '10' });
    const metered = `${of(account.customerId)}/availability?meterId=${meter.id}&value=6&context=${context}`;
    expect(await get(metered)).toMatchObject({ needed: '12', canContinue: false, unit: account.unit });
  });

  test('names what is wrong with the question', async () => {
    const { customerId, unit } = await newAccount(api);
    const refused = async (query: string, ...pointers: string[]) =>
      expectProblem(
        await api.get(`${of(customerId)}/availability?${query}`),
        400,
        'invalid_query_parameter',
        pointers,
      );
    await refused('', '?unit');
    await refused(`unit=${unit}&meterId=m`, '?unit');
    await refused('unit=none', '?unit');
    await refused(`unit=${unit}&amount=x`, '?amount');
    await refused(`unit=${unit}&amount=0.0000001`, '?amount');
    await refused(`unit=${unit}&value=1`, '?value');
    await refused(`unit=${unit}&pack=0`, '?pack');
    await refused(`unit=${unit}&context=x`, '?context');
    await refused(`unit=${unit}&context=[]`, '?context');
    await refused(
      `unit=${unit}&context=${encodeURIComponent('{"productId":5,"x":1}')}`,
      '?context/productId',
      '?context/x',
    );
    expectProblem(await api.get(`${of('none')}/availability?unit=${unit}`), 404, 'customer_not_found');
    expectProblem(
      await api.get(`${of(customerId)}/availability?unit=${unit}&x=1`),
      400,
      'unknown_query_parameter',
    );
  });
});

describe('an explanation', () => {
  test('of a recorded consumption is of the account as it stood then, whatever came later', async () => {
    const account = await newAccount(api);
    const second = await grant(api, { ...account, amount: 10, priority: 2 });
    const first = await grant(api, { ...account, amount: 5, priority: 1 });
    const barred = await grant(api, { ...account, amount: 5, applicability: { contracts: ['c'] } });
    const { id } = await consume(api, { ...account, amount: 7 });
    const told = await get(`/v1/credits/consumptions/${id}/explanation`);
    await grant(api, { ...account, amount: 5, priority: 0 });
    await consume(api, { ...account, amount: 8 });
    expect(await get(`/v1/credits/consumptions/${id}/explanation`)).toEqual(told);
    expect(told).toMatchObject({
      customerId: account.customerId,
      requested: '7',
      covered: '7',
      shortfall: '0',
    });
    expect(
      told.candidates.map(({ grantId, verdict, limit, taken, after }: any) => [
        grantId,
        verdict,
        limit,
        taken,
        after,
      ]),
    ).toEqual([
      [first.id, 'taken', null, '5', null],
      [second.id, 'taken', null, '2', 'priority'],
      [barred.id, 'not_applicable', 'contracts', '0', 'priority'],
    ]);
    const text = await api.get(`/v1/credits/consumptions/${id}/explanation`, { Accept: 'text/plain' });
    expect(text.headers.get('content-type')).toMatch(/^text\/plain/);
    expect(text.text.split('\n')).toEqual([
      expect.stringMatching(/^Usage of 7 .*: 7 is covered\.$/),
      `1. ${first.id} gives 5 of 5, 0 stays`,
      `2. ${second.id} (after the one before by priority) gives 2 of 10, 8 stays`,
      expect.stringContaining(barred.id),
      '',
    ]);
  });

  test('of a refusal and of a captured hold is there too; of nothing, 404', async () => {
    const account = await newAccount(api);
    await grant(api, { ...account, amount: 5 });
    const refused = await api.post('/v1/credits/consume', { ...account, amount: 7 });
    const path = (id: string) => `/v1/credits/consumptions/${id}/explanation`;
    expect(await get(path(refused.body.consumption.id))).toMatchObject({ covered: '5', shortfall: '2' });
    const hold = ok(await api.post('/v1/credits/holds', { ...account, amount: 4 }), 201);
    ok(await api.post(`/v1/credits/holds/${hold.id}/capture`, {}), 200);
    expect(await get(path(hold.id))).toMatchObject({ requested: '4', candidates: [{ remainingAfter: '1' }] });
    expectProblem(await api.get(path('con_none')), 404, 'not_found');
  });

  test('of usage that is only asked about writes nothing', async () => {
    const account = await newAccount(api);
    const now = await nowOf(api, account.customerId);
    await grant(api, { ...account, amount: 5, startDate: iso(now + DAY) });
    const path = `${of(account.customerId)}/explanation?unit=${account.unit}&amount=2`;
    expect(await get(path)).toMatchObject({ shortfall: '2', candidates: [{ verdict: 'not_begun' }] });
    expect(await get(`${path}&at=${iso(now + DAY)}`)).toMatchObject({ candidates: [{ verdict: 'taken' }] });
    expect(await transactionsOf(api, account.customerId)).toHaveLength(1);
    expectProblem(await api.get(path.replace('&amount=2', '')), 400, 'invalid_query_parameter', ['?amount']);
  });
});

describe('an outlook', () => {
  test('says when credit runs out at a rate, what is forfeited and what renews', async () => {
    const account = await newAccount(api);
    const now = await nowOf(api, account.customerId);
    const ending = await grant(api, {
      ...account,
      amount: 10,
      startDate: iso(now),
      expiryDate: iso(now + 4 * DAY),
    });
    await grant(api, { ...account, amount: 5, priority: 90 });
    const path = `${of(account.customerId)}/outlook?unit=${account.unit}`;
    const told = await get(`${path}&days=10&rate=2`);
    expect(told).toMatchObject({ rate: '2', renewals: [], expiring: [{ grantId: ending.id }] });
    expect(Date.parse(told.runsOutAt)).toBeGreaterThan(now + 6 * DAY);
    expect(Date.parse(told.runsOutAt)).toBeLessThan(now + 7 * DAY);
    expect(await get(`${path}&days=5`)).toMatchObject({ rate: '0', runsOutAt: null });
    await consume(api, { ...account, amount: 3 });
    expect(await get(path)).toMatchObject({ rate: '0.1' });
    for (const query of ['&days=0', '&days=367', '&rate=-1', '&rate=0.0000001'])
      expectProblem(await api.get(path + query), 400, 'invalid_query_parameter');
    expectProblem(
      await api.get(`${of(account.customerId)}/outlook?unit=none`),
      400,
      'invalid_query_parameter',
      ['?unit'],
    );
  });
});

describe('the books', () => {
  const SUMS = ['granted', 'amended', 'adjusted', 'carriedIn', 'reversed'];
  const USES = ['consumed', 'settled', 'expired', 'voided', 'carriedOut', 'held', 'outstanding'];
  const expectTied = (row: any) =>
    expect(sumOf(SUMS.map((name) => row[name]))).toBe(sumOf(USES.map((name) => row[name])));

  test('totals add up in every row, of a customer and of all, by what is asked for', async () => {
    const account = await newAccount(api);
    const { customerId, unit } = account;
    const paid = await grant(api, { ...account, amount: 100, source: 'topup' });
    await grant(api, { ...account, amount: 10, priority: 0 });
    const { id } = await consume(api, { ...account, amount: 30 });
    ok(await api.post(`/v1/credits/consumptions/${id}/reverse`, { amount: 5, reason: 'r' }), 201);
    ok(await api.post(`/v1/credits/grants/${paid.id}/adjust`, { amount: -4, reason: 'r' }), 200);
    ok(await api.post('/v1/credits/holds', { ...account, amount: 11 }), 201);
    const [row] = (await get(`/v1/credits/totals?customerId=${customerId}`)).data;
    expect(row).toMatchObject({
      unit,
      granted: '110',
      adjusted: '-4',
      reversed: '5',
      consumed: '30',
      held: '11',
      outstanding: '70',
    });
    expectTied(row);
    const grouped = (await get(`/v1/credits/totals?unit=${unit}&groupBy=category,source,period`)).data;
    expect(grouped.map(({ category, source, granted }: any) => [category, source, granted])).toEqual([
      ['paid', 'topup', '100'],
      ['promotional', 'manual', '10'],
    ]);
    for (const one of grouped) {
      expectTied(one);
      expect(one.period).toMatch(/^\d{4}-\d\d$/);
    }
    const all = (await get('/v1/credits/totals')).data;
    expect(all.find((one: any) => one.unit === unit)).toEqual(row);
    all.forEach(expectTied);
    const future = await get(`/v1/credits/totals?unit=${unit}&from=2100-01-01T00:00:00Z`);
    expect(future.data).toEqual([]);
  });

  test('the journal is double entry, page by page and as a table, and its balances are those of the account', async () => {
    const account = await newAccount(api);
    const { customerId, unit } = account;
    await grant(api, { ...account, amount: 10 });
    await consume(api, { ...account, amount: 12, onShortage: 'pending' });
    const payer = await grant(api, { ...account, amount: 8 });
    ok(await api.post(`/v1/credits/grants/${payer.id}/revoke`, {}), 200);
    const path = `/v1/credits/journal?customerId=${customerId}`;
    const entries = await api.all(path, 2);
    expect(entries).toEqual((await get(path)).data);
    expect(entries.map(({ type }) => type)).toEqual([
      'GrantIssued',
      'CreditsConsumed',
      'GrantIssued',
      'DebtSettled',
      'GrantVoided',
    ]);
    for (const { postings } of entries) expect(sumOf(postings.map(({ amount }: any) => amount))).toBe(0n);
    const sheet = await get(`/v1/credits/journal/balances?customerId=${customerId}`);
    expect(sheet.data).toEqual([
      {
        unit,
        accounts: { consumed: '12', debt: '0', issued: '-18', outstanding: '0', voided: '6' },
        sum: '0',
      },
    ]);
    const csv = await api.get(`${path}&format=csv`);
    expect(csv.headers.get('content-type')).toMatch(/^text\/csv/);
    const lines = csv.text.trimEnd().split('\r\n');
    expect(lines[0]).toBe('position,recordedAt,customerId,type,at,unit,account,debit,credit,grantId');
    expect(lines).toHaveLength(1 + entries.reduce((sum, { postings }) => sum + postings.length, 0));
    const columns = lines.slice(1).map((line) => line.split(','));
    const total = (column: number) =>
      sumOf(columns.map((cells) => cells[column]!).filter((cell) => cell !== ''));
    expect(total(7)).toBe(total(8));
    const everybody = await api.all('/v1/credits/journal', 7);
    expect(everybody.filter((entry) => entry.customerId === customerId)).toEqual(entries);
    const all = (await get('/v1/credits/journal/balances')).data;
    for (const { sum } of all) expect(sum).toBe('0');
  });

  test('bad questions are refused by name', async () => {
    const unit = await newUnit(api);
    for (const query of [
      'totals?groupBy=colour',
      'totals?period=year',
      'totals?from=x',
      'journal?format=xml',
      'journal?limit=0',
    ])
      expectProblem(await api.get(`/v1/credits/${query}`), 400, 'invalid_query_parameter');
    await grant(api, { customerId: await newCustomer(api), unit, amount: 1 });
    await grant(api, { customerId: await newCustomer(api), unit, amount: 1 });
    const { nextCursor } = await get('/v1/credits/journal?limit=1');
    const place = Buffer.from(nextCursor, 'base64url').toString();
    const beyond = place.replace(/\d+\.\d+$/, '999999999.0');
    expect(beyond).not.toBe(place);
    for (const cursor of ['x', 'MTA', Buffer.from(beyond).toString('base64url')])
      expectProblem(await api.get(`/v1/credits/journal?cursor=${cursor}`), 400, 'invalid_query_parameter');
    expectProblem(
      await api.get(`/v1/credits/totals?customerId=none&unit=${unit}`),
      404,
      'customer_not_found',
    );
  });
});
