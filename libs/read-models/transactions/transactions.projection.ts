import { consumptionStatus, type CreditEvent } from '#libs/credits';
import type { ProjectedEvent, Projection } from '../projection.js';
import { tableOf } from '../table.js';
import { movementRows } from './movement-rows.js';
import { TransactionRow } from './transactions.entity.js';

const transactions = tableOf(TransactionRow);

/** One row per movement, but for those that the consumption's row in `usage` tells of as well. */
export const transactionsProjection: Projection = {
  name: 'transactions',
  tables: [transactions],
  addsOnly: true,
  categories: new Set(['creditAccount']),

  async project(events, sink) {
    await sink.insert(
      transactions,
      events.flatMap((event) => (isInUsage(event) ? [] : movementRows(event))),
    );
  },
};

/** Consumptions that leave debt as it was: by far the most movements, so they are stored once. `DRAWN` finds them. */
function isInUsage({ type, data }: ProjectedEvent): boolean {
  const event = { type, data } as unknown as CreditEvent;
  return event.type === 'CreditsConsumed' && consumptionStatus(event.data) !== 'pending';
}
