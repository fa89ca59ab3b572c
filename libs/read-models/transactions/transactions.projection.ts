import { formatAmount, readAmount } from '#libs/kernel';
import type { CreditEvent, CreditsConsumed } from '#libs/credits';
import { unknownEvent, type ProjectedEvent, type Projection, type Sink } from '../projection.js';
import { textArray } from '../sink.js';
import { tableOf } from '../table.js';
import { TransactionRow, type MovementType } from './transactions.entity.js';

const transactions = tableOf(TransactionRow);

/** What makes a movement, beside where it was recorded; debt is null where the event leaves it as it was. */
type Movement = Omit<
  TransactionRow,
  'tenant' | 'customerId' | 'position' | 'index' | 'recordedAt' | 'debtAfter'
> & {
  readonly debtAfter: string | null;
};

/** One row per movement: a consumption makes one per allocation, and one for the debt it leaves. */
export const transactionsProjection: Projection = {
  name: 'transactions',
  tables: [transactions],
  categories: new Set(['creditAccount']),

  async project(events, sink) {
    const rows = events.flatMap((event) =>
      movementsOf(event).map((movement, index) => ({
        tenant: event.tenant,
        customerId: event.entityId,
        position: event.position,
        index,
        recordedAt: event.recordedAt,
        ...movement,
      })),
    );
    await sink.upsert(transactions, await withDebt(rows, sink));
  },
};

type Row = Omit<TransactionRow, 'debtAfter'> & { readonly debtAfter: string | null };

/** Runs the debt of each unit beside its movements; what stood before the batch is asked of the rows before it. */
async function withDebt(rows: readonly Row[], sink: Sink): Promise<readonly TransactionRow[]> {
  const debts = new Map<string, string>();
  const unknown = new Map<string, Row>();
  for (const row of rows) {
    const key = keyOf(row);
    if (row.debtAfter !== null) debts.set(key, row.debtAfter);
    else if (!debts.has(key) && !unknown.has(key)) unknown.set(key, row);
  }
  debts.clear();
  const before = await debtsBefore([...unknown.values()], sink);
  for (const [index, key] of [...unknown.keys()].entries()) debts.set(key, before[index] ?? '0');
  return rows.map((row) => {
    const key = keyOf(row);
    const debtAfter = row.debtAfter ?? debts.get(key) ?? '0';
    debts.set(key, debtAfter);
    return { ...row, debtAfter };
  });
}

const keyOf = ({ tenant, customerId, unit }: Pick<Row, 'tenant' | 'customerId' | 'unit'>): string =>
  `${tenant}\n${customerId}\n${unit}`;

/** The debt of each row's unit just before the row; null where nothing moved. */
async function debtsBefore(rows: readonly Row[], sink: Sink): Promise<readonly (string | null)[]> {
  if (rows.length === 0) return [];
  const found = await sink.query<{ debt: string | null }>(
    `select t.debt_after::text as debt
     from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality as s(tenant, customer_id, unit, position, n)
     left join lateral (
       select t.debt_after from {schema}.transactions t
       where t.tenant = s.tenant and t.customer_id = s.customer_id and t.unit = s.unit and t.position < s.position::bigint
       order by t.position desc, t.index desc limit 1
     ) t on true order by s.n`,
    [
      textArray(rows.map(({ tenant }) => tenant)),
      textArray(rows.map(({ customerId }) => customerId)),
      textArray(rows.map(({ unit }) => unit)),
      textArray(rows.map(({ position }) => position.toString())),
    ],
  );
  return found.map(({ debt }) => debt);
}

function movementsOf(recorded: ProjectedEvent): readonly Movement[] {
  const event = { type: recorded.type, data: recorded.data } as unknown as CreditEvent;
  switch (event.type) {
    case 'GrantIssued': {
      const { data } = event;
      return [
        {
          ...movement('grant', data.grantId, data.unit, data.amount, data.issuedAt),
          grantBalanceAfter: data.amount,
          balanceAfter: data.balanceAfter,
          reference: data.referenceCode ?? null,
          description: data.description ?? data.name ?? null,
        },
      ];
    }
    case 'CreditsConsumed':
      return consumed(event.data);
    case 'DebtSettled': {
      const { data } = event;
      const [only, ...others] = data.settlements;
      return [
        {
          ...movement('settlement', data.grantId, data.unit, `-${data.amount}`, data.settledAt),
          grantBalanceAfter: data.remainingAfter,
          balanceAfter: data.balanceAfter,
          debtAfter: data.debtAfter,
          consumptionId: others.length === 0 ? (only?.consumptionId ?? null) : null,
        },
      ];
    }
    case 'GrantExpired': {
      const { data } = event;
      return [
        {
          ...movement('expiration', data.grantId, data.unit, `-${data.amount}`, data.expiredAt),
          grantBalanceAfter: '0',
          balanceAfter: data.balanceAfter,
        },
      ];
    }
    case 'GrantVoided': {
      const { data } = event;
      return [
        {
          ...movement('void', data.grantId, data.unit, `-${data.amount}`, data.voidedAt),
          grantBalanceAfter: '0',
          balanceAfter: data.balanceAfter,
          description: data.notes ?? null,
        },
      ];
    }
    case 'GrantActivated':
    case 'ConsumptionRefused':
    case 'UsageRecorded':
    case 'CommandRefused':
      return [];
    default:
      throw unknownEvent(recorded);
  }
}

/** The event says what stands after all of it; what stands after each part follows from the last one back. */
function consumed(data: CreditsConsumed): readonly Movement[] {
  const { allocations, usage, consumptionId, unit, effectiveAt, balanceAfter, debtAfter } = data;
  const about = {
    eventName: usage?.eventName ?? null,
    reference: data.reference ?? usage?.idempotencyKey ?? null,
    consumptionId,
  };
  const debt = readAmount(data.debt);
  const debtBefore = debt === 0n ? debtAfter : formatAmount(readAmount(debtAfter) - debt);
  let after = allocations.length > 1 ? readAmount(balanceAfter) : 0n;
  const movements: Movement[] = [];
  for (let index = allocations.length - 1; index >= 0; index--) {
    const { grantId, amount, remainingAfter } = allocations[index]!;
    movements.unshift({
      ...movement('consumption', grantId, unit, `-${amount}`, effectiveAt),
      ...about,
      grantBalanceAfter: remainingAfter,
      balanceAfter: index === allocations.length - 1 ? balanceAfter : formatAmount(after),
      debtAfter: debtBefore,
    });
    if (index > 0) after += readAmount(amount);
  }
  if (debt > 0n)
    movements.push({
      ...movement('debt', null, unit, `-${data.debt}`, effectiveAt),
      ...about,
      balanceAfter,
      debtAfter,
    });
  return movements;
}

function movement(
  type: MovementType,
  grantId: string | null,
  unit: string,
  amount: string,
  eventTimestamp: string,
): Omit<Movement, 'balanceAfter'> {
  return {
    type,
    grantId,
    unit,
    amount,
    eventTimestamp,
    grantBalanceAfter: null,
    debtAfter: null,
    eventName: null,
    reference: null,
    description: null,
    consumptionId: null,
  };
}
