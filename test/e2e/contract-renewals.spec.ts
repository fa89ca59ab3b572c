import { describe, expect, test } from '@jest/globals';
import {
  balanceOf,
  consume,
  DAY,
  expectProblem,
  fresh,
  grant,
  HOUR,
  iso,
  moveClock,
  newAccount,
  newCustomer,
  nowOf,
  ok,
  readGrant,
  sumOf,
  transactionsOf,
  worldOfTests,
  type Account,
} from './world.js';

/** Grants that renew: by a rule or on billing, what becomes of what is left, and the job that does it. */

const world = worldOfTests();
const { api } = world;

const RENEWALS = '/v1/credits/renewals';
const renew = async (time: number) =>
  ok(await world.jobs.post('/v1/trigger/credits/process-grant-renewals', { timestamp: iso(time) }), 200);
const change = (id: string, action: string, body: object = {}, headers = {}) =>
  api.post(`${RENEWALS}/${id}/${action}`, body, headers);
const series = async (id: string) => ok(await api.get(`${RENEWALS}/${id}`), 200);
const balance = ({ customerId, unit }: Account) => balanceOf(api, customerId, unit);
const grantsOf = ({ customerId }: Account, status: string): Promise<any[]> =>
  api.all(`/v1/credits/customers/${customerId}/grants?status=${status}`);
const accountNow = async () => {
  const account = await newAccount(api);
  return { account, now: await nowOf(api, account.customerId) };
};

describe('a definition that renews', () => {
  const define = async (members: object) => {
    const slug = fresh('feature');
    ok(await api.post('/v1/features', { slug, displayName: 'F', featureValue: 1 }), 201);
    const base = { scope: 'merchant', applicationType: 'usage', featureSlug: slug, name: 'D' };
    return ok(await api.post('/v1/credits/definitions', { ...base, defaultAmount: 10, ...members }), 201);
  };

  test('begins a series with its grant, in the customer’s zone, by the terms it had then', async () => {
    const customerId = await newCustomer(api, { timezone: 'Europe/Berlin' });
    const terms = { rollover: { policy: 'carry', upTo: '3', fraction: '0.5' }, lifetimePeriods: 1 };
    const definition = await define({ refillAmount: 20, refillRrule: 'rrule:freq=monthly', ...terms });
    expect(definition).toMatchObject({ refillRrule: 'FREQ=MONTHLY', ...terms });
    const startDate = '2026-03-14T23:00:00.000Z';
    const body = { customerId, creditDefinitionId: definition.id, startDate };
    const { id, status, expiryDate } = await grant(api, body);
    expect([status, expiryDate]).toEqual(['EXPIRED', '2026-04-14T22:00:00.000Z']);
    ok(await api.post(`/v1/credits/definitions/${definition.id}/update`, { refillAmount: 99 }), 200);
    const read = await series(id);
    expect(read).toMatchObject({
      id,
      customerId,
      creditDefinitionId: definition.id,
      refillRrule: 'FREQ=MONTHLY',
      renewOnBilling: false,
      timezone: 'Europe/Berlin',
      anchor: startDate,
      refillAmount: '20',
      lifetimePeriods: 1,
      expiryDays: null,
      rollover: { policy: 'carry', upTo: '3', fraction: '0.5' },
      status: 'active',
    });
    ok(await change(id, 'cancel'), 200);
  });

  test('with an id is issued once, and again answers the same', async () => {
    const customerId = await newCustomer(api);
    const definition = await define({ renewOnBilling: true });
    const body = { id: fresh('grant'), customerId, creditDefinitionId: definition.id };
    const first = await grant(api, body);
    expect(ok(await api.post('/v1/credits/grants', body), 200)).toEqual(first);
    expect(await series(body.id)).toMatchObject({ renewOnBilling: true, refillAmount: '10', occurrence: 0 });
  });

  test('takes no terms that contradict each other, and names them', async () => {
    const account = await newAccount(api);
    const refused = async (renewal: object, ...pointers: string[]) =>
      expectProblem(
        await api.post('/v1/credits/grants', { ...account, amount: 1, renewal }),
        422,
        'validation_failed',
        pointers,
      );
    await refused({ timezone: 'UTC' }, '/renewal/refillRrule', '/renewal/timezone');
    await refused({ refillRrule: 'FREQ=DAILY', renewOnBilling: true }, '/renewal/refillRrule');
    await refused(
      { refillRrule: 'FREQ=DAILY', expiryDays: 1, lifetimePeriods: 1 },
      '/renewal/lifetimePeriods',
    );
    await refused(
      { refillRrule: 'FREQ=DAILY', rollover: { policy: 'carry', upTo: '0.0000001', fraction: 2 } },
      '/renewal/rollover/fraction',
      '/renewal/rollover/upTo',
    );
    await refused({ refillRrule: 'FREQ=DAILY;UNTIL=20200101' }, '/renewal/refillRrule');
    const old = {
      ...account,
      amount: 1,
      startDate: '1980-01-01T00:00:00Z',
      renewal: { refillRrule: 'FREQ=DAILY' },
    };
    expectProblem(await api.post('/v1/credits/grants', old), 422, 'validation_failed', ['/startDate']);
    const inactive = {
      scope: 'merchant',
      applicationType: 'usage',
      featureSlug: 'none',
      name: 'D',
      defaultAmount: 1,
    };
    const answer = await api.post('/v1/credits/definitions', {
      ...inactive,
      refillRrule: 'FREQ=DAILY',
      timezone: 'Mars/Olympus',
      rollover: { policy: 'reset', upTo: 1 },
    });
    expectProblem(answer, 422, 'validation_failed', ['/featureSlug', '/rollover/upTo', '/timezone']);
  });
});

