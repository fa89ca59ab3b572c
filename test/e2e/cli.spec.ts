import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { runCli, runToEnd, startCli, startServer, type Environment } from '../support/server.js';
import { until } from '../support/wait.js';
import type { Client } from '../support/client.js';
import {
  balanceOf,
  consume,
  fresh,
  grant,
  newAccount,
  ok,
  ON_EVENT_STORE_DB,
  openStore,
  openWorld,
  sumOf,
  transactionsOf,
  type Account,
  type World,
} from './world.js';

/** The operator's commands, beside a running server. */

let world: World;
let api: Client;
let env: Environment;
const accounts: Account[] = [];

const drawdown = (...args: string[]) => runCli(args, env);
async function json(...args: string[]): Promise<any> {
  const { code, stdout, stderr } = await drawdown('--json', ...args);
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
  return JSON.parse(stdout);
}
async function onDatabase(sql: string): Promise<number> {
  const client = new pg.Client({ connectionString: world.store.database.url });
  await client.connect();
  try {
    return (await client.query(sql)).rowCount ?? 0;
  } finally {
    await client.end();
  }
}

beforeAll(async () => {
  world = await openWorld();
  api = world.api;
  env = world.store.env;
  for (let n = 0; n < 3; n += 1) {
    const account = await newAccount(api);
    accounts.push(account);
    for (const amount of [5, 6, 7]) await grant(api, { ...account, amount });
    await consume(api, { ...account, amount: 8 });
    await consume(api, { ...account, amount: 20, onShortage: 'pending' });
  }
});
afterAll(() => world.close());

const caughtUp = async () => {
  const head = ok(await api.get('/health/ready')).log.position as number;
  ok(await api.get(`/v1/customers?minPosition=${head}`), 200);
  ok(await api.get(`/v1/credits/customers/${accounts[0]!.customerId}/balances?minPosition=${head}`), 200);
  return head;
};

describe('status', () => {
  test('says where the log ends and how far each read model is', async () => {
    const head = await caughtUp();
    const status = await json('status');
    expect(status.log.position).toBe(head);
    expect(status.readModels.length).toBeGreaterThan(0);
    for (const { position, behind, stopped } of status.readModels)
      expect([position, behind, stopped]).toEqual([head, ON_EVENT_STORE_DB ? false : 0, null]);
    const { code, stdout } = await drawdown('status');
    expect(code).toBe(0);
    expect(stdout).toContain(`ends at position ${head}`);
  });
});

describe('verify', () => {
  test('a good ledger: exit code 0 and nothing found', async () => {
    await caughtUp();
    const result = await json('verify');
    expect(result).toMatchObject({ faults: [], differences: [] });
    expect(result.eventsChecked).toBeGreaterThanOrEqual(15);
    expect(result.checks.map(({ name }: { name: string }) => name)).toEqual(
      expect.arrayContaining([
        'positions',
        'hash chains',
        'balances',
        'read model usage',
        'read model catalog',
      ]),
    );
    const { code, stdout } = await drawdown('verify');
    expect([code, stdout]).toEqual([0, expect.stringMatching(/0 faults.*0 differences/)]);
  });

  test('what somebody changed by hand: exit code 1, where, and whose', async () => {
    await caughtUp();
    const { customerId } = accounts[1]!;
    const columns = { balances: 'balance', grants: 'remaining', transactions: 'amount', usage: 'revision' };
    const add = (amount: number) =>
      Promise.all(
        Object.entries(columns).map(([table, column]) =>
          onDatabase(
            `update read_models.${table} set ${column} = ${column} + ${amount} where customer_id = '${customerId}'`,
          ),
        ),
      );
    const rows = await add(1);
    expect(Math.min(...rows)).toBeGreaterThan(0);
    const { code, stdout } = await drawdown('--json', 'verify');
    expect(await add(-1)).toEqual(rows);
    expect(code).toBe(1);
    const { differences, faults } = JSON.parse(stdout);
    expect(faults).toEqual([]);
    const found = differences.map((one: any) => [one.readModel, one.customerId]);
    for (const table of Object.keys(columns)) expect(found).toContainEqual([table, customerId]);
    expect(new Set(found.map(([, whose]: [string, string]) => whose))).toEqual(new Set([customerId]));
  });

  test('a row that is missing is put right by a rebuild', async () => {
    await caughtUp();
    const { customerId } = accounts[1]!;
    expect(await onDatabase(`delete from read_models.balances where customer_id = '${customerId}'`)).toBe(1);
    expect((await drawdown('verify')).code).toBe(1);
    expect((await drawdown('rebuild')).code).toBe(0);
    expect((await drawdown('verify')).code).toBe(0);
  });
});

