import { afterAll, beforeAll, expect } from '@jest/globals';
import type { EventStore } from '#libs/event-store';
import { openEventStoreDb } from '#libs/event-store/eventstoredb';
import { openPostgresEventStore } from '#libs/event-store/postgres';
import { Ajv } from 'ajv';
import { METADATA_SCHEMA, payloadFaults } from '#libs/event-types';
import { createMigratedDatabase, type TestDatabase } from '../support/postgres.js';
import {
  bootstrapOf,
  makeKeys,
  startServer,
  type Environment,
  type Keys,
  type Server,
} from '../support/server.js';
import { startProtocolServer } from '../support/eventstoredb/start.js';
import type { Answer, Client } from '../support/client.js';

export const SECOND = 1_000;
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/** One running product on a database of its own, and shorthand for what most tests need first. */
export interface World {
  /** The one that runs now. */
  readonly server: Server;
  readonly store: TestStore;
  readonly env: Environment;
  readonly keys: Keys;
  /** With the secret key of the test environment. */
  readonly api: Client;
  /** With the trigger key. */
  readonly jobs: Client;
  /** Stops the server cleanly and starts another one on the same data. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function openWorld(extra: Environment = {}): Promise<World> {
  const store = await openStore();
  const keys = makeKeys();
  const env = { ...store.env, ...bootstrapOf(keys), ...extra };
  let server = await startServer(env);
  return {
    get server() {
      return server;
    },
    store,
    env,
    keys,
    get api() {
      return server.client(keys.secret);
    },
    get jobs() {
      return server.client(keys.trigger);
    },
    async restart() {
      expect(await server.stop()).toBe(0);
      server = await startServer(env);
    },
    async close() {
      await server.stop();
      try {
        expect(await malformedEvents(env)).toEqual([]);
      } finally {
        await store.drop();
      }
    },
  };
}

/** A world for the tests of a file, open from before the first until after the last. Its clients follow it through restarts. */
export function worldOfTests(extra: Environment = {}): World {
  let opened: World | undefined;
  const world = (): World => {
    if (!opened) throw new Error('a world opens before the tests, not while they are collected');
    return opened;
  };
  beforeAll(async () => void (opened = await openWorld(extra)));
  afterAll(() => opened?.close());
  return {
    get server() {
      return world().server;
    },
    get store() {
      return world().store;
    },
    get env() {
      return world().env;
    },
    get keys() {
      return world().keys;
    },
    api: following(() => world().api),
    jobs: following(() => world().jobs),
    restart: () => world().restart(),
    close: () => world().close(),
  };
}

const following = (client: () => Client): Client => ({
  get: (...args) => client().get(...args),
  post: (...args) => client().post(...args),
  patch: (...args) => client().patch(...args),
  delete: (...args) => client().delete(...args),
  send: (...args) => client().send(...args),
  all: (...args) => client().all(...args),
});

/** A database and a log of their own. */
export interface TestStore {
  readonly env: Environment;
  readonly database: TestDatabase;
  drop(): Promise<void>;
}

export async function openStore(): Promise<TestStore> {
  const [database, log] = await Promise.all([createMigratedDatabase(), openLog()]);
  return {
    env: { DATABASE_URL: database.url, ...log.env },
    database,
    drop: async () => void (await Promise.all([database.drop(), log.drop()])),
  };
}

/** A log on the event store that this run is about. */
export async function openLog(): Promise<Omit<TestStore, 'database'>> {
  if (!ON_EVENT_STORE_DB) return { env: {}, drop: () => Promise.resolve() };
  const server = await startProtocolServer();
  return { env: { EVENT_STORE_URL: server.url }, drop: server.kill };
}

/** Set by the test runner's configuration. */
export const ON_EVENT_STORE_DB = (globalThis as { EVENT_STORE?: string }).EVENT_STORE === 'eventstoredb';

/** The log of a product that runs in this environment, behind its back. */
export const openLogOf = ({ EVENT_STORE_URL, DATABASE_URL }: Environment): Promise<EventStore> =>
  EVENT_STORE_URL
    ? openEventStoreDb({ connectionString: EVENT_STORE_URL })
    : openPostgresEventStore({ connectionString: DATABASE_URL! });

/** Whatever a test made the product write, every event in the log is what its schemas say. */
async function malformedEvents(env: Environment): Promise<string[]> {
  const eventStore = await openLogOf(env);
  try {
    const found: string[] = [];
    const isMetadata = new Ajv().compile(METADATA_SCHEMA);
    for (let after: string | null = null; ;) {
      const { events, checkpoint } = await eventStore.readAll(after, 2000);
      if (events.length === 0) return found;
      for (const event of events) {
        found.push(...payloadFaults(event).map((fault) => `${event.type}: ${fault}`));
        if (!isMetadata(event.metadata)) found.push(`${event.type}: ${JSON.stringify(isMetadata.errors)}`);
      }
      after = checkpoint;
    }
  } finally {
    await eventStore.close();
  }
}

let count = 0;
/** A name nobody used before in this file. */
export const fresh = (prefix: string): string => `${prefix}-${(count += 1)}`;

/** The answer's body, once its status is what it must be. */
export function ok({ status, body, text }: Answer, ...expected: number[]): any {
  if (!(expected.length === 0 ? [200, 201, 202] : expected).includes(status))
    throw new Error(`answered ${status}: ${text}`);
  return body;
}

export async function newCustomer(api: Client, members: object = {}): Promise<string> {
  const id = fresh('cust');
  ok(await api.post('/v1/customers', { id, name: `Customer ${id}`, ...members }), 201);
  return id;
}

export async function newUnit(api: Client, scale = 6): Promise<string> {
  const code = fresh('unit');
  ok(await api.post('/v1/units', { code, scale }), 201);
  return code;
}

export async function newMeter(api: Client, members: object = {}): Promise<any> {
  return ok(await api.post('/v1/meters', { eventName: fresh('event'), ...members }), 201);
}

export interface Account {
  readonly customerId: string;
  readonly unit: string;
}

/** A customer and a unit, neither used before. */
export async function newAccount(api: Client, scale?: number): Promise<Account> {
  return { customerId: await newCustomer(api), unit: await newUnit(api, scale) };
}

export async function grant(api: Client, body: object): Promise<any> {
  return ok(await api.post('/v1/credits/grants', body), 201);
}

export async function consume(api: Client, body: object): Promise<any> {
  return ok(await api.post('/v1/credits/consume', body), 201);
}

export const readGrant = async (api: Client, id: string): Promise<any> =>
  ok(await api.get(`/v1/credits/grants/${id}`), 200);

export const transactionsOf = (api: Client, customerId: string, query = ''): Promise<any[]> =>
  api.all(`/v1/credits/customers/${customerId}/transactions${query}`);

export async function balanceOf(api: Client, customerId: string, unit: string): Promise<any> {
  const body = ok(await api.get(`/v1/credits/customers/${customerId}/balances?unit=${unit}`), 200);
  return body.balances.find((balance: { unit: string }) => balance.unit === unit);
}

/** Now, as the environment's clock has it: every read of balances says at what time it looked. */
export async function nowOf(api: Client, customerId: string): Promise<number> {
  return Date.parse(ok(await api.get(`/v1/credits/customers/${customerId}/balances`), 200).at);
}

export const iso = (time: number): string => new Date(time).toISOString();

/** Moves the test clock of the environment. */
export const moveClock = async (jobs: Client, time: number): Promise<any> =>
  ok(await jobs.post('/v1/trigger/credits/process-expirations', { timestamp: iso(time) }), 200);

/** An RFC 9457 problem with this status and code, and no other pointers than these. */
export function expectProblem(
  answer: Answer,
  status: number,
  code: string,
  pointers?: readonly string[],
): void {
  expect({ status: answer.status, code: answer.body?.code }).toEqual({ status, code });
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(answer.body).toEqual(
    expect.objectContaining({
      type: expect.any(String),
      title: expect.any(String),
      status,
      detail: expect.any(String),
      instance: expect.any(String),
    }),
  );
  if (pointers)
    expect((answer.body.errors ?? []).map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual(
      [...pointers].sort(),
    );
}

/** Amounts as whole numbers of a trillionth, for adding up exactly. */
export function exact(amount: string): bigint {
  const [, sign, whole, fraction = ''] = /^(-?)(\d+)(?:\.(\d{1,12}))?$/.exec(amount)!;
  const value = BigInt(whole! + fraction.padEnd(12, '0'));
  return sign === '-' ? -value : value;
}

export const sumOf = (amounts: readonly string[]): bigint =>
  amounts.reduce((total, amount) => total + exact(amount), 0n);

/** Position an answer names; NaN where it names none. */
export const positionOf = ({ headers }: Answer): number => Number(headers.get('log-position') ?? 'none');
