import { DAY, formatAmount, formatInstant, HOUR, readAmount, type Amount } from '#libs/kernel';
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
import type { Hours } from './cut-hours.js';
import { EntitlementTermsRow, UsageDayRow } from './entitlements.entity.js';

const terms = tableOf(EntitlementTermsRow);
const days = tableOf(UsageDayRow);

/** The terms each customer is under, and what was used by the day and by the hour. Credit is in the grants. */
export const entitlementsProjection: Projection = {
  name: 'entitlements',
  tables: [terms, days],
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

interface Day extends Omit<UsageDayRow, 'quantity' | 'hours'> {
  quantity: Amount;
  readonly hours: Map<string, { quantity: Amount; position: bigint }>;
}

async function projectUsage(events: readonly ProjectedEvent[], sink: Sink): Promise<void> {
  const added = new Map<string, Day>();
  for (const { tenant, entityId: customerId, position, type, data } of events) {
    const metered = meteredUsage({ type, data } as unknown as CreditEvent);
    if (!metered) continue;
    const { usage, quantity, effectiveAt } = metered;
    const { meterId } = usage;
    const start = formatInstant(effectiveAt - (effectiveAt % DAY));
    const key = [tenant, customerId, meterId, start].join('\n');
    let day = added.get(key);
    if (!day)
      added.set(
        key,
        (day = { tenant, customerId, meterId, day: start, quantity: 0n, hours: new Map(), position }),
      );
    day.position = position;
    add(day, String(Math.floor((effectiveAt % DAY) / HOUR)), quantity, position);
  }
  if (added.size === 0) return;
  const all = [...added.values()];
  const before = await sink.query<{ index: number; hours: Hours }>(
    `select s.index::integer, d.hours
     from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality
       as s(tenant, customer_id, meter_id, day, index)
     join {schema}.usage_days d on d.tenant = s.tenant and d.customer_id = s.customer_id and d.meter_id = s.meter_id
       and d.day = s.day::timestamptz`,
    [
      textArray(all.map(({ tenant }) => tenant)),
      textArray(all.map(({ customerId }) => customerId)),
      textArray(all.map(({ meterId }) => meterId)),
      textArray(all.map(({ day }) => day)),
    ],
  );
  for (const { index, hours } of before)
    for (const [hour, [quantity, position]] of Object.entries(hours))
      add(all[index - 1]!, hour, readAmount(quantity), BigInt(position));
  await sink.upsert(days, all.map(rowOfDay), ['quantity', 'hours', 'position']);
}

function add(day: Day, hour: string, quantity: Amount, position: bigint): void {
  day.quantity += quantity;
  const known = day.hours.get(hour);
  if (!known) return void day.hours.set(hour, { quantity, position });
  known.quantity += quantity;
  if (position > known.position) known.position = position;
}

const rowOfDay = ({ quantity, hours, ...day }: Day): UsageDayRow => ({
  ...day,
  quantity: formatAmount(quantity),
  // members that are whole numbers are written in their order
  hours: JSON.stringify(
    Object.fromEntries(
      [...hours].map(([hour, of]) => [hour, [formatAmount(of.quantity), String(of.position)]]),
    ),
  ),
});
