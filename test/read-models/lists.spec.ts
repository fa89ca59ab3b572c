import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { DAY } from '#libs/kernel';
import type { PageRequest, ReadModels } from '#libs/read-models';
import {
  CustomerGrants,
  CustomerGrantsHandler,
  CustomerTransactions,
  CustomerTransactionsHandler,
  FindGrant,
  FindGrantHandler,
} from '#libs/read-models/queries';
import { consume, givenLedger, grant, NOW, settle, type Ledger } from './given.js';

const everything: PageRequest = { limit: 1000, cursor: null };

describe('reading', () => {
  let ledger: Ledger;
  let models: ReadModels;
  beforeEach(async () => {
    ledger = await givenLedger();
    models = await ledger.project();
  });
  afterEach(() => ledger.close());

  const transactions = async (page = everything) =>
    new CustomerTransactionsHandler(ledger.pool).execute(new CustomerTransactions('t', 'c', {}, page));
  const grants = async (page = everything) =>
    new CustomerGrantsHandler(ledger.pool).execute(new CustomerGrants('t', 'c', {}, page, NOW));

  test('name the customers with something due, page by page', async () => {
    const due = async (at: number) => {
      const found: string[] = [];
      for (let after: string | null = null; ;) {
        const page: readonly string[] = await models.customersDue('t', at, after);
        if (page.length === 0) return found;
        found.push(...page);
        after = page.at(-1)!;
      }
    };
    const ids = Array.from({ length: 700 }, (_, n) => `c${String(n).padStart(4, '0')}`);
    await Promise.all(
      ids.map((id, n) =>
        ledger.write(id, grant(`g${n}`, 1n, n % 2 ? { expiresAt: NOW + DAY } : { effectiveAt: NOW + DAY })),
      ),
    );
    await ledger.write('quiet', grant('q', 1n));
    await ledger.write('other', grant('o', 1n, { expiresAt: NOW + DAY }), 'u');
    await ledger.caughtUp(models);
    expect(await due(NOW + DAY - 1)).toEqual([]);
    expect(await due(NOW + DAY)).toEqual(ids);
    ledger.clock.now = NOW + DAY;
    await Promise.all(ids.map((id) => ledger.write(id, settle)));
    await ledger.caughtUp(models);
    expect(await due(NOW + DAY)).toEqual([]);
  });

  test('give every row of a list once while others are added', async () => {
    for (let n = 0; n < 30; n++) await ledger.write('c', grant(`g${n}`, 3n));
    await ledger.write('c', consume('con_1', 80n));
    await ledger.caughtUp(models);
    const before = (await transactions()).data.map(({ id }) => id);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof transactions>> = await transactions({ limit: 7, cursor });
      seen.push(...page.data.map(({ id }) => id));
      cursor = page.nextKey;
      await ledger.write('c', consume(`more_${seen.length}`, 1n, { onShortage: 'overage' }));
      await ledger.caughtUp(models);
    } while (cursor !== null && seen.length < 200);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toEqual(expect.arrayContaining(before));

    const ids: string[] = [];
    let key: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof grants>> = await grants({ limit: 10, cursor: key });
      ids.push(...page.data.map(({ id }) => id));
      key = page.nextKey;
    } while (key !== null);
    expect(ids).toEqual(Array.from({ length: 30 }, (_, n) => `g${n}`));
  });

  test('give the movements of one grant, of one unit and of one kind, page by page', async () => {
    const commands = [
      ...[grant('first', 3n), grant('second', 9n), grant('other', 9n, { unit: 'u2' })],
      ...[consume('con_1', 5n), consume('con_2', 2n), consume('con_3', 1n, { unit: 'u2' })],
      ...[consume('con_4', 9n, { onShortage: 'pending' }), grant('third', 9n)],
    ];
    for (const command of commands) await ledger.write('c', command);
    await ledger.caughtUp(models);
    const pageByPage = async (filters: CustomerTransactions['filters']) => {
      const found: string[] = [];
      let cursor: string | null = null;
      do {
        const list = new CustomerTransactions('t', 'c', filters, { limit: 1, cursor });
        const page = await new CustomerTransactionsHandler(ledger.pool).execute(list);
        found.push(
          ...page.data.map(({ type, creditGrantId, amount }) => `${type} ${creditGrantId} ${amount}`),
        );
        cursor = page.nextKey;
      } while (cursor !== null);
      return found;
    };
    const ofSecond = [
      'grant second 9',
      'consumption second -2',
      'consumption second -2',
      'consumption second -5',
    ];
    expect(await pageByPage({ grantId: 'second' })).toEqual(ofSecond);
    expect(await pageByPage({ unit: 'u2' })).toEqual(['grant other 9', 'consumption other -1']);
    expect(await pageByPage({ type: 'consumption', grantId: 'first' })).toEqual(['consumption first -3']);
    expect(await pageByPage({})).toEqual([
      ...[
        'grant first 3',
        'grant second 9',
        'grant other 9',
        'consumption first -3',
        'consumption second -2',
      ],
      ...['consumption second -2', 'consumption other -1', 'consumption second -5', 'debt null -4'],
      ...['grant third 9', 'settlement third -4'],
    ]);
  });

  test('answers for names that no text column can hold, and says when the database does not answer', async () => {
    const find = (pool: pg.Pool, id: string) =>
      new FindGrantHandler(pool).execute(new FindGrant('t', id, NOW));
    expect((await find(ledger.pool, 'a\0b')).data).toBeNull();
    await ledger.write('c\0d', grant('g', 1n, { unit: 'x\0y', name: 'n\0n' }));
    await ledger.caughtUp(models);
    expect((await models.status()).every(({ stopped }) => stopped === null)).toBe(true);
    expect((await find(ledger.pool, 'g')).data).toMatchObject({ unit: 'x\0y', name: 'n\0n' });
    const nowhere = new pg.Pool({ connectionString: 'postgres://x@127.0.0.1:1/x' });
    await expect(find(nowhere, 'g')).rejects.toMatchObject({ code: 'store_unavailable', status: 503 });
    await nowhere.end();
  });
});
