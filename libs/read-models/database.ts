import type pg from 'pg';
import { databaseError, run } from './sink.js';

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