describe('rebuild', () => {
  test('while the server serves and writes go on: nothing is missed, no read fails', async () => {
    const account = await newAccount(api);
    let done = false;
    let written = 0;
    const faults: string[] = [];
    const write = async () => {
      while (!done) {
        await grant(api, { ...account, amount: '1.5' });
        written += 1;
      }
    };
    const read = async () => {
      while (!done) {
        const answer = await api.get(`/v1/credits/customers/${account.customerId}/transactions`);
        if (answer.status !== 200) faults.push(`${answer.status} ${answer.text}`);
        else if (answer.body.data.length > 0) {
          const amounts = answer.body.data.map(({ amount }: { amount: string }) => amount);
          if (new Set(amounts).size !== 1) faults.push(answer.text);
        }
      }
    };
    const work = Promise.all([write(), write(), read()]);
    const { eventsChecked: before } = await json('verify');
    for (let round = 0; round < 2; round += 1) {
      const result = await json('rebuild');
      expect(result.events).toBeGreaterThanOrEqual(before);
    }
    done = true;
    await work;
    expect(faults).toEqual([]);
    expect(written).toBeGreaterThan(10);
    await caughtUp();
    const rows = await transactionsOf(api, account.customerId);
    expect(rows).toHaveLength(written);
    expect(sumOf(rows.map(({ amount }) => amount))).toBe(BigInt(written) * 1_500_000_000_000n);
    expect((await drawdown('verify')).code).toBe(0);
  }, 60_000);

  test('changes no answer', async () => {
    await caughtUp();
    const paths = accounts.flatMap(({ customerId }) =>
      ['transactions', 'grants'].map((what) => `/v1/credits/customers/${customerId}/${what}`),
    );
    const answers = () => Promise.all(paths.map(async (path) => ok(await api.get(path), 200)));
    const before = await answers();
    const balance = await balanceOf(api, accounts[0]!.customerId, accounts[0]!.unit);
    expect((await drawdown('rebuild', 'balances', 'grants', 'transactions')).code).toBe(0);
    expect(await answers()).toEqual(before);
    expect(await balanceOf(api, accounts[0]!.customerId, accounts[0]!.unit)).toEqual(balance);
  });
});

describe('rebuild that is interrupted', () => {
  const shadows = () => onDatabase(`select from pg_namespace where nspname = 'read_models_shadow'`);

  test.each([
    ['SIGINT', 1],
    ['SIGTERM', 1],
    ['SIGKILL', null],
  ] as const)('by %s: nothing changes, and it may be run again', async (signal, exitCode) => {
    await caughtUp();
    const path = `/v1/credits/customers/${accounts[0]!.customerId}/transactions`;
    const before = ok(await api.get(path), 200);
    const reader = new pg.Client({ connectionString: world.store.database.url });
    await reader.connect();
    try {
      // whoever reads holds the swap up
      await reader.query('begin; select count(*) from read_models.usage');
      const { output, exited, signal: send } = startCli(['rebuild'], env);
      await until(async () => (await shadows()) === 1);
      if (signal === 'SIGINT')
        for (const args of [['rebuild'], ['rebuild', '--to', '1']])
          await expect(json(...args)).rejects.toThrow('Another rebuild is running');
      send(signal);
      expect(await exited).toBe(exitCode);
      expect(output.stdout).toBe('');
      if (exitCode === null) expect(await shadows()).toBe(1);
      else {
        expect(output.stderr).toMatch(/^interrupted; the live read models are as they were.*\n$/);
        expect(await shadows()).toBe(0);
      }
      expect(ok(await api.get(path), 200)).toEqual(before);
    } finally {
      await reader.end();
    }
    await until(async () => (await drawdown('rebuild')).code === 0, { timeoutMs: 20_000 }); // the server hears of a killed one a little later
    expect(await shadows()).toBe(0);
    expect(ok(await api.get(path), 200)).toEqual(before);
  });
});

