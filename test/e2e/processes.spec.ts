import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  bootstrapOf,
  makeKeys,
  runToEnd,
  startServer,
  type Environment,
  type Server,
} from '../support/server.js';
import { until } from '../support/wait.js';
import type { Answer, Client } from '../support/client.js';
import {
  balanceOf,
  DAY,
  exact,
  expectProblem,
  fresh,
  grant,
  iso,
  newAccount,
  nowOf,
  ok,
  openLog,
  openStore,
  openWorld,
  sumOf,
  transactionsOf,
  type Account,
  type World,
} from './world.js';

/** Killed processes, several processes, stopping processes: no acknowledged write is lost, none happens twice. */

/** One write with a key of its own, sent again and again until somebody answers it. */
interface Attempt {
  readonly path: string;
  readonly body: object;
  readonly key: string;
  answer?: Answer;
}

/** Writes on some accounts without pause until told to stop; what got no answer stays without one. */
function startWriter(accounts: readonly Account[], lanes: number) {
  const attempts: Attempt[] = [];
  let server: Client;
  let stopped = false;
  const lane = async (index: number): Promise<void> => {
    for (let n = 0; !stopped; n += 1) {
      const account = accounts[(index + n) % accounts.length]!;
      const granting = n % 4 === 0;
      const attempt: Attempt = {
        path: granting ? '/v1/credits/grants' : '/v1/credits/consume',
        body: { ...account, amount: granting ? '10' : '0.5' },
        key: fresh('attempt'),
      };
      attempts.push(attempt);
      if (!(await deliver(server, attempt))) return;
    }
  };
  return {
    attempts,
    answered: () => attempts.filter(({ answer }) => answer !== undefined).length,
    async run(client: Client): Promise<void> {
      server = client;
      stopped = false;
      await Promise.all(Array.from({ length: lanes }, (_, index) => lane(index)));
    },
    stop: () => (stopped = true),
  };
}

/** False when nobody answered: whether it took effect is unknown then. */
async function deliver(client: Client, attempt: Attempt): Promise<boolean> {
  try {
    const answer = await client.post(attempt.path, attempt.body, { 'Idempotency-Key': attempt.key });
    if (answer.status === 503) return false;
    attempt.answer = answer;
    return true;
  } catch {
    return false;
  }
}

/** Every attempt that was answered stands in the log exactly once; balances are what the answers add up to. */
async function expectExactlyOnce(api: Client, accounts: readonly Account[], attempts: readonly Attempt[]) {
  const written = new Map<string, number>();
  for (const { customerId, unit } of accounts) {
    const facts: any[] = [];
    for (let from: number | null = 0; from !== null;) {
      const stream = `/v1/audit/streams/creditAccount-default.test_${customerId}`;
      const page: any = ok(await api.get(`${stream}?from=${from}&limit=1000`), 200);
      facts.push(...page.data);
      from = page.nextFrom;
    }
    for (const { metadata } of facts)
      if (metadata.commandId) {
        const key = metadata.commandId.slice(metadata.commandId.indexOf(':') + 1);
        written.set(key, (written.get(key) ?? 0) + 1);
      }
    const own = attempts.filter(({ body }) => (body as Account).customerId === customerId);
    const amounts = own.flatMap(({ path, answer }) => {
      if (answer?.status !== 201) return [];
      return path.endsWith('grants') ? [answer.body.initialAmount] : [`-${answer.body.consumed}`];
    });
    const rows = await api.all(
      `/v1/credits/customers/${customerId}/transactions?minPosition=${facts.at(-1).position}`,
    );
    expect(sumOf(rows.map(({ amount }) => amount))).toBe(sumOf(amounts));
    expect(exact((await balanceOf(api, customerId, unit)).ledger)).toBe(sumOf(amounts));
  }
  expect(attempts.every(({ answer }) => answer?.status === 201 || answer?.status === 402)).toBe(true);
  expect([...written.entries()].filter(([, times]) => times !== 1)).toEqual([]);
  expect([...written.keys()].sort()).toEqual(attempts.map(({ key }) => key).sort());
}

