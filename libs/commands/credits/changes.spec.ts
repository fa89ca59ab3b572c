import { describe, expect, test } from '@jest/globals';
import { readAmount } from '#libs/kernel';
import { asked, context, issuesOf, problemOf, tenant } from '../../../test/support/catalog-world.js';
import { bodyOf, creditsWorld } from '../../../test/support/credits-world.js';
import { settledAccount } from './account-facts.js';
import { consume } from './consume.js';
import { changeGrant } from './grant-changes.js';
import { captureHold, placeHold, releaseHold } from './holds.js';
import { changeRenewal, plannedRenewals } from './renewals.js';
import { reverseConsumption } from './reversals.js';
import { settleDue } from './settle.js';
import { ingestUsage } from './usage.js';

const world = creditsWorld();
const DAY = 86_400_000;
const at = (days: number) => new Date(world.now + days * DAY).toISOString();
const draw = async (amount: string, members: object = {}) =>
  bodyOf(await consume(world.deps, asked, { customerId: 'c1', unit: 'credits', amount, ...members }, false));

describe('changes to a grant', () => {
  test('the answer has all that was changed before, and a replay is the same to the byte', async () => {
    const { id } = await world.grant({ amount: 10, notes: 'n', metadata: { a: 'b' } });
    const update = { name: 'N', notes: null, metadata: { c: 'd' } };
    const edited = bodyOf(
      await changeGrant(world.deps, context('k'), id, { action: 'update', request: update }),
    );
    expect(edited).toMatchObject({ name: 'N', notes: null, metadata: { c: 'd' }, remainingAmount: '10' });
    const amend = { amount: '12', expiryDate: at(5) };
    expect(
      bodyOf(await changeGrant(world.deps, asked, id, { action: 'amend', request: amend })),
    ).toMatchObject({ initialAmount: '12', remainingAmount: '12', expiryDate: at(5), name: 'N' });
    const adjust = { amount: -3, reason: 'r' };
    expect(
      bodyOf(await changeGrant(world.deps, asked, id, { action: 'adjust', request: adjust })),
    ).toMatchObject({ initialAmount: '12', remainingAmount: '9' });
    const again = await changeGrant(world.deps, context('k'), id, { action: 'update', request: update });
    expect(again).toMatchObject({ replayed: true });
    expect(bodyOf(again)).toEqual(edited);
    expect(
      bodyOf(await changeGrant(world.deps, asked, id, { action: 'expire', request: { notes: 'over' } })),
    ).toMatchObject({ status: 'EXPIRED', remainingAmount: '0', notes: 'over' });
    const late = await changeGrant(world.deps, asked, id, { action: 'adjust', request: adjust });
    expect(late).toMatchObject({ problem: { code: 'grant_not_active' } });
  });

  test('amounts keep to the unit, and something must be asked for', async () => {
    const { id } = await world.grant({ amount: 10 });
    const issues = (action: string, request: object) =>
      issuesOf(changeGrant(world.deps, asked, id, { action, request } as never));
    expect(await issues('adjust', { amount: '-0.001', reason: 'r' })).toEqual(['/amount amount_too_precise']);
    expect(await issues('adjust', { amount: 0, reason: 'r' })).toEqual(['/amount amount_not_positive']);
    expect(await issues('amend', { reason: 'r' })).toEqual(['/amount required']);
    expect(await issues('update', {})).toEqual(['/name required']);
  });

  test('the segments of an access schedule are changed one by one', async () => {
    await world.grant({ id: 'g', accessSchedule: [{ amount: 1 }, { amount: 2 }] });
    const expire = (id: string) => changeGrant(world.deps, asked, id, { action: 'expire', request: {} });
    expect(bodyOf(await expire('g~2'))).toMatchObject({ id: 'g~2', parentGrantId: 'g', status: 'EXPIRED' });
  });
});

describe('holds', () => {
  const hold = (members: object, key?: string) =>
    placeHold(world.deps, context(key), { customerId: 'c1', unit: 'credits', amount: 4, ...members }, false);

  test('are placed once by their own id, also when they are over', async () => {
    await world.grant({ amount: 10 });
    const first = bodyOf(await hold({ id: 'h1', timeoutSeconds: 60 }));
    expect(first).toMatchObject({ id: 'h1', status: 'held', amount: '4', heldAfter: '4', balanceAfter: '6' });
    expect(await hold({ id: 'h1', timeoutSeconds: 60 })).toMatchObject({ status: 200, body: first });
    bodyOf(await releaseHold(world.deps, asked, 'h1', {}));
    expect(await hold({ id: 'h1', timeoutSeconds: 60 })).toMatchObject({ status: 200, body: first });
    expect((await problemOf(hold({ id: 'h1', amount: 5 }))).code).toBe('already_exists');
  });

  test('are captured in part, or beyond what is held where that is allowed', async () => {
    await world.grant({ amount: 10 });
    const { id } = bodyOf(await hold({}));
    expect(await captureHold(world.deps, asked, id, { amount: 5 })).toMatchObject({
      problem: { code: 'hold_exceeded' },
    });
    const more = await captureHold(world.deps, asked, id, {
      amount: 12,
      allowMore: { onShortage: 'pending' },
    });
    expect(bodyOf(more)).toMatchObject({
      status: 'captured',
      captured: '4',
      moreConsumption: { consumed: '6', debt: '2' },
    });
    expect(await captureHold(world.deps, asked, id, {})).toMatchObject({
      problem: { code: 'hold_not_open' },
    });
  });
});