describe('the renewal job', () => {
  test('renews what is due as of its time, each at its own instant, and once', async () => {
    const { account, now } = await accountNow();
    const renewal = { refillRrule: 'FREQ=DAILY', refillAmount: 5 };
    const { id } = await grant(api, { ...account, amount: 10, renewal });
    const anchor = Date.parse((await readGrant(api, id)).startDate);
    await consume(api, { ...account, amount: 4 });
    const counts = await renew(now + 3 * DAY + HOUR);
    expect(counts).toMatchObject({
      timestamp: iso(now + 3 * DAY + HOUR),
      processed: 3,
      renewed: 3,
      expired: 3,
    });
    expect(await renew(now + 3 * DAY + HOUR)).toMatchObject({ processed: 0, expired: 0 });
    const [active] = await grantsOf(account, 'ACTIVE');
    expect(active).toMatchObject({
      id: `${id}~3`,
      source: 'renewal',
      initialAmount: '5',
      startDate: iso(anchor + 3 * DAY),
      expiryDate: iso(anchor + 4 * DAY),
    });
    const rows = await transactionsOf(api, account.customerId, '?type=expiration');
    expect(rows.map(({ amount, eventTimestamp }) => [amount, eventTimestamp])).toEqual([
      ['-6', iso(anchor + DAY)],
      ['-5', iso(anchor + 2 * DAY)],
      ['-5', iso(anchor + 3 * DAY)],
    ]);
    expect(await balance(account)).toMatchObject({ available: '5' });
    ok(await change(id, 'cancel'), 200);
  });

  test('a year of daily renewals and expiries in one call, of several customers', async () => {
    const accounts = await Promise.all([newAccount(api), newAccount(api), newAccount(api)]);
    const now = await nowOf(api, accounts[0].customerId);
    const renewal = { refillRrule: 'FREQ=DAILY', rollover: { policy: 'carry', upTo: 2 } };
    const series = await Promise.all(
      accounts.map((account) => grant(api, { ...account, amount: 10, renewal })),
    );
    const counts = await renew(now + 365 * DAY + HOUR);
    expect(counts).toMatchObject({ processed: 3 * 365, renewed: 3 * 365 });
    for (const account of accounts) {
      expect(await balance(account)).toMatchObject({ available: '12' });
      const rows = await transactionsOf(api, account.customerId);
      expect(sumOf(rows.map(({ amount }) => amount))).toBe(sumOf(['12']));
      expect(rows.at(-1).balanceAfter).toBe('12');
    }
    for (const { id } of series) ok(await change(id, 'cancel'), 200);
  });

  test('the expiry job settles them too, and counts its own kind', async () => {
    const { account, now } = await accountNow();
    const { id } = await grant(api, { ...account, amount: 1, renewal: { refillRrule: 'FREQ=WEEKLY' } });
    expect(await moveClock(world.jobs, now + 8 * DAY)).toMatchObject({
      processed: 1,
      expired: 1,
      renewed: 1,
    });
    ok(await change(id, 'cancel'), 200);
  });

  test('is not needed: a consumption after the instant draws on the renewed grant', async () => {
    const { account, now } = await accountNow();
    const { id } = await grant(api, { ...account, amount: 10, renewal: { refillRrule: 'FREQ=DAILY' } });
    const other = await newAccount(api);
    await grant(api, { ...other, amount: 1, expiryDate: iso(now + DAY + HOUR) });
    await moveClock(world.jobs, now + DAY + HOUR);
    expect(await consume(api, { ...account, amount: 10 })).toMatchObject({
      allocations: [{ grantId: `${id}~1`, amount: '10' }],
    });
    ok(await change(id, 'cancel'), 200);
  });
});

