import { fork } from 'node:child_process';
import { randomInt, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { bootstrapOf, makeKeys, startServer, type Environment, type Server } from '../support/server.js';
import { sqlEnvironment } from './behind-edge.js';
import type { Comparison } from './comparison.js';
import { keepAlive } from './keep-alive.js';
import { runLoad } from './load.js';
import { ownDatabase } from './own-database.js';
import { openSqlApp, prepareSqlLedger } from './sql-ledger.js';

const ACCOUNTS = 2_000;
const CONNECTIONS = 64;
const BATCH = 500;
const UNIT = 'api-calls';

/** Over HTTP with keep-alive, the product in processes of its own, beside SQL-app behind the same HTTP stack, sent the same. */
export async function benchHttp(url: string, seconds: number): Promise<Comparison[]> {
  await prepareSqlLedger(url, ACCOUNTS);
  const keys = makeKeys('live');
  const headers = { authorization: `Bearer ${keys.secret}`, 'content-type': 'application/json' };
  const consumption = () => ({
    body: { customerId: customer(), unit: UNIT, amount: '1' },
    headers: { 'idempotency-key': randomUUID() },
  });
  const sql = await sqlOverHttp(url, keys.secret, (server) =>
    post([server], '/consume', headers, CONNECTIONS, seconds, consumption),
  );
  const sqlInProcess = await sqlAlone(url, seconds);

  const environment = { DATABASE_URL: await ownDatabase(url), ...bootstrapOf(keys) };
  const first = await startServer(environment);
  try {
    await prepare(first, keys.secret);
    const consume = (servers: readonly Server[]) =>
      post(servers, '/v1/credits/consume', headers, CONNECTIONS, seconds, consumption);
    const event = () => ({
      eventName: UNIT,
      customerId: customer(),
      eventValue: 1,
      idempotencyKey: randomUUID(),
    });
    await consume([first]); // warms up
    const consumes = await consume([first]);
    const events = await post([first], '/v1/events', headers, CONNECTIONS, seconds, () => ({
      body: event(),
    }));
    const batches = await post([first], '/v1/events/batch', headers, 4, seconds, () => ({
      body: { events: Array.from({ length: BATCH }, event) },
    }));
    const both = await twice(environment, first, consume);
    return [
      comparison(
        'POST /v1/credits/consume, 64 connections',
        consumes,
        sql,
        'SQL-app over HTTP',
        2,
        'requests/s',
      ),
      comparison('POST /v1/events, 64 connections', events, sql, 'SQL-app over HTTP', 2, 'requests/s'),
      comparison('POST /v1/events/batch of 500', batches * BATCH, sqlInProcess, 'SQL-app', 4, 'events/s'),
      comparison('consume, two API processes', both, consumes, 'one process', 1.3, 'requests/s'),
    ];
  } finally {
    await first.stop();
  }
}

const customer = (): string => `c${1 + randomInt(ACCOUNTS)}`;

const comparison = (
  name: string,
  ours: number,
  baseline: number,
  baselineName: string,
  goal: number,
  unit: string,
): Comparison => ({ name, ours, baseline, baselineName, ratio: ours / baseline, goal, unit });

async function twice(
  environment: Environment,
  first: Server,
  consume: (servers: readonly Server[]) => Promise<number>,
): Promise<number> {
  const second = await startServer(environment);
  try {
    await consume([first, second]); // fills the second one's cache
    return await consume([first, second]);
  } finally {
    await second.stop();
  }
}

interface Request {
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A closed loop over so many connections, spread over the servers. @returns answers a second, all of them 2xx */
async function post(
  servers: readonly { readonly url: string }[],
  path: string,
  headers: Readonly<Record<string, string>>,
  connections: number,
  seconds: number,
  make: () => Request,
): Promise<number> {
  const each = connections / servers.length;
  const results = await Promise.all(
    servers.map(async ({ url }) => {
      const client = keepAlive(url, headers, each);
      try {
        return await runLoad(each, seconds, async () => {
          const { body, headers: own } = make();
          const status = await client.post(path, body, own);
          if (status < 200 || status > 299) throw new Error(`${path} was answered ${status}`);
        });
      } finally {
        client.close();
      }
    }),
  );
  return results.reduce((sum, { perSecond }) => sum + perSecond, 0);
}

async function sqlOverHttp(
  url: string,
  key: string,
  consume: (server: { readonly url: string }) => Promise<number>,
): Promise<number> {
  const child = fork(new URL('./sql-server.js', import.meta.url), { env: sqlEnvironment(url, key) });
  try {
    const [address] = (await once(child, 'message')) as [string];
    await consume({ url: address }); // warms up
    return await consume({ url: address });
  } finally {
    child.disconnect();
  }
}

async function sqlAlone(url: string, seconds: number): Promise<number> {
  const app = openSqlApp(url, 16);
  const { perSecond } = await runLoad(CONNECTIONS, seconds, () =>
    app.consume(1 + randomInt(ACCOUNTS), 1, randomUUID()),
  );
  await app.close();
  return perSecond;
}

/** A meter, the customers, and three grants for each of them. */
async function prepare(server: Server, secret: string): Promise<void> {
  const client = server.client(secret);
  const must = async (path: string, body: object) => {
    const answer = await client.post(path, body, { 'Idempotency-Key': randomUUID() });
    if (answer.status >= 300) throw new Error(answer.text);
  };
  await must('/v1/meters', { eventName: UNIT, aggregation: 'sum' });
  let next = 1;
  await Promise.all(
    Array.from({ length: 64 }, async () => {
      while (next <= ACCOUNTS) {
        const id = `c${next++}`;
        await must('/v1/customers', { id, name: id });
        for (let grant = 0; grant < 3; grant++)
          await must('/v1/credits/grants', {
            customerId: id,
            unit: UNIT,
            amount: '1000000000',
            source: 'manual',
          });
      }
    }),
  );
}
