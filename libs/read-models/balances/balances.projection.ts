import type { CreditEvent } from '#libs/credits';
import type { Projection } from '../projection.js';
import { tableOf } from '../table.js';
import { BalanceRow } from './balances.entity.js';

const balances = tableOf(BalanceRow);

/** What an event says of its unit; debt and held are left out where it does not change them. */
type Standing = Omit<BalanceRow, 'debt' | 'held'> & Partial<Pick<BalanceRow, 'debt' | 'held'>>;

/** Every event that moves credit says what stands after it, so the last one of a unit is all that counts. */
export const balancesProjection: Projection = {
  name: 'balances',
  tables: [balances],
  categories: new Set(['creditAccount']),

  async project(events, sink) {
    const standings = new Map<string, Standing>();
    for (const { tenant, entityId: customerId, position, ...recorded } of events) {
      const { data } = { type: recorded.type, data: recorded.data } as unknown as CreditEvent;
      if (!('balanceAfter' in data)) continue;
      const key = `${tenant}\n${customerId}\n${data.unit}`;
      standings.set(key, {
        ...standings.get(key),
        ...{ tenant, customerId, unit: data.unit, balance: data.balanceAfter, position },
        ...('debtAfter' in data ? { debt: data.debtAfter } : {}),
        ...('heldAfter' in data ? { held: data.heldAfter } : {}),
      });
    }
    // what no event has said yet is 0 where there is no row yet
    const rowOf = (standing: Standing): BalanceRow => ({ debt: '0', held: '0', ...standing });
    for (const debt of [true, false])
      for (const held of [true, false])
        await sink.upsert(
          balances,
          [...standings.values()]
            .filter((one) => (one.debt !== undefined) === debt && (one.held !== undefined) === held)
            .map(rowOf),
          ['balance', 'position', ...(debt ? ['debt' as const] : []), ...(held ? ['held' as const] : [])],
        );
  },
};
