import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { DatabaseUnusable, startDatabase } from './database.js';

const outside = (databaseUrl: string, allowUnsafeDatabase = false) =>
  startDatabase({ databaseUrl, dataDir: '/nowhere', allowUnsafeDatabase }, { waitMs: 0 });

describe('an outside Postgres', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
    const client = new Client({ connectionString: database.url });
    await client.connect();
    const name = new URL(database.url).pathname.slice(1);
    await client.query(`alter database ${name} set synchronous_commit = off`);
    await client.end();
  });
  afterAll(() => database.drop());

  test('that could forget what it committed is refused', async () => {
    const refusal = await outside(database.url).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(DatabaseUnusable);
    expect((refusal as Error).message).toContain('synchronous_commit = off');
    expect((refusal as Error).message).not.toContain(new URL(database.url).password);
  });

  test('is taken as it is where that is allowed', async () => {
    const { url, stop } = await outside(database.url, true);
    expect(url).toBe(database.url);
    await stop();
  });

  test('that does not answer is named without its password', async () => {
    await expect(outside('postgres://me:hunter2@127.0.0.1:1/nothing')).rejects.toThrow(
      /^The Postgres at 127\.0\.0\.1:1\/nothing does not answer: .*ECONNREFUSED/,
    );
  });
});
