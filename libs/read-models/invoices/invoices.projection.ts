import {
  evolveInvoice,
  initialInvoice,
  nextStep,
  type ChargesClosed,
  type InvoiceEvent,
  type InvoiceFinalized,
} from '#libs/billing';
import { formatInstant, readInstant } from '#libs/kernel';
import { chargesSeatsAtOnce, type SubscriptionCreated, type SubscriptionEvent } from '#libs/subscriptions';
import type { ProjectedEvent, Projection, Sink } from '../projection.js';
import { textArray } from '../sink.js';
import { tableOf } from '../table.js';
import { InvoiceRow, InvoiceSourceRow, SubscriptionBillingRow } from './invoices.entity.js';

const invoices = tableOf(InvoiceRow);
const sources = tableOf(InvoiceSourceRow);
const billing = tableOf(SubscriptionBillingRow);

/** Invoices with their facts, what usage stands behind which line, and how far each subscription is charged. */
export const invoicesProjection: Projection = {
  name: 'invoices',
  tables: [invoices, sources, billing],
  categories: new Set(['subscription', 'subscriptionBilling', 'invoice']),

  async project(events, sink) {
    await projectBilling(events, sink);
    await projectInvoices(events, sink);
  },
};

/** One row per subscription; it has work where a moment is not closed yet. */
async function projectBilling(events: readonly ProjectedEvent[], sink: Sink): Promise<void> {
  const rows = await billingBefore(events, sink);
  const changed = new Set<string>();
  for (const event of events) {
    const { tenant, entityId: id, position, type, data, category } = event;
    if (category === 'invoice') continue;
    const key = `${tenant}\n${id}`;
    if (type === 'SubscriptionCreated')
      rows.set(key, {
        tenant,
        id,
        customerId: String(data['customerId']),
        moment: -1n,
        closed: -1n,
        seatsAtOnce: chargesSeatsAtOnce((data as unknown as SubscriptionCreated).terms),
        trial: data['trial'] !== undefined,
        endedAt: null,
        createdPosition: position,
      });
    const row = rows.get(key)!;
    if (category === 'subscriptionBilling') close(row, data as unknown as ChargesClosed);
    else if (isMoment(row, event)) row.moment = BigInt(event.revision);
    changed.add(key);
  }
  await sink.upsert(
    billing,
    [...changed].map((key) => rows.get(key)!),
  );
}

function close(row: SubscriptionBillingRow, { at, subscriptionRevision }: ChargesClosed): void {
  row.closed = BigInt(subscriptionRevision);
  if (row.endedAt !== null && readInstant(at) > readInstant(row.endedAt)) row.endedAt = null;
}

/** Whether charges are closed after a fact; what that needs to know of the facts before stands in the row. */
function isMoment(row: SubscriptionBillingRow, { type, data }: ProjectedEvent): boolean {
  const event = { type, data } as unknown as SubscriptionEvent;
  if (event.type === 'SubscriptionTrialEnded') row.trial = false;
  if (event.type === 'SubscriptionCancelled') row.endedAt = event.data.at;
  if (event.type === 'SubscriptionChanged') row.seatsAtOnce = chargesSeatsAtOnce(event.data.terms);
  switch (event.type) {
    case 'SubscriptionPeriodBegun':
      return event.data.number > 0;
    case 'SubscriptionChanged':
      return event.data.proration === 'immediate';
    case 'SubscriptionCancelled':
    case 'SubscriptionPaused':
      return true;
    case 'SeatAdded':
      return row.seatsAtOnce && !row.trial;
    default:
      return false;
  }
}

async function billingBefore(
  events: readonly ProjectedEvent[],
  sink: Sink,
): Promise<Map<string, SubscriptionBillingRow>> {
  const wanted = new Map<string, ProjectedEvent>();
  for (const event of events)
    if (event.category !== 'invoice') wanted.set(`${event.tenant}\n${event.entityId}`, event);
  for (const { type, tenant, entityId } of events)
    if (type === 'SubscriptionCreated') wanted.delete(`${tenant}\n${entityId}`);
  if (wanted.size === 0) return new Map();
  const all = [...wanted.values()];
  const rows = await sink.query<
    Omit<SubscriptionBillingRow, 'moment' | 'closed' | 'endedAt' | 'createdPosition'> & {
      endedAt: Date | null;
      moment: string;
      closed: string;
      created: string;
    }
  >(
    `select t.tenant, t.id, t.customer_id as "customerId", t.moment::text as moment, t.closed::text as closed,
       t.seats_at_once as "seatsAtOnce", t.trial, t.ended_at as "endedAt", t.created_position::text as created
     from unnest($1::text[], $2::text[]) as s(tenant, id)
     join {schema}.subscription_billing t on t.tenant = s.tenant and t.id = s.id`,
    [textArray(all.map(({ tenant }) => tenant)), textArray(all.map(({ entityId }) => entityId))],
  );
  return new Map(
    rows.map(({ moment, closed, endedAt, created, ...row }) => [
      `${row.tenant}\n${row.id}`,
      {
        ...row,
        moment: BigInt(moment),
        closed: BigInt(closed),
        endedAt: endedAt?.toISOString() ?? null,
        createdPosition: BigInt(created),
      },
    ]),
  );
}

