import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { DAY, formatInstant, HOUR } from '#libs/kernel';
import type { CreditCommand, CreditEvent, RecordedConsumption } from '#libs/credits';
import type { ReadModels } from '#libs/read-models';
import {
  CustomerBalances,
  CustomerBalancesHandler,
  CustomerHolds,
  CustomerHoldsHandler,
  CustomerRenewals,
  CustomerRenewalsHandler,
  CustomerTransactions,
  CustomerTransactionsHandler,
  FindConsumption,
  FindConsumptionHandler,
  FindGrant,
  FindGrantHandler,
  FindHold,
  FindHoldHandler,
  FindSeries,
  FindSeriesHandler,
  ListUsage,
  ListUsageHandler,
} from '#libs/read-models/queries';
import { begin, consume, givenLedger, grant, hold, NOW, ONE, settle, type Ledger } from './given.js';

const everything = { limit: 1000, cursor: null };
type Command<Type extends CreditCommand['type']> = Extract<CreditCommand, { type: Type }>;

/** A command that comes to the clock's now. */
const ask =
  <Type extends CreditCommand['type']>(type: Type, rest: Omit<Command<Type>, 'type' | 'now'>) =>
  (now: number): CreditCommand =>
    ({ type, now, ...rest }) as unknown as CreditCommand;

const usageOf = (eventId: string, meterId = 'm1') => ({
  usage: { eventId, eventName: 'calls', meterId, value: '3' },
});
const recorded = (events: readonly CreditEvent[]): RecordedConsumption => ({
  event: events.find((event) => event.type === 'CreditsConsumed' || event.type === 'HoldCaptured')!,
  settlements: [],
});

