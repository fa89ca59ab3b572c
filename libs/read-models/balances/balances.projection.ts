import type { CreditEvent } from '#libs/credits';
import { unknownEvent, type Projection } from '../projection.js';
import { tableOf } from '../table.js';
import { BalanceRow } from './balances.entity.js';

const balances = tableOf(BalanceRow);

/** What an event says of its unit; debt is left out where it does not change it. */
type Standing = Omit<BalanceRow, 'debt'> & { debt?: string };

/** Every event that moves credit says what stands after it, so the last one of a unit is all that counts. */
export const balancesProjection: Projection = {
  name: 'balances',
  tables: [balances],
  categories: new Set(['creditAccount']),

  async project(events, sink) {
    const standings = new Map<string, Standing>();
    for (const recorded of events) {
      const { tenant, entityId: customerId, position } = recorded;
      const event = { type: recorded.type, data: recorded.data } as unknown as CreditEvent;
      switch (event.type) {
        case 'GrantIssued':
        case 'CreditsConsumed':
        case 'DebtSettled':
        case 'GrantExpired':
        case 'GrantVoided': {
          const { data } = event;
          const key = `${tenant}\n${customerId}\n${data.unit}`;
          const debt = 'debtAfter' in data ? data.debtAfter : standings.get(key)?.debt;
          const standing = { tenant, customerId, unit: data.unit, balance: data.balanceAfter, position };
          standings.set(key, debt === undefined ? standing : { ...standing, debt });
          break;
        }
        case 'GrantActivated':
        case 'ConsumptionRefused':
        case 'UsageRecorded':
        case 'CommandRefused':
          break;
        default:
          throw unknownEvent(recorded);
      }
    }
    const all = [...standings.values()];
    const known = all.filter((standing): standing is BalanceRow => standing.debt !== undefined);
    const debtUnchanged = all
      .filter(({ debt }) => debt === undefined)
      .map((standing): BalanceRow => ({ ...standing, debt: '0' })); // where there is no row yet, nothing is owed
    await sink.upsert(balances, known);
    await sink.upsert(balances, debtUnchanged, ['balance', 'position']);
  },
};
