import { formatInstant } from '#libs/kernel';
import { evolve, nextDue, type Subscription, type SubscriptionEvent } from '#libs/subscriptions';
import type { ProjectedEvent, Projection, Sink } from '../projection.js';
import { textArray } from '../sink.js';
import { tableOf } from '../table.js';
import { SubscriptionRow } from './subscriptions.entity.js';

const subscriptions = tableOf(SubscriptionRow);

interface Folded {
  readonly state: Subscription;
  readonly createdPosition: bigint;
  readonly position: bigint;
}

/** One row per subscription, with the whole of it: what is read is settled in memory, as of the moment of the answer. */
export const subscriptionsProjection: Projection = {
  name: 'subscriptions',
  tables: [subscriptions],
  categories: new Set(['subscription']),

  async project(events, sink) {
    const folded = await rowsBefore(events, sink);
    const changed = new Set<string>();
    for (const recorded of events) {
      const { tenant, entityId, position, revision } = recorded;
      const key = `${tenant}\n${entityId}`;
      const before = folded.get(key);
      if (before && before.state.revision >= revision) continue;
      const event = { type: recorded.type, data: recorded.data } as unknown as SubscriptionEvent;
      const state = evolve(before?.state ?? null, event);
      folded.set(key, { state, createdPosition: before?.createdPosition ?? position, position });
      changed.add(key);
    }
    await sink.upsert(
      subscriptions,
      [...changed].map((key) => rowOf(key.slice(0, key.indexOf('\n')), folded.get(key)!)),
    );
  },
};

function rowOf(tenant: string, { state, createdPosition, position }: Folded): SubscriptionRow {
  const due = nextDue(state);
  return {
    tenant,
    id: state.id,
    customerId: state.customerId,
    planId: state.terms.planId,
    status: state.status,
    dueAt: due === null ? null : formatInstant(due),
    undriven: state.pending.length > 0,
    state: JSON.stringify(state),
    createdPosition,
    position,
  };
}

/** The rows of subscriptions that events say something of and did not make. */
async function rowsBefore(events: readonly ProjectedEvent[], sink: Sink): Promise<Map<string, Folded>> {
  const wanted = new Map<string, ProjectedEvent>();
  for (const event of events) wanted.set(event.stream, event);
  for (const { stream, revision } of events) if (revision === 0) wanted.delete(stream);
  if (wanted.size === 0) return new Map();
  const rows = await sink.query<{ tenant: string; state: Subscription; created: string; position: string }>(
    `select t.tenant, t.state, t.created_position::text as created, t.position::text as position
     from unnest($1::text[], $2::text[]) as s(tenant, id)
     join {schema}.subscriptions t on t.tenant = s.tenant and t.id = s.id`,
    [
      textArray([...wanted.values()].map(({ tenant }) => tenant)),
      textArray([...wanted.values()].map(({ entityId }) => entityId)),
    ],
  );
  return new Map(
    rows.map(({ tenant, state, created, position }) => [
      `${tenant}\n${state.id}`,
      { state, createdPosition: BigInt(created), position: BigInt(position) },
    ]),
  );
}
