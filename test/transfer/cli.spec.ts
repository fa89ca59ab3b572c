import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { AppendBatch, NewEvent } from '#libs/event-store';
import { openPostgresEventStore } from '#libs/event-store/postgres';
import { balanceOf, consume, grant, newAccount, ok, openWorld, type World } from '../e2e/world.js';
import { createMigratedDatabase, createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { runCli, startServer } from '../support/server.js';
import { until } from '../support/wait.js';
import { fill, historyOf } from './given.js';

const CLI = fileURLToPath(new URL('../../dist/apps/cli/main.js', import.meta.url));

let folder: string;
const databases: TestDatabase[] = [];
const file = (name: string) => join(folder, name);

async function emptyDatabase(): Promise<string> {
  const database = await createTestDatabase();
  databases.push(database);
  return database.url;
}
/** No log either, but the tables of the read models: less for the command to do first. */
async function withoutLog(): Promise<string> {
  const database = await createMigratedDatabase();
  databases.push(database);
  return database.url;
}
const drawdown = (url: string, ...args: string[]) => runCli(['--json', ...args], { DATABASE_URL: url });
async function json(url: string, ...args: string[]): Promise<any> {
  const { code, stdout, stderr } = await drawdown(url, ...args);
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
  return JSON.parse(stdout);
}
const textOf = async (name: string) => gunzipSync(await readFile(file(name))).toString();
const body = (text: string) => text.slice(text.indexOf('\n'));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drawdown-transfer-'));
});
afterAll(async () => {
  await Promise.all(databases.map((database) => database.drop()));
  await rm(folder, { recursive: true });
});

describe('a ledger in use', () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld();
  });
  afterAll(() => world.close());

  test('moves to another database, where a server answers as the old one did', async () => {
    const accounts = [];
    for (let n = 0; n < 3; n++) {
      const account = await newAccount(world.api);
      accounts.push(account);
      await grant(world.api, { ...account, amount: 5 + n });
      await consume(world.api, { ...account, amount: 2 });
    }
    const head = ok(await world.api.get('/health/ready')).log.position as number;
    const exported = await json(world.store.database.url, 'export', file('ledger.gz'));
    expect(exported).toMatchObject({ events: head, exportedUpTo: head });
    if (process.platform !== 'win32') expect((await stat(file('ledger.gz'))).mode & 0o777).toBe(0o600);

    const target = await emptyDatabase();
    const first = await json(target, 'import', file('ledger.gz'));
    expect(first).toMatchObject({ events: head, appended: head, digest: exported.digest });
    expect(await json(target, 'import', file('ledger.gz'))).toMatchObject({ events: head, appended: 0 });
    await json(target, 'export', file('again.gz'));
    expect(body(await textOf('again.gz'))).toBe(body(await textOf('ledger.gz')));

    const unprojected = await json(target, 'rebuild');
    for (const { live, same, built } of unprojected.digests)
      expect([live, same, built.position]).toEqual([null, null, head]);

    const server = await startServer({ ...world.env, DATABASE_URL: target });
    try {
      const api = server.client(world.keys.secret);
      for (const { customerId, unit } of accounts)
        expect(await balanceOf(api, customerId, unit)).toEqual(await balanceOf(world.api, customerId, unit));
    } finally {
      await server.stop();
    }
    const rebuilt = await json(target, 'rebuild');
    const original = await json(world.store.database.url, 'rebuild');
    const digests = ({ digests: all }: any) => all.map(({ name, built }: any) => [name, built.tables]);
    expect(digests(rebuilt)).toEqual(digests(original));
    expect(digests(rebuilt)).toEqual(digests(unprojected));
    expect(await json(target, 'verify')).toMatchObject({ faults: [], differences: [] });
  });

  test('is no target', async () => {
    const other = await withoutLog();
    const eventStore = await openPostgresEventStore({ connectionString: other });
    await fill(eventStore, historyOf({ seed: 50, events: 20, streams: 3 }));
    await eventStore.close();
    await json(other, 'export', file('other.gz'));
    const before = ok(await world.api.get('/health/ready')).log.position as number;
    const { code, stderr } = await drawdown(world.store.database.url, 'import', file('other.gz'));
    expect([code, stderr]).toEqual([1, expect.stringContaining('not empty and not a prefix')]);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(ok(await world.api.get('/health/ready')).log.position).toBe(before);
  });
});

