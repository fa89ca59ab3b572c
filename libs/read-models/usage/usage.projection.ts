import { consumptionAnswer, type CreditEvent } from '#libs/credits';
import { unknownEvent, type ProjectedEvent, type Projection } from '../projection.js';
import { tableOf } from '../table.js';
import { UsageRow } from './usage.entity.js';

const usage = tableOf(UsageRow);

/** One row per consumption, refusal and measured usage; a usage never changes afterwards. */
export const usageProjection: Projection = {
  name: 'usage',
  tables: [usage],
  categories: new Set(['creditAccount']),

  async project(events, sink) {
    const rows = new Map<string, UsageRow>();
    for (const event of events) {
      const row = rowOf(event);
      if (row) rows.set(`${row.tenant}\n${row.id}`, row);
    }
    await sink.upsert(usage, [...rows.values()]);
  },
};

function rowOf(recorded: ProjectedEvent): UsageRow | null {
  const event = { type: recorded.type, data: recorded.data } as unknown as CreditEvent;
  switch (event.type) {
    case 'CreditsConsumed':
    case 'ConsumptionRefused': {
      const { consumptionId: id, usage: source, effectiveAt } = event.data;
      const { status } = consumptionAnswer(recorded.entityId, event);
      return { ...about(recorded), id, status, effectiveAt, ...from(source) };
    }
    case 'UsageRecorded': {
      const { usage: source, effectiveAt } = event.data;
      return { ...about(recorded), id: source.eventId, status: null, effectiveAt, ...from(source) };
    }
    case 'GrantIssued':
    case 'GrantActivated':
    case 'DebtSettled':
    case 'GrantExpired':
    case 'GrantVoided':
    case 'CommandRefused':
      return null;
    default:
      throw unknownEvent(recorded);
  }
}

const about = ({ tenant, entityId, recordedAt, position, stream, revision, type, data }: ProjectedEvent) => ({
  tenant,
  customerId: entityId,
  recordedAt,
  position,
  stream,
  revision,
  type,
  data: JSON.stringify(data),
});

const from = (
  source: { eventName: string; meterId: string; value?: string; idempotencyKey?: string } | undefined,
) => ({
  eventName: source?.eventName ?? null,
  meterId: source?.meterId ?? null,
  value: source?.value ?? null,
  idempotencyKey: source?.idempotencyKey ?? null,
});
