import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { customers, units } from '#libs/commands/catalog';
import type { InvoiceCommand } from '#libs/billing';
import { invoiceNumbers, invoices, subscriptionBilling } from '#libs/commands/invoices';
import { subscriptions } from '#libs/commands/subscriptions';
import { openEventStoreDb } from '#libs/event-store/eventstoredb';
import { openPostgresEventStore } from '#libs/event-store/postgres';
import { DAY } from '#libs/kernel';
import { PROJECTIONS, READ_MODEL_NAMES, verifyLedger, type Verification } from '#libs/read-models';
import { appendEvent } from '../support/append-event.js';
import { draw, fixed, source, usage, usageComponent } from '../support/billing-world.js';
import { beginning } from '../support/invoice-world.js';
import type { TestDatabase } from '../support/postgres.js';
import { terms } from '../support/subscription-facts.js';
import { startProtocolServer } from '../support/eventstoredb/start.js';
import {
  begin,
  consume,
  context,
  givenLedger,
  grant,
  hold,
  NOW,
  revoke,
  settle,
  type Ledger,
} from './given.js';

describe('verification', () => {
  const store = (connectionString: string) => openPostgresEventStore({ connectionString });
  let written: TestDatabase;
  let ledger: Ledger;
  beforeAll(async () => {
    ledger = await givenLedger({ store });
    for (const c of ['c1', 'c2', 'c3']) {
      await ledger.write(c, grant(`${c}-a`, 10n, { expiresAt: NOW + DAY }));
      await ledger.write(c, grant(`${c}-b`, 5n));
      await ledger.write(c, consume(`${c}-1`, 12n));
      await ledger.write(c, consume(`${c}-2`, 6n, { onShortage: 'pending' }));
      await ledger.write(c, grant(`${c}-d`, 9n, { expiresAt: NOW + DAY }));
      await ledger.write(c, grant(`${c}-e`, 2n));
      await ledger.write(c, revoke(`${c}-e`));
    }
    for (const h of ['h1', 'h2']) {
      await ledger.write(h, begin(`${h}-s`, 3n));
      await ledger.write(h, hold(`${h}-h`, 2n));
    }
    ledger.clock.now = NOW + DAY;
    await ledger.write('c1', settle);
    for (const [index, id] of ['d1', 'd2'].entries()) {
      const request = { context, operation: 'test', input: {} };
      await ledger.writer.execute(subscriptions, id, {
        ...request,
        command: (now) => ({
          type: 'Create' as const,
          now,
          subscriptionId: id,
          customerId: id,
          terms: terms('plan', { components: [usageComponent()] }),
        }),
      });
      await ledger.write(id, grant(`${id}-g`, 5n));
      const metered = { onShortage: 'overage' as const, context: { meterId: 'mtr_calls' } };
      await ledger.write(id, consume(`${id}-1`, 12n, metered));
      await ledger.write(id, consume(`${id}-2`, 3n, { ...metered, effectiveAt: NOW + 32 * DAY }));
      const invoiceId = `inv_${index + 1}`;
      const free = usageComponent({ unit_cost_cents: '0' });
      const of = { customerId: id, fromRevision: 1, throughRevision: 2, events: 1 };
      const [seal, finish] = beginning([
        fixed(1000),
        { ...usage(12, free, [draw(`${id}-g`, 5)]), sources: [source(12, of)] },
      ]);
      await ledger.writer.execute(subscriptionBilling, id, {
        ...request,
        command: () => ({
          type: 'CloseCharges' as const,
          closing: {
            number: 1,
            at: '2026-01-01T00:00:00.000Z',
            subscriptionRevision: 1,
            accounts: [{ customerId: id, throughRevision: 2, openFrom: 2 }],
            invoices: [{ invoiceId, currency: 'EUR' }],
          },
        }),
      });
      const sealed = { ...seal, invoiceId } as InvoiceCommand;
      await ledger.writer.execute(invoices, invoiceId, { ...request, command: () => sealed });
      await ledger.writer.execute(invoiceNumbers, 'ACME', {
        ...request,
        command: () => ({ type: 'TakeNumbers' as const, ids: [invoiceId], after: index }),
      });
      const finalized = { ...finish, number: `ACME-00${index + 1}` };
      await ledger.writer.execute(invoices, invoiceId, { ...request, command: () => finalized });
      await ledger.writer.execute(customers, id, {
        ...request,
        command: (now) => ({ type: 'Create' as const, id, attributes: { name: id }, now }),
      });
      await ledger.writer.execute(units, id, {
        ...request,
        command: (now) => ({
          type: 'Create' as const,
          id,
          attributes: { code: id, kind: 'custom' as const, scale: 2 },
          now,
        }),
      });
    }
    await ledger.caughtUp(await ledger.project());
    written = await ledger.leave();
  });
  afterAll(() => written.drop());
  beforeEach(async () => {
    ledger = await givenLedger({ store, like: written });
    ledger.clock.now = NOW + DAY;
  });
  afterEach(() => ledger.close());

  const verify = () => verifyLedger({ eventStore: ledger.eventStore, pool: ledger.pool });
  const sql = (text: string) => ledger.pool.query(text);
  /** Changes what stands in the log, as only its operator could. */
  const tamper = async (text: string) => {
    await sql('alter table event_store.events disable trigger never_changed');
    await sql(text);
    await sql('alter table event_store.events enable always trigger never_changed');
  };
  /** Checks that found something, each with its count and the position of the first. */
  const found = ({ checks }: Verification) =>
    checks
      .filter(({ faults }) => faults > 0)
      .map(({ name, faults, first }) => [name, faults, first!.position && Number(first!.position)]);
  const positionOf = async (stream: string, revision: number): Promise<number> =>
    Number(
      (
        await ledger.pool.query<{ position: string }>(
          'select position from event_store.events where stream = $1 and revision = $2',
          [`creditAccount-t_${stream}`, revision],
        )
      ).rows[0]!.position,
    );

  test('finds nothing where nothing is wrong, whatever is written meanwhile', async () => {
    const head = await ledger.eventStore.head();
    await ledger.project();
    const [result] = await Promise.all([
      verify(),
      (async () => {
        for (let n = 0; n < 20; n++)
          await ledger.write('c9', n === 0 ? grant('g', 100n) : consume(`n${n}`, 1n));
      })(),
    ]);
    expect(result).toMatchObject({ faults: [], differences: [], faultCount: 0, differenceCount: 0 });
    expect(result.eventsChecked).toBeGreaterThanOrEqual(Number(head));
    expect(result.streams).toBeGreaterThanOrEqual(3);
    expect(Object.keys(result.comparedAt)).toEqual(READ_MODEL_NAMES);
    expect(result.checks.map(({ name }) => name)).toEqual([
      'positions',
      'hash chains',
      'payloads',
      'balances',
      'invoices',
      'usage',
      ...READ_MODEL_NAMES.map((name) => `read model ${name}`),
    ]);
    for (const { checked, faults, first } of result.checks) {
      expect(checked).toBeGreaterThan(0);
      expect([faults, first]).toEqual([0, null]);
    }
  });

  test('finds an invoice that does not add up, and a gap in the numbers', async () => {
    await tamper(`update event_store.events set data = replace(data::text, '"total":"1190"', '"total":"1189"')::json
      where type = 'InvoiceFinalized' and data::text like '%inv_1%'`);
    await tamper(`update event_store.events set data = replace(data::text, '"first":2', '"first":3')::json
      where type = 'NumbersTaken'`);
    const { checks, faults } = await verify();
    expect(checks.find(({ name }) => name === 'invoices')).toMatchObject({ faults: 3 });
    expect(faults.filter(({ check }) => check === 'invoices').map(({ reason }) => reason)).toEqual([
      'the total is 1189, its lines come to 1190',
      'number 3 follows 1',
      'inv_2 is ACME-002, its series says ACME-003',
    ]);
  });

  test('finds a line that is not its usage', async () => {
    await tamper(`update event_store.events set data = replace(data::text, '"end":"2026-02-01T', '"end":"2026-03-01T')::json
      where type = 'InvoiceFinalized' and data::text like '%inv_1%'`);
    const { checks, faults, differences } = await verify();
    expect(faults.filter(({ check }) => check === 'usage')).toEqual([
      expect.objectContaining({
        stream: 'invoice-t_inv_1',
        reason: 'line 2 has 1 of 12 by d1, the account 2 of 15',
      }),
      expect.objectContaining({ reason: 'line 2 charges 12, the accounts have 15' }),
    ]);
    expect(checks.find(({ name }) => name === 'usage')).toMatchObject({
      checked: 4,
      of: 'usages',
      faults: 2,
    });
    expect(differences).toContainEqual(expect.objectContaining({ readModel: 'invoices', key: 'inv_1/2' }));
  });

  test('compares at the position the rows reflect, not at the end of the log', async () => {
    await ledger.write('c2', grant('later', 7n));
    const result = await verify();
    expect(result).toMatchObject({ faultCount: 0, differenceCount: 0 });
    expect(BigInt(result.eventsChecked)).toBe(await ledger.eventStore.head());
    expect(result.comparedAt['grants']).toBeLessThan(await ledger.eventStore.head());
  });

  test.each([
    [
      `update read_models.balances set balance = balance + 1 where customer_id = 'c2'`,
      'balances',
      'balance',
      'calls',
    ],
    [`update read_models.balances set debt = 1 where customer_id = 'c2'`, 'balances', 'debt', 'calls'],
    [`delete from read_models.balances where customer_id = 'c2'`, 'balances', 'row', 'calls'],
    [`update read_models.grants set remaining = 9 where grant_id = 'c2-d'`, 'grants', 'remaining', 'c2-d'],
    [
      `update read_models.grants set ended_as = 'depleted' where grant_id = 'c2-e'`,
      'grants',
      'ended_as',
      'c2-e',
    ],
    [
      `insert into read_models.grants select tenant, 'ghost', customer_id, parent_id, unit, data, application_type, 0, held,
         ended_as, void_notes, activated, effective_at, expires_at, priority, position
       from read_models.grants where grant_id = 'c2-e'`,
      'grants',
      'row',
      'ghost',
    ],
  ])('finds a wrong row: %s', async (change, readModel, member, key) => {
    await sql(change);
    const { faults, differences } = await verify();
    expect(faults).toEqual([]);
    expect(differences).toEqual([
      expect.objectContaining({ readModel, member, key, customerId: 'c2', tenant: 't' }),
    ]);
  });

  test.each(PROJECTIONS.map(({ name, tables }) => [name, `read_models.${tables[0]!.name}`] as const))(
    'finds a row of %s that was changed, moved, deleted or added',
    async (name, table) => {
      const some = `from ${table} order by position limit 1 offset 1`;
      await sql(`create table was as select * from ${table}`);
      const { rows } = await ledger.pool.query<{ position: string; count: number; first: string }>(
        `select position, (select count(*)::int from was) as count, (select min(position) from was) as first ${some}`,
      );
      const position = Number(rows[0]!.position);
      const other = ['catalog', 'customers'].includes(name) ? `tenant = 'x', stream = 'x'` : `tenant = 'x'`;
      const moved = name === 'transactions' ? 2 : 1; // its position is in its key
      for (const [change, differences, at] of [
        [`update ${table} set tenant = 'x' where ctid = (select ctid ${some})`, 2, position],
        [
          `update ${table} set position = position + 1000 where ctid = (select ctid ${some})`,
          moved,
          position,
        ],
        [`delete from ${table} where ctid = (select ctid ${some})`, 1, position],
        [
          `create table one as select * ${some}; update one set ${other}; insert into ${table} select * from one; drop table one`,
          1,
          position,
        ],
        [`delete from ${table}`, rows[0]!.count, Number(rows[0]!.first)],
      ] as const) {
        await sql(change);
        const result = await verify();
        expect([change, found(result)]).toEqual([change, [[`read model ${name}`, differences, at]]]);
        await sql(`delete from ${table}; insert into ${table} select * from was`);
      }
      expect(found(await verify())).toEqual([]);
    },
  );

  test('finds columns that no sum shows', async () => {
    await sql(`update read_models.grants set data = '{}', priority = 7 where grant_id = 'c2-d'`);
    const { differences } = await verify();
    expect(differences).toEqual([
      expect.objectContaining({ readModel: 'grants', key: 'c2-d', member: 'data, priority', found: '{}, 7' }),
    ]);
  });

  test('finds an event that was changed afterwards', async () => {
    const position = await positionOf('c2', 2);
    await tamper(
      `update event_store.events set data = replace(data::text, '"consumed":"12"', '"consumed":"11"')::json
       where position = ${position}`,
    );
    const result = await verify();
    expect(found(result)).toEqual([
      ['hash chains', 1, position],
      ['balances', 1, position],
      ['read model usage', 1, position],
    ]);
    expect(result.faults).toEqual([
      expect.objectContaining({
        check: 'hash chains',
        stream: 'creditAccount-t_c2',
        revision: 2,
        reason: 'the content does not match the hash',
      }),
      expect.objectContaining({ revision: 2, reason: expect.stringContaining('not what was requested') }),
    ]);
  });

  test.each([
    [
      'a byte of the metadata',
      `metadata = replace(metadata::text, '"actor":"key_1"', '"actor":"key_2"')::json`,
    ],
    ['metadata that are none', `metadata = 'null'`],
    ['data that are none', `data = '[]'`],
    ['the type', `type = 'UsageRecorded'`],
    ['the id', `id = gen_random_uuid()`],
  ])('finds a change of %s, at its place', async (_, set) => {
    const position = await positionOf('c2', 3);
    await tamper(`update event_store.events set ${set} where position = ${position}`);
    expect(found(await verify())).toContainEqual(['hash chains', expect.any(Number), position]);
  });

  test('finds an event that was removed', async () => {
    const [position, next] = [await positionOf('c2', 1), await positionOf('c2', 2)];
    await tamper(`delete from event_store.events where position = ${position}`);
    const result = await verify();
    expect(found(result).slice(0, 3)).toEqual([
      ['positions', 2, position + 1],
      ['hash chains', 1, next],
      ['balances', 1, next],
    ]);
    const reasons = result.faults.map(({ reason }) => reason);
    expect(reasons).toContain(`position ${position + 1} follows ${position - 1}`);
    expect(reasons).toContain('revision 2 follows 0');
    expect(reasons).toContainEqual(expect.stringContaining('history contradicts itself'));
    // what cannot be derived any more is said of each read model, up to where it could be
    expect(result.differences).toContainEqual(
      expect.objectContaining({ readModel: 'grants', position: BigInt(next), member: 'all rows' }),
    );
  });

  test('finds that the last event of a stream was removed, and that the last of the log was', async () => {
    const position = await positionOf('c2', 7);
    await tamper(`delete from event_store.events where position = ${position}`);
    expect(found(await verify())).toEqual(
      expect.arrayContaining([
        ['positions', 1, position + 1],
        ['read model transactions', 1, position],
        ['read model grants', 1, expect.any(Number)],
      ]),
    );
    const end = Number(await ledger.eventStore.head());
    await tamper(`delete from event_store.events where position = ${end}`);
    const result = await verify();
    expect(found(result)).toContainEqual(['positions', 2, position + 1]);
    expect(result.faults.at(-1)).toMatchObject({
      check: 'positions',
      position: BigInt(end - 1),
      reason: `the log ends at position ${end - 1}, its head stands at ${end}`,
    });
  });

  test('finds read models ahead of a log whose end was cut off together with its head', async () => {
    const end = Number(await ledger.eventStore.head());
    await tamper(`delete from event_store.events where position > ${end - 2}`);
    await sql(`update event_store.log_head set position = ${end - 2}`);
    const result = await verify();
    expect(result.faults).toEqual([]);
    expect(result.differences).toContainEqual(
      expect.objectContaining({ readModel: 'usage', member: 'position', found: String(end) }),
    );
    expect(found(result)).toContainEqual(['read model catalog', 2, end]);
  });

  test('finds an event that was inserted', async () => {
    const end = Number(await ledger.eventStore.head());
    await tamper(
      `insert into event_store.events
       select ${end + 1}, stream, revision + 1, gen_random_uuid(), type, data, metadata from event_store.events
       where position = ${await positionOf('c3', 7)}`,
    );
    await sql(`update event_store.log_head set position = position + 1`);
    expect(found(await verify())).toEqual(expect.arrayContaining([['hash chains', 1, end + 1]]));
  });

  test('finds two events that changed places', async () => {
    const [a, b] = [await positionOf('c2', 2), await positionOf('c2', 3)];
    const swap = (column: string, [x, y]: readonly [number, number], where: string) =>
      tamper(
        `update event_store.events set ${column} = -1 where ${column} = ${x} and ${where};
         update event_store.events set ${column} = ${x} where ${column} = ${y} and ${where};
         update event_store.events set ${column} = ${y} where ${column} = -1 and ${where}`,
      );
    await swap('position', [a, b], 'true');
    expect(found(await verify())).toEqual(
      expect.arrayContaining([
        ['positions', 3, a],
        ['hash chains', 3, a],
      ]),
    );
    await swap('revision', [2, 3], `stream = 'creditAccount-t_c2'`);
    expect(found(await verify())).toEqual(expect.arrayContaining([['hash chains', 3, a]]));
    await swap('revision', [2, 3], `stream = 'creditAccount-t_c2'`);
    await swap('position', [a, b], 'true');
    expect(found(await verify())).toEqual([]);
    // of two streams: each chain is whole, the rows know
    const last = await positionOf('c2', 7);
    await swap('position', [last, last + 1], 'true');
    const result = await verify();
    expect(result.faults).toEqual([]);
    expect(found(result)).toEqual(
      expect.arrayContaining([['read model transactions', expect.any(Number), last]]),
    );
  });

  test('finds a changed position', async () => {
    const end = Number(await ledger.eventStore.head());
    await tamper(`update event_store.events set position = ${end + 5} where position = ${end}`);
    const result = await verify();
    expect(found(result)).toContainEqual(['positions', 2, end + 5]);
  });

  test('finds what it does not know, at its position, and goes on', async () => {
    const given = [
      { stream: 'creditAccount-t_c2', type: 'GrantExpired', schemaVersion: 3 },
      { stream: 'claim-t_x', type: 'Seized', schemaVersion: 1 },
      { stream: 'parcel-t_x', type: 'Anything' },
    ];
    const positions: bigint[] = [];
    for (const event of given) positions.push(await appendEvent(ledger.eventStore, event));
    const { faults } = await verify();
    expect(faults).toEqual([
      {
        check: 'payloads',
        stream: 'creditAccount-t_c2',
        revision: 8,
        position: positions[0],
        reason: expect.stringContaining('unknown event: GrantExpired, version 3'),
      },
      {
        check: 'payloads',
        stream: 'claim-t_x',
        revision: 0,
        position: positions[1],
        reason: expect.stringContaining('unknown event: Seized'),
      },
    ]);
  });

  test('finds a forged balance although its chain is whole', async () => {
    const stream = 'creditAccount-t_forged';
    const data = {
      grantId: 'f',
      unit: 'calls',
      amount: '5',
      effectiveAt: new Date(NOW).toISOString(),
      issuedAt: new Date(NOW).toISOString(),
      priority: 50,
      category: 'paid',
      source: 'manual',
      kind: 'prepaid',
      scope: 'merchant',
      costBasis: '0',
      balanceAfter: '50',
    };
    await appendEvent(ledger.eventStore, { stream, type: 'GrantIssued', data, schemaVersion: 1 });
    await ledger.caughtUp(await ledger.project());
    const { faults, differences } = await verify();
    expect(faults).toEqual([
      expect.objectContaining({ stream, reason: 'balanceAfter is 50, what follows is 5' }),
    ]);
    expect(differences).toEqual([
      expect.objectContaining({ readModel: 'balances', expected: '5', found: '50' }),
    ]);
  });
});

test('verification of a log in EventStoreDB, whose positions have gaps', async () => {
  const server = await startProtocolServer();
  const ledger = await givenLedger({ store: () => openEventStoreDb({ connectionString: server.url }) });
  try {
    for (const c of ['c1', 'c2']) {
      await ledger.write(c, grant(`${c}-a`, 10n));
      await ledger.write(c, consume(`${c}-1`, 12n, { onShortage: 'pending' }));
    }
    await ledger.caughtUp(await ledger.project());
    const verify = () => verifyLedger({ eventStore: ledger.eventStore, pool: ledger.pool });
    const { checks, eventsChecked } = await verify();
    expect(eventsChecked).toBe(4);
    expect(checks.filter(({ faults }) => faults > 0)).toEqual([]);
    await ledger.pool.query(`update read_models.usage set data = '{}' where customer_id = 'c2'`);
    const [last] = (await ledger.eventStore.readAll(null, 10)).events.slice(3);
    expect((await verify()).differences).toEqual([
      expect.objectContaining({ readModel: 'usage', member: 'data', position: last!.position }),
    ]);
  } finally {
    await ledger.close();
    await server.kill();
  }
});