describe('holds, reversals, amendments and renewals in the read models', () => {
  let ledger: Ledger;
  let models: ReadModels;
  beforeEach(async () => {
    ledger = await givenLedger();
    models = await ledger.project();
  });
  afterEach(() => ledger.close());

  const write = (...args: Parameters<Ledger['write']>) => ledger.write(...args);
  const rowsOf = async (filters = {}) => {
    await ledger.caughtUp(models);
    const query = new CustomerTransactions('t', 'c', filters, everything);
    return (await new CustomerTransactionsHandler(ledger.pool).execute(query)).data;
  };
  const movements = async (filters = {}) =>
    (await rowsOf(filters)).map(({ type, creditGrantId, amount, grantBalanceAfter, balanceAfter }) =>
      [type, creditGrantId, amount, grantBalanceAfter, balanceAfter].join(' '),
    );
  const grantNow = async (id: string) => {
    await ledger.caughtUp(models);
    const query = new FindGrant('t', id, ledger.clock.now);
    return (await new FindGrantHandler(ledger.pool).execute(query)).data;
  };
  const balancesAt = async (now = ledger.clock.now) => {
    await ledger.caughtUp(models);
    return new CustomerBalancesHandler(ledger.pool).execute(new CustomerBalances('t', 'c', {}, now));
  };
  const due = async () => {
    await ledger.caughtUp(models);
    const { rows } = await ledger.pool.query<{ due: string }>(
      `select kind || ' ' || id || ' ' || (extract(epoch from due_at) * 1000)::bigint - ${NOW} as due
       from read_models.schedules where open and due_at is not null order by 1`,
    );
    return rows.map((row) => row.due);
  };

  test('a hold leaves what remains, and comes back or is drawn', async () => {
    await write('c', grant('g1', 4n));
    await write('c', grant('g2', 6n));
    const placed = await write('c', hold('h1', 7n, { reference: 'order 1', expiresAt: NOW + HOUR }));
    expect(placed.at(-1)).toMatchObject({ type: 'HoldPlaced' });
    expect(await grantNow('g1')).toMatchObject({ remainingAmount: '0', heldAmount: '4', status: 'ACTIVE' });
    expect((await balancesAt()).balances).toEqual([
      expect.objectContaining({ ledger: '10', held: '7', available: '3', grants: 1 }),
    ]);
    expect(await due()).toEqual([`hold h1 ${HOUR}`]);
    expect(await models.locateHold('t', 'h1')).toEqual({ customerId: 'c', revision: 2 });
    expect(await models.locateHold('other', 'h1')).toBeNull();
    expect(await models.locateConsumption('t', 'h1')).toBeNull();

    await write(
      'c',
      ask('CaptureHold', { holdId: 'h1', amount: 5n * ONE, effectiveAt: NOW, ...usageOf('e1') }),
    );
    expect(await movements()).toEqual([
      'grant g1 4 4 4',
      'grant g2 6 6 10',
      'hold g1 -4 0 6',
      'hold g2 -3 3 3',
      'release g1 4 4 7',
      'capture g1 -4 0 3',
      'release g2 3 6 6',
      'capture g2 -1 5 5',
    ]);
    expect((await rowsOf()).slice(2).map(({ holdId, consumptionId }) => [holdId, consumptionId])).toEqual([
      ...[1, 2].map(() => ['h1', null]),
      ...[1, 2, 3, 4].map(() => ['h1', 'h1']),
    ]);
    expect(await due()).toEqual([]);
    expect(await grantNow('g1')).toMatchObject({ status: 'DEPLETED', heldAmount: '0' });
    expect(await models.locateConsumption('t', 'h1')).toEqual({ customerId: 'c', revision: 3 });
    const found = await new FindConsumptionHandler(ledger.pool).execute(new FindConsumption('t', 'h1'));
    expect(found.data).toMatchObject({
      id: 'h1',
      status: 'consumed',
      requested: '5',
      reversed: '0',
      allocations: [
        { grantId: 'g1', amount: '4' },
        { grantId: 'g2', amount: '1' },
      ],
    });
  });

  test('holds are found and listed by what they are now, recorded or not', async () => {
    await write('c', grant('g', 10n));
    await write('c', hold('h1', 1n, { expiresAt: NOW + HOUR }));
    await write('c', hold('h2', 2n));
    await write('c', hold('h3', 3n));
    await write('c', hold('h4', 40n));
    await write('c', ask('ReleaseHold', { holdId: 'h2' }));
    await write('c', ask('CaptureHold', { holdId: 'h3', effectiveAt: NOW }));
    await ledger.caughtUp(models);
    const list = async (filters = {}, now = NOW, page = everything) =>
      (
        await new CustomerHoldsHandler(ledger.pool).execute(new CustomerHolds('t', 'c', filters, page, now))
      ).data.map(({ id, status }) => `${id} ${status}`);
    expect(await list()).toEqual(['h1 held', 'h2 released', 'h3 captured']);
    for (const now of [NOW, NOW + HOUR - 1, NOW + HOUR])
      for (const status of ['held', 'captured', 'released', 'expired'] as const)
        expect(await list({ status }, now)).toEqual(
          (await list({}, now)).filter((one) => one.endsWith(status)),
        );
    expect(await list({ status: 'expired' }, NOW + HOUR)).toEqual(['h1 expired']);
    expect(await list({ unit: 'other' })).toEqual([]);
    const first = await new CustomerHoldsHandler(ledger.pool).execute(
      new CustomerHolds('t', 'c', {}, { limit: 2, cursor: null }, NOW),
    );
    expect(first.nextKey).not.toBeNull();
    expect(await list({}, NOW, { limit: 2, cursor: first.nextKey! } as never)).toEqual(['h3 captured']);
    const find = (id: string) => new FindHoldHandler(ledger.pool).execute(new FindHold('t', id, NOW));
    expect((await find('h3')).data).toMatchObject({ customerId: 'c', captured: '3', released: '0' });
    expect((await find('h4')).data).toBeNull();

    // its time is up, and only the account can say what comes back
    expect(await balancesAt(NOW + HOUR - 1)).not.toHaveProperty('needsSettling');
    expect(await balancesAt(NOW + HOUR)).toHaveProperty('needsSettling', true);
    ledger.clock.now = NOW + HOUR;
    await write('c', settle);
    expect(await balancesAt()).not.toHaveProperty('needsSettling');
    expect((await balancesAt()).balances[0]).toMatchObject({ ledger: '7', held: '0' });
  });

  test('what comes back to a grant that is over is lost at once', async () => {
    await write('c', grant('g', 10n, { expiresAt: NOW + DAY }));
    await write('c', hold('h', 4n));
    const [consumption] = [await write('c', consume('con', 5n))];
    ledger.clock.now = NOW + DAY;
    await write('c', settle);
    expect(await grantNow('g')).toMatchObject({ status: 'EXPIRED', heldAmount: '4' });
    await write('c', ask('ReleaseHold', { holdId: 'h' }));
    await write(
      'c',
      ask('ReverseConsumption', { reversalId: 'r', consumption: recorded(consumption), reason: 'wrong' }),
    );
    expect((await movements()).slice(-5)).toEqual([
      'expiration g -1 0 0',
      'release g 4 4 4',
      'expiration g -4 0 0',
      'reversal g 5 5 5',
      'expiration g -5 0 0',
    ]);
    expect(await grantNow('g')).toMatchObject({ status: 'EXPIRED', heldAmount: '0', remainingAmount: '0' });
    expect((await balancesAt()).balances[0]).toMatchObject({ ledger: '0', held: '0' });
  });

  test('a reversal is counted on its consumption, and a depleted grant opens again with its end', async () => {
    await write('c', grant('g', 10n, { expiresAt: NOW + DAY }));
    const all = await write('c', consume('con', 10n, usageOf('e1')));
    expect(await due()).toEqual([]);
    const reverse = (reversalId: string, amount: bigint) =>
      write(
        'c',
        ask('ReverseConsumption', {
          reversalId,
          consumption: recorded(all),
          amount: amount * ONE,
          reason: 'a mistake',
        }),
      );
    await reverse('r1', 4n);
    await reverse('r2', 1n);
    expect(await grantNow('g')).toMatchObject({ status: 'ACTIVE', remainingAmount: '5' });
    expect(await due()).toEqual([`expiry g ${DAY}`]);
    const found = await new FindConsumptionHandler(ledger.pool).execute(new FindConsumption('t', 'con'));
    expect(found.data).toMatchObject({ status: 'consumed', consumed: '10', reversed: '5' });
    expect(await rowsOf({ type: 'reversal' })).toEqual([
      expect.objectContaining({ amount: '4', consumptionId: 'con', description: 'a mistake' }),
      expect.objectContaining({ amount: '1', balanceAfter: '5' }),
    ]);
  });

  test('debt that is forgiven runs down beside the balance', async () => {
    await write('c', grant('g', 2n));
    const owed = await write('c', consume('con', 5n, { onShortage: 'pending' }));
    await write(
      'c',
      ask('ReverseConsumption', { reversalId: 'r', consumption: recorded(owed), reason: 'no' }),
    );
    expect(
      (await rowsOf()).map(({ type, amount, balanceAfter, debtAfter }) =>
        [type, amount, balanceAfter, debtAfter].join(' '),
      ),
    ).toEqual(['grant 2 2 0', 'consumption -2 0 0', 'debt -3 0 3', 'reversal 3 0 0', 'reversal 2 2 0']);
    expect((await balancesAt()).balances[0]).toMatchObject({ debt: '0', ledger: '2' });
  });

  test('an amended and edited grant shows what holds now, and what it was made', async () => {
    await write('c', grant('g', 10n, { expiresAt: NOW + DAY, name: 'Old', notes: 'gone soon' }));
    await write('c', grant('later', 1n, { effectiveAt: NOW + DAY }));
    const change = { amount: 15n * ONE, expiresAt: NOW + 2 * DAY, reason: 'more' };
    await write('c', ask('AmendGrant', { grantId: 'g', ...change }));
    await write('c', ask('AmendGrant', { grantId: 'later', effectiveAt: NOW + HOUR, expiresAt: NOW + DAY }));
    await write('c', ask('AdjustGrant', { grantId: 'g', amount: -3n * ONE, reason: 'slip', reference: 'x' }));
    const changes = { name: 'New', notes: null, priority: 7, metadata: { a: 'b' } };
    await write('c', ask('EditGrant', { grantId: 'g', changes }));
    expect(await grantNow('g')).toMatchObject({
      initialAmount: '15',
      remainingAmount: '12',
      expiryDate: formatInstant(NOW + 2 * DAY),
      name: 'New',
      notes: null,
      priority: 7,
      metadata: { a: 'b' },
      createdAt: formatInstant(NOW),
    });
    expect(await grantNow('later')).toMatchObject({
      startDate: formatInstant(NOW + HOUR),
      expiryDate: formatInstant(NOW + DAY),
    });
    expect(await due()).toEqual([`expiry g ${2 * DAY}`, `expiry later ${DAY}`, `start later ${HOUR}`]);
    expect(
      (await rowsOf({ type: 'adjustment' })).map((row) => [row.amount, row.description, row.reference]),
    ).toEqual([
      ['5', 'more', null],
      ['-3', 'slip', 'x'],
    ]);
    await write('c', ask('ExpireGrant', { grantId: 'g' }));
    expect(await rowsOf({ type: 'expiration' })).toEqual([
      expect.objectContaining({ amount: '-12', description: 'Expired by hand', balanceAfter: '1' }),
    ]);
    expect(await grantNow('g')).toMatchObject({ status: 'EXPIRED' });
    expect(await due()).toEqual([`expiry later ${DAY}`, `start later ${HOUR}`]);
  });

  test('a depleted grant of which something is held ends at its end', async () => {
    await write('c', grant('g', 5n));
    await write('c', hold('h', 3n));
    await write('c', consume('con', 2n));
    await write('c', ask('AmendGrant', { grantId: 'g', expiresAt: NOW + DAY }));
    expect(await due()).toEqual([`expiry g ${DAY}`]);
    expect(await grantNow('g')).toMatchObject({ status: 'ACTIVE', remainingAmount: '0', heldAmount: '3' });
  });

  test('a series renews, carries, pauses, resumes and is cancelled', async () => {
    await write('c', begin('s', 10n, { rollover: { kind: 'carry', upTo: '4' } }));
    const find = async (id = 's') => {
      await ledger.caughtUp(models);
      return (await new FindSeriesHandler(ledger.pool).execute(new FindSeries('t', id))).data;
    };
    expect(await models.locateSeries('t', 's')).toEqual({ customerId: 'c', revision: 0 });
    expect(await due()).toEqual([`expiry s-0 ${DAY}`, `renewal s ${DAY}`]);
    expect(await find()).toMatchObject({
      customerId: 'c',
      creditDefinitionId: 'def',
      status: 'active',
      occurrence: 0,
      lastRenewalAt: formatInstant(NOW),
      nextRenewalAt: formatInstant(NOW + DAY),
    });
    expect(await balancesAt(NOW + DAY)).toHaveProperty('needsSettling', true);

    ledger.clock.now = NOW + DAY;
    await write('c', settle);
    expect(await balancesAt()).not.toHaveProperty('needsSettling');
    expect(await movements()).toEqual([
      'grant s-0 10 10 10',
      'rollover s-0 -4 6 6',
      'expiration s-0 -6 0 0',
      'rollover s~carried~1 4 4 4',
      'grant s~1 10 10 14',
    ]);
    const [out] = await rowsOf({ type: 'rollover' });
    expect(out).toMatchObject({ description: 'Carried into s~carried~1' });
    expect((await rowsOf({ type: 'expiration' }))[0]).toMatchObject({ description: 'Not carried over' });
    expect(await due()).toEqual([
      `expiry s~1 ${2 * DAY}`,
      `expiry s~carried~1 ${2 * DAY}`,
      `renewal s ${2 * DAY}`,
    ]);

    await write(
      'c',
      ask('AmendRenewal', { seriesId: 's', refillAmount: 3n * ONE, rollover: { kind: 'reset' } }),
    );
    await write('c', ask('PauseRenewal', { seriesId: 's' }));
    expect(await find()).toMatchObject({
      status: 'paused',
      occurrence: 1,
      refillAmount: '3',
      rollover: { policy: 'reset' },
      nextRenewalAt: null,
    });
    expect(await due()).toEqual([`expiry s~1 ${2 * DAY}`, `expiry s~carried~1 ${2 * DAY}`]);
    ledger.clock.now += HOUR;
    await write('c', ask('ResumeRenewal', { seriesId: 's' }));
    expect(await find()).toMatchObject({
      status: 'active',
      anchor: formatInstant(NOW + DAY + HOUR),
      occurrence: 2,
      nextRenewalAt: formatInstant(NOW + 2 * DAY + HOUR),
    });
    expect((await movements()).slice(-3)).toEqual([
      'expiration s~carried~1 -4 0 10',
      'expiration s~1 -10 0 0',
      'grant s~2 3 3 3',
    ]);
    await write('c', begin('once', 1n, { rule: 'FREQ=DAILY;COUNT=1' }));
    await write('c', ask('CancelRenewal', { seriesId: 's', keepGrants: true }));
    expect(await due()).toEqual([`expiry once-0 ${2 * DAY + HOUR}`, `expiry s~2 ${2 * DAY + HOUR}`]);
    const list = async (status?: 'active' | 'cancelled' | 'ended') =>
      (
        await new CustomerRenewalsHandler(ledger.pool).execute(
          new CustomerRenewals('t', 'c', { status }, everything),
        )
      ).data.map((one) => `${one.id} ${one.status}`);
    expect(await list()).toEqual(['s cancelled', 'once ended']);
    expect(await list('ended')).toEqual(['once ended']);
    expect(await list('active')).toEqual([]);
    expect(await find('nope')).toBeNull();
  });

  test('the consumptions of a meter are found newest first while something of them is left', async () => {
    await write('c', grant('g', 10n));
    const first = await write('c', consume('con_1', 2n, usageOf('e1')));
    await write('c', consume('con_2', 1n, usageOf('e2', 'm2')));
    await write('c', consume('con_3', 20n, { ...usageOf('e3'), onShortage: 'refuse' }));
    await write('c', consume('con_4', 20n, { ...usageOf('e4'), onShortage: 'partial' }));
    await write('c', consume('con_5', 1n, { ...usageOf('e5'), onShortage: 'partial' }));
    await write('c', consume('con_6', 1n, { ...usageOf('e6'), onShortage: 'overage' }));
    const drawn = (limit = 9) => models.drawnByMeter('t', 'c', 'm1', limit);
    // of con_5 there is nothing to be taken back
    expect(await drawn()).toEqual([
      { consumptionId: 'con_6', revision: 6 },
      { consumptionId: 'con_4', revision: 4 },
      { consumptionId: 'con_1', revision: 1 },
    ]);
    expect(await drawn(1)).toEqual([{ consumptionId: 'con_6', revision: 6 }]);
    const [consumption] = [recorded(first)];
    const usage = { eventId: 'e7', eventName: 'calls', meterId: 'm1', value: '-2' };
    await write(
      'c',
      ask('CorrectUsage', {
        usage,
        effectiveAt: NOW,
        amount: 2n * ONE,
        consumptions: [{ reversalId: 'r', consumption }],
      }),
    );
    expect((await drawn()).map(({ consumptionId }) => consumptionId)).toEqual(['con_6', 'con_4']);
    const listed = await new ListUsageHandler(ledger.pool).execute(new ListUsage('t', {}, everything));
    expect(listed.data.at(-1)).toMatchObject({ id: 'e7', eventValue: '-2', consumptionId: null });
    expect(await models.locateConsumption('t', 'con_3')).toEqual({ customerId: 'c', revision: 3 });
    expect(await models.locateConsumption('t', 'e7')).toBeNull();
  });
});
