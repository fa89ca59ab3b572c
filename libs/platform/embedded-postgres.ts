import { spawn, spawnSync, type ChildProcessByStdio } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { platform, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { DataDirectoryInUse, lockDataDirectory } from './data-directory-lock.js';
import { postgresBinaries, POSTGRES_ENV, runAs, unprivilegedUser, type OsUser } from './postgres-binaries.js';

export { DataDirectoryInUse } from './data-directory-lock.js';

export interface EmbeddedPostgresOptions {
  /** Ours alone; created if missing. Holds `postgres/` (the cluster), `postgres-password` and `lock`. */
  readonly dataDir: string;
  /** TCP port on 127.0.0.1; a free one by default. */
  readonly port?: number;
  /** Server settings on top of, or instead of, those of a ledger on a small machine. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Gets every line that Postgres logs. */
  readonly log?: (line: string) => void;
}

export interface EmbeddedPostgres {
  /** Connection string of the superuser to the database `postgres`; holds the password. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Settles with the reason if the server ends although nobody called `stop()`. */
  readonly died: Promise<Error>;
  /** Fast shutdown, at most about 10 s; may be called again. */
  stop(): Promise<void>;
}

// a committed fact survives a power cut; the rest suits a machine with 1 to 4 GB that is not ours alone
const SETTINGS = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  shared_buffers: '256MB',
  wal_compression: 'on',
  max_wal_size: '4GB',
  checkpoint_completion_target: 0.9,
  max_connections: 100,
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

const INITDB = ['-U', 'postgres', '-E', 'UTF8', '--locale=C', '--locale-provider=builtin'];
const INITDB_AUTH = ['--builtin-locale=C.UTF-8', '--auth=scram-sha-256', '--data-checksums'];

/** How a program that runs as `user` names a directory: by path or, where it may not pass a parent, by fd. */
type Reach = { readonly path: string; readonly fd: number | 'ignore'; readonly close: () => void };

const ENTER = ['-c', 'cd "$0"'];

function reach(dir: string, user: OsUser): Reach {
  if (user === undefined || spawnSync('/bin/sh', [...ENTER, dir], runAs(user)).status === 0)
    return { path: dir, fd: 'ignore', close: () => undefined };
  // below a 0700 folder of root: the magic link to our open directory needs no right on its parents
  if (platform() === 'linux') {
    const fd = openSync(dir, 'r');
    const there = spawnSync('/bin/sh', [...ENTER, '/proc/self/fd/3'], {
      ...runAs(user),
      stdio: ['ignore', 'ignore', 'ignore', fd],
    });
    if (there.status === 0) return { path: '/proc/self/fd/3', fd, close: () => closeSync(fd) };
    closeSync(fd);
  }
  throw new Error(
    `Postgres does not run as root, and the user "${user.name}" cannot enter ${dir}. ` +
      'Set DATA_DIR to a folder that every user may pass, or start as another user.',
  );
}

function initCluster(native: string, cluster: string, user: OsUser, password: string): void {
  const part = `${cluster}.init`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { mode: 0o700 });
  const secret = mkdtempSync(join(tmpdir(), 'drawdown-'));
  const pwfile = join(secret, 'password');
  writeFileSync(pwfile, `${password}\n`, { mode: 0o600 });
  if (user) for (const path of [part, secret, pwfile]) chownSync(path, user.uid, user.gid);
  try {
    const target = reach(part, user);
    try {
      const args = ['-D', target.path, ...INITDB, ...INITDB_AUTH, `--pwfile=${pwfile}`];
      const run = spawnSync(join(native, 'bin/initdb'), args, {
        ...runAs(user),
        stdio: ['ignore', 'ignore', 'pipe', target.fd],
      });
      if (run.status !== 0)
        throw new Error(`initdb failed in ${part}: ${run.error?.message ?? String(run.stderr)}`);
    } finally {
      target.close();
    }
  } finally {
    rmSync(secret, { recursive: true, force: true });
  }
  renameSync(part, cluster); // a half-made cluster never gets the final name
}

/** The superuser's password: made once, known to nobody but the owner of the data directory. */
function passwordOf(dataDir: string, cluster: string): string {
  const file = join(dataDir, 'postgres-password');
  if (!existsSync(file)) {
    if (existsSync(cluster)) throw new Error(`${cluster} exists, but its password file ${file} is missing`);
    writeFileSync(`${file}.part`, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
    renameSync(`${file}.part`, file);
  }
  chmodSync(file, 0o600);
  return readFileSync(file, 'utf8').trim();
}

/** Names this cluster in the server's arguments, so that an orphan is recognised wherever it is mounted. */
const nameOf = (cluster: string) => {
  const { dev, ino } = statSync(cluster, { bigint: true });
  return `drawdown-${dev}-${ino}`;
};

function argumentsOf(pid: number): readonly string[] {
  if (platform() === 'linux') {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    } catch {
      return [];
    }
  }
  const ps = spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  return ps.status === 0 ? ps.stdout.trim().split(/\s+/) : [];
}

