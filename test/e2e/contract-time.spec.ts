import { describe, expect, test } from '@jest/globals';
import { bootstrapOf, makeKeys, startServer } from '../support/server.js';
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
  newMeter,
  nowOf,
  ok,
  openWorld,
  readGrant,
  SECOND,
  transactionsOf,
  worldOfTests,
  type Account,
} from './world.js';

/** The test clock, scheduled and expiring grants, late and future usage, and the environment that has no such clock. */

const world = worldOfTests();
const { api, jobs } = world;

const CONSUME = '/v1/credits/consume';
const RENEWALS = '/v1/trigger/credits/process-grant-renewals';
/** Moves the test clock with the job that records no expiries. */
const onlyMoveClock = async (time: number) => ok(await jobs.post(RENEWALS, { timestamp: iso(time) }), 200);
const balance = ({ customerId, unit }: Account) => balanceOf(api, customerId, unit);
const typesIn = async ({ customerId }: Account) =>
  ok(await api.get(`/v1/audit/streams/creditAccount-default.test_${customerId}?limit=1000`)).data.map(
    ({ type }: { type: string }) => type,
  );
/** An account, and the environment's own idea of now. */
const accountNow = async (): Promise<{ account: Account; now: number }> => {
  const account = await newAccount(api);
  return { account, now: await nowOf(api, account.customerId) };
};

describe('the test clock', () => {
  test('runs at most a hundred years ahead: where calendars end nothing could be renewed', async () => {
    const { account, now } = await accountNow();
    for (const job of ['process-expirations', 'process-grant-renewals'])
      for (const timestamp of ['9999-12-31T23:59:59.999Z', iso(Date.now() + 101 * 365 * DAY)])
        expectProblem(
          await jobs.post(`/v1/trigger/credits/${job}`, { timestamp }),
          422,
          'timestamp_in_future',
          ['/timestamp'],
        );
    expect(await nowOf(api, account.customerId)).toBeLessThan(now + 60 * SECOND);
  });
});

describe('usage ahead of now', () => {
  test('is not there for others, whichever way the balance is read', async () => {
    const { account, now } = await accountNow();
    await grant(api, { ...account, amount: 10 });
    await consume(api, { ...account, amount: 4, effectiveAt: iso(now + HOUR) });
    const path = `/v1/credits/customers/${account.customerId}/balances`;
    const live = ok(await api.get(path), 200);
    expect(live.balances).toMatchObject([{ ledger: '6', available: '6' }]);
    expect(ok(await api.get(`${path}?at=${live.at}&knownAt=${live.position}`), 200)).toEqual(live);
    expectProblem(await api.post(CONSUME, { ...account, amount: 8 }), 402, 'insufficient_credit');
  });

  test('that nothing covers names its unit either way', async () => {
    const { account } = await accountNow();
    await consume(api, { ...account, amount: 4, onShortage: 'overage' });
    const path = `/v1/credits/customers/${account.customerId}/balances`;
    const live = ok(await api.get(path), 200);
    expect(live.balances).toMatchObject([{ unit: account.unit, ledger: '0' }]);
    const { balances } = ok(await api.get(`${path}?at=${live.at}&knownAt=${live.position}`), 200);
    expect(balances).toEqual(live.balances);
  });
});