describe('files', () => {
  let url: string;
  let whole: Buffer;
  beforeAll(async () => {
    url = await withoutLog();
    const eventStore = await openPostgresEventStore({ connectionString: url });
    await fill(eventStore, historyOf({ seed: 51, events: 2500, streams: 30, filling: 400 }));
    await eventStore.close();
    await json(url, 'export', file('whole.gz'));
    whole = await readFile(file('whole.gz'));
  });

  test('an export does not touch a file that exists', async () => {
    const { code, stderr } = await drawdown(url, 'export', file('whole.gz'));
    expect([code, stderr]).toEqual([1, expect.stringContaining('exists already')]);
    expect(await readFile(file('whole.gz'))).toEqual(whole);
  });

  test.each([
    ['truncated', () => whole.subarray(0, whole.length - 3000), /line \d+: cannot be read/],
    ['without its last byte', () => whole.subarray(0, -1), /line \d+: cannot be read/],
    ['with a flipped bit', () => whole.with(whole.length >> 1, whole[whole.length >> 1]! ^ 4), /line \d+: /],
    ['not compressed', () => gunzipSync(whole), /line 1: cannot be read/],
    ['empty', () => Buffer.alloc(0), /line 1: /],
    ['with a changed line at its end', () => gzipSync(gunzipSync(whole).toString().replace(/"amount":"2499"/, '"amount":"1"')), /line 2501: .*hash/], // prettier-ignore
    [
      'without trailer',
      () => gzipSync(gunzipSync(whole).toString().replace(/.*\n$/, '')),
      /line 2502: .*trailer/,
    ],
    ['that is no text', () => gzipSync(Buffer.from([0x7b, 0xff, 0x0a])), /line 1: cannot be read/],
  ] as [string, () => Uint8Array, RegExp][])(
    'a file %s is refused before anything is appended',
    async (name, make, reason) => {
      const target = await withoutLog();
      await writeFile(file(`bad ${name}`), make());
      const { code, stdout, stderr } = await drawdown(target, 'import', file(`bad ${name}`));
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(reason);
      expect(stderr).not.toMatch(/^\s+at /m);
      const eventStore = await openPostgresEventStore({ connectionString: target });
      expect(await eventStore.head()).toBe(0n);
      await eventStore.close();
    },
  );

  test('a file that is not there, a folder that is not there, no file: said plainly', async () => {
    for (const args of [
      ['import', file('none.gz')],
      ['export', file('none/log.gz')],
    ]) {
      const { code, stderr } = await drawdown(url, ...args);
      expect([code, stderr]).toEqual([1, expect.stringContaining('ENOENT')]);
      expect(stderr).not.toMatch(/^\s+at /m);
    }
    expect((await drawdown(url, 'export')).code).toBe(2);
    expect((await drawdown(url, 'import')).code).toBe(2);
  });
});

describe('a long log', () => {
  const EVENTS = 26_000;
  /** Megabytes; the lines of the file alone would take more. */
  const HEAP = 72;
  const bounded = (url: string) => ({ DATABASE_URL: url, NODE_OPTIONS: `--max-old-space-size=${HEAP}` });
  let url: string;

  beforeAll(async () => {
    url = await withoutLog();
    const eventStore = await openPostgresEventStore({ connectionString: url });
    // one stream a batch, so that filling is quick; the file then has long runs and, every thousand events, short ones
    let batches = new Map<string, AppendBatch & { readonly events: NewEvent[] }>();
    let waiting = 0;
    for (const { stream, revision, event } of historyOf({
      seed: 52,
      events: EVENTS,
      streams: 2000,
      filling: 2000,
    })) {
      const batch = batches.get(stream);
      if (batch) batch.events.push(event);
      else batches.set(stream, { stream, expectedRevision: revision - 1, events: [event] });
      if (++waiting < 1000) continue;
      await eventStore.append([...batches.values()]);
      batches = new Map();
      waiting = 0;
    }
    expect(await eventStore.head()).toBe(BigInt(EVENTS));
    await eventStore.close();
  }, 120_000);

  /** Runs a command and ends it by a signal as soon as `when` is true. */
  async function interrupt(
    args: readonly string[],
    env: Record<string, string>,
    signal: NodeJS.Signals,
    when: () => Promise<boolean>,
  ): Promise<{ code: number | null; stderr: string }> {
    const child = spawn(process.execPath, [CLI, ...args], {
      env: { PATH: process.env.PATH, ALLOW_UNSAFE_DATABASE: '1', ...env },
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const exited = new Promise<number | null>((done) => child.once('close', done));
    try {
      await until(when, { timeoutMs: 60_000, what: 'the moment to interrupt' });
    } finally {
      child.kill(signal);
    }
    return { code: await exited, stderr };
  }
  const partial = async () => (await readdir(folder)).filter((name) => name.startsWith('long.gz.'));
  const begun = async () => {
    const [name] = await partial();
    return name !== undefined && (await stat(file(name))).size > 100_000;
  };

  test('is exported, interrupted or not, and imported, interrupted or not, in bounded memory', async () => {
    const stopped = await interrupt(['export', file('long.gz')], bounded(url), 'SIGINT', begun);
    expect([stopped.code, stopped.stderr]).toEqual([1, expect.stringContaining('interrupted')]);
    expect([await partial(), (await readdir(folder)).includes('long.gz')]).toEqual([[], false]);
    const killed = await interrupt(['export', file('long.gz')], bounded(url), 'SIGKILL', begun);
    expect(killed.code).toBe(null);
    expect((await readdir(folder)).includes('long.gz')).toBe(false);

    const exported = await runCli(['--json', 'export', file('long.gz')], bounded(url));
    expect([exported.code, exported.stderr]).toEqual([0, '']);
    expect(JSON.parse(exported.stdout).events).toBe(EVENTS);

    const target = await withoutLog();
    const watch = await openPostgresEventStore({ connectionString: target });
    for (const [signal, past] of [
      ['SIGKILL', 3_000n],
      ['SIGINT', 9_000n],
    ] as const) {
      await interrupt(
        ['import', file('long.gz')],
        bounded(target),
        signal,
        async () => (await watch.head()) > past,
      );
      expect(await watch.head()).toBeLessThan(BigInt(EVENTS));
    }
    const there = Number(await watch.head());
    await watch.close();
    const imported = await runCli(['--json', 'import', file('long.gz')], bounded(target));
    expect([imported.code, imported.stderr]).toEqual([0, '']);
    expect(JSON.parse(imported.stdout)).toMatchObject({
      events: EVENTS,
      appended: EVENTS - there,
      digest: JSON.parse(exported.stdout).digest,
    });
  }, 180_000);
});
