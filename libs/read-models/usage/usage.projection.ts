import {
  consumptionStatus,
  type ConsumptionReversed,
  type ConsumptionStatus,
  type CreditEvent,
  type StoredUsage,
} from '#libs/credits';
import type { ProjectedEvent, Projection } from '../projection.js';
import { tableOf } from '../table.js';
import { UsageRow } from './usage.entity.js';

const usage = tableOf(UsageRow);

/** One row per consumption, captured hold, refusal and measured usage. Only how much was taken back changes afterwards. */
export const usageProjection: Projection = {
  name: 'usage',
  tables: [usage],
  categories: new Set(['creditAccount']),

  async project(events, sink) {
    const rows = new Map<string, UsageRow>();
    const reversals = new Map<string, Pick<UsageRow, 'tenant' | 'id' | 'reversed'>>();
    for (const recorded of events) {
      const row = rowOf(recorded);
      if (row) rows.set(`${row.tenant}\n${row.id}`, row);
      if (recorded.type !== 'ConsumptionReversed') continue;
      const { consumptionId: id, reversedTotal } = recorded.data as unknown as ConsumptionReversed;
      const key = `${recorded.tenant}\n${id}`;
      const reversal = { tenant: recorded.tenant, id, reversed: reversedTotal };
      const here = rows.get(key);
      if (here) rows.set(key, { ...here, ...reversal });
      else reversals.set(key, reversal);
    }
    await sink.insert(usage, [...rows.values()]);
    await sink.patch(usage, [...reversals.values()]);
  },
};

function rowOf(recorded: ProjectedEvent): UsageRow | null {
  const event = { type: recorded.type, data: recorded.data } as unknown as CreditEvent;
  const { type, data } = event;
  switch (type) {
    case 'CreditsConsumed':
      return usageRow(recorded, data.consumptionId, consumptionStatus(data), data);
    case 'ConsumptionRefused':
      return usageRow(recorded, data.consumptionId, 'refused', data);
    case 'HoldCaptured':
      return usageRow(recorded, data.holdId, 'consumed', data);
    case 'UsageRecorded':
      return usageRow(recorded, data.usage.eventId, null, data);
    case 'GrantIssued':
    case 'GrantActivated':
    case 'DebtSettled':
    case 'GrantExpired':
    case 'GrantVoided':
    case 'GrantAmended':
    case 'GrantAdjusted':
    case 'GrantEdited':
    case 'HoldPlaced':
    case 'HoldRefused':
    case 'HoldReleased':
    case 'ConsumptionReversed':
    case 'RenewalBegun':
    case 'GrantRenewed':
    case 'BalanceCarried':
    case 'RenewalAmended':
    case 'RenewalPaused':
    case 'RenewalResumed':
    case 'RenewalCancelled':
    case 'CommandRefused':
      return null;
  }
}

const usageRow = (
  recorded: ProjectedEvent,
  id: string,
  status: ConsumptionStatus | null,
  { usage: source, effectiveAt }: { readonly usage?: StoredUsage; readonly effectiveAt: string },
): UsageRow => ({
  tenant: recorded.tenant,
  id,
  customerId: recorded.entityId,
  eventName: source?.eventName ?? null,
  meterId: source?.meterId ?? null,
  value: source?.value ?? null,
  effectiveAt,
  idempotencyKey: source?.idempotencyKey ?? null,
  status,
  reversed: '0',
  recordedAt: recorded.recordedAt,
  position: recorded.position,
  stream: recorded.stream,
  revision: recorded.revision,
  type: recorded.type,
  data: recorded.dataText ?? JSON.stringify(recorded.data),
});
