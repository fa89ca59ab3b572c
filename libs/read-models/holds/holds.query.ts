import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type pg from 'pg';
import { formatInstant, type Instant } from '#libs/kernel';
import { holdAnswer, type HoldAnswer, type HoldPlaced, type HoldStatus } from '#libs/credits';
import {
  numbersOf,
  pageOfRows,
  READ_MODELS_POOL,
  readRows,
  sql,
  type Found,
  type ListPage,
  type PageRequest,
} from '../reading.js';
import { LIVE } from '../table.js';

/** A customer's holds in the order in which they were placed. */
export class CustomerHolds extends Query<ListPage<HoldAnswer>> {
  constructor(
    readonly tenant: string,
    readonly customerId: string,
    readonly filters: { readonly status?: HoldStatus | undefined; readonly unit?: string | undefined },
    readonly page: PageRequest,
    /** The instant the statuses are of. */
    readonly now: Instant,
  ) {
    super();
  }
}

/** A hold by its id. */
export class FindHold extends Query<Found<HoldAnswer>> {
  constructor(
    readonly tenant: string,
    readonly id: string,
    readonly now: Instant,
  ) {
    super();
  }
}

interface Stored {
  readonly customerId: string;
  readonly placed: HoldPlaced;
  readonly ended: Parameters<typeof holdAnswer>[2];
  readonly at: string;
}

/** The status as `holdAnswer` tells it, so that it can be searched for. */
const statusAt = (now: string): string =>
  `case when h.status = 'held' and h.expires_at <= ${now}::timestamptz then 'expired' else h.status end`;

const read = (pool: pg.Pool, where: readonly string[], limit: string, query: ReturnType<typeof sql>) =>
  readRows<Stored>(
    pool,
    ['holds'],
    `select h.customer_id as "customerId", h.placed, h.ended, h.position::text as at
     from ${LIVE}.holds h where ${where.join(' and ')} order by h.position limit ${limit}`,
    query,
  );

const answerOf = ({ customerId, placed, ended }: Stored, now: Instant): HoldAnswer =>
  holdAnswer(customerId, placed, ended, now);

@QueryHandler(CustomerHolds)
export class CustomerHoldsHandler implements IQueryHandler<CustomerHolds> {
  constructor(@Inject(READ_MODELS_POOL) private readonly pool: pg.Pool) {}

  async execute({ tenant, customerId, filters, page, now }: CustomerHolds): Promise<ListPage<HoldAnswer>> {
    const query = sql(tenant, customerId);
    const where = ['h.tenant = $1', 'h.customer_id = $2'];
    const { status, unit } = filters;
    if (page.cursor !== null) where.push(`h.position > ${query.bind(numbersOf(page.cursor, 1)[0])}`);
    if (status !== undefined)
      where.push(`${statusAt(query.bind(formatInstant(now)))} = ${query.bind(status)}`);
    if (unit !== undefined) where.push(`h.unit = ${query.bind(unit)}`);
    const found = await read(this.pool, where, query.bind(page.limit + 1), query);
    return pageOfRows(
      found,
      page.limit,
      ({ at }) => at,
      (row) => answerOf(row, now),
    );
  }
}

@QueryHandler(FindHold)
export class FindHoldHandler implements IQueryHandler<FindHold> {
  constructor(@Inject(READ_MODELS_POOL) private readonly pool: pg.Pool) {}

  async execute({ tenant, id, now }: FindHold): Promise<Found<HoldAnswer>> {
    const { rows, position } = await read(this.pool, ['h.tenant = $1', 'h.id = $2'], '1', sql(tenant, id));
    return { data: rows[0] ? answerOf(rows[0], now) : null, position };
  }
}