describe('expiry', () => {
  test('is exactly at its instant, whether or not anything recorded it', async () => {
    const { account, now } = await accountNow();
    const expiresAt = now + 10 * DAY;
    const { id } = await grant(api, { ...account, amount: 10, expiryDate: iso(expiresAt) });
    await onlyMoveClock(expiresAt - 60 * SECOND);
    expect(await balance(account)).toMatchObject({ available: '10', grants: 1 });
    await onlyMoveClock(expiresAt);
    expect(await balance(account)).toMatchObject({
      ledger: '0',
      available: '0',
      grants: 0,
      nextExpiry: null,
    });
    expect(await readGrant(api, id)).toMatchObject({ status: 'EXPIRED', remainingAmount: '0' });
    const list = await api.all(`/v1/credits/customers/${account.customerId}/grants?status=EXPIRED`);
    expect(list.map((found) => found.id)).toEqual([id]);
    expectProblem(
      await api.post(`/v1/credits/consume`, { ...account, amount: 1 }),
      402,
      'insufficient_credit',
    );
  });

  test('process-expirations counts what it records, once', async () => {
    const { account, now } = await accountNow();
    const expiryDate = iso(now + DAY);
    for (const amount of [4, 6]) await grant(api, { ...account, amount, expiryDate });
    await consume(api, { ...account, amount: 1 });
    expect(await balance(account)).toMatchObject({ nextExpiry: { at: expiryDate, amount: '9' } });
    expect(await moveClock(jobs, now + DAY)).toMatchObject({ processed: 2 });
    expect(await moveClock(jobs, now + DAY)).toMatchObject({ processed: 0 });
    const rows = await transactionsOf(api, account.customerId, '?type=expiration');
    expect(rows.map(({ amount }) => amount).sort()).toEqual(['-3', '-6']);
    expect(rows.at(-1)).toMatchObject({ grantBalanceAfter: '0', balanceAfter: '0' });
  });

  test('a grant that was due when the command arrived is closed first', async () => {
    const { account, now } = await accountNow();
    const expiring = await grant(api, { ...account, amount: 5, expiryDate: iso(now + DAY) });
    const lasting = await grant(api, { ...account, amount: 5 });
    await onlyMoveClock(now + DAY + HOUR);
    const late = { ...account, amount: 2, effectiveAt: iso(now + DAY - HOUR) };
    expect(await consume(api, late)).toMatchObject({ allocations: [{ grantId: lasting.id, amount: '2' }] });
    const rows = await transactionsOf(api, account.customerId);
    expect(rows.slice(2).map(({ type, creditGrantId, amount }) => [type, creditGrantId, amount])).toEqual([
      ['expiration', expiring.id, '-5'],
      ['consumption', lasting.id, '-2'],
    ]);
  });

  test('a depleted grant stays depleted after its expiry', async () => {
    const { account, now } = await accountNow();
    const { id } = await grant(api, { ...account, amount: 5, expiryDate: iso(now + HOUR) });
    await consume(api, { ...account, amount: 5 });
    expect(await moveClock(jobs, now + 2 * HOUR)).toMatchObject({ processed: 0 });
    expect((await readGrant(api, id)).status).toBe('DEPLETED');
    expect(await typesIn(account)).toEqual(['GrantIssued', 'CreditsConsumed']);
  });
});

describe('scheduled grants', () => {
  test('count as scheduled until their instant, then as available', async () => {
    const { account, now } = await accountNow();
    const startsAt = now + 5 * DAY;
    const { id, status } = await grant(api, { ...account, amount: 8, startDate: iso(startsAt) });
    expect(status).toBe('SCHEDULED');
    expect(await balance(account)).toMatchObject({ ledger: '0', available: '0', scheduled: '8', grants: 0 });
    expectProblem(await api.post(CONSUME, { ...account, amount: 1 }), 402, 'insufficient_credit');
    await onlyMoveClock(startsAt);
    expect(await balance(account)).toMatchObject({ ledger: '8', available: '8', scheduled: '0', grants: 1 });
    expect((await readGrant(api, id)).status).toBe('ACTIVE');
    expect(await consume(api, { ...account, amount: 8 })).toMatchObject({ consumed: '8' });
  });

  test('settle debt when they become effective, not before', async () => {
    const { account, now } = await accountNow();
    await consume(api, { ...account, amount: 6, onShortage: 'pending' });
    const { id } = await grant(api, { ...account, amount: 10, startDate: iso(now + DAY) });
    expect(await balance(account)).toMatchObject({ debt: '6', scheduled: '10' });
    await moveClock(jobs, now + DAY);
    expect(await balance(account)).toMatchObject({ debt: '0', available: '4', scheduled: '0' });
    const rows = await transactionsOf(api, account.customerId, `?grantId=${id}`);
    expect(rows.map(({ type, amount }) => [type, amount])).toEqual([
      ['grant', '10'],
      ['settlement', '-6'],
    ]);
  });

  test('are refused when they end before they start', async () => {
    const { account, now } = await accountNow();
    for (const expiryDate of [iso(now + DAY), iso(now)]) {
      const body = { ...account, amount: 1, startDate: iso(now + DAY), expiryDate };
      expectProblem(await api.post('/v1/credits/grants', body), 422, 'validation_failed', ['/expiryDate']);
    }
  });
});

