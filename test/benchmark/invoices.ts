import { randomInt } from 'node:crypto';
import type pg from 'pg';
import type { InvoiceFinalized } from '#libs/billing';
import { ingestUsage } from '#libs/commands/credits';
import { createCustomer } from '#libs/commands/catalog';
import { processInvoices } from '#libs/commands/invoices';
import { createSubscription, settleSubscriptions } from '#libs/commands/subscriptions';
import { formatInstant, type Instant } from '#libs/kernel';
import { createLogger, parseConfig, type Closer } from '#libs/platform';
import { startRuntime, type Runtime } from '../../apps/runtime.js';
import { createMeter } from '../../libs/commands/catalog/meters.js';
import { createPlan } from '../../libs/commands/catalog/plans.js';
import { createPrice } from '../../libs/commands/catalog/prices.js';
import type { Comparison } from './comparison.js';
import { ownDatabase } from './own-database.js';
import { invoiceInSql, openSqlInvoices } from './sql-invoices.js';

const CUSTOMERS = 1000;
/** Usage events of a customer in a month, over all metrics. */
const EVENTS = 30;
const ROUNDS = 3;
const TENANT = 'bench.test';
const METRICS = ['requests', 'tokens'] as const;
const BASE = 900;
const CENTS = { requests: 3, tokens: 2 };
const context = { tenant: TENANT, actor: 'bench', correlationId: 'bench' };

/** One usage as both sides record it. */
export interface Used {
  readonly customer: string;
  readonly metric: string;
  readonly at: Instant;
  readonly quantity: number;
}

/**
 * The invoice run of a month, beside one written by hand in SQL over plain tables: for each customer sums of usage by component, the
 * next number, an invoice and its lines in one transaction. Both have the same usage and make the same lines.
 */
export async function benchInvoices(server: string): Promise<Comparison[]> {
  const opened: Closer[] = [];
  const url = await ownDatabase(server);
  const config = parseConfig({ DATABASE_URL: url, LOG_LEVEL: 'error' });
  const runtime = await startRuntime(config, createLogger({ level: 'error' }), (work) => work(), opened);
  const sql = await openSqlInvoices(await ownDatabase(server), BASE, CENTS);
  try {
    // nothing is invoiced but by the run that is measured
    return await runtime.holdSchedules(TENANT, () => measure(runtime, sql));
  } finally {
    await sql.end();
    for (const { close } of opened) await close();
  }
}

async function measure(runtime: Runtime, sql: pg.Pool): Promise<Comparison[]> {
  let now = monthAfter(runtime.clocks.now(TENANT));
  const customers = await prepare(runtime, now);
  const rates: { ours: number; baseline: number }[] = [];
  for (let month = 0; month <= ROUNDS; month++) {
    const from = now;
    const end = monthAfter(from);
    const used = customers.flatMap((customer) =>
      Array.from({ length: EVENTS }, (_, index): Used => ({
        customer,
        metric: METRICS[index % METRICS.length]!,
        at: from,
        quantity: 1 + randomInt(100),
      })),
    );
    await record(runtime, used);
    await sql.query(
      'insert into bench.usage select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::numeric[])',
      [
        used.map(({ customer }) => customer),
        used.map(({ metric }) => metric),
        used.map(({ at }) => formatInstant(at)),
        used.map(({ quantity }) => quantity),
      ],
    );
    await moveTo(runtime, end);
    const before = await runtime.eventStore.head();
    const theirs = await timed(() => invoiceInSql(sql, customers, from, end));
    const mine = await timed(() => processInvoices(runtime.invoices, context));
    const lines = await sameLines(runtime, sql, before, end);
    if (month > 0) rates.push({ ours: lines / mine, baseline: lines / theirs });
    now = end;
  }
  const middle = (of: 'ours' | 'baseline'): number =>
    rates.map((one) => one[of]).sort((a, b) => a - b)[rates.length >> 1]!;
  const [ours, baseline] = [middle('ours'), middle('baseline')];
  const what = { name: `invoice run, ${CUSTOMERS} customers`, baselineName: 'SQL by hand', unit: 'lines/s' };
  return [{ ...what, ours, baseline, ratio: ours / baseline, goal: 1 }];
}

