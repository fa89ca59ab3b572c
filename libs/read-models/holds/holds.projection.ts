import type { CreditEvent, HoldPlaced } from '#libs/credits';
import type { ProjectedEvent, Projection } from '../projection.js';
import { tableOf } from '../table.js';
import { HoldRow } from './holds.entity.js';

const holds = tableOf(HoldRow);

type End = Pick<HoldRow, 'tenant' | 'id' | 'status' | 'ended'>;

/** One row per hold that was placed; one that was refused never was. */
export const holdsProjection: Projection = {
  name: 'holds',
  tables: [holds],
  categories: new Set(['creditAccount']),

  async project(events, sink) {
    const placed = new Map<string, HoldRow>();
    const ends = new Map<string, End>();
    for (const recorded of events) {
      const { tenant } = recorded;
      const event = { type: recorded.type, data: recorded.data } as unknown as CreditEvent;
      if (event.type === 'HoldPlaced')
        placed.set(`${tenant}\n${event.data.holdId}`, placedRow(recorded, event.data));
      if (event.type !== 'HoldCaptured' && event.type !== 'HoldReleased') continue;
      const { holdId: id } = event.data;
      const end: End = { tenant, id, status: statusOf(event), ended: JSON.stringify(event) };
      const here = placed.get(`${tenant}\n${id}`);
      if (here) placed.set(`${tenant}\n${id}`, { ...here, ...end });
      else ends.set(`${tenant}\n${id}`, end);
    }
    await sink.upsert(holds, [...placed.values()]);
    await sink.patch(holds, [...ends.values()]);
  },
};

const placedRow = ({ tenant, entityId, revision, position }: ProjectedEvent, data: HoldPlaced): HoldRow => ({
  tenant,
  id: data.holdId,
  customerId: entityId,
  unit: data.unit,
  status: 'held',
  expiresAt: data.expiresAt ?? null,
  placed: JSON.stringify(data),
  ended: null,
  revision,
  position,
});

const statusOf = (end: Extract<CreditEvent, { readonly type: 'HoldCaptured' | 'HoldReleased' }>) =>
  end.type === 'HoldCaptured' ? 'captured' : end.data.cause === 'timed_out' ? 'expired' : 'released';