describe('revoke', () => {
  const revoke = (id: string) => api.post(`/v1/credits/grants/${id}/revoke`, { notes: 'ended' });

  test('removes what remains, of an active and of a scheduled grant', async () => {
    const { account, now } = await accountNow();
    const active = await grant(api, { ...account, amount: 10 });
    const scheduled = await grant(api, { ...account, amount: 7, startDate: iso(now + DAY) });
    await consume(api, { ...account, amount: 4 });
    for (const { id } of [active, scheduled])
      expect(ok(await revoke(id), 200)).toMatchObject({ id, status: 'REVOKED', remainingAmount: '0' });
    const rows = await transactionsOf(api, account.customerId, '?type=void');
    expect(rows.map(({ amount, balanceAfter }) => [amount, balanceAfter])).toEqual([
      ['-6', '7'],
      ['-7', '0'],
    ]);
    expect(await balance(account)).toMatchObject({ available: '0', scheduled: '0', grants: 0 });
  });

  test('of a depleted, an expired or a revoked grant is 409 grant_not_active', async () => {
    const { account, now } = await accountNow();
    const [depleted, revoked, expired] = [
      await grant(api, { ...account, amount: 1, priority: 0 }),
      await grant(api, { ...account, amount: 2 }),
      await grant(api, { ...account, amount: 3, expiryDate: iso(now + HOUR) }),
    ];
    await consume(api, { ...account, amount: 1 });
    ok(await revoke(revoked.id), 200);
    await onlyMoveClock(now + HOUR);
    for (const { id } of [depleted, revoked, expired])
      expectProblem(await revoke(id), 409, 'grant_not_active');
    const statuses = await Promise.all([depleted, revoked, expired].map(({ id }) => readGrant(api, id)));
    expect(statuses.map(({ status }) => status)).toEqual(['DEPLETED', 'REVOKED', 'EXPIRED']);
  });
});