describe('rebuild --to', () => {
  const schemas = () => onDatabase(`select from pg_namespace where nspname like 'read_models_at_%'`);

  test('a position: a schema as of then, beside the live one, until it is dropped', async () => {
    const { customerId, unit } = accounts[0]!;
    const position = await caughtUp();
    const balance = await balanceOf(api, customerId, unit);
    await grant(api, { ...accounts[0]!, amount: 100 });
    await caughtUp();
    const after = await balanceOf(api, customerId, unit);
    const result = await json('rebuild', '--to', String(position));
    expect(result).toMatchObject({ schema: `read_models_at_${position}`, position });
    if (!ON_EVENT_STORE_DB) expect(result.events).toBe(position);
    const matching = `from ${result.schema}.balances where customer_id = '${customerId}'`;
    expect(
      await onDatabase(`select ${matching} and balance = ${balance.ledger} and debt = ${balance.debt}`),
    ).toBe(1);
    expect(await balanceOf(api, customerId, unit)).toEqual(after);
    const { code, stdout } = await drawdown('rebuild', '--to', String(position), '--drop');
    expect([code, stdout]).toEqual([0, `${result.schema} is gone.\n`]);
    expect((await drawdown('rebuild', '--to', String(position), '--drop')).code).toBe(1);
    expect(await schemas()).toBe(0);
  });

  test('a time, said in words', async () => {
    await caughtUp();
    const to = new Date().toISOString();
    const { code, stdout } = await drawdown('rebuild', 'grants', '--to', to);
    expect(code).toBe(0);
    expect(stdout).toContain(`everything recorded at or before ${to}`);
    expect(stdout).toMatch(
      /grants: \d+ rows, [0-9a-f]{16}\nAsk it: select \* from read_models_at_\w+z\.grants/,
    );
    expect((await drawdown('rebuild', '--to', to, '--drop')).code).toBe(0);
  });

  test('what has not come yet is 1, what is neither a position nor a time is 2', async () => {
    for (const to of ['999999999', '2999-01-01T00:00:00Z']) {
      const { code, stdout, stderr } = await drawdown('rebuild', '--to', to);
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(/ yet\.\n$/);
    }
    for (const args of [['--to', '-1'], ['--to', '2026-01-01'], ['--to', '1.5'], ['--drop']])
      expect((await drawdown('rebuild', ...args)).code).toBe(2);
    expect(await schemas()).toBe(0);
  });
});