function monthAfter(instant: Instant): Instant {
  const date = new Date(instant);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
}

/** Moves time, and records what that made due, short of invoices. */
async function moveTo(runtime: Runtime, at: Instant): Promise<void> {
  await runtime.clocks.advance(context, at);
  await settleSubscriptions(runtime.subscriptions, context, at);
  await caughtUp(runtime);
}

/** @returns seconds */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1000;
}

/** A plan with a fee and two metrics, and customers who have subscribed to it at the beginning of a month. */
async function prepare(runtime: Runtime, begin: Instant): Promise<readonly string[]> {
  const { subscriptions } = runtime;
  const { ports } = subscriptions;
  await moveTo(runtime, begin);
  for (const id of METRICS) await createMeter(ports, context, { id, eventName: id });
  await createPlan(ports, context, { id: 'plan', planName: 'Pro' });
  const rule = { recurrence_rule: 'FREQ=MONTHLY' };
  const components = [
    { type: 'fixed', label: 'Base', amount_cents: BASE, ...rule },
    ...METRICS.map((id) => ({
      type: 'usage',
      label: id,
      metric_id: id,
      unit_cost_cents: CENTS[id],
      ...rule,
    })),
  ];
  const pricingData = { dsl_version: 1, components };
  await createPrice(ports, context, { planId: 'plan', currency: 'USD', pricingData });
  const customers = Array.from({ length: CUSTOMERS }, (_, index) => `c${index}`);
  await inParallel(customers, 32, async (id) => {
    await createCustomer(ports, context, { id, name: id });
    const request = { id: `s${id}`, customerId: id, planId: 'plan', startDate: formatInstant(begin) };
    await createSubscription(subscriptions, context, request, false);
  });
  // the fee of the first month
  await processInvoices(runtime.invoices, context);
  return customers;
}

async function record(runtime: Runtime, used: readonly Used[]): Promise<void> {
  const batches = Array.from({ length: Math.ceil(used.length / 500) }, (_, index) =>
    used.slice(500 * index, 500 * (index + 1)),
  );
  await inParallel(batches, 4, async (batch) => {
    const requests = batch.map(({ customer, metric, at, quantity }) => ({
      eventName: metric,
      customerId: customer,
      eventValue: quantity,
      eventTimestamp: formatInstant(at),
    }));
    for (const answer of await ingestUsage(runtime.credits, context, requests))
      if (!('body' in answer)) throw new Error('usage was refused');
  });
  await caughtUp(runtime);
}

const caughtUp = async ({ readModels, eventStore }: Runtime): Promise<unknown> =>
  readModels.waitForPosition(await eventStore.head(), 600_000);

async function inParallel<T>(
  all: readonly T[],
  atOnce: number,
  work: (one: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (next < all.length) await work(all[next++]!);
    }),
  );
}

/** Fails unless both have made the same invoices: customer, component, quantity and amount of each line. @returns how many lines */
async function sameLines(
  { eventStore }: Runtime,
  sql: pg.Pool,
  after: bigint,
  end: Instant,
): Promise<number> {
  const ours: string[] = [];
  for (let at = await eventStore.checkpointBefore(after); ;) {
    const { events, checkpoint } = await eventStore.readAll(at, 1000);
    if (events.length === 0) break;
    at = checkpoint;
    for (const { type, data } of events)
      if (type === 'InvoiceFinalized') {
        const { customerId, lines } = data as unknown as InvoiceFinalized;
        for (const line of lines)
          ours.push(
            [customerId, line.description, 'quantity' in line ? line.quantity : '', line.amount].join(' '),
          );
      }
  }
  const { rows } = await sql.query<{ line: string }>(
    `select concat_ws(' ', i.customer, l.description, l.quantity, l.amount) as line
     from bench.lines l join bench.invoices i on i.id = l.invoice where i.issued_at = $1`,
    [formatInstant(end)],
  );
  const theirs = rows.map(({ line }) => line).sort();
  if (theirs.length === 0 || theirs.join('\n') !== ours.sort().join('\n'))
    throw new Error(`the invoices are not the same: ${ours.length} lines and ${theirs.length}`);
  return theirs.length;
}