describe('usage at its own time', () => {
  test('draws on grants that were effective then, boundaries included', async () => {
    const { account, now } = await accountNow();
    const startsAt = now - 3 * DAY;
    await grant(api, { ...account, amount: 10, startDate: iso(startsAt) });
    const at = (time: number) => api.post(CONSUME, { ...account, amount: 1, effectiveAt: iso(time) });
    expectProblem(await at(startsAt - 1), 402, 'insufficient_credit');
    ok(await at(startsAt), 201);
    ok(await at(startsAt + 1), 201);
    expect(await balance(account)).toMatchObject({ available: '8' });
  });

  test('up to 24 h ahead may draw on what will be active by then, and not on what will have ended', async () => {
    const { account, now } = await accountNow();
    const scheduled = await grant(api, { ...account, amount: 5, startDate: iso(now + 20 * HOUR) });
    await grant(api, { ...account, amount: 5, expiryDate: iso(now + 10 * HOUR) });
    const at = (time: number) => api.post(CONSUME, { ...account, amount: 1, effectiveAt: iso(time) });
    expect(ok(await at(now + 20 * HOUR)).allocations).toMatchObject([{ grantId: scheduled.id }]);
    expectProblem(await at(now + 15 * HOUR), 402, 'insufficient_credit');
    expectProblem(await at(now + 25 * HOUR), 422, 'timestamp_in_future', ['/effectiveAt']);
    const meter = await newMeter(api);
    const event = { eventName: meter.eventName, customerId: account.customerId, eventValue: 1 };
    const later = await api.post('/v1/events', { ...event, eventTimestamp: iso(now + 25 * HOUR) });
    expectProblem(later, 422, 'timestamp_in_future', ['/eventTimestamp']);
    ok(await api.post('/v1/events', { ...event, eventTimestamp: iso(now + 23 * HOUR) }), 202);
  });

  test('older than MAX_EVENT_AGE is 422', async () => {
    const { account, now } = await accountNow();
    await grant(api, { ...account, amount: 5, startDate: iso(now - 90 * DAY) });
    const at = (time: number) => api.post(CONSUME, { ...account, amount: 1, effectiveAt: iso(time) });
    ok(await at(now - 33 * DAY), 201);
    expectProblem(await at(now - 35 * DAY), 422, 'usage_too_old', ['/effectiveAt']);
  });

  test('MAX_EVENT_AGE and EXPIRY_GRACE are settings', async () => {
    const other = await openWorld({ MAX_EVENT_AGE: '2h', EXPIRY_GRACE: '1h' });
    try {
      const account = await newAccount(other.api);
      const now = await nowOf(other.api, account.customerId);
      const expiresAt = now + 10 * HOUR;
      const { id } = await grant(other.api, { ...account, amount: 5, expiryDate: iso(expiresAt) });
      const at = (time: number) => other.api.post(CONSUME, { ...account, amount: 1, effectiveAt: iso(time) });
      await moveClock(other.jobs, expiresAt + 30 * 60 * SECOND);
      expect(ok(await at(expiresAt - 1), 201).allocations).toMatchObject([{ grantId: id }]);
      expectProblem(await at(expiresAt), 402, 'insufficient_credit');
      expect(await balanceOf(other.api, account.customerId, account.unit)).toMatchObject({ available: '0' });
      expectProblem(await at(expiresAt - 3 * HOUR), 422, 'usage_too_old');
      await moveClock(other.jobs, expiresAt + HOUR);
      expectProblem(await at(expiresAt - 1), 402, 'insufficient_credit');
      const rows = await transactionsOf(other.api, account.customerId);
      expect(rows.map(({ type, amount }) => [type, amount])).toEqual([
        ['grant', '5'],
        ['consumption', '-1'],
        ['expiration', '-4'],
      ]);
    } finally {
      await other.close();
    }
  });
});

describe('a request that was answered once is answered so again', () => {
  test('also when what it names has ended, been archived or been switched off since', async () => {
    const { account, now } = await accountNow();
    const meter = await newMeter(api);
    const slug = fresh('feature');
    ok(await api.post('/v1/features', { slug, displayName: 'F', featureValue: 1 }), 201);
    const linked = {
      scope: 'merchant',
      applicationType: 'usage',
      featureSlug: slug,
      defaultAmount: 5,
      name: 'D',
    };
    const definition = ok(await api.post('/v1/credits/definitions', linked), 201);
    const { customerId } = account;
    const expiryDate = iso(now + 40 * DAY);
    const byMeter = { customerId, meterId: meter.id, amount: 1 };
    const usage = {
      eventName: meter.eventName,
      customerId,
      eventValue: 1,
      idempotencyKey: fresh('event-key'),
    };
    const requests: [path: string, body: object, key?: string][] = [
      ['/v1/credits/grants', { ...account, amount: 1, expiryDate }, 'ended'],
      ['/v1/credits/grants', { ...account, amount: 1, expiryDate, id: fresh('grant') }, 'ended-with-id'],
      ['/v1/credits/grants', { customerId, creditDefinitionId: definition.id }, 'switched-off'],
      ['/v1/credits/grants', { customerId, creditDefinitionId: definition.id, id: fresh('grant') }],
      ['/v1/credits/grants', { ...account, amount: 1, expiryDate, id: fresh('grant') }],
      ['/v1/credits/consume', { ...byMeter, effectiveAt: iso(now) }, 'archived'],
      ['/v1/events', { ...usage, eventTimestamp: iso(now) }],
    ];
    const send = () =>
      Promise.all(
        requests.map(([path, body, key]) =>
          api.post(path, body, key === undefined ? {} : { 'Idempotency-Key': key }),
        ),
      );
    const firsts = await send();
    for (const first of firsts) ok(first);
    ok(await api.post(`/v1/meters/${meter.id}/archive`, {}), 200);
    ok(await api.post(`/v1/credits/definitions/${definition.id}/update`, { isActive: false }), 200);
    await onlyMoveClock(now + 41 * DAY);
    const again = await send();
    const told = again.map(({ text }) => text.replace('"deduplicated":true', '"deduplicated":false'));
    expect(told).toEqual(firsts.map(({ text }) => text));
    expect(again.map(({ status }) => status)).toEqual([201, 201, 201, 200, 200, 201, 202]);
  });
});

