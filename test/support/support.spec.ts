import { describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { createTestDatabase } from './postgres.js';
import { until } from './wait.js';

describe('test databases', () => {
  test('are fresh, separate and gone after drop', async () => {
    const [one, two] = await Promise.all([createTestDatabase(), createTestDatabase()]);
    expect(one.url).not.toBe(two.url);
    const client = new Client({ connectionString: one.url });
    client.on('error', () => undefined); // drop cuts us off
    await client.connect();
    const { rows } = await client.query(
      'select current_database() as name, count(*)::int as tables from pg_tables where schemaname = $1',
      ['public'],
    );
    expect(rows).toEqual([{ name: new URL(one.url).pathname.slice(1), tables: 0 }]);
    await Promise.all([one.drop(), two.drop()]);
    await expect(new Client({ connectionString: one.url }).connect()).rejects.toThrow('does not exist');
  });
});

describe('until', () => {
  test('returns what the condition gave', async () => {
    let looks = 0;
    expect(await until(() => (++looks === 3 ? 'there' : undefined))).toBe('there');
  });

  test('gives up after its time with the last error as cause', async () => {
    const cause = new Error('not yet');
    await expect(
      until(() => Promise.reject(cause), { timeoutMs: 30, what: 'nothing' }),
    ).rejects.toMatchObject({ message: 'waited 30 ms in vain for nothing', cause });
  });
});
