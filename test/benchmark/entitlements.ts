import { fork } from 'node:child_process';
import { randomInt, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { bootstrapOf, makeKeys, startServer, type Server } from '../support/server.js';
import { sqlEnvironment } from './behind-edge.js';
import type { Comparison } from './comparison.js';
import { keepAlive } from './keep-alive.js';
import { runArrivals, runLoad, type LoadResult } from './load.js';
import { ownDatabase } from './own-database.js';

const CUSTOMERS = 1_000;
const CONNECTIONS = 32;
/** Rounds of each, beside one to warm up. */
const ROUNDS = 3;
const SLUG = 'api-calls';
/** As much longer as the loops at full load: a garbage collection of the old generation comes every 15 s or so. */
const HALF_LOAD_TIMES = 4;

/** Checks of one feature over HTTP: a plan's value, an allowance of credit, usage of the period; beside SQL by hand. */
export async function benchEntitlements(url: string, seconds: number): Promise<Comparison[]> {
  const keys = makeKeys('live');
  const sql = await startSql(await ownDatabase(url), keys.secret);
  const database = await ownDatabase(url);
  const server = await startServer({ DATABASE_URL: database, ...bootstrapOf(keys) });
  try {
    await prepare(server, keys.secret);
    await analyze(database);
    const headers = { authorization: `Bearer ${keys.secret}` };
    const byHand = { url: sql.url, path: (customer: string) => `/check/${customer}/${SLUG}`, headers };
    const ours = {
      url: server.url,
      path: (customer: string) => `/v1/entitlements/${customer}/feature/${SLUG}`,
      headers,
    };
    const full = await inTurns(ours, byHand, (target) => closedLoop(target, seconds));
    const half = await inTurns(ours, byHand, (target, index) =>
      halfLoad(target, full[index].perSecond / 2, HALF_LOAD_TIMES * seconds),
    );
    const compared = (name: string, [mine, theirs]: readonly [number, number], unit: string) => ({
      ...{ name: `entitlement, ${name}`, ours: mine, baseline: theirs, baselineName: 'SQL by hand' },
      ...{ ratio: unit === 'ms' ? theirs / mine : mine / theirs, goal: 1, unit },
    });
    const of = (results: Pair, what: 'perSecond' | 'p50' | 'p99') =>
      [results[0][what], results[1][what]] as const;
    const { p99 } = half[0];
    return [
      compared(`${CONNECTIONS} connections`, of(full, 'perSecond'), 'checks/s'),
      compared('p50 at half load', of(half, 'p50'), 'ms'),
      compared('p99 at half load', of(half, 'p99'), 'ms'),
      {
        ...{
          name: 'entitlement, p99 below 5 ms at half load',
          ours: p99,
          baseline: 5,
          baselineName: 'bound',
        },
        ...{ ratio: 5 / p99, goal: 1, unit: 'ms' },
      },
    ];
  } finally {
    await server.stop();
    sql.stop();
  }
}

interface Target {
  readonly url: string;
  readonly path: (customer: string) => string;
  readonly headers: Readonly<Record<string, string>>;
}

type Result = Omit<LoadResult, 'count'>;
type Pair = readonly [ours: Result, theirs: Result];

/** Rounds turn about, so that neither has the quiet half of the run; one to warm up, then medians. */
async function inTurns(
  ours: Target,
  theirs: Target,
  measure: (target: Target, index: 0 | 1) => Promise<Result>,
): Promise<Pair> {
  const results: readonly [Result[], Result[]] = [[], []];
  for (let round = 0; round <= ROUNDS; round++)
    for (const index of round % 2 ? ([0, 1] as const) : ([1, 0] as const)) {
      const result = await measure([ours, theirs][index]!, index);
      if (round > 0) results[index].push(result);
    }
  const median = (some: readonly Result[], what: keyof Result) =>
    some.map((one) => one[what]).sort((a, b) => a - b)[some.length >> 1]!;
  const [mine, other] = results.map((some) => ({
    perSecond: median(some, 'perSecond'),
    p50: median(some, 'p50'),
    p99: median(some, 'p99'),
  }));
  return [mine!, other!];
}

const customer = (): string => `c${1 + randomInt(CUSTOMERS)}`;

/** Each connection sends its next check when the last one is answered. */
const closedLoop = (target: Target, seconds: number): Promise<Result> =>
  overConnections(target, (check) => runLoad(CONNECTIONS, seconds, check));

/** So many checks a second, sent whether or not those before them are answered, once every connection is open. */
const halfLoad = (target: Target, perSecond: number, seconds: number): Promise<Result> =>
  overConnections(target, async (check) => {
    for (let round = 0; round < 20; round++) await Promise.all(Array.from({ length: CONNECTIONS }, check));
    return runArrivals(perSecond, seconds, check);
  });

async function overConnections(
  { url, path, headers }: Target,
  load: (check: () => Promise<void>) => Promise<Result>,
): Promise<Result> {
  const client = keepAlive(url, headers, CONNECTIONS);
  try {
    return await load(async () => {
      const status = await client.get(path(customer()));
      if (status !== 200) throw new Error(`${url} answers ${status}`);
    });
  } finally {
    client.close();
  }
}

/** So that neither waits for the statistics that Postgres gathers after a while. */
async function analyze(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('analyze');
  await client.end();
}

/** As many rows as the product has, in tables made for this one question. */
async function startSql(url: string, secret: string) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`
    create schema bench;
    create table bench.plan_features (customer text, slug text, value text not null, primary key (customer, slug));
    create table bench.overrides (customer text, slug text, value text, starts timestamptz, ends timestamptz,
      primary key (customer, slug));
    create table bench.usage_days (customer text, slug text, day timestamptz, quantity numeric not null,
      primary key (customer, slug, day));
    create table bench.grants (id text primary key, customer text, slug text, amount numeric, remaining numeric,
      starts timestamptz, expires timestamptz);
    create index on bench.grants (customer, slug);
    insert into bench.plan_features select 'c' || n, '${SLUG}', '1000' from generate_series(1, ${CUSTOMERS}) n;
    insert into bench.usage_days select 'c' || n, '${SLUG}', date_trunc('day', now()), 5 from generate_series(1, ${CUSTOMERS}) n;
    insert into bench.grants select 'g' || n, 'c' || n, '${SLUG}', 1000, 995, now() - interval '1 day', now() + interval '30 days'
      from generate_series(1, ${CUSTOMERS}) n;
    analyze;
  `);
  await client.end();
  const child = fork(new URL('./entitlements-server.js', import.meta.url), {
    env: sqlEnvironment(url, secret),
  });
  const [address] = (await once(child, 'message')) as [string];
  return { url: address, stop: () => child.disconnect() };
}

