import {
  consumptionAnswer,
  type ConsumptionReversed,
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
    await sink.upsert(usage, [...rows.values()]);
    await sink.patch(usage, [...reversals.values()]);
  },
};

function rowOf(recorded: ProjectedEvent): UsageRow | null {
  const event = { type: recorded.type, data: recorded.data } as unknown as CreditEvent;
  const { type, data } = event;
  switch (type) {
    case 'CreditsConsumed':
    case 'ConsumptionRefused': {
      const { status } = consumptionAnswer(recorded.entityId, event);
      return { ...about(recorded), id: data.consumptionId, status, ...from(data) };
    }
    case 'HoldCaptured':
      return { ...about(recorded), id: data.holdId, status: 'consumed', ...from(data) };
    case 'UsageRecorded':
      return { ...about(recorded), id: data.usage.eventId, status: null, ...from(data) };
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

const about = ({ tenant, entityId, recordedAt, position, stream, revision, type, data }: ProjectedEvent) => ({
  tenant,
  customerId: entityId,
  reversed: '0',
  recordedAt,
  position,
  stream,
  revision,
  type,
  data: JSON.stringify(data),
});

const from = ({
  usage: source,
  effectiveAt,
}: {
  readonly usage?: StoredUsage;
  readonly effectiveAt: string;
}) => ({
  effectiveAt,
  eventName: source?.eventName ?? null,
  meterId: source?.meterId ?? null,
  value: source?.value ?? null,
  idempotencyKey: source?.idempotencyKey ?? null,
});