describe('reversals', () => {
  test('give back what was paid for a debt since, also where that only now fell due', async () => {
    const { id } = await draw('5', { onShortage: 'pending' });
    const scheduled = await world.grant({ amount: 20, startDate: at(1) });
    world.now += 2 * DAY;
    const { allocations, debt } = bodyOf(await reverseConsumption(world.deps, asked, id, { reason: 'r' }));
    expect({ allocations, debt }).toMatchObject({
      allocations: [{ grantId: scheduled.id, amount: '5' }],
      debt: '0',
    });
    expect(await reverseConsumption(world.deps, asked, id, { reason: 'r' })).toMatchObject({
      problem: { code: 'consumption_exceeded' },
    });
  });

  test('usage of a negative value takes back the newest, in the order of a batch, or nothing', async () => {
    await world.grant({ amount: 100 });
    const use = (eventValue: number, members: object = {}) => ({
      eventName: 'calls',
      customerId: 'c1',
      eventValue,
      ...members,
    });
    const [, , corrected, refused] = await ingestUsage(world.deps, asked, [
      use(3),
      use(2),
      use(-4),
      use(-2, { idempotencyKey: 'k' }),
    ]);
    expect(corrected).toMatchObject({
      body: { consumption: null, correction: { amount: '8', reversals: [{ amount: '4' }, { amount: '4' }] } },
    });
    expect(refused).toMatchObject({ problem: { code: 'consumption_exceeded' }, replayed: false });
    const [again] = await ingestUsage(world.deps, asked, [use(-2, { idempotencyKey: 'k' })]);
    expect(again).toMatchObject({ problem: { code: 'consumption_exceeded' }, replayed: true });
  });
});

describe('renewals', () => {
  test('a daily series over years is settled in appends that every store takes, by whoever comes first', async () => {
    const long = 'x'.repeat(1000);
    await world.grant({ amount: 10, id: 'g', description: long, renewal: { refillRrule: 'FREQ=DAILY' } });
    world.now += 1200 * DAY;
    expect(await draw('10')).toMatchObject({ allocations: [{ grantId: 'g~1200' }] });
    world.now += 400 * DAY;
    const counts = await settleDue(world.deps, asked, world.now, 'renewing');
    expect(counts).toMatchObject({ accounts: 1, renewed: 400, expired: 399 });
    const types = await world.types();
    expect(types.filter((type) => type === 'GrantRenewed')).toHaveLength(1600);
  });

  test('on billing, a period renews once; a paused series is resumed with fresh grants', async () => {
    const { id } = await world.grant({ amount: 10, renewal: { renewOnBilling: true, refillAmount: 7 } });
    const change = async (action: string, request: object) =>
      bodyOf(await changeRenewal(world.deps, asked, id, { action, request } as never));
    const period = { periodStart: at(0), periodEnd: at(30) };
    world.now += DAY;
    expect(await change('renew', { periodStart: at(0), periodEnd: at(30) })).toMatchObject({ occurrence: 1 });
    expect(await change('renew', period)).toMatchObject({ occurrence: 1, status: 'active' });
    expect(await change('pause', {})).toMatchObject({ status: 'paused', nextRenewalAt: null });
    expect(await change('resume', { periodEnd: at(30) })).toMatchObject({ occurrence: 2 });
    const { state } = await settledAccount(world.deps, tenant, 'c1');
    expect(state.units.get('credits')!.balance).toBe(readAmount('7'));
    const future = { periodStart: at(1), periodEnd: at(2) };
    expect(await issuesOf(change('renew', future))).toEqual(['/periodStart timestamp_in_future']);
  });

  test('the zone is the customer’s unless the terms name one', async () => {
    const renewal = { refillRrule: 'freq=monthly' };
    const { id } = await world.grant({ amount: 1, renewal, startDate: '2026-01-30T23:00:00Z' });
    const { planned } = await plannedRenewals(world.deps, tenant, id, 2);
    expect(planned.map((one) => new Date(one.at).toISOString())).toEqual([
      '2026-02-27T23:00:00.000Z',
      '2026-03-30T22:00:00.000Z',
    ]);
    const rare = { refillRrule: 'FREQ=YEARLY;INTERVAL=100', lifetimePeriods: 1000 };
    expect(await world.grant({ amount: 1, renewal: rare })).toMatchObject({ expiryDate: null });
    expect(await issuesOf(world.grant({ amount: 1, renewal: { timezone: 'UTC' } }))).toEqual([
      '/renewal/refillRrule required',
      '/renewal/timezone not_applicable',
    ]);
    const past = { amount: 1, startDate: '1990-01-01T00:00:00Z', renewal: { refillRrule: 'FREQ=DAILY' } };
    expect(await issuesOf(world.grant(past))).toEqual(['/startDate out_of_range']);
  });
});
