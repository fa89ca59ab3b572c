import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type pg from 'pg';
import { apiKeys, type ApiKeyCommand, type StreamKind } from '#libs/commands';
import { customers, features, meters, units } from '#libs/commands/catalog';
import type { DomainEvent } from '#libs/kernel';
import type { ReadModels } from '#libs/read-models';
import {
  createCatalogQueries,
  CustomerBalances,
  CustomerBalancesHandler,
  CustomerGrants,
  CustomerGrantsHandler,
  CustomerTransactions,
  CustomerTransactionsHandler,
  FindCatalog,
  FindCatalogHandler,
  FindConsumption,
  FindConsumptionHandler,
  FindCustomer,
  FindCustomerHandler,
  FindGrant,
  FindGrantHandler,
  ListCatalog,
  ListCatalogHandler,
  ListCustomers,
  ListCustomersHandler,
  ListUsage,
  ListUsageHandler,
} from '#libs/read-models/queries';
import { allRows, context, givenLedger, NOW, type Ledger } from './given.js';

const everything = { limit: 100, cursor: null };

describe('the read models of the catalogue', () => {
  let ledger: Ledger;
  let models: ReadModels;
  beforeEach(async () => {
    ledger = await givenLedger();
    models = await ledger.project({ batchSize: 3 });
  });
  afterEach(() => ledger.close());

  const write = <State, Command, Event extends DomainEvent>(
    kind: StreamKind<State, Command, Event>,
    id: string,
    command: Command,
    tenant = 't',
  ) =>
    ledger.writer.execute(kind, id, {
      context: { ...context, tenant },
      operation: 'test',
      input: {},
      command: () => command,
    });
  const meter = { aggregation: 'sum', rate: '1', onShortage: 'overage' } as const;
  const customer = (id: string, attributes: object, tenant?: string) =>
    write(customers, id, { type: 'Create', id, attributes: { name: id, ...attributes }, now: NOW }, tenant);

  test('hold every object as its stream stands, whatever batches its events come in', async () => {
    await write(units, 'tok', {
      type: 'Create',
      id: 'tok',
      attributes: { code: 'tok', kind: 'custom', scale: 2 },
      now: NOW,
    });
    for (const [n, id] of ['m1', 'm2', 'm3'].entries())
      await write(meters, id, {
        type: 'Create',
        id,
        attributes: { ...meter, eventName: `e${n}`, unit: 'tok' },
        now: NOW,
      });
    await write(meters, 'm2', { type: 'Update', changes: { name: 'Second', rate: '2' }, now: NOW + 1 });
    await write(meters, 'm2', { type: 'Archive', now: NOW + 2 });
    await write(meters, 'm3', { type: 'Update', changes: { name: 'Third' }, now: NOW + 1 });
    await write(meters, 'm3', { type: 'Update', changes: { name: null }, now: NOW + 2 });
    await write(features, 'f', {
      type: 'Create',
      id: 'f',
      attributes: { slug: 'api', displayName: 'API', featureValue: true, featureType: 'boolean' } as never,
      now: NOW,
    });
    await ledger.caughtUp(models);

    const find = async (kind: 'meter' | 'unit' | 'feature', id: string, tenant = 't') =>
      (await new FindCatalogHandler(ledger.pool).execute(new FindCatalog(tenant, kind, id))).data;
    expect(await find('meter', 'm2')).toMatchObject({
      id: 'm2',
      eventName: 'e1',
      name: 'Second',
      rate: '2',
      status: 'archived',
      updatedAt: new Date(NOW + 2).toISOString(),
    });
    expect(await find('meter', 'm3')).not.toHaveProperty('name');
    expect(await find('unit', 'tok')).toMatchObject({ code: 'tok', scale: 2, isActive: true });
    expect(await find('meter', 'm2', 'other')).toBeNull();
    expect(await find('feature', 'm2')).toBeNull();

    const list = async (kind: 'meter' | 'unit' | 'feature', filters = {}) =>
      (
        await new ListCatalogHandler(ledger.pool).execute(new ListCatalog('t', kind, filters, everything))
      ).data.map(({ id }) => id);
    expect(await list('meter')).toEqual(['m1', 'm2', 'm3']);
    expect(await list('meter', { eventName: 'e2' })).toEqual(['m3']);
    expect(await list('unit', { kind: 'custom' })).toEqual(['tok']);
    expect(await list('unit', { kind: 'usage' })).toEqual([]);
    expect(await list('feature', { slug: 'api' })).toEqual(['f']);
    await expect(list('meter', { nonsense: 'x' })).rejects.toThrow('nonsense');

    const rows = await allRows(ledger.pool);
    for (const back of [0, 4, 6]) {
      await models.close();
      await ledger.pool.query(
        `update read_models.checkpoints set position = $1::bigint, checkpoint = nullif($1::text, '0')`,
        [back],
      );
      models = await ledger.project();
      await ledger.caughtUp(models);
      expect(await allRows(ledger.pool)).toEqual(rows);
    }
  });

  test('hold customers, by their ids and the callers’ own', async () => {
    await customer('c1', { externalCustomerId: 'ext-1', email: 'a@example.org' });
    await customer('c2', {});
    await customer('a:b@c', {});
    await customer('c1', { externalCustomerId: 'ext-1' }, 'other');
    await write(customers, 'c1', { type: 'Update', changes: { externalCustomerId: 'ext-2' }, now: NOW + 1 });
    await ledger.caughtUp(models);
    const find = async (id: string, external: boolean, tenant = 't') =>
      (await new FindCustomerHandler(ledger.pool).execute(new FindCustomer(tenant, id, external))).data?.[
        'id'
      ];
    expect(await find('c1', false)).toBe('c1');
    expect(await find('ext-2', true)).toBe('c1');
    expect(await find('ext-1', true)).toBeUndefined();
    expect(await find('ext-1', true, 'other')).toBe('c1');
    expect(await find('a:b@c', false)).toBe('a:b@c');

    const queries = createCatalogQueries(models);
    const minPosition = await ledger.eventStore.head();
    expect(await queries.get('t', 'customer', 'c1', { minPosition })).toMatchObject({
      data: { id: 'c1', externalCustomerId: 'ext-2', name: 'c1' },
      position: minPosition,
    });
    expect(await queries.get('t', 'customer', 'nobody')).toBeNull();
    const first = await queries.list('t', 'customer', {}, { limit: 2, cursor: null });
    await customer('c4', {});
    await ledger.caughtUp(models);
    const second = await queries.list('t', 'customer', {}, { limit: 2, cursor: first.nextCursor });
    expect([...first.data, ...second.data].map(({ id }) => id)).toEqual(['c1', 'c2', 'a:b@c', 'c4']);
    expect(second.nextCursor).toBeNull();
    await expect(queries.list('t', 'customer', {}, { limit: 2, cursor: 'x' })).rejects.toMatchObject({
      code: 'invalid_query_parameter',
    });
  });

  test('show an API key to the tenant and environment it opens, and nothing secret of it', async () => {
    const key = (id: string, environment: 'live' | 'test'): ApiKeyCommand => ({
      type: 'Create',
      now: NOW,
      key: {
        id,
        tenant: 't',
        environment,
        kind: 'secret',
        name: id,
        prefix: `sk_${environment}_ab`,
        hash: 'f00d',
      },
    });
    await write(apiKeys, 'key_1', key('key_1', 'live'), 'system');
    await write(apiKeys, 'key_2', key('key_2', 'test'), 'system');
    await write(apiKeys, 'key_2', { type: 'Revoke', now: NOW + 5 }, 'system');
    await ledger.caughtUp(models);
    const list = async (tenant: string) =>
      (await new ListCatalogHandler(ledger.pool).execute(new ListCatalog(tenant, 'apiKey', {}, everything)))
        .data;
    expect(await list('t')).toEqual([expect.objectContaining({ id: 'key_1', revokedAt: null })]);
    expect(await list('t.test')).toEqual([
      expect.objectContaining({ id: 'key_2', revokedAt: new Date(NOW + 5).toISOString() }),
    ]);
    expect(await list('system')).toEqual([]);
    expect(JSON.stringify(await allRows(ledger.pool))).not.toContain('f00d');
  });

  test('and every other are read through an index', async () => {
    const page = { limit: 10, cursor: null };
    const later = { limit: 10, cursor: '5' };
    const reads: readonly ((pool: pg.Pool) => Promise<unknown>)[] = [
      (pool) => new CustomerBalancesHandler(pool).execute(new CustomerBalances('t', 'c', { unit: 'u' }, NOW)),
      (pool) => new CustomerGrantsHandler(pool).execute(new CustomerGrants('t', 'c', {}, later, NOW)),
      (pool) =>
        new CustomerGrantsHandler(pool).execute(
          new CustomerGrants('t', 'c', { status: 'ACTIVE' }, page, NOW),
        ),
      (pool) => new FindGrantHandler(pool).execute(new FindGrant('t', 'g', NOW)),
      (pool) => new CustomerTransactionsHandler(pool).execute(new CustomerTransactions('t', 'c', {}, page)),
      (pool) =>
        new CustomerTransactionsHandler(pool).execute(
          new CustomerTransactions('t', 'c', { type: 'void' }, page),
        ),
      (pool) =>
        new CustomerTransactionsHandler(pool).execute(
          new CustomerTransactions('t', 'c', { grantId: 'g' }, page),
        ),
      (pool) => new ListUsageHandler(pool).execute(new ListUsage('t', {}, later)),
      (pool) => new ListUsageHandler(pool).execute(new ListUsage('t', { customerId: 'c' }, page)),
      (pool) => new ListUsageHandler(pool).execute(new ListUsage('t', { eventName: 'e' }, page)),
      (pool) => new FindConsumptionHandler(pool).execute(new FindConsumption('t', 'con')),
      (pool) => new FindCustomerHandler(pool).execute(new FindCustomer('t', 'c')),
      (pool) => new FindCustomerHandler(pool).execute(new FindCustomer('t', 'c', true)),
      (pool) => new ListCustomersHandler(pool).execute(new ListCustomers('t', {}, page)),
      (pool) => new FindCatalogHandler(pool).execute(new FindCatalog('t', 'plan', 'p')),
      (pool) => new ListCatalogHandler(pool).execute(new ListCatalog('t', 'price', { planId: 'p' }, page)),
    ];
    const client = await ledger.pool.connect();
    await client.query('set enable_seqscan = off');
    for (const read of reads) {
      let plan = '';
      const explaining = {
        query: async ({ text, values }: pg.QueryConfig) => {
          const { rows } = await client.query<string[]>({
            text: `explain ${text}`,
            values: values!,
            rowMode: 'array',
          });
          plan += rows.flat().join('\n');
          return { rows: [] };
        },
      };
      await read(explaining as unknown as pg.Pool);
      expect(plan).toMatch(/Index/);
      expect(plan).not.toMatch(/Seq Scan on (?!checkpoints)/);
    }
    client.release(true);
  });
});
