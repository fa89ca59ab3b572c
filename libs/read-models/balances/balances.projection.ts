import type { CreditEvent } from '#libs/credits';
import type { Projection } from '../projection.js';
import { tableOf } from '../table.js';
import { BalanceRow } from './balances.entity.js';

const balances = tableOf(BalanceRow);

/** What the events say of a unit; debt and held are null where none changes them. */
type Standing = Omit<BalanceRow, 'debt' | 'held'> & Record<'debt' | 'held', string | null>;

/** Every event that moves credit says what stands after it, so the last one of a unit is all that counts. */
export const balancesProjection: Projection = {
  name: 'balances',
  tables: [balances],
  categories: new Set(['creditAccount']),

  async project(events, sink) {
    const standings = new Map<string, Standing>();
    for (const { tenant, entityId: customerId, position, data: members } of events) {
      const data = members as unknown as CreditEvent['data'];
      if (!('balanceAfter' in data)) continue;
      const { unit, balanceAfter: balance } = data;
      const key = `${tenant}\n${customerId}\n${unit}`;
      let standing = standings.get(key);
      if (standing) {
        standing.balance = balance;
        standing.position = position;
      } else {
        standing = { tenant, customerId, unit, balance, debt: null, held: null, position };
        standings.set(key, standing);
      }
      if ('debtAfter' in data) standing.debt = data.debtAfter;
      if ('heldAfter' in data) standing.held = data.heldAfter;
    }
    // what no event has said yet is 0 where there is no row yet
    const rowOf = (standing: Standing): BalanceRow => ({
      ...standing,
      debt: standing.debt ?? '0',
      held: standing.held ?? '0',
    });
    for (const debt of [true, false])
      for (const held of [true, false])
        await sink.upsert(
          balances,
          [...standings.values()]
            .filter((one) => (one.debt !== null) === debt && (one.held !== null) === held)
            .map(rowOf),
          ['balance', 'position', ...(debt ? ['debt' as const] : []), ...(held ? ['held' as const] : [])],
        );
  },
};
