import { beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { runCli, startCli } from '../support/server.js';
import { until } from '../support/wait.js';
import {
  balanceOf,
  consume,
  fresh,
  grant,
  newAccount,
  ok,
  ON_EVENT_STORE_DB,
  sumOf,
  transactionsOf,
  worldOfTests,
  type Account,
} from './world.js';

/** The operator's commands, beside a running server. */

const world = worldOfTests();
const { api } = world;
const accounts: Account[] = [];

const drawdown = (...args: string[]) => runCli(args, world.store.env);
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
  for (let n = 0; n < 3; n += 1) {
    const account = await newAccount(api);
    accounts.push(account);
    for (const amount of [5, 6, 7]) await grant(api, { ...account, amount });
    await consume(api, { ...account, amount: 8 });
    await consume(api, { ...account, amount: 20, onShortage: 'pending' });
  }
});

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

  test('what somebody changed or removed by hand: exit code 1, where, and whose, until a rebuild puts it right', async () => {
    await caughtUp();
    const [changed, removed] = [accounts[1]!.customerId, accounts[2]!.customerId];
    const columns = { balances: 'balance', grants: 'remaining', transactions: 'amount', usage: 'revision' };
    for (const [table, column] of Object.entries(columns))
      expect(
        await onDatabase(
          `update read_models.${table} set ${column} = ${column} + 1 where customer_id = '${changed}'`,
        ),
      ).toBeGreaterThan(0);
    expect(await onDatabase(`delete from read_models.balances where customer_id = '${removed}'`)).toBe(1);
    const { code, stdout } = await drawdown('--json', 'verify');
    expect(code).toBe(1);
    const { differences, faults } = JSON.parse(stdout);
    expect(faults).toEqual([]);
    const found = differences.map((one: any) => [one.readModel, one.customerId]);
    for (const table of Object.keys(columns)) expect(found).toContainEqual([table, changed]);
    expect(found.filter(([, whose]: [string, string]) => whose !== changed)).toEqual([['balances', removed]]);
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
    for (let round = 0; round < 2; round += 1) {
      const before = written;
      const result = await json('rebuild');
      expect(result.events).toBeGreaterThanOrEqual(15 + before);
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
  ] as const)('by %s: nothing changes, and another one may begin', async (signal, exitCode) => {
    await caughtUp();
    const path = `/v1/credits/customers/${accounts[0]!.customerId}/transactions`;
    const before = ok(await api.get(path), 200);
    const reader = new pg.Client({ connectionString: world.store.database.url });
    await reader.connect();
    try {
      // whoever reads holds the swap up
      await reader.query('begin; select count(*) from read_models.usage');
      const { output, exited, signal: send } = startCli(['rebuild'], world.store.env);
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
  });

  test('is run again, whatever it left', async () => {
    const path = `/v1/credits/customers/${accounts[0]!.customerId}/transactions`;
    const before = ok(await api.get(path), 200);
    expect(await shadows()).toBe(1);
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
    expect(own).toMatchObject({ name, environment: 'test', keyType: 'secret', revokedAt: null });
    const text = await drawdown('keys', 'list');
    expect([text.code, text.stdout]).toEqual([0, expect.stringContaining(created.id)]);
    expect((await json('keys', 'revoke', created.id)).revokedAt).not.toBeNull();
    const deadline = performance.now() + 1500;
    let status = 200;
    while (status !== 401 && performance.now() < deadline) ({ status } = await client.get('/v1/customers'));
    expect(status).toBe(401);
  });
});
