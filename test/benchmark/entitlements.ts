import autocannon from 'autocannon';
import { fork } from 'node:child_process';
import { createHash, randomInt, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import pg from 'pg';
import { bootstrapOf, makeKeys, startServer, type Server } from '../support/server.js';
import type { Comparison } from './comparison.js';
import { ownDatabase } from './own-database.js';

const CUSTOMERS = 1_000;
const CONNECTIONS = 32;
const SLUG = 'api-calls';

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
    for (const target of [byHand, ours]) await checks(target, seconds); // warms up
    // turn about, so that neither has the quiet half of the run
    const theirs = [await checks(byHand, seconds)];
    const mine = [await checks(ours, seconds), await checks(ours, seconds)];
    theirs.push(await checks(byHand, seconds));
    const perSecond = mean(mine.map((one) => one.perSecond));
    const half = { overallRate: Math.ceil(perSecond / 2) };
    const calmly = await checks(ours, seconds, half);
    const theirsCalmly = await checks(byHand, seconds, half);
    const latency = (name: string, of: 'p50' | 'p99'): Comparison => ({
      name: `entitlement, ${name} at half load`,
      ours: calmly[of],
      baseline: theirsCalmly[of],
      baselineName: 'SQL by hand',
      ratio: theirsCalmly[of] / calmly[of],
      goal: 1,
      unit: 'ms',
    });
    const baseline = mean(theirs.map((one) => one.perSecond));
    return [
      {
        ...{
          name: `entitlement, ${CONNECTIONS} connections`,
          ours: perSecond,
          baseline,
          baselineName: 'SQL by hand',
        },
        ...{ ratio: perSecond / baseline, goal: 1, unit: 'checks/s' },
      },
      latency('p50', 'p50'),
      latency('p99', 'p99'),
      {
        ...{
          name: 'entitlement, p99 below 5 ms at half load',
          ours: calmly.p99,
          baseline: 5,
          baselineName: 'bound',
        },
        ...{ ratio: 5 / calmly.p99, goal: 1, unit: 'ms' },
      },
    ];
  } finally {
    await server.stop();
    sql.stop();
  }
}

const mean = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;
const customer = (): string => `c${1 + randomInt(CUSTOMERS)}`;

interface Target {
  readonly url: string;
  readonly path: (customer: string) => string;
  readonly headers: Readonly<Record<string, string>>;
}

/** A closed loop, or so many a second. Latencies in ms; all answers are 2xx. */
async function checks({ url, path, headers }: Target, seconds: number, rate: { overallRate?: number } = {}) {
  const { non2xx, errors, timeouts, duration, latency, ...result } = await autocannon({
    url,
    connections: CONNECTIONS,
    duration: seconds,
    ...rate,
    requests: [
      { method: 'GET', setupRequest: (request) => ({ ...request, path: path(customer()), headers }) },
    ],
  });
  if (non2xx + errors + timeouts > 0)
    throw new Error(`${url}: ${non2xx} refused, ${errors} failed, ${timeouts} timed out`);
  return {
    perSecond: result['2xx'] / duration,
    p50: Math.max(latency.p50, 0.5),
    p99: Math.max(latency.p99, 0.5),
  };
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
    env: { ...process.env, DATABASE_URL: url, KEY_HASH: createHash('sha256').update(secret).digest('hex') },
  });
  const [address] = (await once(child, 'message')) as [string];
  return { url: address, pid: child.pid!, stop: () => child.disconnect() };
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
}
