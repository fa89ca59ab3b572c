import type { CreditEvent, RenewalAmended, RenewalBegun } from '#libs/credits';
import type { ProjectedEvent, Projection } from '../projection.js';
import { tableOf } from '../table.js';
import { RenewalRow } from './renewals.entity.js';

const renewals = tableOf(RenewalRow);

type Change = Pick<RenewalRow, 'tenant' | 'id'> & Partial<RenewalRow>;

/** One row per series; later events set what they say of it. */
export const renewalsProjection: Projection = {
  name: 'renewals',
  tables: [renewals],
  categories: new Set(['creditAccount']),

  async project(events, sink) {
    const begun = new Map<string, RenewalRow>();
    const changes = new Map<string, Change>();
    for (const recorded of events) {
      const { tenant } = recorded;
      const event = { type: recorded.type, data: recorded.data } as unknown as CreditEvent;
      if (event.type === 'RenewalBegun') {
        begun.set(`${tenant}\n${event.data.seriesId}`, begunRow(recorded, event.data));
        continue;
      }
      const change = changeOf(event);
      if (!change) continue;
      const key = `${tenant}\n${change.id}`;
      const here = begun.get(key);
      if (here) begun.set(key, { ...here, ...change });
      else changes.set(key, { tenant, ...changes.get(key), ...change });
    }
    await sink.upsert(renewals, [...begun.values()]);
    await sink.patch(renewals, [...changes.values()]);
  },
};

function changeOf({ type, data }: CreditEvent): Omit<Change, 'tenant'> | null {
  switch (type) {
    case 'GrantRenewed': {
      const { seriesId: id, occurrence, dueAt, nextAt } = data;
      return { id, occurrence, lastAt: dueAt, nextAt: nextAt ?? null };
    }
    case 'RenewalAmended':
      return { id: data.seriesId, ...termsOf(data) };
    case 'RenewalPaused':
      return { id: data.seriesId, status: 'paused' };
    case 'RenewalResumed': // the renewal that follows says when the next is due
      return { id: data.seriesId, status: 'active', anchor: data.anchor, nextAt: null };
    case 'RenewalCancelled':
      return { id: data.seriesId, status: 'cancelled', nextAt: null };
    case 'RenewalBegun': // makes the row
    case 'GrantIssued':
    case 'GrantActivated':
    case 'CreditsConsumed':
    case 'ConsumptionRefused':
    case 'UsageRecorded':
    case 'DebtSettled':
    case 'GrantExpired':
    case 'GrantVoided':
    case 'GrantAmended':
    case 'GrantAdjusted':
    case 'GrantEdited':
    case 'HoldPlaced':
    case 'HoldRefused':
    case 'HoldCaptured':
    case 'HoldReleased':
    case 'ConsumptionReversed':
    case 'BalanceCarried':
    case 'CommandRefused':
      return null;
  }
}

const begunRow = (
  { tenant, entityId, revision, position }: ProjectedEvent,
  data: RenewalBegun,
): RenewalRow => ({
  tenant,
  id: data.seriesId,
  customerId: entityId,
  unit: data.unit,
  status: 'active',
  rule: data.rule ?? null,
  occurrence: 0,
  lastAt: data.anchor,
  nextAt: data.nextAt ?? null,
  anchor: data.anchor,
  begun: JSON.stringify(data),
  ...termsOf(data),
  revision,
  position,
});

const termsOf = ({ lifetime, rollover, template }: RenewalBegun | RenewalAmended) => ({
  terms: JSON.stringify({ lifetime, rollover, template }),
  carries: rollover.kind === 'carry',
});
