import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  ftruncateSync,
  openSync,
  readFileSync,
  realpathSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { platform } from 'node:os';
import { join } from 'node:path';

/** Another process works on this data directory. `pid` is absent when the holder did not leave it. */
export class DataDirectoryInUse extends Error {
  override readonly name = 'DataDirectoryInUse';

  constructor(
    readonly directory: string,
    readonly pid: number | undefined,
  ) {
    super(
      `The data directory ${directory} is in use by another process${pid === undefined ? '' : ` (pid ${pid})`}. ` +
        'Stop that process first, or give this one its own DATA_DIR.',
    );
  }
}

export type DirectoryLock = { readonly release: () => void };

// BSD flags that Node does not name: open(2) takes the lock itself there
const O_EXLOCK = 0x20;
const { O_RDWR, O_CREAT, O_NONBLOCK } = constants;

const holderOf = (file: string): number | undefined => {
  const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
  return Number.isSafeInteger(pid) ? pid : undefined;
};

/**
 * Takes the one lock of a data directory, for the life of this process at most.
 *
 * The kernel holds it on an open file, so it goes when the process goes, kill -9 included, and neither a
 * reused pid nor a leftover file can keep it. It also excludes other containers that share the volume.
 *
 * @throws DataDirectoryInUse when another process, or this one, already holds it
 */
export async function lockDataDirectory(directory: string): Promise<DirectoryLock> {
  const file = join(directory, 'lock');
  const inUse = () => new DataDirectoryInUse(directory, holderOf(file));
  const bsd = ['darwin', 'freebsd', 'openbsd'].includes(platform());
  let fd: number;
  try {
    fd = openSync(file, O_RDWR | O_CREAT | (bsd ? O_EXLOCK | O_NONBLOCK : 0), 0o644);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') throw inUse();
    throw error;
  }
  let release = () => closeSync(fd);
  try {
    if (!bsd) {
      // flock(1) locks the open file it shares with us; the lock stays with our descriptor when it exits
      const flock = spawnSync('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
      if (flock.error !== undefined || (flock.status !== 0 && flock.status !== 1)) {
        const close = await bindProcessName(directory, inUse);
        release = () => {
          close();
          closeSync(fd);
        };
      } else if (flock.status === 1) throw inUse();
    }
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`, 0);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  let held = true;
  return {
    release: () => {
      if (held) release();
      held = false;
    },
  };
}

/** Without flock(1): a kernel name that dies with its process (Linux abstract socket, Windows pipe). */
function bindProcessName(directory: string, inUse: () => Error): Promise<() => void> {
  const hash = createHash('sha256').update(realpathSync(directory)).digest('hex').slice(0, 32);
  const name = platform() === 'win32' ? `\\\\.\\pipe\\drawdown-${hash}` : `\0drawdown-${hash}`;
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? inUse() : error),
    );
    server.listen(name, () => {
      server.unref();
      resolve(() => void server.close());
    });
  });
}
