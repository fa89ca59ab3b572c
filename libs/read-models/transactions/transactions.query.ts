import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type pg from 'pg';
import type { ProjectedEvent } from '../projection.js';
import { formatAmount, formatInstant, readAmount, type Instant } from '#libs/kernel';
import {
  numbersOf,
  pageOfRows,
  READ_MODELS_POOL,
  readRows,
  sql,
  type ListPage,
  type PageRequest,
} from '../reading.js';
import { LIVE } from '../table.js';
import { movementRows } from './movement-rows.js';
import type { MovementType, TransactionRow } from './transactions.entity.js';

/** A movement as the API shows it. */
export interface TransactionAnswer extends Pick<
  TransactionRow,
  | 'type'
  | 'unit'
  | 'amount'
  | 'grantBalanceAfter'
  | 'balanceAfter'
  | 'eventName'
  | 'eventTimestamp'
  | 'recordedAt'
  | 'reference'
  | 'description'
  | 'consumptionId'
  | 'holdId'
> {
  /** `txn_` and 26 digits: the same after every rebuild, sortable. */
  readonly id: string;
  readonly creditGrantId: string | null;
  readonly debtAfter: string;
  readonly position: number;
}

export interface TransactionFilters {
  readonly type?: MovementType | undefined;
  readonly grantId?: string | undefined;
  readonly unit?: string | undefined;
  /** Inclusive, of the movement's own time (`eventTimestamp`). */
  readonly fromDate?: Instant | undefined;
  /** Exclusive. */
  readonly toDate?: Instant | undefined;
}

/** A customer's movements in the order of the log. */
export class CustomerTransactions extends Query<ListPage<TransactionAnswer>> {
  constructor(
    readonly tenant: string,
    readonly customerId: string,
    readonly filters: TransactionFilters,
    readonly page: PageRequest,
  ) {
    super();
  }
}

/** The id of an event's movement: made of its place in the log alone. */
export const transactionId = (position: bigint | string, index: number): string =>
  `txn_${position.toString().padStart(20, '0')}${index.toString().padStart(6, '0')}`;

/** A row of transactions, or a consumption's row of usage with the event in `data`. */
interface Stored {
  readonly at: string;
  readonly index: number;
  readonly type: MovementType;
  readonly grantId: string | null;
  readonly unit: string;
  readonly amount: string;
  readonly grantBalanceAfter: string | null;
  readonly balanceAfter: string;
  readonly debtAfter: string;
  readonly eventName: string | null;
  readonly eventTimestamp: Date;
  readonly recordedAt: Date;
  readonly reference: string | null;
  readonly description: string | null;
  readonly consumptionId: string | null;
  readonly holdId: string | null;
  readonly data: ProjectedEvent['data'] | null;
}

/** The unit's debt after a movement: as its event says, else as the last one before it that did. */
const DEBT_AFTER = `coalesce(t.debt_after, (
  select d.debt_after from ${LIVE}.transactions d
  where d.tenant = t.tenant and d.customer_id = t.customer_id and d.unit = t.unit and d.debt_after is not null
    and (d.position, d.index) < (t.position, t.index)
  order by d.position desc, d.index desc limit 1
), 0)::text`;

@QueryHandler(CustomerTransactions)
export class CustomerTransactionsHandler implements IQueryHandler<CustomerTransactions> {
  constructor(@Inject(READ_MODELS_POOL) private readonly pool: pg.Pool) {}

