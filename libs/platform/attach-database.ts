import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Config } from './config.js';
import { startDatabase, type Database } from './database.js';
import { DataDirectoryInUse } from './data-directory-lock.js';

/**
 * The database for a command beside a running server: the embedded Postgres that the server has started, or, where none
 * runs, one started for the command.
 * @throws DatabaseUnusable, as starting it would
 */
export async function attachDatabase(config: Parameters<typeof startDatabase>[0]): Promise<Database> {
  try {
    return await startDatabase(config);
  } catch (error) {
    if (!(error instanceof DataDirectoryInUse)) throw error;
    return { url: runningUrl(config), died: new Promise(() => undefined), stop: () => Promise.resolve() };
  }
}

/** Postgres writes its port into the fourth line of its pid file. */
function runningUrl({ dataDir }: Pick<Config, 'dataDir'>): string {
  const directory = resolve(dataDir);
  const port = readFileSync(join(directory, 'postgres', 'postmaster.pid'), 'utf8')
    .split('\n')[3]!
    .trim();
  const password = readFileSync(join(directory, 'postgres-password'), 'utf8').trim();
  return `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`;
}
