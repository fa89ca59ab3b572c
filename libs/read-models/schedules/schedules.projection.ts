import { readInstant } from '#libs/kernel';
import type { CreditEvent } from '#libs/credits';
import { unknownEvent, type Projection } from '../projection.js';
import { tableOf } from '../table.js';
import { ScheduleRow, type ScheduleKind } from './schedules.entity.js';

const schedules = tableOf(ScheduleRow);

type Key = Pick<ScheduleRow, 'tenant' | 'kind' | 'id'>;

/** Due work: what a worker turns into commands when its time has come. */
export const schedulesProjection: Projection = {
  name: 'schedules',
  tables: [schedules],
  categories: new Set(['creditAccount']),

  async project(events, sink) {
    const due = new Map<string, ScheduleRow>();
    const over = new Map<string, Key>();
    for (const recorded of events) {
      const { tenant, entityId: customerId, position } = recorded;
      const keyOf = (kind: ScheduleKind, id: string): string => `${tenant}\n${kind}\n${id}`;
      const begin = (kind: ScheduleKind, id: string, dueAt: string): void => {
        due.set(keyOf(kind, id), { tenant, kind, id, customerId, dueAt, position });
        over.delete(keyOf(kind, id));
      };
      const end = (id: string, ...kinds: readonly ScheduleKind[]): void => {
        for (const kind of kinds) {
          due.delete(keyOf(kind, id));
          over.set(keyOf(kind, id), { tenant, kind, id });
        }
      };
      const event = { type: recorded.type, data: recorded.data } as unknown as CreditEvent;
      switch (event.type) {
        case 'GrantIssued': {
          const { grantId, effectiveAt, expiresAt, issuedAt } = event.data;
          if (readInstant(effectiveAt) > readInstant(issuedAt)) begin('start', grantId, effectiveAt);
          if (expiresAt !== undefined) begin('expiry', grantId, expiresAt);
          break;
        }
        case 'GrantActivated':
          end(event.data.grantId, 'start');
          break;
        case 'CreditsConsumed':
          for (const { grantId, remainingAfter } of event.data.allocations)
            if (remainingAfter === '0') end(grantId, 'start', 'expiry');
          break;
        case 'DebtSettled':
          if (event.data.remainingAfter === '0') end(event.data.grantId, 'start', 'expiry');
          break;
        case 'GrantExpired':
        case 'GrantVoided':
          end(event.data.grantId, 'start', 'expiry');
          break;
        case 'ConsumptionRefused':
        case 'UsageRecorded':
        case 'CommandRefused':
          break;
        default:
          throw unknownEvent(recorded);
      }
    }
    await sink.upsert(schedules, [...due.values()]);
    await sink.remove(schedules, [...over.values()]);
  },
};