describe('the embedded Postgres', () => {
  const keys = makeKeys();
  let dataDir: string;
  let log: Awaited<ReturnType<typeof openLog>>;
  let env: Environment;
  let server: Server;
  const api = () => server.client(keys.secret);
  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'drawdown-e2e-'));
    log = await openLog();
    env = { DATA_DIR: dataDir, ...log.env, ALLOW_UNSAFE_DATABASE: '0', ...bootstrapOf(keys) };
    server = await startServer(env);
  });
  afterAll(async () => {
    // where a test left it dead, the next start takes its Postgres over, and this stop ends it
    if ((await server.stop()) !== 0) await (await startServer(env)).stop();
    await log.drop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  test('a second start on the same data says so and leaves the first alone', async () => {
    const second = await runToEnd(env);
    expect(second.code).not.toBe(0);
    expect(`${second.stderr}${second.stdout}`).toMatch(/already|in use|another/i);
    expect(second.stderr).not.toMatch(/^\s+at /m);
    ok(await api().get('/health/ready'), 200);
    ok(await api().post('/v1/plans', { planName: 'P' }), 201);
  });

  test('kill -9 while a client writes, again and again: every acknowledged write is there, none twice', async () => {
    const accounts = [await newAccount(api()), await newAccount(api()), await newAccount(api())];
    const writer = startWriter(accounts, 8);
    for (let kill = 1; kill <= 3; kill += 1) {
      const target = writer.answered() + 60;
      const writing = writer.run(api());
      await until(() => writer.answered() >= target, {
        timeoutMs: 20_000,
        what: 'enough acknowledged writes',
      });
      await server.kill();
      await writing;
      server = await startServer(env);
    }
    const unknown = writer.attempts.filter(({ answer }) => answer === undefined);
    expect(unknown.length).toBeGreaterThan(0);
    for (const attempt of unknown) expect(await deliver(api(), attempt)).toBe(true);
    await expectExactlyOnce(api(), accounts, writer.attempts);
    for (const { path, body, key, answer } of writer.attempts.filter((_, index) => index % 7 === 0)) {
      const again = await api().post(path, body, { 'Idempotency-Key': key });
      expect([again.status, again.text, again.headers.get('idempotent-replayed')]).toEqual([
        answer!.status,
        answer!.text,
        'true',
      ]);
    }
  }, 60_000);

  test('a clean stop ends with 0, and the next start goes on', async () => {
    const account = await newAccount(api());
    await grant(api(), { ...account, amount: 7 });
    expect(await server.stop()).toBe(0);
    server = await startServer(env);
    expect(await balanceOf(api(), account.customerId, account.unit)).toMatchObject({ available: '7' });
  });
});

