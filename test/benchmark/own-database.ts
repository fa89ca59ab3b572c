import { randomUUID } from 'node:crypto';
import pg from 'pg';

/** A new database on the server: what one benchmark leaves is in no other one's way. @returns its URL */
export async function ownDatabase(server: string): Promise<string> {
  const name = `bench_${randomUUID().replaceAll('-', '')}`;
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
}
