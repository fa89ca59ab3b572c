import { formatAmount, formatInstant, HOUR, readAmount, type Amount } from '#libs/kernel';
import { meteredUsage, type CreditEvent } from '#libs/credits';
import {
  activeSeats,
  entitles,
  evolve,
  nextDue,
  type Subscription,
  type SubscriptionEvent,
} from '#libs/subscriptions';
import type { ProjectedEvent, Projection, Sink } from '../projection.js';
import { textArray } from '../sink.js';
import { tableOf } from '../table.js';
import { EntitlementTermsRow, UsageTotalRow } from './entitlements.entity.js';

const terms = tableOf(EntitlementTermsRow);
const totals = tableOf(UsageTotalRow);

/** Hours of the spans that are added up. */
const SPANS = [1, 24] as const;

/** The terms each customer is under, and what was used by the hour and by the day. Credit is in the grants. */
export const entitlementsProjection: Projection = {
  name: 'entitlements',
  tables: [terms, totals],
  categories: new Set(['subscription', 'creditAccount']),

  async project(events, sink) {
    await projectTerms(
      events.filter(({ category }) => category === 'subscription'),
      sink,
    );
    await projectUsage(
      events.filter(({ category }) => category === 'creditAccount'),
      sink,
    );
  },
};

interface Folded {
  readonly state: Subscription;
  readonly createdPosition: bigint;
}

async function projectTerms(events: readonly ProjectedEvent[], sink: Sink): Promise<void> {
  if (events.length === 0) return;
  const folded = await subscriptionsBefore(events, sink);
  const rows = new Map<string, EntitlementTermsRow>();
  for (const { tenant, entityId, position, type, data } of events) {
    const key = `${tenant}\n${entityId}`;
    const before = folded.get(key);
    const state = evolve(before?.state ?? null, { type, data } as unknown as SubscriptionEvent);
    const createdPosition = before?.createdPosition ?? position;
    folded.set(key, { state, createdPosition });
    const row = rowOf(tenant, state, createdPosition, position);
    rows.set(`${key}\n${state.customerId}`, row);
    const seats = new Set(activeSeats(state).map(({ customerId }) => customerId));
    const had = before ? activeSeats(before.state).map(({ customerId }) => customerId) : [];
    for (const customerId of new Set([...had, ...seats])) {
      if (customerId === state.customerId) continue;
      const entitled = row.entitles && seats.has(customerId);
      rows.set(`${key}\n${customerId}`, { ...row, customerId, entitles: entitled, state: null });
    }
  }
  await sink.upsert(terms, [...rows.values()]);
}

function rowOf(
  tenant: string,
  state: Subscription,
  createdPosition: bigint,
  position: bigint,
): EntitlementTermsRow {
  const exactUntil = nextDue(state);
  return {
    tenant,
    customerId: state.customerId,
    subscriptionId: state.id,
    entitles: entitles(state),
    periodStart: formatInstant(state.period.start),
    periodEnd: formatInstant(state.period.end),
    exactUntil: exactUntil === null ? null : formatInstant(exactUntil),
    undriven: state.pending.length > 0,
    features: JSON.stringify(state.terms.features),
    overrides: JSON.stringify(state.overrides),
    state: JSON.stringify(state),
    createdPosition,
    position,
  };
}

/** The subscriptions that events say something of and did not make. */
async function subscriptionsBefore(
  events: readonly ProjectedEvent[],
  sink: Sink,
): Promise<Map<string, Folded>> {
  const wanted = new Map<string, ProjectedEvent>();
  for (const event of events) wanted.set(event.stream, event);
  for (const { stream, revision } of events) if (revision === 0) wanted.delete(stream);
  if (wanted.size === 0) return new Map();
  const rows = await sink.query<{ tenant: string; state: Subscription; created: string }>(
    `select t.tenant, t.state, t.created_position::text as created
     from unnest($1::text[], $2::text[]) as s(tenant, id)
     join {schema}.entitlement_terms t on t.tenant = s.tenant and t.subscription_id = s.id and t.state is not null`,
    [
      textArray([...wanted.values()].map(({ tenant }) => tenant)),
      textArray([...wanted.values()].map(({ entityId }) => entityId)),
    ],
  );
  return new Map(
    rows.map(({ tenant, state, created }) => [
      `${tenant}\n${state.id}`,
      { state, createdPosition: BigInt(created) },
    ]),
  );
}

type Total = Omit<UsageTotalRow, 'quantity'> & { quantity: Amount };

async function projectUsage(events: readonly ProjectedEvent[], sink: Sink): Promise<void> {
  const added = new Map<string, Total>();
  for (const { tenant, entityId: customerId, position, type, data } of events) {
    const metered = meteredUsage({ type, data } as unknown as CreditEvent);
    if (!metered) continue;
    const { usage, quantity, effectiveAt } = metered;
    const { meterId } = usage;
    for (const span of SPANS) {
      const start = formatInstant(
        effectiveAt - (((effectiveAt % (span * HOUR)) + span * HOUR) % (span * HOUR)),
      );
      const key = [tenant, customerId, meterId, span, start].join('\n');
      const known = added.get(key);
      if (known) Object.assign(known, { quantity: known.quantity + quantity, position });
      else added.set(key, { tenant, customerId, meterId, span, start, quantity, position });
    }
  }
  if (added.size === 0) return;
  const all = [...added.values()];
  const before = await sink.query<{ index: number; quantity: string }>(
    `select s.index::integer, t.quantity::text
     from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) with ordinality
       as s(tenant, customer_id, meter_id, span, start, index)
     join {schema}.usage_totals t on t.tenant = s.tenant and t.customer_id = s.customer_id and t.meter_id = s.meter_id
       and t.span = s.span::integer and t.start = s.start::timestamptz`,
    [
      textArray(all.map(({ tenant }) => tenant)),
      textArray(all.map(({ customerId }) => customerId)),
      textArray(all.map(({ meterId }) => meterId)),
      textArray(all.map(({ span }) => String(span))),
      textArray(all.map(({ start }) => start)),
    ],
  );
  for (const { index, quantity } of before) all[index - 1]!.quantity += readAmount(quantity);
  await sink.upsert(
    totals,
    all.map((total) => ({ ...total, quantity: formatAmount(total.quantity) })),
    ['quantity', 'position'],
  );
}