interface Open {
  readonly tenant: string;
  readonly id: string;
  readonly subscriptionId: string | null;
  readonly facts: InvoiceEvent[];
  readonly createdPosition: bigint;
  position: bigint;
}

async function projectInvoices(events: readonly ProjectedEvent[], sink: Sink): Promise<void> {
  const open = await rowsBefore(
    events.filter(({ category }) => category === 'invoice'),
    sink,
  );
  const changed = new Set<string>();
  const made: InvoiceSourceRow[] = [];
  for (const { tenant, entityId, position, category, type, data, revision } of events) {
    if (category === 'subscriptionBilling')
      for (const { invoiceId: id } of (data as unknown as ChargesClosed).invoices) {
        const row = { tenant, id, subscriptionId: entityId, facts: [], createdPosition: position, position };
        open.set(`${tenant}\n${id}`, row);
        changed.add(`${tenant}\n${id}`);
      }
    if (category !== 'invoice') continue;
    const key = `${tenant}\n${entityId}`;
    const row = open.get(key);
    if (!row) throw new Error(`the invoice ${entityId} was closed by nothing`);
    if (revision < row.facts.length) continue;
    row.facts.push({ type, data } as unknown as InvoiceEvent);
    row.position = position;
    changed.add(key);
    if (type === 'InvoiceFinalized') made.push(...sourcesOf(tenant, data as unknown as InvoiceFinalized));
  }
  await sink.upsert(
    invoices,
    [...changed].map((key) => rowOf(open.get(key)!)),
  );
  await sink.insert(sources, made);
}

function rowOf({ tenant, id, subscriptionId, facts, createdPosition, position }: Open): InvoiceRow {
  const state = facts.reduce(evolveInvoice, initialInvoice);
  const { status, final, sealed } = state;
  const due = nextStep(state);
  return {
    tenant,
    id,
    customerId: sealed?.customerId ?? null,
    subscriptionId,
    number: final?.number ?? null,
    status,
    issuedAt: final?.issuedAt ?? null,
    dueAt: due && formatInstant(due.at),
    undriven: state.toDrive.length > 0 || state.subscription !== null,
    facts: JSON.stringify(facts),
    createdPosition,
    position,
  };
}

const sourcesOf = (tenant: string, { invoiceId, lines }: InvoiceFinalized): readonly InvoiceSourceRow[] =>
  lines.flatMap((line) =>
    line.type !== 'usage' || line.metricId === undefined || line.period === undefined
      ? []
      : (line.sources ?? []).map((source) => ({
          tenant,
          invoiceId,
          lineId: line.lineId,
          customerId: source.customerId,
          metricId: line.metricId!,
          periodStart: line.period!.start,
          periodEnd: line.period!.end,
          fromRevision: BigInt(source.fromRevision),
          throughRevision: BigInt(source.throughRevision),
        })),
  );

/** The rows of invoices that events say something of. */
async function rowsBefore(events: readonly ProjectedEvent[], sink: Sink): Promise<Map<string, Open>> {
  const streams = new Map(events.map((event) => [event.stream, event]));
  if (streams.size === 0) return new Map();
  const wanted = [...streams.values()];
  const rows = await sink.query<{
    tenant: string;
    id: string;
    subscription: string | null;
    facts: InvoiceEvent[];
    created: string;
    position: string;
  }>(
    `select t.tenant, t.id, t.subscription_id as subscription, t.facts, t.created_position::text as created,
       t.position::text as position
     from unnest($1::text[], $2::text[]) as s(tenant, id)
     join {schema}.invoices t on t.tenant = s.tenant and t.id = s.id`,
    [textArray(wanted.map(({ tenant }) => tenant)), textArray(wanted.map(({ entityId }) => entityId))],
  );
  return new Map(
    rows.map(({ tenant, id, subscription, facts, created, position }) => [
      `${tenant}\n${id}`,
      {
        tenant,
        id,
        subscriptionId: subscription,
        facts,
        createdPosition: BigInt(created),
        position: BigInt(position),
      },
    ]),
  );
}