describe('the test clock', () => {
  test('runs on from where it was moved to, for reads and commands alike, and never back', async () => {
    const { account, now } = await accountNow();
    const target = now + 7 * DAY;
    await onlyMoveClock(target);
    const read = await nowOf(api, account.customerId);
    expect(read).toBeGreaterThanOrEqual(target);
    expect(read).toBeLessThan(target + HOUR);
    expect(Date.parse((await grant(api, { ...account, amount: 1 })).createdAt)).toBeGreaterThanOrEqual(
      target,
    );
    await onlyMoveClock(now);
    expect(await nowOf(api, account.customerId)).toBeGreaterThanOrEqual(target);
  });

  test('a timestamp in the past works as of then', async () => {
    const { account, now } = await accountNow();
    await moveClock(jobs, now);
    await grant(api, { ...account, amount: 1, expiryDate: iso(now + HOUR) });
    await onlyMoveClock(now + 2 * HOUR);
    expect(await moveClock(jobs, now)).toMatchObject({ processed: 0, timestamp: iso(now) });
    expect(await typesIn(account)).toEqual(['GrantIssued']);
    expect(await moveClock(jobs, now + HOUR)).toMatchObject({ processed: 1 });
  });

  test('outlives a restart', async () => {
    const { account, now } = await accountNow();
    await onlyMoveClock(now + 3 * DAY);
    await world.restart();
    expect(await nowOf(api, account.customerId)).toBeGreaterThanOrEqual(now + 3 * DAY);
  });
});

describe('live', () => {
  test('shares nothing with test, and its time cannot be moved ahead', async () => {
    const keys = makeKeys('live');
    const server = await startServer({ ...world.env, ...bootstrapOf(keys) });
    try {
      const [live, liveJobs] = [server.client(keys.secret), server.client(keys.trigger)];
      const [customerId, unit] = [fresh('both'), fresh('both-unit')];
      for (const [client, name] of [
        [live, 'Live'],
        [api, 'Test'],
      ] as const) {
        ok(await client.post('/v1/customers', { id: customerId, name, externalCustomerId: 'ext-both' }), 201);
        ok(await client.post('/v1/units', { code: unit }), 201);
      }
      const { id } = await grant(live, { customerId, unit, amount: 5 });
      expectProblem(await api.get(`/v1/credits/grants/${id}`), 404, 'grant_not_found');
      expectProblem(await api.post(`/v1/credits/grants/${id}/revoke`, {}), 404, 'grant_not_found');
      expectProblem(await api.post(CONSUME, { customerId, unit, amount: 1 }), 402, 'insufficient_credit');
      expect(ok(await api.get(`/v1/customers/${customerId}`)).name).toBe('Test');
      expect(await transactionsOf(api, customerId)).toEqual([]);
      const liveStream = `/v1/audit/streams/creditAccount-default_${customerId}`;
      expect(ok(await live.get(liveStream)).data).toHaveLength(1);
      expectProblem(await api.get(liveStream), 404, 'not_found');
      const log = ok(await live.get('/v1/audit/log?limit=1000')).data;
      expect(new Set(log.map((event: any) => event.metadata.tenant))).toEqual(new Set(['default']));
      for (const job of ['process-expirations', 'process-grant-renewals']) {
        const path = `/v1/trigger/credits/${job}`;
        const ahead = await liveJobs.post(path, { timestamp: iso(Date.now() + HOUR) });
        expectProblem(ahead, 422, 'timestamp_in_future', ['/timestamp']);
        ok(await liveJobs.post(path, {}), 200);
        ok(await liveJobs.post(path, { timestamp: '2024-01-01T00:00:00Z' }), 200);
      }
      expect(Math.abs((await nowOf(live, customerId)) - Date.now())).toBeLessThan(HOUR);
    } finally {
      await server.stop();
    }
  });
});