  async execute({
    tenant,
    customerId,
    filters,
    page,
  }: CustomerTransactions): Promise<ListPage<TransactionAnswer>> {
    const query = sql(tenant, customerId);
    const { type, grantId, unit, fromDate, toDate } = filters;
    const [after, index] = page.cursor === null ? ['0', '0'] : numbersOf(page.cursor, 2);
    const position = query.bind(after);
    const behind = `(t.position, t.index) > (${position}::bigint, ${query.bind(index)}::bigint)`;
    const moved = ['t.tenant = $1', 't.customer_id = $2', behind];
    const drawn = ['u.tenant = $1', 'u.customer_id = $2', DRAWN, `u.position >= ${position}::bigint`];
    // the type stands in the text so that the index which leaves out consumptions can be used
    if (type !== undefined)
      moved.push(
        `t.type = ${query.bind(type)}`,
        ...(type === 'consumption' ? [] : [`t.type <> 'consumption'`]),
      );
    if (grantId !== undefined) {
      const grant = query.bind(grantId);
      moved.push(`t.grant_id = ${grant}`);
      drawn.push(
        `u.position > (select g.position from ${LIVE}.grants g where g.tenant = $1 and g.grant_id = ${grant})`,
        `exists (select from json_array_elements(u.data -> 'allocations') a where a ->> 'grantId' = ${grant})`,
      );
    }
    if (unit !== undefined) {
      moved.push(`t.unit = ${query.bind(unit)}`);
      drawn.push(`u.data ->> 'unit' = ${query.bind(unit)}`);
    }
    if (fromDate !== undefined) {
      moved.push(`t.event_timestamp >= ${query.bind(formatInstant(fromDate))}`);
      drawn.push(`u.effective_at >= ${query.bind(formatInstant(fromDate))}`);
    }
    if (toDate !== undefined) {
      moved.push(`t.event_timestamp < ${query.bind(formatInstant(toDate))}`);
      drawn.push(`u.effective_at < ${query.bind(formatInstant(toDate))}`);
    }
    // one more than the page tells whether there is another; the consumption that the last page ended in may be one too
    const most = query.bind(page.limit + 2);
    const movements = `(select t.position, t.index, t.type, t.grant_id as "grantId", t.unit, t.amount::text,
         t.grant_balance_after::text as "grantBalanceAfter", t.balance_after::text as "balanceAfter",
         ${DEBT_AFTER} as "debtAfter", t.event_name as "eventName", t.event_timestamp as "eventTimestamp",
         t.recorded_at as "recordedAt", t.reference, t.description, t.consumption_id as "consumptionId",
         t.hold_id as "holdId", null::json as data
       from ${LIVE}.transactions t where ${moved.join(' and ')} order by t.position, t.index limit ${most})`;
    const consumptions = `(select u.position, 0, 'consumption', null, '', '', null, '', '', null, u.effective_at, u.recorded_at,
         null, null, null, null, u.data
       from ${LIVE}.usage u where ${drawn.join(' and ')} order by u.position limit ${most})`;
    const parts = type === undefined || type === 'consumption' ? [movements, consumptions] : [movements];
    const { rows, position: reflected } = await readRows<Stored>(
      this.pool,
      ['transactions', 'usage', ...(grantId === undefined ? [] : ['grants'])],
      `select r.position::text as at, r.* from (${parts.join(' union all ')}) r order by r.position, r.index limit ${most}`,
      query,
    );
    const isWanted = (row: Stored): boolean =>
      (grantId === undefined || row.grantId === grantId) && (row.at !== after || row.index > Number(index));
    const all = rows.flatMap((row) =>
      row.data === null ? [row] : drawnRows(customerId, row).filter(isWanted),
    );
    return pageOfRows(
      { rows: all, position: reflected },
      page.limit,
      ({ at, index }) => `${at}.${index}`,
      answerOf,
    );
  }
}

/** The consumption's own row in usage tells of its movements. The events that `isInUsage` tells, if anything moved. */
const DRAWN = `u.type = 'CreditsConsumed' and u.status <> 'pending' and u.data #> '{allocations,0}' is not null`;

const drawnRows = (customerId: string, { at, data, recordedAt, eventTimestamp }: Stored): readonly Stored[] =>
  movementRows({
    ...{ tenant: '', entityId: customerId, position: BigInt(at), type: 'CreditsConsumed', data: data! },
    recordedAt: recordedAt.toISOString(),
  }).map((row) => ({ ...row, at, debtAfter: row.debtAfter!, eventTimestamp, recordedAt, data: null }));

function answerOf({ at, index, grantId, ...row }: Stored): TransactionAnswer {
  return {
    id: transactionId(at, index),
    type: row.type,
    creditGrantId: grantId,
    unit: row.unit,
    amount: canonical(row.amount),
    grantBalanceAfter: row.grantBalanceAfter === null ? null : canonical(row.grantBalanceAfter),
    balanceAfter: canonical(row.balanceAfter),
    debtAfter: canonical(row.debtAfter),
    eventName: row.eventName,
    eventTimestamp: row.eventTimestamp.toISOString(),
    recordedAt: row.recordedAt.toISOString(),
    position: Number(at),
    reference: row.reference,
    description: row.description,
    consumptionId: row.consumptionId,
    holdId: row.holdId,
  };
}

const canonical = (amount: string): string => formatAmount(readAmount(amount));