describe('two processes on one Postgres', () => {
  let world: World;
  let other: Server;
  let clients: [Client, Client];
  beforeAll(async () => {
    world = await openWorld();
    other = await startServer({ ...world.env, ROLE: 'api' });
    clients = [world.api, other.client(world.keys.secret)];
  });
  afterAll(async () => {
    await other.stop();
    await world.close();
  });

  test('concurrent writers on the same accounts: totals exact, no lost update', async () => {
    const accounts = [await newAccount(clients[0]), await newAccount(clients[0])];
    const writers = clients.map(() => startWriter(accounts, 6));
    const running = writers.map((writer, index) => writer.run(clients[index]!));
    await until(() => writers.every((writer) => writer.answered() >= 250), { timeoutMs: 25_000 });
    writers.forEach((writer) => writer.stop());
    await Promise.all(running);
    const attempts = writers.flatMap((writer) => writer.attempts);
    for (const attempt of attempts.filter(({ answer }) => answer === undefined))
      await until(() => deliver(clients[0], attempt));
    for (const client of clients) await expectExactlyOnce(client, accounts, attempts);
  });

  test('never more is accepted than was granted', async () => {
    const account = await newAccount(clients[0]);
    await grant(clients[0], { ...account, amount: 50 });
    const answers = await Promise.all(
      Array.from({ length: 120 }, (_, n) =>
        clients[n % 2]!.post('/v1/credits/consume', { ...account, amount: '0.7' }),
      ),
    );
    const settled = await Promise.all(
      answers.map(async (answer) => {
        expect([201, 402, 503]).toContain(answer.status);
        return answer.status;
      }),
    );
    const accepted = settled.filter((status) => status === 201).length;
    expect(accepted).toBe(71);
    expect(settled.filter((status) => status === 402)).toHaveLength(120 - 71);
    const rows = await transactionsOf(clients[0], account.customerId);
    expect(sumOf(rows.map(({ amount }) => amount))).toBe(exact('0.3'));
    expect(rows).toHaveLength(72);
  });

  test('a storm of one key over both: one effect, exactly one answer without the replay header', async () => {
    const account = await newAccount(clients[0]);
    await grant(clients[0], { ...account, amount: 100 });
    const body = { ...account, amount: 3 };
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        clients[n % 2]!.post('/v1/credits/consume', body, { 'Idempotency-Key': 'split-storm' }),
      ),
    );
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers.filter(({ headers }) => headers.get('idempotent-replayed') === null)).toHaveLength(1);
    expect(await balanceOf(clients[0], account.customerId, account.unit)).toMatchObject({ available: '97' });
  });

  test('a storm of one new customer id, and of one external id, over both', async () => {
    const id = fresh('both');
    const same = await Promise.all(
      Array.from({ length: 20 }, (_, n) => clients[n % 2]!.post('/v1/customers', { id, name: 'Same' })),
    );
    expect(same.map(({ status }) => status).sort()).toEqual([...Array<number>(19).fill(200), 201]);
    const taken = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        clients[n % 2]!.post('/v1/customers', {
          id: `${id}-${n}`,
          name: 'X',
          externalCustomerId: `ext-${id}`,
        }),
      ),
    );
    expect(taken.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(19).fill(409)]);
  });

  test('what one does the other knows: keys, catalogue, the test clock', async () => {
    const [first, second] = clients;
    const key = ok(await first.post('/v1/api-keys', { name: 'K', keyType: 'secret' }), 201);
    const elsewhere = other.client(key.key);
    ok(await elsewhere.get('/v1/customers'), 200);
    ok(await first.delete(`/v1/api-keys/${key.id}`), 200);
    await until(async () => (await elsewhere.get('/v1/customers')).status === 401, { timeoutMs: 1500 });
    const account = await newAccount(first);
    expect(await grant(second, { ...account, amount: 2 })).toMatchObject({ initialAmount: '2' });
    const target = (await nowOf(first, account.customerId)) + DAY;
    ok(await world.jobs.post('/v1/trigger/credits/process-grant-renewals', { timestamp: iso(target) }), 200);
    await until(async () => (await nowOf(second, account.customerId)) >= target, { timeoutMs: 1500 });
  });

  test('a check tells of all up to the position asked for, whichever of the two recorded it', async () => {
    const [customerId, slug] = [fresh('customer'), fresh('feature')];
    ok(await clients[0].post('/v1/customers', { id: customerId, name: 'Ada' }), 201);
    ok(await clients[0].post('/v1/features', { slug, displayName: slug, featureValue: 10 }), 201);
    const used: unknown[] = [];
    for (let n = 1; n <= 20; n++) {
      const usage = await clients[n % 2]!.post('/v1/events', { eventName: slug, customerId, eventValue: 1 });
      ok(usage, 202);
      const path = `/v1/entitlements/${customerId}/feature/${slug}?minPosition=${usage.headers.get('log-position')}`;
      for (const client of [...clients, ...clients])
        used.push([n, ok(await client.get(path), 200).usages[0].usage]);
    }
    expect(used).toEqual(used.map((_, index) => [1 + (index >> 2), String(1 + (index >> 2))]));
  });

  test('SIGTERM to one under load: everything is answered or refused cleanly, and the exit code is 0', async () => {
    const accounts = [await newAccount(world.api), await newAccount(world.api)];
    const writer = startWriter(accounts, 16);
    const writing = writer.run(world.api);
    await until(() => writer.answered() >= 100, { timeoutMs: 20_000 });
    await world.restart();
    await writing;
    const answers = writer.attempts.flatMap(({ answer }) => (answer ? [answer.status] : []));
    expect(answers.filter((status) => status !== 201 && status !== 402)).toEqual([]);
    for (const attempt of writer.attempts.filter(({ answer }) => answer === undefined))
      expect(await deliver(world.api, attempt)).toBe(true);
    await expectExactlyOnce(world.api, accounts, writer.attempts);
  });
});

describe('roles', () => {
  test('api writes and answers, worker projects', async () => {
    const store = await openStore();
    const keys = makeKeys();
    const env = { ...store.env, ...bootstrapOf(keys) };
    const api = await startServer({ ...env, ROLE: 'api' });
    try {
      const client = api.client(keys.secret);
      const created = await client.post('/v1/customers', { id: 'cust_1', name: 'Ada' });
      ok(created, 201);
      const position = created.headers.get('log-position')!;
      expectProblem(await client.get(`/v1/customers?minPosition=${position}`), 503, 'read_model_behind');
      const worker = await startServer({ ...env, ROLE: 'worker' });
      try {
        const list = await until(async () => {
          const answer = await client.get(`/v1/customers?minPosition=${position}`);
          return answer.status === 200 ? answer.body.data : undefined;
        });
        expect(list.map(({ id }: { id: string }) => id)).toEqual(['cust_1']);
        expect((await worker.client(keys.secret).get('/v1/customers')).status).toBe(404);
      } finally {
        expect(await worker.stop()).toBe(0);
      }
    } finally {
      expect(await api.stop()).toBe(0);
      await store.drop();
    }
  });
});
