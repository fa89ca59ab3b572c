import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { startProtocolServer } from '../support/eventstoredb/start.js';
import { createClient } from '../support/client.js';
import { createMigratedDatabase } from '../support/postgres.js';
import { bootstrapOf, makeKeys, runCli, runToEnd, startServer } from '../support/server.js';
import { until } from '../support/wait.js';
import { balanceOf, expectProblem, grant, newAccount, ok } from '../e2e/world.js';

/** The whole product while its EventStoreDB is away: it says so, loses nothing, and goes on by itself. */

const leave: (() => unknown)[] = [];
afterEach(async () => {
  for (const left of leave.splice(0).reverse()) await left();
});

async function given() {
  const folder = mkdtempSync(join(tmpdir(), 'drawdown-log-'));
  leave.push(() => rmSync(folder, { recursive: true, force: true }));
  const database = await createMigratedDatabase();
  leave.push(() => database.drop());
  const keys = makeKeys();
  const [logPort, port] = [await freePort(), await freePort()];
  return {
    keys,
    port,
    env: {
      DATABASE_URL: database.url,
      EVENT_STORE_URL: `esdb://127.0.0.1:${logPort}?tls=false`,
      PORT: String(port),
      LOG_LEVEL: 'silent',
      ...bootstrapOf(keys),
    },
    async log() {
      const log = await startProtocolServer({ port: logPort, file: join(folder, 'log') });
      leave.push(() => log.kill());
      return log;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

test('down at the start: alive but not ready, and ready by itself once the log is there', async () => {
  const { env, port, keys, log } = await given();
  const starting = startServer(env);
  leave.push(async () => (await starting).stop());
  const early = createClient(`http://127.0.0.1:${port}`, keys.secret);
  const live = await until(() => early.get('/health/live').catch(() => undefined), { timeoutMs: 20_000 });
  expect(live.status).toBe(200);
  const refused = await early.get('/v1/customers');
  expectProblem(refused, 503, 'store_unavailable');
  expect(refused.headers.get('retry-after')).toBe('5');
  expect((await early.get('/health/ready')).status).toBe(503);
  await log();
  const api = (await starting).client(keys.secret);
  const account = await newAccount(api);
  await grant(api, { ...account, amount: 5 });
  expect(await balanceOf(api, account.customerId, account.unit)).toMatchObject({ available: '5' });
}, 60_000);

test('frozen, then killed: writes are refused with 503 and Retry-After, and sent again each counts once', async () => {
  const { env, keys, log } = await given();
  let store = await log();
  const server = await startServer(env);
  leave.push(() => server.stop());
  const api = server.client(keys.secret);
  const account = await newAccount(api);
  await grant(api, { ...account, amount: 100 });
  const consume = (key: string) =>
    api.post('/v1/credits/consume', { ...account, amount: 1 }, { 'Idempotency-Key': key });

  const refusedAndSettled = async (round: string, comeBack: () => unknown): Promise<void> => {
    const names = Array.from({ length: 5 }, (_, n) => `${round}-${n}`);
    for (const answer of await Promise.all(names.map(consume))) {
      expectProblem(answer, 503, 'store_unavailable');
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect((await api.get('/health/ready')).status).toBe(503);
    await comeBack();
    for (const name of names)
      await until(async () => (await consume(name)).status === 201, { timeoutMs: 20_000 });
  };
  store.freeze();
  await refusedAndSettled('frozen', () => store.thaw());
  await store.kill();
  await refusedAndSettled('killed', async () => void (store = await log()));
  await until(async () => (await api.get('/health/ready')).status === 200);
  // what projects comes back after what writes
  const { position } = ok(await api.get('/health/ready'), 200).log;
  const balances = `/v1/credits/customers/${account.customerId}/balances?minPosition=${position}`;
  await until(async () => (await api.get(balances)).status === 200, { timeoutMs: 20_000 });
  expect(await balanceOf(api, account.customerId, account.unit)).toMatchObject({ available: '90' });
}, 90_000);

test('is logged when it begins and when it is over, not in between', async () => {
  const { env, keys, log } = await given();
  let store = await log();
  const server = await startServer({ ...env, LOG_LEVEL: 'info' });
  leave.push(() => server.stop());
  const api = server.client(keys.secret);
  const logged = () => server.output.stdout.match(/\{"level":"(?:warn|error|info)".*event store.*/g) ?? [];
  const problems = () => server.output.stdout.match(/\{"level":"(?:warn|error)".*/g) ?? [];
  for (const round of [1, 2]) {
    await store.kill();
    // answered when trying again has taken its time
    const refused = await api.post('/v1/customers', { id: `c${round}`, name: 'C' });
    expectProblem(refused, 503, 'store_unavailable');
    store = await log();
    await until(async () => (await api.get('/health/ready')).status === 200, { timeoutMs: 20_000 });
    await until(() => logged().length === 2 * round);
    expect(problems()).toHaveLength(round);
  }
  const messages = logged().map((line) => (JSON.parse(line) as { msg: string }).msg);
  const one = ['the event store does not answer', 'the event store answers again'];
  expect(messages).toEqual([...one, ...one]);
}, 90_000);

test('read models are not continued from another log: the start and the command line say whose they are', async () => {
  const { env, keys, log } = await given();
  await log();
  const server = await startServer(env);
  ok(await server.client(keys.secret).post('/v1/customers', { id: 'c', name: 'C' }), 201);
  expect(await server.stop()).toBe(0);
  const { EVENT_STORE_URL: _, ...embedded } = env;
  const refused = await runToEnd(embedded);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/made from the log eventstoredb:\S+, but the event store is postgres:/);
  expect(refused.stderr).not.toMatch(/^\s+at /m);
  const rebuild = await runCli(['rebuild'], embedded);
  expect([rebuild.code, rebuild.stderr]).toEqual([1, expect.stringContaining('made from the log')]);
}, 60_000);