describe('keys', () => {
  test('create, use, list, revoke', async () => {
    const name = fresh('operator');
    const created = await json('keys', 'create', '--name', name, '--environment', 'test');
    expect(created).toMatchObject({ name, key: expect.stringMatching(/^sk_test_/) });
    const client = world.server.client(created.key);
    ok(await client.get('/v1/customers'), 200);
    const listed = (await json('keys', 'list')) as { id: string; prefix: string }[];
    const own = listed.find(({ id }) => id === created.id)!;
    expect(created.key.startsWith(own.prefix)).toBe(true);
    expect(JSON.stringify(listed)).not.toContain(created.key);
    expect(own).toMatchObject({ name, environment: 'test', kind: 'secret', revokedAt: null });
    const text = await drawdown('keys', 'list');
    expect([text.code, text.stdout]).toEqual([0, expect.stringContaining(created.id)]);
    expect((await json('keys', 'revoke', created.id)).revokedAt).not.toBeNull();
    const deadline = performance.now() + 1500;
    let status = 200;
    while (status !== 401 && performance.now() < deadline) ({ status } = await client.get('/v1/customers'));
    expect(status).toBe(401);
  });

  test('are listed without a server that has projected them', async () => {
    const store = await openStore();
    const alone = async (...args: string[]): Promise<any> =>
      JSON.parse((await runCli(['--json', 'keys', ...args], store.env)).stdout);
    try {
      expect(await alone('list')).toEqual([]);
      const first = await alone('create', '--name', 'first');
      const second = await alone('create', '--name', 'second');
      const { revokedAt } = await alone('revoke', first.id);
      const shown = [{ ...first, revokedAt }, second].map(({ key: _, ...key }) => key);
      expect(await alone('list')).toEqual(shown);
      const server = await startServer(store.env);
      const reader = server.client(second.key);
      const position = ok(await reader.get('/health/ready')).log.position as number;
      ok(await reader.get(`/v1/api-keys?minPosition=${position}`), 200);
      expect(await server.stop()).toBe(0);
      // what the read model has by now, and what came after it
      const last = await alone('create', '--name', 'last');
      const { revokedAt: revokedLater } = await alone('revoke', second.id);
      const listed = await alone('list');
      expect(listed.slice(0, 2)).toEqual([shown[0], { ...shown[1], revokedAt: revokedLater }]);
      expect([listed.length, listed.at(-1)]).toEqual([9, expect.objectContaining({ id: last.id })]);
    } finally {
      await store.drop();
    }
  });

  test('of each kind and environment', async () => {
    const trigger = await json(
      'keys',
      'create',
      '--name',
      'jobs',
      '--type',
      'trigger',
      '--environment',
      'live',
    );
    expect(trigger.key).toMatch(/^tk_live_/);
    const answer = await world.server.client(trigger.key).post('/v1/trigger/credits/process-expirations', {});
    expect(answer.status).toBe(200);
  });

  test('a key that does not exist is said plainly', async () => {
    const missing = await drawdown('keys', 'revoke', 'key_none');
    expect(missing.code).toBe(1);
    expect(missing.stderr).not.toMatch(/^\s+at /m);
  });
});

describe('the configuration of the server', () => {
  test('a database that may forget what it committed is refused', async () => {
    const { code, stderr } = await runToEnd({ ...world.env, ALLOW_UNSAFE_DATABASE: '0' });
    expect(code).toBe(1);
    for (const setting of ['fsync', 'full_page_writes', 'synchronous_commit'])
      expect(stderr).toContain(setting);
  });

  test('without keys, the first start prints a set for each environment, once', async () => {
    const store = await openStore();
    try {
      const first = await startServer(store.env);
      const printed = first.output.stdout.match(/\b[spt]k_(live|test)_[A-Za-z0-9_-]+/g) ?? [];
      const kinds = ['pk_live', 'pk_test', 'sk_live', 'sk_test', 'tk_live', 'tk_test'];
      expect(printed.map((key) => key.slice(0, 7)).sort()).toEqual(kinds);
      for (const key of printed.filter((text) => text.startsWith('sk')))
        ok(await first.client(key).get('/v1/customers'), 200);
      expect(await first.stop()).toBe(0);
      const second = await startServer(store.env);
      expect(second.output.stdout).not.toMatch(/[spt]k_(live|test)_/);
      ok(await second.client(printed.find((key) => key.startsWith('sk_live'))).get('/v1/customers'), 200);
      expect(await second.stop()).toBe(0);
    } finally {
      await store.drop();
    }
  });
});
