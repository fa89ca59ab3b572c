import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Client } from 'pg';
import { until } from '../../test/support/wait.js';
import { DataDirectoryInUse, startEmbeddedPostgres } from './embedded-postgres.js';

const isAlive = (pid: number): boolean => {
  const { status, stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return status === 0 && !stdout.startsWith('Z'); // a zombie waits for its reaper only
};

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

const children: ChildProcess[] = [];

/** Another product process: starts the database and prints `pid url`, or the name and text of its error. */
async function otherProcess(
  dataDir: string,
  env: NodeJS.ProcessEnv = {},
): Promise<{ child: ChildProcess; line: string }> {
  const code = `
    import { register } from 'node:module';
    register('./test/support/typescript-loader.mjs', ${JSON.stringify(`file://${resolve('.')}/`)});
    const { startEmbeddedPostgres } = await import(${JSON.stringify(resolve('libs/platform/embedded-postgres.ts'))});
    try {
      const server = await startEmbeddedPostgres({ dataDir: ${JSON.stringify(dataDir)} });
      console.log(server.pid + ' ' + server.url);
      process.once('SIGTERM', () => void server.stop());
      setInterval(() => {}, 1000).unref();
    } catch (error) {
      console.log(error.name + ' ' + error.message);
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, line: String(line).trim() };
}

const pidIn = (line: string) => Number(line.split(' ')[0]);
const urlIn = (line: string) => line.split(' ')[1]!;

describe('the embedded Postgres', () => {
  let root: string;
  let dataDir: string;

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'drawdown-embedded-'));
    dataDir = join(root, 'data');
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  test('keeps its data, and its settings suit a ledger', async () => {
    const first = await startEmbeddedPostgres({ dataDir });
    await query(first.url, 'create table kept as select 42 as answer');
    const settings = await query(
      first.url,
      `select name, setting from pg_settings where setting = 'on' and name in ('fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums')`,
    );
    expect(settings).toHaveLength(4);
    await first.stop();
    await first.stop();
    expect(isAlive(first.pid)).toBe(false);

    const second = await startEmbeddedPostgres({ dataDir });
    expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
    await second.stop();
  });

  test('makes a password once and lets nobody else read it or the cluster', () => {
    const password = readFileSync(join(dataDir, 'postgres-password'), 'utf8').trim();
    expect(password).toMatch(/^[A-Za-z0-9_-]{32}$/);
    expect(statSync(join(dataDir, 'postgres-password')).mode & 0o777).toBe(0o600);
    expect(statSync(join(dataDir, 'postgres')).mode & 0o777).toBe(0o700);
  });

  test('refuses a second process and leaves the first alone', async () => {
    const first = await startEmbeddedPostgres({ dataDir });
    const second = await otherProcess(dataDir);
    expect(second.line).toMatch(/^DataDirectoryInUse /);
    expect(second.line).toContain(dataDir);
    expect(second.line).toContain(`pid ${process.pid}`);
    await expect(startEmbeddedPostgres({ dataDir })).rejects.toBeInstanceOf(DataDirectoryInUse);
    expect(await query(first.url, 'select answer from kept')).toHaveLength(1);
    await first.stop();
  });

  test('comes up again after kill -9 of its process', async () => {
    const first = await otherProcess(dataDir);
    expect(first.line).toMatch(/^\d+ postgres:/);
    await query(urlIn(first.line), 'insert into kept values (43)');
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    const second = await startEmbeddedPostgres({ dataDir });
    await until(() => !isAlive(pidIn(first.line)));
    expect(await query(second.url, 'select answer from kept')).toHaveLength(2);
    await second.stop();
  });

  test('stops an orphan that outlived its process', async () => {
    // a PATH without setpriv: nothing tells Postgres that its parent died
    const bin = join(root, 'bin');
    mkdirSync(bin);
    for (const name of ['flock', 'chmod', 'chown']) {
      const found = spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim();
      if (found) writeFileSync(join(bin, name), `#!/bin/sh\nexec ${found} "$@"\n`, { mode: 0o755 });
    }
    const first = await otherProcess(dataDir, { PATH: bin });
    expect(first.line).toMatch(/^\d+ postgres:/);
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    expect(isAlive(pidIn(first.line))).toBe(true);
    const second = await startEmbeddedPostgres({ dataDir });
    await until(() => !isAlive(pidIn(first.line)));
    expect(await query(second.url, 'select answer from kept')).toHaveLength(2);
    await second.stop();
  });

  test('ignores a pid file whose pid means another process now', async () => {
    writeFileSync(join(dataDir, 'postgres/postmaster.pid'), `${process.pid}\n${dataDir}/postgres\n`);
    const server = await startEmbeddedPostgres({ dataDir });
    expect(await query(server.url, 'select answer from kept')).toHaveLength(2);
    await server.stop();
  });

  test('says when it ends by itself, and then lets the directory go', async () => {
    const server = await startEmbeddedPostgres({ dataDir });
    process.kill(server.pid, 'SIGQUIT');
    expect((await server.died).message).toMatch(/^Postgres ended/);
    await server.stop();
    const next = await startEmbeddedPostgres({ dataDir });
    await next.stop();
  });

  test('repeats what Postgres said when it does not start', async () => {
    await expect(startEmbeddedPostgres({ dataDir, settings: { no_such_setting: 1 } })).rejects.toThrow(
      'unrecognized configuration parameter "no_such_setting"',
    );
    const next = await startEmbeddedPostgres({ dataDir });
    await next.stop();
  });

  test('works below a folder that only its owner may pass', async () => {
    const closed = join(root, 'closed');
    mkdirSync(closed);
    chmodSync(closed, 0o700);
    const server = await startEmbeddedPostgres({ dataDir: join(closed, 'data') });
    expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    await server.stop();
    expect(existsSync(join(closed, 'data/postgres/PG_VERSION'))).toBe(true);
  });

  test('does not guess a lost password', async () => {
    const lost = join(root, 'closed/data');
    rmSync(join(lost, 'postgres-password'));
    await expect(startEmbeddedPostgres({ dataDir: lost })).rejects.toThrow(/password file .* is missing/);
  });
});
