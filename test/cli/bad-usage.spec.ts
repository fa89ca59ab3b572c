import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { runCli, runToEnd } from '../support/server.js';

/** What is refused before anything is opened: this database does not answer. */
const NOBODY = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' };
const drawdown = (...args: string[]) => runCli(args, NOBODY);

describe('usage of the command line', () => {
  test.each([
    [['nonsense'], ['verify', '--surprise']],
    [
      ['rebuild', 'no-such-read-model'],
      ['keys', 'create'],
    ],
    [
      ['keys', 'create', '--name', 'x', '--type', 'nonsense'],
      ['keys', 'create', '--name', 'x', '--environment', 'staging'],
    ],
    [
      ['keys', 'revoke'],
      ['keys', 'nonsense'],
    ],
    [
      ['keys', 'create', '--name', ''],
      ['keys', 'create', '--name', 'x'.repeat(101)],
    ],
    [
      ['rebuild', '--to', '-1'],
      ['rebuild', '--to', '2026-01-01'],
    ],
    [
      ['rebuild', '--to', '1.5'],
      ['rebuild', '--drop'],
    ],
  ])('%j and %j are bad usage: exit code 2', async (...commands) => {
    for (const { code, stdout, stderr } of await Promise.all(commands.map((args) => drawdown(...args)))) {
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr.trim()).not.toBe('');
      expect(stderr).not.toMatch(/^\s+at /m);
    }
  });

  test('--help is 0', async () => {
    const { code, stdout } = await drawdown('--help');
    expect(code).toBe(0);
    for (const command of ['rebuild', 'verify', 'status', 'keys']) expect(stdout).toContain(command);
  });

  test('a database that does not answer is said plainly', async () => {
    const nobody = await drawdown('status');
    expect(nobody.code).toBe(1);
    expect(nobody.stderr).not.toMatch(/^\s+at /m);
  });
});

test('what the operating system refuses is said plainly', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  try {
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const taken = await runToEnd({ EVENT_STORE_URL: 'memory:', PORT: String(port) });
    expect([taken.code, taken.stderr]).toEqual([1, expect.stringContaining('EADDRINUSE')]);
    expect(taken.stderr).not.toMatch(/^\s+at /m);
  } finally {
    server.close();
  }
});

test('every problem is listed at the start, and the exit code is 2', async () => {
  const bad = {
    PORT: '70000',
    DATABASE_URL: 'mysql://127.0.0.1/x',
    EVENT_STORE_URL: 'kafka://x',
    BOOTSTRAP_SECRET_KEY: 'sk_prod_1',
    BOOTSTRAP_PUBLISHABLE_KEY: 'sk_test_0123456789abcdef0123',
    BOOTSTRAP_TRIGGER_KEY: 'tk_test_short',
    EXPIRY_GRACE: '1 hour',
    MAX_EVENT_AGE: '-1d',
    LOG_LEVEL: 'loud',
    ROLE: 'leader',
  };
  const { code, stdout, stderr } = await runToEnd(bad);
  expect([code, stdout]).toEqual([2, '']);
  for (const name of Object.keys(bad)) expect(stderr).toContain(name);
  expect(stderr).not.toMatch(/^\s+at /m);
});