describe('what is left at a renewal', () => {
  test('is carried up to a fraction of the grant: 10 000 of 100 000 at 0.5 is all of it (V3), and burns first', async () => {
    const { account, now } = await accountNow();
    const renewal = { refillRrule: 'FREQ=DAILY', rollover: { policy: 'carry', fraction: '0.5' } };
    const { id } = await grant(api, { ...account, amount: 100_000, renewal });
    await consume(api, { ...account, amount: 90_000 });
    expect(await renew(now + DAY + HOUR)).toMatchObject({ renewed: 1, carried: 1 });
    expect(await balance(account)).toMatchObject({ available: '110000' });
    const drawn = await consume(api, { ...account, amount: 10_001 });
    expect(drawn.allocations).toMatchObject([
      { grantId: `${id}~carried~1`, amount: '10000' },
      { grantId: `${id}~1`, amount: '1' },
    ]);
    await renew(now + 2 * DAY + HOUR);
    expect(await balance(account)).toMatchObject({ available: '150000' });
    ok(await change(id, 'cancel'), 200);
  });
});

describe('a series', () => {
  test('is paused, and resumed with fresh grants on a cycle that begins now (V29)', async () => {
    const { account, now } = await accountNow();
    const { id } = await grant(api, { ...account, amount: 10, renewal: { refillRrule: 'FREQ=WEEKLY' } });
    const headers = { 'Idempotency-Key': fresh('pause') };
    const paused = await change(id, 'pause', { reason: 'Overdue' }, headers);
    expect(ok(paused, 200)).toMatchObject({ status: 'paused', nextRenewalAt: null });
    expect(await series(id)).toEqual(paused.body);
    expectProblem(await change(id, 'pause'), 409, 'renewal_not_active');
    await consume(api, { ...account, amount: 3 });
    await renew(now + 3 * DAY);
    const resumed = ok(await change(id, 'resume', {}), 200);
    expect(await series(id)).toEqual(resumed);
    expect(resumed).toMatchObject({ status: 'active', occurrence: 1 });
    expect(Date.parse(resumed.nextRenewalAt) - Date.parse(resumed.anchor)).toBe(7 * DAY);
    expect(Date.parse(resumed.anchor)).toBeGreaterThanOrEqual(now + 3 * DAY);
    expect(await readGrant(api, id)).toMatchObject({ status: 'EXPIRED' });
    expect(await balance(account)).toMatchObject({ available: '10' });
    const replayed = await change(id, 'pause', { reason: 'Overdue' }, headers);
    expect([replayed.text, replayed.headers.get('idempotent-replayed')]).toEqual([paused.text, 'true']);
    ok(await change(id, 'cancel'), 200);
  });

  test('is amended for what comes later, and cancelled with its grants or without', async () => {
    const { account, now } = await accountNow();
    const { id } = await grant(api, { ...account, amount: 10, renewal: { refillRrule: 'FREQ=WEEKLY' } });
    const amended = ok(
      await change(id, 'amend', {
        refillAmount: 7,
        rollover: { policy: 'carry' },
        name: 'Next',
        reason: 'Deal',
      }),
      200,
    );
    expect(amended).toMatchObject({ refillAmount: '7', rollover: { policy: 'carry' } });
    expect(await series(id)).toEqual(amended);
    expectProblem(await change(id, 'amend', {}), 422, 'validation_failed', ['/refillAmount']);
    await renew(now + 7 * DAY + HOUR);
    expect(await balance(account)).toMatchObject({ available: '17' });
    expect(await readGrant(api, `${id}~1`)).toMatchObject({ name: 'Next', initialAmount: '7' });
    expect(ok(await change(id, 'cancel', { keepGrants: true }), 200)).toMatchObject({ status: 'cancelled' });
    expect(await balance(account)).toMatchObject({ available: '17' });
    expectProblem(await change(id, 'cancel'), 409, 'renewal_not_active');
    expectProblem(await change('grant_none', 'cancel'), 404, 'not_found');
  });

  test('on billing renews once for each period that is told', async () => {
    const { account, now } = await accountNow();
    const renewal = { renewOnBilling: true, refillAmount: 8 };
    const { id } = await grant(api, { ...account, amount: 5, expiryDate: iso(now + DAY), renewal });
    const period = { periodStart: iso(now + DAY), periodEnd: iso(now + 31 * DAY) };
    expectProblem(await change(id, 'renew', period), 422, 'validation_failed', ['/periodStart']);
    await moveClock(world.jobs, now + DAY);
    for (let time = 0; time < 2; time++)
      expect(ok(await change(id, 'renew', period), 200)).toMatchObject({ occurrence: 1 });
    expect(await readGrant(api, `${id}~1`)).toMatchObject({ expiryDate: period.periodEnd });
    expect(await balance(account)).toMatchObject({ available: '8' });
    const backwards = { periodStart: period.periodEnd, periodEnd: period.periodStart };
    expectProblem(await change(id, 'renew', backwards), 422, 'validation_failed', ['/periodEnd']);
    const ruled = await grant(api, { ...account, amount: 1, renewal: { refillRrule: 'FREQ=YEARLY' } });
    expectProblem(await change(ruled.id, 'renew', period), 409, 'renewal_not_active');
    expectProblem(await change(ruled.id, 'resume', period), 422, 'validation_failed', ['/periodStart']);
  });
});

