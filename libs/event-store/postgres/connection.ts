import pg from 'pg';
import { EventStoreUnavailable } from '../event-store.js';

export type Row = readonly string[];

export interface Statement {
  /** Prepared once per connection under this name. */
  readonly name: string;
  readonly text: string;
}

export interface Database {
  /**
   * Runs one statement; every column comes back as the text Postgres sends.
   * @throws EventStoreUnavailable when the outcome is unknown or trying again later may help; the cause is kept
   */
  query(statement: Statement, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** Whether it is one of the connections here that a process of the server works for. */
  isOwn(serverProcess: number): boolean;
  close(): Promise<void>;
}

/** SQLSTATE classes in which nothing is wrong with the statement: connection, rollback, resources, operator, system. */
const TRANSIENT = new Set(['08', '40', '53', '57', '58']);
/** Lock not available; read-only transaction (a standby, during a switch-over). */
const TRANSIENT_CODES = new Set(['55P03', '25006']);

/**
 * Every statement here walks an index. Plans are kept as long as their connection, and the first ones are made while the
 * tables are still empty, when reading them as a whole looks cheaper.
 */
const PLANNING = [
  'enable_seqscan=off',
  'enable_bitmapscan=off',
  'enable_sort=off',
  'enable_hashjoin=off',
  'enable_mergejoin=off',
  'plan_cache_mode=force_generic_plan',
]
  .map((setting) => `-c ${setting}`)
  .join(' ');

/** A connection knows its statements: a quiet minute must not make the first append after it wait for a new one. */
const IDLE_MS = 600_000;

const asText = { getTypeParser: () => (value: string) => value } as unknown as pg.CustomTypesConfig;

export function openDatabase(
  connectionString: string,
  maxConnections: number,
  timeoutMs: number,
  onError: (error: unknown) => void,
): Database {
  const pool = new pg.Pool({
    connectionString,
    max: maxConnections,
    idleTimeoutMillis: IDLE_MS,
    keepAlive: true,
    application_name: 'event-store',
    connectionTimeoutMillis: timeoutMs,
    // the server gives up as well, so that a statement nobody waits for does not queue for the log's lock
    statement_timeout: timeoutMs,
    options: PLANNING,
  });
  pool.on('error', onError);
  // a connection lost in use fails its query, and would end the process if nobody heard the event besides
  pool.on('connect', (client) => client.on('error', () => {}));
  const serverProcesses = new Set<number>();
  pool.on('connect', (client) => serverProcesses.add(processOf(client)));
  pool.on('remove', (client) => serverProcesses.delete(processOf(client)));
  let closed: Promise<void> | undefined;

  async function query(statement: Statement, values: readonly unknown[] = []): Promise<readonly Row[]> {
    if (closed) throw new Error('the event store is closed');
    let client: pg.PoolClient | undefined;
    let late = false;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        late = true;
        // ends the connection: the answer still under way must not reach the next one to use it
        client?.release(true);
        reject(new EventStoreUnavailable(`Postgres did not answer within ${timeoutMs} ms`));
      }, timeoutMs);
    });
    const answer = async (): Promise<readonly Row[]> => {
      const connected = await pool.connect();
      if (late) {
        connected.release();
        return [];
      }
      client = connected;
      try {
        const result = await client.query<string[]>({
          ...statement,
          values: values as unknown[],
          types: asText,
          rowMode: 'array',
        });
        if (!late) client.release();
        return result.rows;
      } catch (error) {
        if (!late) client.release(isTransient(error));
        throw error;
      }
    };
    try {
      return await Promise.race([answer(), timeout]);
    } catch (error) {
      throw unavailable(error);
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    query,
    isOwn: (serverProcess) => serverProcesses.has(serverProcess),
    close: () => (closed ??= atMost(timeoutMs, pool.end())),
  };
}

/** `pg` has it, its types do not. */
const processOf = (client: pg.PoolClient): number => (client as unknown as { processID: number }).processID;

/** A connection whose other side is gone without a word never finishes its farewell: then it is left behind. */
export async function atMost(ms: number, farewell: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([farewell, new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}

/** The error as callers of the port know it. */
export function unavailable(error: unknown): unknown {
  if (error instanceof EventStoreUnavailable || !isTransient(error)) return error;
  return new EventStoreUnavailable(`Postgres: ${error instanceof Error ? error.message : String(error)}`, {
    cause: error,
  });
}

function isTransient(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) {
    const code = error.code ?? '';
    return TRANSIENT.has(code.slice(0, 2)) || TRANSIENT_CODES.has(code);
  }
  // what pg reports about a connection has many shapes and codes; what our own mistakes raise has these
  return !(error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError);
}
