import { Client } from 'pg';
import type { Config } from './config.js';
import { startEmbeddedPostgres } from './embedded-postgres.js';

/** The Postgres that DATABASE_URL names does not answer, or may lose what it has committed. */
export class DatabaseUnusable extends Error {
  override readonly name = 'DatabaseUnusable';
}

export interface Database {
  readonly url: string;
  /** Settles if the embedded server ends by itself; never for an outside one. */
  readonly died: Promise<Error>;
  stop(): Promise<void>;
}

export interface DatabaseOptions {
  /** Gets the embedded server's own log lines. */
  readonly log?: (line: string) => void;
  /** Milliseconds to wait for an outside Postgres that is still coming up; 15000 by default. */
  readonly waitMs?: number;
}

const DURABLE = ['fsync', 'full_page_writes', 'synchronous_commit'] as const;

/**
 * The Postgres of this process: the embedded one in `dataDir`, or the outside one of `databaseUrl`.
 *
 * @throws DatabaseUnusable when the outside one does not answer or a power cut could make it forget
 * @throws DataDirectoryInUse when another process has the data directory
 */
export async function startDatabase(
  config: Pick<Config, 'databaseUrl' | 'dataDir' | 'allowUnsafeDatabase'>,
  { log, waitMs = 15_000 }: DatabaseOptions = {},
): Promise<Database> {
  if (config.databaseUrl === undefined)
    return startEmbeddedPostgres({ dataDir: config.dataDir, ...(log ? { log } : {}) });
  const client = await connect(config.databaseUrl, waitMs);
  try {
    const unsafe = await unsafeSettings(client);
    if (unsafe.length > 0 && !config.allowUnsafeDatabase)
      throw new DatabaseUnusable(
        `The Postgres at ${where(config.databaseUrl)} runs with ${unsafe.join(', ')}: a crash could lose ` +
          'committed events. Switch it on, or set ALLOW_UNSAFE_DATABASE=1 if this is only for trying out.',
      );
  } finally {
    await client.end();
  }
  return { url: config.databaseUrl, died: new Promise(() => undefined), stop: () => Promise.resolve() };
}

/** Host and database without user and password. */
const where = (url: string) => {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`;
};

// refused, reset, name not known yet, and "the database system is starting up"
const COMING_UP = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', '57P03']);

async function connect(url: string, waitMs: number): Promise<Client> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
    client.on('error', () => undefined); // the query that is under way reports it
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      const { code, message } = error as Error & { code?: string };
      if (!COMING_UP.has(code ?? '') || performance.now() >= deadline)
        throw new DatabaseUnusable(`The Postgres at ${where(url)} does not answer: ${message || code}`, {
          cause: error,
        });
      await new Promise((done) => setTimeout(done, 250));
    }
  }
}

async function unsafeSettings(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    "select name from pg_settings where name = any($1) and setting = 'off' order by name",
    [DURABLE],
  );
  return rows.map(({ name }) => `${name} = off`);
}
