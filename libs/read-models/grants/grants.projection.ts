import {
  changedGrant,
  hasStarted,
  isPlainDraw,
  standingsOf,
  type CreditEvent,
  type GrantIssued,
  type GrantStanding,
} from '#libs/credits';
import type { ProjectedEvent, Projection, Sink } from '../projection.js';
import { textArray } from '../sink.js';
import { tableOf } from '../table.js';
import { GrantRow } from './grants.entity.js';

const grants = tableOf(GrantRow);

type Change = Pick<GrantRow, 'tenant' | 'grantId'> & Partial<GrantRow>;

/** What a change depends on. */
type Known = Pick<GrantRow, 'data' | 'remaining' | 'held' | 'endedAs' | 'effectiveAt'>;

/** One row per grant; later events of the grant set what they say of it. */
export const grantsProjection: Projection = {
  name: 'grants',
  tables: [grants],
  categories: new Set(['creditAccount']),

  async project(events, sink) {
    const issued = new Map<string, GrantRow>();
    const changes = new Map<string, Change>();
    const known = await knownBefore(events, sink);
    for (const recorded of events) {
      const { tenant } = recorded;
      const keyOf = (grantId: string): string => `${tenant}\n${grantId}`;
      const rowOf = (grantId: string): Known => {
        const row = issued.get(keyOf(grantId)) ?? {
          ...known.get(keyOf(grantId))!,
          ...changes.get(keyOf(grantId)),
        };
        if (row.held === undefined) throw new Error(`grant ${grantId} is not there`);
        return row;
      };
      const change = (grantId: string, what: Partial<GrantRow>): void => {
        const key = keyOf(grantId);
        const row = issued.get(key);
        if (row) issued.set(key, { ...row, ...what });
        else changes.set(key, { ...(changes.get(key) ?? { tenant, grantId }), ...what });
      };
      const event = { type: recorded.type, data: recorded.data } as unknown as CreditEvent;
      if (event.type === 'GrantIssued') {
        const { grantId } = event.data;
        issued.set(keyOf(grantId), issuedRow(recorded, event.data));
        changes.delete(keyOf(grantId));
        continue;
      }
      for (const standing of standingsOf(event))
        change(
          standing.grantId,
          standingRow(standing, () => rowOf(standing.grantId)),
        );
      if (event.type === 'GrantAmended' || event.type === 'GrantEdited') {
        const { grantId } = event.data;
        const data = changedGrant(JSON.parse(rowOf(grantId).data) as GrantIssued, event);
        const edited = event.type === 'GrantEdited' && event.data.notes !== undefined;
        change(grantId, {
          data: JSON.stringify(data),
          effectiveAt: data.effectiveAt,
          expiresAt: data.expiresAt ?? null,
          priority: data.priority,
          ...(edited ? { voidNotes: null } : {}),
        });
      }
      if ((event.type === 'GrantVoided' || event.type === 'GrantExpired') && event.data.notes !== undefined)
        change(event.data.grantId, { voidNotes: event.data.notes });
    }
    await sink.upsert(grants, [...issued.values()]);
    await sink.patch(grants, [...changes.values()]);
  },
};

function issuedRow({ tenant, entityId, position }: ProjectedEvent, data: GrantIssued): GrantRow {
  return {
    tenant,
    grantId: data.grantId,
    customerId: entityId,
    parentId: data.parentId ?? null,
    unit: data.unit,
    data: JSON.stringify(data),
    applicationType: data.applicationType ?? null,
    remaining: data.amount,
    held: '0',
    endedAs: null,
    voidNotes: null,
    activated: hasStarted(data.effectiveAt, data.issuedAt),
    effectiveAt: data.effectiveAt,
    expiresAt: data.expiresAt ?? null,
    priority: data.priority,
    position,
  };
}

function standingRow(standing: GrantStanding, row: () => Known): Partial<GrantRow> {
  const { remaining, held, over, window, startedBy } = standing;
  if (over) return { remaining: '0', endedAs: over };
  if (isPlainDraw(standing)) return { remaining: remaining!, endedAs: null };
  const before = row();
  const started = startedBy !== undefined && hasStarted((window ?? before).effectiveAt, startedBy);
  const left = { remaining: remaining ?? before.remaining, held: held ?? before.held };
  const isOver = before.endedAs === 'expired' || before.endedAs === 'voided';
  const depleted = left.remaining === '0' && left.held === '0';
  return {
    ...left,
    endedAs: isOver ? before.endedAs : depleted ? 'depleted' : null,
    ...(started ? { activated: true } : {}),
  };
}

/** The rows of grants of which an event does not say all. */
async function knownBefore(
  events: readonly ProjectedEvent[],
  sink: Sink,
): Promise<ReadonlyMap<string, Known>> {
  const wanted = new Map<string, readonly [tenant: string, grantId: string]>();
  const here = new Set<string>();
  for (const { tenant, type, data } of events) {
    const event = { type, data } as unknown as CreditEvent;
    if (event.type === 'GrantIssued') {
      here.add(`${tenant}\n${event.data.grantId}`);
      continue;
    }
    const asking = standingsOf(event).filter((one) => one.over === undefined && !isPlainDraw(one));
    const touched = event.type === 'GrantEdited' ? [event.data] : asking;
    for (const { grantId } of touched) {
      const key = `${tenant}\n${grantId}`;
      if (!here.has(key)) wanted.set(key, [tenant, grantId]);
    }
  }
  if (wanted.size === 0) return new Map();
  const rows = await sink.query<{
    tenant: string;
    grantId: string;
    data: string;
    remaining: string;
    held: string;
    endedAs: GrantRow['endedAs'];
    effectiveAt: Date;
  }>(
    `select g.tenant, g.grant_id as "grantId", g.data::text, g.remaining::text, g.held::text, g.ended_as as "endedAs",
       g.effective_at as "effectiveAt"
     from unnest($1::text[], $2::text[]) as s(tenant, grant_id)
     join {schema}.grants g on g.tenant = s.tenant and g.grant_id = s.grant_id`,
    [
      textArray([...wanted.values()].map(([tenant]) => tenant)),
      textArray([...wanted.values()].map(([, grantId]) => grantId)),
    ],
  );
  return new Map(
    rows.map(({ tenant, grantId, effectiveAt, ...row }) => [
      `${tenant}\n${grantId}`,
      { ...row, effectiveAt: effectiveAt.toISOString() },
    ]),
  );
}
