import type pg from 'pg';
import { databaseError, run } from './sink.js';

/**
 * Settings of a connection that writes rows which can be made again. Rows are always found by their keys; statistics of a table
 * that was empty a moment ago would say otherwise. What a crash takes is made again, so nothing waits for the disk.
 */
export const WRITING_SESSION = `set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off;
  set plan_cache_mode = force_generic_plan; set synchronous_commit = off; set statement_timeout = 0`;

/** Runs `work` in a transaction of its own. @throws what `work` throws, after a rollback */
export async function inTransaction<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
  begin = 'begin',
): Promise<T> {
  let client: pg.PoolClient;
  try {
    client = await pool.connect();
  } catch (error) {
    throw databaseError(error);
  }
  const ignore = (): void => {};
  client.on('error', ignore); // the statement in hand reports it
  try {
    const result = await transaction(client, work, begin);
    client.off('error', ignore);
    client.release();
    return result;
  } catch (error) {
    client.release(true);
    throw error;
  }
}

/** Runs `work` in a transaction over a connection at hand. */
export async function transaction<Client extends pg.ClientBase, T>(
  client: Client,
  work: (client: Client) => Promise<T>,
  begin = 'begin',
): Promise<T> {
  await run(client, begin);
  try {
    const result = await work(client);
    await run(client, 'commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch(() => undefined); // the first error is the one that counts
    throw error;
  }
}
