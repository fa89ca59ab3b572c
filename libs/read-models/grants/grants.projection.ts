import { readInstant } from '#libs/kernel';
import type { CreditEvent, EndedAs, GrantIssued } from '#libs/credits';
import { unknownEvent, type ProjectedEvent, type Projection } from '../projection.js';
import { tableOf } from '../table.js';
import { GrantRow } from './grants.entity.js';

const grants = tableOf(GrantRow);

type Change = Pick<GrantRow, 'tenant' | 'grantId'> &
  Partial<Pick<GrantRow, 'remaining' | 'endedAs' | 'voidNotes' | 'activated'>>;

/** One row per grant; later events of the grant set what they say of it. */
export const grantsProjection: Projection = {
  name: 'grants',
  tables: [grants],
  categories: new Set(['creditAccount']),

  async project(events, sink) {
    const issued = new Map<string, GrantRow>();
    const changes = new Map<string, Change>();
    for (const recorded of events) {
      const { tenant } = recorded;
      const change = (grantId: string, what: Omit<Change, 'tenant' | 'grantId'>): void => {
        const key = `${tenant}\n${grantId}`;
        const row = issued.get(key);
        if (row) issued.set(key, { ...row, ...what });
        else changes.set(key, { ...(changes.get(key) ?? { tenant, grantId }), ...what });
      };
      const event = { type: recorded.type, data: recorded.data } as unknown as CreditEvent;
      switch (event.type) {
        case 'GrantIssued': {
          const key = `${tenant}\n${event.data.grantId}`;
          issued.set(key, issuedRow(recorded, event.data));
          changes.delete(key);
          break;
        }
        case 'GrantActivated':
          change(event.data.grantId, { activated: true });
          break;
        case 'CreditsConsumed':
          for (const { grantId, remainingAfter } of event.data.allocations)
            change(grantId, left(remainingAfter));
          break;
        case 'DebtSettled':
          change(event.data.grantId, left(event.data.remainingAfter));
          break;
        case 'GrantExpired':
          change(event.data.grantId, ended('expired'));
          break;
        case 'GrantVoided': {
          const { grantId, notes } = event.data;
          change(grantId, { ...ended('voided'), ...(notes === undefined ? {} : { voidNotes: notes }) });
          break;
        }
        case 'ConsumptionRefused':
        case 'UsageRecorded':
        case 'CommandRefused':
          break;
        default:
          throw unknownEvent(recorded);
      }
    }
    await sink.upsert(grants, [...issued.values()]);
    await sink.patch(grants, ['remaining', 'endedAs', 'voidNotes', 'activated'], [...changes.values()]);
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
    activated: readInstant(data.effectiveAt) <= readInstant(data.issuedAt),
    effectiveAt: data.effectiveAt,
    expiresAt: data.expiresAt ?? null,
    priority: data.priority,
    position,
  };
}

const left = (remaining: string): Partial<Change> => (remaining === '0' ? ended('depleted') : { remaining });

const ended = (endedAs: EndedAs): Partial<Change> => ({ remaining: '0', endedAs });
