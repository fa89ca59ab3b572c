import { randomUUID } from 'node:crypto';
import { Client } from 'pg';

export interface TestDatabase {
  readonly url: string;
  /** Drops the database and cuts every connection to it. */
  drop(): Promise<void>;
}

/** Runs a statement on the server of this test run. */
export async function onServer(sql: string): Promise<void> {
  const client = new Client({ connectionString: serverUrl() });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

const serverUrl = (): string => fromSetup('TEST_DATABASE_URL');

function fromSetup(name: string): string {
  const url = process.env[name];
  if (url === undefined) throw new Error(`${name} is missing: run the tests through jest`);
  return url;
}

/** A fresh, empty database of its own on the server of this test run. */
export const createTestDatabase = (): Promise<TestDatabase> => createDatabase('template1');

/** One with the tables of the read models, without a row: the migrations were run once for all of them. */
export const createMigratedDatabase = (): Promise<TestDatabase> =>
  cloneDatabase(fromSetup('TEST_DATABASE_MIGRATED'));

/** A database of its own with all that is in another one, which nobody may be connected to. */
export const cloneDatabase = (url: string): Promise<TestDatabase> =>
  createDatabase(new URL(url).pathname.slice(1));

async function createDatabase(template: string): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  // copying files takes a third of the time that writing a log of the copy does
  await onServer(`create database ${name} template ${template} strategy file_copy`);
  const url = new URL(serverUrl());
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => onServer(`drop database if exists ${name} with (force)`) };
}
