import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openPostgresEventStore } from '#libs/event-store/postgres';
import { DAY } from '#libs/kernel';
import { verifyLedger, type ReadModels } from '#libs/read-models';
import { appendEvent } from '../support/append-event.js';
import { consume, givenLedger, grant, NOW, revoke, settle, type Ledger } from './given.js';

describe('verification', () => {
  let ledger: Ledger;
  let models: ReadModels;
  beforeEach(async () => {
    ledger = await givenLedger({ store: (url) => openPostgresEventStore({ connectionString: url }) });
    for (const c of ['c1', 'c2', 'c3']) {
      await ledger.write(c, grant(`${c}-a`, 10n, { expiresAt: NOW + DAY }));
      await ledger.write(c, grant(`${c}-b`, 5n));
      await ledger.write(c, consume(`${c}-1`, 12n));
      await ledger.write(c, consume(`${c}-2`, 6n, { onShortage: 'pending' }));
      await ledger.write(c, grant(`${c}-d`, 9n, { expiresAt: NOW + DAY }));
      await ledger.write(c, grant(`${c}-e`, 2n));
      await ledger.write(c, revoke(`${c}-e`));
    }
    ledger.clock.now = NOW + DAY;
    await ledger.write('c1', settle);
    models = await ledger.project();
    await ledger.caughtUp(models);
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

  test('finds nothing where nothing is wrong, whatever is written meanwhile', async () => {
    const head = await ledger.eventStore.head();
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
    expect(Object.keys(result.comparedAt)).toEqual(['balances', 'grants', 'transactions']);
  });

  test('compares at the position the rows reflect, not at the end of the log', async () => {
    await models.close();
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

  test('finds a movement that is missing or changed', async () => {
    await sql(`delete from read_models.transactions where customer_id = 'c2' and type = 'debt'`);
    await sql(
      `update read_models.transactions set amount = amount - 1 where customer_id = 'c3' and type = 'void'`,
    );
    const { differences } = await verify();
    expect(differences.map(({ customerId, member, key }) => [customerId, member, key])).toEqual(
      expect.arrayContaining([
        ['c2', 'debt by movements', 'calls'],
        ['c3', 'sum of amounts', 'calls'],
        ['c3', 'sum of the grant', 'c3-e'],
      ]),
    );
    expect(differences).toHaveLength(3);
  });

  test('finds an event that was changed afterwards', async () => {
    await tamper(
      `update event_store.events set data = replace(data::text, '"consumed":"12"', '"consumed":"11"')::json
       where stream = 'creditAccount-t_c2' and revision = 2`,
    );
    const { faults } = await verify();
    expect(faults).toEqual([
      expect.objectContaining({
        stream: 'creditAccount-t_c2',
        revision: 2,
        reason: 'the content does not match the hash',
      }),
      expect.objectContaining({ revision: 2, reason: expect.stringContaining('not what was requested') }),
    ]);
  });

  test('finds an event that was removed', async () => {
    await tamper(`delete from event_store.events where stream = 'creditAccount-t_c2' and revision = 1`);
    const { faults } = await verify();
    expect(faults[0]).toMatchObject({ stream: 'creditAccount-t_c2', revision: 2 });
    expect(faults[0]!.reason).toContain('revision 2 follows 0');
    expect(faults[1]!.reason).toContain('history contradicts itself');
  });

  test('finds what it does not know, at its position, and goes on', async () => {
    const given = [
      { stream: 'creditAccount-t_c2', type: 'GrantExpired', schemaVersion: 3 },
      { stream: 'claim-t_x', type: 'Seized', schemaVersion: 1 },
      { stream: 'invoice-t_x', type: 'Anything' },
    ];
    const positions: bigint[] = [];
    for (const event of given) positions.push(await appendEvent(ledger.eventStore, event));
    const { faults } = await verify();
    expect(faults).toEqual([
      {
        stream: 'creditAccount-t_c2',
        revision: 8,
        position: positions[0],
        reason: expect.stringContaining('unknown event: GrantExpired, version 3'),
      },
      {
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
    await ledger.caughtUp(models);
    const { faults, differences } = await verify();
    expect(faults).toEqual([
      expect.objectContaining({ stream, reason: 'balanceAfter is 50, what follows is 5' }),
    ]);
    expect(differences).toEqual([
      expect.objectContaining({ readModel: 'balances', expected: '5', found: '50' }),
    ]);
  });
});
