import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { ok } from '../e2e/world.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { runCli, runToEnd, startServer, type Environment } from '../support/server.js';

/** An empty database, from the first command to the second start: what is said here does not depend on the event store. */

let database: TestDatabase;
let env: Environment;
beforeAll(async () => {
  database = await createTestDatabase();
  env = { DATABASE_URL: database.url };
});
afterAll(() => database.drop());

const drawdown = (...args: string[]) => runCli(args, env);
const keys = async (...args: string[]): Promise<any> =>
  JSON.parse((await drawdown('--json', 'keys', ...args)).stdout);

test('a database that may forget what it committed is refused', async () => {
  const { code, stderr } = await runToEnd({ ...env, ALLOW_UNSAFE_DATABASE: '0' });
  expect(code).toBe(1);
  for (const setting of ['fsync', 'full_page_writes', 'synchronous_commit'])
    expect(stderr).toContain(setting);
});

describe('keys', () => {
  let printed: readonly string[];

  test('are listed without a server that has projected them, and with one; its first start prints a set for each environment', async () => {
    expect(await keys('list')).toEqual([]);
    const first = await keys('create', '--name', 'first');
    const second = await keys('create', '--name', 'second');
    const { revokedAt } = await keys('revoke', first.id);
    const shown = [{ ...first, revokedAt }, second].map((key) => ({ ...key, key: null }));
    expect(await keys('list')).toEqual(shown);

    const server = await startServer(env);
    printed = server.output.stdout.match(/\b[spt]k_(live|test)_[A-Za-z0-9_-]+/g) ?? [];
    const kinds = ['pk_live', 'pk_test', 'sk_live', 'sk_test', 'tk_live', 'tk_test'];
    expect(printed.map((key) => key.slice(0, 7)).sort()).toEqual(kinds);
    for (const key of printed.filter((text) => text.startsWith('sk')))
      ok(await server.client(key).get('/v1/customers'), 200);
    const reader = server.client(second.key);
    const position = ok(await reader.get('/health/ready')).log.position as number;
    ok(await reader.get(`/v1/api-keys?minPosition=${position}`), 200);
    expect(await server.stop()).toBe(0);

    // what the read model has by now, and what came after it
    const last = await keys('create', '--name', 'last');
    const { revokedAt: revokedLater } = await keys('revoke', second.id);
    const listed = await keys('list');
    expect(listed.slice(0, 2)).toEqual([shown[0], { ...shown[1], revokedAt: revokedLater }]);
    expect([listed.length, listed.at(-1)]).toEqual([9, expect.objectContaining({ id: last.id })]);
    const publishable = printed.filter((text) => text.startsWith('pk')).sort();
    expect(listed.flatMap(({ key }: { key: string | null }) => key ?? []).sort()).toEqual(publishable);
  });

  test('are printed once, and are of each kind and environment', async () => {
    const server = await startServer(env);
    try {
      expect(server.output.stdout).not.toMatch(/[spt]k_(live|test)_/);
      const secret = server.client(printed.find((key) => key.startsWith('sk_live')));
      ok(await secret.get('/v1/customers'), 200);
      const trigger = await keys('create', '--name', 'jobs', '--type', 'trigger', '--environment', 'live');
      expect(trigger.key).toMatch(/^tk_live_/);
      ok(await server.client(trigger.key).post('/v1/trigger/credits/process-expirations', {}), 200);
    } finally {
      expect(await server.stop()).toBe(0);
    }
  });

  test('that do not exist are said plainly', async () => {
    const missing = await drawdown('keys', 'revoke', 'key_none');
    expect(missing.code).toBe(1);
    expect(missing.stderr).not.toMatch(/^\s+at /m);
  });
});

test('a rebuild to what has not come yet is 1, and leaves nothing behind', async () => {
  for (const to of ['999999999', '2999-01-01T00:00:00Z']) {
    const { code, stdout, stderr } = await drawdown('rebuild', '--to', to);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/ yet\.\n$/);
  }
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const { rows } = await client.query(`select nspname from pg_namespace where nspname like 'read_models_%'`);
  await client.end();
  expect(rows).toEqual([]);
});
