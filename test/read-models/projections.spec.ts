import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { DAY, formatInstant } from '#libs/kernel';
import type { PageRequest, ReadModels } from '#libs/read-models';
import {
  CustomerBalances,
  CustomerBalancesHandler,
  CustomerGrants,
  CustomerGrantsHandler,
  CustomerTransactions,
  CustomerTransactionsHandler,
  FindConsumption,
  FindConsumptionHandler,
  FindGrant,
  FindGrantHandler,
  ListUsage,
  ListUsageHandler,
} from '#libs/read-models/queries';
import { consume, givenLedger, grant, NOW, revoke, settle, type Ledger } from './given.js';

const everything: PageRequest = { limit: 1000, cursor: null };
const usageOf = (eventId: string, eventName = 'calls') => ({
  usage: { eventId, eventName, meterId: 'm1', value: '3', idempotencyKey: `key-${eventId}` },
});

describe('the read models of credits', () => {
  let ledger: Ledger;
  let models: ReadModels;
  beforeEach(async () => {
    ledger = await givenLedger();
    models = await ledger.project();
  });
  afterEach(() => ledger.close());

  const balances = async (customerId = 'c', now = ledger.clock.now, unit?: string) =>
    new CustomerBalancesHandler(ledger.pool).execute(new CustomerBalances('t', customerId, { unit }, now));
  const transactions = async (filters = {}, page = everything) =>
    new CustomerTransactionsHandler(ledger.pool).execute(new CustomerTransactions('t', 'c', filters, page));
  const grants = async (filters = {}, page = everything, now = ledger.clock.now) =>
    new CustomerGrantsHandler(ledger.pool).execute(new CustomerGrants('t', 'c', filters, page, now));
  const findGrant = (id: string, now = ledger.clock.now) =>
    new FindGrantHandler(ledger.pool).execute(new FindGrant('t', id, now));

  test('show every movement with what stands after it', async () => {
    await ledger.write('c', grant('g1', 10n, { referenceCode: 'ref', name: 'Welcome' }));
    await ledger.write('c', grant('g2', 5n));
    await ledger.write('c', consume('con_1', 12n, { reference: 'order 1' }));
    await ledger.write('c', consume('con_2', 5n, { onShortage: 'pending', ...usageOf('evt_2') }));
    await ledger.write('c', grant('g3', 7n));
    await ledger.write('c', revoke('g3', 'gone'));
    await ledger.caughtUp(models);

    const { data, nextKey, position } = await transactions();
    expect(nextKey).toBeNull();
    expect(position).toBe(await ledger.eventStore.head());
    expect(
      data.map((row) => [
        row.type,
        row.creditGrantId,
        row.amount,
        row.grantBalanceAfter,
        row.balanceAfter,
        row.debtAfter,
      ]),
    ).toEqual([
      ['grant', 'g1', '10', '10', '10', '0'],
      ['grant', 'g2', '5', '5', '15', '0'],
      ['consumption', 'g1', '-10', '0', '5', '0'],
      ['consumption', 'g2', '-2', '3', '3', '0'],
      ['consumption', 'g2', '-3', '0', '0', '0'],
      ['debt', null, '-2', null, '0', '2'],
      ['grant', 'g3', '7', '7', '7', '2'],
      ['settlement', 'g3', '-2', '5', '5', '0'],
      ['void', 'g3', '-5', '0', '0', '0'],
    ]);
    expect(data.map(({ reference }) => reference)).toEqual([
      'ref',
      null,
      'order 1',
      'order 1',
      'key-evt_2',
      'key-evt_2',
      null,
      null,
      null,
    ]);
    expect(data[0]).toMatchObject({
      id: 'txn_00000000000000000001000000',
      description: 'Welcome',
      position: 1,
      eventTimestamp: formatInstant(NOW),
      recordedAt: formatInstant(NOW),
    });
    expect(data[4]).toMatchObject({ eventName: 'calls', consumptionId: 'con_2', unit: 'calls' });
    expect(data[8]).toMatchObject({ description: 'gone' });
    expect(data.map(({ id }) => id)).toEqual(data.map(({ id }) => id).sort());

    expect((await transactions({ type: 'consumption' })).data).toHaveLength(3);
    expect((await transactions({ type: 'debt' })).data).toHaveLength(1);
    expect((await transactions({ grantId: 'g2' })).data).toHaveLength(3);
    expect((await transactions({ unit: 'other' })).data).toHaveLength(0);
    expect((await transactions({ fromDate: NOW, toDate: NOW + 1 })).data).toHaveLength(9);
    expect((await transactions({ fromDate: NOW + 1 })).data).toHaveLength(0);
    expect((await transactions({ toDate: NOW })).data).toHaveLength(0);
  });

  test('show a grant as its own facts and the time make it', async () => {
    const segments = { parentId: 'p', effectiveAt: NOW + DAY, expiresAt: NOW + 2 * DAY };
    await ledger.write('c', grant('g1', 10n, { expiresAt: NOW + DAY, applicationType: 'usage' }));
    await ledger.write('c', grant('p.1', 1n, segments));
    await ledger.write('c', grant('p.2', 2n, { parentId: 'p', effectiveAt: NOW + 2 * DAY }));
    await ledger.write('c', consume('con_1', 4n));
    await ledger.write('c', grant('g4', 3n));
    await ledger.write('c', revoke('g4', 'a mistake'));
    await ledger.caughtUp(models);

    expect((await findGrant('g1')).data).toMatchObject({
      customerId: 'c',
      initialAmount: '10',
      remainingAmount: '6',
      heldAmount: '0',
      status: 'ACTIVE',
    });
    expect((await findGrant('g1', NOW + DAY - 1)).data).toMatchObject({ status: 'ACTIVE' });
    expect((await findGrant('g1', NOW + DAY)).data).toMatchObject({
      status: 'EXPIRED',
      remainingAmount: '0',
    });
    expect((await findGrant('g4')).data).toMatchObject({ status: 'REVOKED', notes: 'a mistake' });
    expect((await findGrant('p')).data).toMatchObject({
      id: 'p',
      status: 'SCHEDULED',
      initialAmount: '3',
      segments: [{ id: 'p.1' }, { id: 'p.2' }],
    });
    expect(await findGrant('nope')).toEqual({ data: null, position: await ledger.eventStore.head() });

    for (const now of [NOW, NOW + DAY - 1, NOW + DAY, NOW + 2 * DAY, NOW + 3 * DAY]) {
      const all = (await grants({}, everything, now)).data;
      expect(all.map(({ id }) => id)).toEqual(['g1', 'p.1', 'p.2', 'g4']);
      for (const status of ['ACTIVE', 'SCHEDULED', 'DEPLETED', 'EXPIRED', 'REVOKED'] as const)
        expect((await grants({ status }, everything, now)).data).toEqual(
          all.filter((one) => one.status === status),
        );
    }
    expect((await grants({ applicationType: 'usage' })).data.map(({ id }) => id)).toEqual(['g1']);
    expect(await models.locateGrant('t', 'g4')).toEqual({ customerId: 'c' });
    expect(await models.locateGrant('t', 'p')).toEqual({ customerId: 'c' });
    expect(await models.locateGrant('other', 'g4')).toBeNull();
    expect(await models.locateGrant('t', 'nope')).toBeNull();
  });

  test('tell the balance of an instant, whether what happened by then is recorded or not', async () => {
    await ledger.write('c', grant('g1', 10n, { expiresAt: NOW + DAY }));
    await ledger.write('c', grant('g2', 5n, { expiresAt: NOW + DAY }));
    await ledger.write('c', grant('g3', 2n, { effectiveAt: NOW + DAY, expiresAt: NOW + 3 * DAY }));
    await ledger.write('c', grant('g4', 1n));
    await ledger.write('c', grant('u', 9n, { unit: 'USD' }));
    await ledger.caughtUp(models);
    const at = async (now: number) => (await balances('c', now, 'calls')).balances[0];

    const expiry = { at: formatInstant(NOW + DAY), amount: '15' };
    expect(await at(NOW)).toEqual({
      unit: 'calls',
      ledger: '16',
      held: '0',
      debt: '0',
      available: '16',
      scheduled: '2',
      nextExpiry: expiry,
      grants: 3,
    });
    expect(await at(NOW + DAY - 1)).toMatchObject({ ledger: '16', scheduled: '2', grants: 3 });
    const after = {
      ledger: '3',
      scheduled: '0',
      grants: 2,
      nextExpiry: { at: formatInstant(NOW + 3 * DAY), amount: '2' },
    };
    expect(await at(NOW + DAY)).toMatchObject(after);
    ledger.clock.now = NOW + DAY;
    await ledger.write('c', settle);
    await ledger.caughtUp(models);
    expect(await at(NOW + DAY)).toMatchObject(after);
    expect(await at(NOW + 3 * DAY)).toMatchObject({ ledger: '1', nextExpiry: null, grants: 1 });
    const both = await balances();
    expect(both).toMatchObject({
      customerId: 'c',
      at: formatInstant(NOW + DAY),
      position: Number(await ledger.eventStore.head()),
    });
    expect(both.balances.map(({ unit }) => unit)).toEqual(['USD', 'calls']);
    expect((await balances('nobody')).balances).toEqual([]);
  });

  test('ask for settling when a grant has begun that may owe what it has', async () => {
    await ledger.write('c', consume('con_1', 4n, { onShortage: 'pending' }));
    await ledger.write('c', grant('g', 10n, { effectiveAt: NOW + DAY }));
    await ledger.caughtUp(models);
    expect(await balances('c', NOW)).not.toHaveProperty('needsSettling');
    expect(await balances('c', NOW + DAY)).toHaveProperty('needsSettling', true);
    ledger.clock.now = NOW + DAY;
    await ledger.write('c', settle);
    await ledger.caughtUp(models);
    const settled = await balances();
    expect(settled).not.toHaveProperty('needsSettling');
    expect(settled.balances[0]).toMatchObject({ ledger: '6', debt: '0', scheduled: '0' });
  });

  test('give consumptions and usage back', async () => {
    await ledger.write('c', grant('g', 10n));
    await ledger.write('c', consume('con_1', 4n, usageOf('evt_1')));
    await ledger.write('c', consume('con_2', 40n, usageOf('evt_2')));
    await ledger.write('c', consume('con_3', 1n));
    ledger.clock.now = NOW + 10;
    await ledger.write('d', (now) => ({
      type: 'RecordUsage',
      now,
      effectiveAt: now,
      ...usageOf('evt_4', 'seats'),
    }));
    await ledger.caughtUp(models);
    const find = (id: string) =>
      new FindConsumptionHandler(ledger.pool).execute(new FindConsumption('t', id));
    expect((await find('con_1')).data).toMatchObject({ customerId: 'c', status: 'consumed', consumed: '4' });
    expect((await find('con_2')).data).toMatchObject({ status: 'refused', availableAfter: '6' });
    expect((await find('con_3')).data).toMatchObject({ status: 'consumed' });
    expect((await find('evt_4')).data).toBeNull();

    const list = async (filters = {}) =>
      (await new ListUsageHandler(ledger.pool).execute(new ListUsage('t', filters, everything))).data.map(
        ({ id }) => id,
      );
    expect(await list()).toEqual(['evt_1', 'evt_2', 'evt_4']);
    expect(await list({ customerId: 'c' })).toEqual(['evt_1', 'evt_2']);
    expect(await list({ eventName: 'seats' })).toEqual(['evt_4']);
    expect(await list({ from: NOW + 10 })).toEqual(['evt_4']);
    expect(await list({ to: NOW + 10 })).toEqual(['evt_1', 'evt_2']);
  });
});