const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** We hold the lock: a server we find here is an orphan and is stopped; a pid that means something else is not. */
async function clearStale(cluster: string): Promise<void> {
  const file = join(cluster, 'postmaster.pid');
  if (!existsSync(file)) return;
  const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
  const ours = () => argumentsOf(pid).includes(`cluster_name=${nameOf(cluster)}`);
  const args = argumentsOf(pid);
  if (/\bpostgres$/.test(args[0] ?? '') && args.includes(cluster) && !ours())
    throw new DataDirectoryInUse(cluster, pid); // somebody runs Postgres on it by hand
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    if (ours()) process.kill(pid, signal);
    for (let waited = 0; waited < 10_000 && ours(); waited += 25) await sleep(25);
  }
  if (ours()) throw new DataDirectoryInUse(cluster, pid);
  rmSync(file, { force: true });
}

const freePort = () =>
  new Promise<number>((done, fail) => {
    const server = createServer().once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(port));
    });
  });

type Server = ChildProcessByStdio<null, null, Readable>;

/** Linux: Postgres stops when our main thread ends, even by kill -9. Needs util-linux. */
const hasSetpriv = () =>
  platform() === 'linux' && spawnSync('setpriv', ['--pdeathsig=INT', 'true']).status === 0;

function launch(bin: string, args: readonly string[], user: OsUser, fd: number | 'ignore'): Server {
  // detached: Ctrl-C in a terminal must reach us first, or it would cut running requests off
  const options = { env: POSTGRES_ENV, cwd: '/', detached: true };
  const stdio: ['ignore', 'ignore', 'pipe', number | 'ignore'] = ['ignore', 'ignore', 'pipe', fd];
  if (!hasSetpriv()) return spawn(bin, [...args], { ...options, ...runAs(user), stdio }) as unknown as Server;
  const as = user ? [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups'] : [];
  return spawn('setpriv', ['--pdeathsig=INT', ...as, bin, ...args], {
    ...options,
    stdio,
  }) as unknown as Server;
}

/** Resolves when the server answers; rejects with the end of its log when it does not come up. */
function becomesReady(child: Server, log: (line: string) => void): Promise<void> {
  let rest = '';
  let tail = '';
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('close', (code, signal) =>
      fail(new Error(`Postgres did not start (${signal ?? code}): ${tail.trim()}`)),
    );
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        tail = `${tail}${line}\n`.slice(-2000);
        log(line);
        if (line.includes('database system is ready to accept connections')) done();
      }
    });
  });
}

/**
 * Starts the Postgres that ships with the product, in `dataDir`, reachable over 127.0.0.1 only. Makes the cluster
 * at first use. Works as root (Postgres then runs as "postgres" or "nobody") and as any other user.
 *
 * @throws DataDirectoryInUse when another process works on this directory; that process is left alone
 * @throws Error with the reason when Postgres cannot run here
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const user = unprivilegedUser();
  mkdirSync(resolve(options.dataDir), { recursive: true, mode: user ? 0o755 : 0o700 });
  const dataDir = realpathSync(options.dataDir);
  try {
    accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new Error(`The data directory ${dataDir} is not ours to write; set another DATA_DIR`, { cause });
  }
  const lock = await lockDataDirectory(dataDir);
  try {
    const server = await startCluster(options, dataDir, user);
    const stop = async () => {
      await server.stop();
      lock.release();
    };
    return { ...server, stop };
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function startCluster(
  { port, settings = {}, log = () => undefined }: EmbeddedPostgresOptions,
  dataDir: string,
  user: OsUser,
): Promise<EmbeddedPostgres> {
  const cluster = join(dataDir, 'postgres');
  const password = passwordOf(dataDir, cluster);
  const native = await postgresBinaries(user, dataDir);
  if (!existsSync(cluster)) initCluster(native, cluster, user, password);
  // a copied or mounted directory may belong to somebody else; only root can and need change that
  if (user && statSync(cluster).uid !== user.uid)
    spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, `${cluster}/`]);
  await clearStale(cluster);

  for (let attempt = 1; ; attempt++) {
    const listen = port ?? (await freePort());
    const all = {
      ...SETTINGS,
      ...settings,
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      cluster_name: nameOf(cluster),
    };
    const flags = Object.entries(all).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
    const target = reach(cluster, user);
    const child = launch(
      join(native, 'bin/postgres'),
      ['-D', target.path, '-p', `${listen}`, ...flags],
      user,
      target.fd,
    );
    target.close();
    try {
      await becomesReady(child, log);
    } catch (error) {
      // somebody else took the free port between our look and Postgres' bind
      const taken = port === undefined && String(error).includes('Address already in use');
      if (taken && attempt < 5) continue;
      throw error;
    }
    return running(child, listen, password);
  }
}

function running(child: Server, port: number, password: string): EmbeddedPostgres {
  let stopping = false;
  const ended = new Promise<Error>((done) => {
    child.once('exit', (code, signal) => done(new Error(`Postgres ended (${signal ?? code})`)));
  });
  return {
    port,
    pid: child.pid!,
    url: `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`,
    died: ended.then((error) => (stopping ? new Promise<never>(() => undefined) : error)),
    async stop() {
      stopping = true;
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGINT'); // fast shutdown: rolls open transactions back, writes a checkpoint
      const timer = setTimeout(() => child.kill('SIGQUIT'), 10_000);
      await ended;
      clearTimeout(timer);
    },
  };
}