/** A feature, a plan with its credit, and for each customer a subscription and some usage. */
async function prepare(server: Server, secret: string): Promise<void> {
  const client = server.client(secret);
  const must = async (path: string, body: object): Promise<{ readonly id: string }> => {
    const answer = await client.post(path, body, { 'Idempotency-Key': randomUUID() });
    if (answer.status >= 300) throw new Error(answer.text);
    return answer.body as { id: string };
  };
  const feature = await must('/v1/features', { slug: SLUG, displayName: SLUG, featureValue: 0 });
  const features = [{ featureId: feature.id, value: 1000 }];
  const { id: planId } = await must('/v1/plans', { planName: 'Pro', features });
  const components = [{ type: 'fixed', label: 'Base', amount_cents: 1000, recurrence_rule: 'FREQ=MONTHLY' }];
  await must('/v1/prices', { planId, currency: 'USD', pricingData: { dsl_version: 1, components } });
  await must('/v1/credits/definitions', {
    ...{ name: 'Calls', scope: 'plan', applicationType: 'usage', planId, featureSlug: SLUG },
    ...{ defaultAmount: 1000, renewOnBilling: true },
  });
  let next = 1;
  await Promise.all(
    Array.from({ length: 32 }, async () => {
      while (next <= CUSTOMERS) {
        const id = `c${next++}`;
        await must('/v1/customers', { id, name: id });
        await must('/v1/subscriptions', { customerId: id, planId });
        await must('/v1/events', { eventName: SLUG, customerId: id, eventValue: 5 });
      }
    }),
  );
  // the workers have invoiced everybody, and nothing is recorded any more
  const head = async () => (await client.get('/v1/audit/log?limit=1')).headers.get('log-position');
  for (let last: string | null = null, now = await head(); now !== last; now = await head()) {
    last = now;
    await pause(1000);
  }
}