describe('a preview', () => {
  test('of a series says when it renews next and what with', async () => {
    const { account, now } = await accountNow();
    const renewal = { refillRrule: 'FREQ=DAILY;COUNT=3', refillAmount: 2 };
    const { id } = await grant(api, { ...account, amount: 1, startDate: iso(now), renewal });
    const { data } = ok(await api.get(`${RENEWALS}/${id}/preview?limit=5`));
    expect(data).toEqual([
      {
        occurrence: 1,
        grantId: `${id}~1`,
        amount: '2',
        renewsAt: iso(now + DAY),
        expiryDate: iso(now + 2 * DAY),
      },
      {
        occurrence: 2,
        grantId: `${id}~2`,
        amount: '2',
        renewsAt: iso(now + 2 * DAY),
        expiryDate: iso(now + 3 * DAY),
      },
    ]);
    expectProblem(await api.get(`${RENEWALS}/${id}/preview?limit=0`), 400, 'invalid_query_parameter');
    expectProblem(await api.get(`${RENEWALS}/grant_none/preview`), 404, 'not_found');
  });

  test('of a rule moves what a clock change skips, and returns to the 31st', async () => {
    const preview = async (body: object) => ok(await api.post(`${RENEWALS}/preview`, body), 200);
    expect(
      await preview({ refillRrule: 'freq=monthly', startDate: '2026-01-31T00:00:00Z', limit: 3 }),
    ).toEqual({
      refillRrule: 'FREQ=MONTHLY',
      timezone: 'UTC',
      anchor: '2026-01-31T00:00:00.000Z',
      occurrences: ['2026-01-31T00:00:00.000Z', '2026-02-28T00:00:00.000Z', '2026-03-31T00:00:00.000Z'],
    });
    const skipped = {
      refillRrule: 'FREQ=DAILY',
      timezone: 'Europe/Berlin',
      startDate: '2026-03-28T01:30:00Z',
      limit: 2,
    };
    expect((await preview(skipped)).occurrences).toEqual([
      '2026-03-28T01:30:00.000Z',
      '2026-03-29T01:30:00.000Z',
    ]);
  });

  test('of a rule that cannot be is refused by name', async () => {
    for (const [refillRrule, code] of [
      ['FREQ=HOURLY', 'rrule_frequency_unsupported'],
      ['FREQ=DAILY;TZID=UTC', 'rrule_tzid'],
      ['FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30', 'rrule_never_matches'],
      ['FREQ=MONTHLY;BYHOUR=3', 'rrule_part_unsupported'],
      ['monthly', 'rrule_invalid'],
    ]) {
      const answer = await api.post(`${RENEWALS}/preview`, { refillRrule });
      expectProblem(answer, 422, 'validation_failed', ['/refillRrule']);
      expect(answer.body.errors[0].code).toBe(code);
    }
  });
});
