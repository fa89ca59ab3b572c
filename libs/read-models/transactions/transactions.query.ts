import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type pg from 'pg';
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

type Stored = Omit<
  TransactionRow,
  'tenant' | 'customerId' | 'position' | 'debtAfter' | 'eventTimestamp' | 'recordedAt'
> & {
  readonly at: string;
  readonly debtAfter: string;
  readonly eventTimestamp: Date;
  readonly recordedAt: Date;
};

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
    const where = ['t.tenant = $1', 't.customer_id = $2'];
    const { type, grantId, unit, fromDate, toDate } = filters;
    if (page.cursor !== null) {
      const [position, index] = numbersOf(page.cursor, 2);
      where.push(`(t.position, t.index) > (${query.bind(position)}::bigint, ${query.bind(index)}::bigint)`);
    }
    // the type stands in the text so that the index which leaves out consumptions can be used
    if (type !== undefined)
      where.push(
        `t.type = ${query.bind(type)}`,
        ...(type === 'consumption' ? [] : [`t.type <> 'consumption'`]),
      );
    if (grantId !== undefined) where.push(`t.grant_id = ${query.bind(grantId)}`);
    if (unit !== undefined) where.push(`t.unit = ${query.bind(unit)}`);
    if (fromDate !== undefined) where.push(`t.event_timestamp >= ${query.bind(formatInstant(fromDate))}`);
    if (toDate !== undefined) where.push(`t.event_timestamp < ${query.bind(formatInstant(toDate))}`);
    const read = await readRows<Stored>(
      this.pool,
      ['transactions'],
      `select t.position::text as at, t.index, t.type, t.grant_id as "grantId", t.unit, t.amount::text,
         t.grant_balance_after::text as "grantBalanceAfter", t.balance_after::text as "balanceAfter",
         ${DEBT_AFTER} as "debtAfter", t.event_name as "eventName", t.event_timestamp as "eventTimestamp",
         t.recorded_at as "recordedAt", t.reference, t.description, t.consumption_id as "consumptionId", t.hold_id as "holdId"
       from ${LIVE}.transactions t where ${where.join(' and ')}
       order by t.position, t.index limit ${query.bind(page.limit + 1)}`,
      query,
    );
    return pageOfRows(read, page.limit, ({ at, index }) => `${at}.${index}`, answerOf);
  }
}

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
