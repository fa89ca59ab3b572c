import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startServer, type Server } from '../support/server.js';
import { until } from '../support/wait.js';
import {
  DAY,
  fresh,
  grant,
  iso,
  newAccount,
  newCustomer,
  ok,
  openWorld,
  SECOND,
  transactionsOf,
  type Account,
  type World,
} from './world.js';

/** What time makes due becomes a recorded fact by itself; which worker does it does not matter. */

let world: World;
let workers: Server[];
beforeAll(async () => {
  world = await openWorld({ ROLE: 'api' });
});
afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  await world.close();
});

const eventsOf = async (customerId: string): Promise<any[]> =>
  ok(await world.api.get(`/v1/audit/streams/creditAccount-default.test_${customerId}?limit=1000`)).data;

const typesOf = async (customerId: string): Promise<string[]> =>
  (await eventsOf(customerId)).map(({ type }: { type: string }) => type);

/** Asks no further than the first account that is not that far yet. */
async function haveAll(accounts: readonly Account[], types: readonly string[]): Promise<boolean> {
  for (const { customerId } of accounts) if ((await typesOf(customerId)).length < types.length) return false;
  return true;
}

/** What another process recorded may be in the log before it is in the read models: a read that waits for it. */
const afterItsEvents = async (customerId: string): Promise<string> =>
  `?minPosition=${(await eventsOf(customerId)).at(-1).position}`;

describe('due work', () => {
  test('without a worker nothing is recorded, and every answer is right all the same', async () => {
    workers = [];
    const account = await newAccount(world.api);
    const expiryDate = iso(Date.now() + SECOND);
    await grant(world.api, { ...account, amount: 5, expiryDate });
    const available = async (at: string) =>
      ok(await world.api.get(`/v1/credits/customers/${account.customerId}/balances?at=${at}`)).balances[0]
        .available;
    await until(() => Date.now() > Date.parse(expiryDate));
    expect(await available(expiryDate)).toBe('0');
    expect(await typesOf(account.customerId)).toEqual(['GrantIssued']);
  });

  test('several workers record starts and expiries soon after their time, each once; one that is killed is replaced', async () => {
    const start = () => startServer({ ...world.env, ROLE: 'worker' });
    workers = await Promise.all([start(), start()]);
    const accounts = await Promise.all(Array.from({ length: 40 }, () => newAccount(world.api)));
    // late enough that every grant is there before it starts, however busy the machine is
    const startDate = iso(Date.now() + 5 * SECOND);
    const expiryDate = iso(Date.now() + 7 * SECOND);
    await Promise.all(
      accounts.map((account) => grant(world.api, { ...account, amount: 1, startDate, expiryDate })),
    );
    const life = ['GrantIssued', 'GrantActivated', 'GrantExpired'];
    const patience = { timeoutMs: 20_000, intervalMs: 50 };
    await until(() => haveAll(accounts, life.slice(0, 2)), patience);
    await workers[0]!.kill();
    await until(() => haveAll(accounts, life), patience);
    for (const { customerId } of accounts) expect(await typesOf(customerId)).toEqual(life);
    const [{ customerId }] = accounts as [Account];
    const rows = await transactionsOf(world.api, customerId, await afterItsEvents(customerId));
    expect(rows.map(({ type, eventTimestamp }) => [type, eventTimestamp])).toContainEqual([
      'expiration',
      expiryDate,
    ]);
    const metrics = await fetch(`${workers[1]!.url}/metrics`);
    expect(await metrics.text()).toMatch(/^drawdown_schedule_lag_seconds\{tenant="default\.test"\} \d/m);
  }, 60_000);

  test('renewals and hold time-outs are recorded too, each once, whoever of the workers is first', async () => {
    workers.push(await startServer({ ...world.env, ROLE: 'worker' }));
    const accounts = await Promise.all(Array.from({ length: 10 }, () => newAccount(world.api)));
    const soon = Date.now() + 3 * SECOND;
    await Promise.all(
      accounts.map(async (account) => {
        const renewal = { refillRrule: 'FREQ=DAILY' };
        await grant(world.api, { ...account, amount: 5, startDate: iso(soon - DAY), renewal });
        ok(await world.api.post('/v1/credits/holds', { ...account, amount: 2, expiresAt: iso(soon) }), 201);
      }),
    );
    const life = [
      'RenewalBegun',
      'GrantIssued',
      'HoldPlaced',
      'HoldReleased',
      'GrantExpired',
      'GrantRenewed',
      'GrantIssued',
    ];
    await until(() => haveAll(accounts, life), { timeoutMs: 20_000, intervalMs: 50 });
    for (const { customerId } of accounts) expect(await typesOf(customerId)).toEqual(life);
  }, 60_000);

  test('subscriptions whose trial is over go on, and their grants with them', async () => {
    const { api } = world;
    const { id: planId } = ok(await api.post('/v1/plans', { planName: 'Pro' }), 201);
    const slug = fresh('feature');
    ok(await api.post('/v1/features', { slug, displayName: slug, featureValue: 1 }), 201);
    const usage = { scope: 'plan', applicationType: 'usage', planId, featureSlug: slug, name: 'Calls' };
    const definition = { ...usage, defaultAmount: 5, renewOnBilling: true };
    ok(await api.post('/v1/credits/definitions', definition), 201);
    const customerId = await newCustomer(api);
    const trialEnd = Date.now() + 2 * SECOND;
    const body = { customerId, planId, trialDays: 1, startDate: iso(trialEnd - DAY) };
    ok(await api.post('/v1/subscriptions', body), 201);
    const life = ['RenewalBegun', 'GrantIssued', 'GrantExpired', 'GrantRenewed', 'GrantIssued'];
    await until(async () => (await typesOf(customerId)).length >= life.length, { timeoutMs: 20_000 });
    expect(await typesOf(customerId)).toEqual(life);
    const grants = `/v1/credits/customers/${customerId}/grants${await afterItsEvents(customerId)}`;
    const [, renewed] = await api.all(grants);
    expect(renewed).toMatchObject({ source: 'renewal', startDate: iso(trialEnd), status: 'ACTIVE' });
  }, 60_000);
});
