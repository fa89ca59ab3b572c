import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type pg from 'pg';
import { seriesAnswer, type RenewalBegun, type SeriesAnswer, type SeriesProgress } from '#libs/credits';
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

export type SeriesStatus = SeriesAnswer['status'];

/** A customer's renewal series in the order in which they began. */
export class CustomerRenewals extends Query<ListPage<SeriesAnswer>> {
  constructor(
    readonly tenant: string,
    readonly customerId: string,
    readonly filters: { readonly status?: SeriesStatus | undefined },
    readonly page: PageRequest,
  ) {
    super();
  }
}

/** A renewal series by its id. */
export class FindSeries extends Query<Found<SeriesAnswer>> {
  constructor(
    readonly tenant: string,
    readonly id: string,
  ) {
    super();
  }
}

interface Stored {
  readonly customerId: string;
  readonly begun: RenewalBegun;
  readonly terms: Pick<RenewalBegun, 'lifetime' | 'rollover' | 'template'>;
  readonly anchor: Date;
  readonly status: SeriesProgress['status'];
  readonly occurrence: number;
  readonly lastAt: Date;
  readonly nextAt: Date | null;
  readonly at: string;
}

/** The status as `seriesAnswer` tells it, so that it can be searched for. */
const STATUS = `case when r.status = 'active' and r.rule is not null and r.next_at is null then 'ended' else r.status end`;

const read = (pool: pg.Pool, where: readonly string[], limit: string, query: ReturnType<typeof sql>) =>
  readRows<Stored>(
    pool,
    ['renewals'],
    `select r.customer_id as "customerId", r.begun, r.terms, r.anchor, r.status, r.occurrence, r.last_at as "lastAt",
       r.next_at as "nextAt", r.position::text as at
     from ${LIVE}.renewals r where ${where.join(' and ')} order by r.position limit ${limit}`,
    query,
  );

const answerOf = ({
  customerId,
  begun,
  terms,
  anchor,
  status,
  occurrence,
  lastAt,
  nextAt,
}: Stored): SeriesAnswer =>
  seriesAnswer(
    customerId,
    { ...begun, ...terms, anchor: anchor.toISOString() },
    { status, occurrence, lastAt: lastAt.toISOString(), nextAt: nextAt?.toISOString() ?? null },
  );

@QueryHandler(CustomerRenewals)
export class CustomerRenewalsHandler implements IQueryHandler<CustomerRenewals> {
  constructor(@Inject(READ_MODELS_POOL) private readonly pool: pg.Pool) {}

  async execute({ tenant, customerId, filters, page }: CustomerRenewals): Promise<ListPage<SeriesAnswer>> {
    const query = sql(tenant, customerId);
    const where = ['r.tenant = $1', 'r.customer_id = $2'];
    if (page.cursor !== null) where.push(`r.position > ${query.bind(numbersOf(page.cursor, 1)[0])}`);
    if (filters.status !== undefined) where.push(`${STATUS} = ${query.bind(filters.status)}`);
    const found = await read(this.pool, where, query.bind(page.limit + 1), query);
    return pageOfRows(found, page.limit, ({ at }) => at, answerOf);
  }
}

@QueryHandler(FindSeries)
export class FindSeriesHandler implements IQueryHandler<FindSeries> {
  constructor(@Inject(READ_MODELS_POOL) private readonly pool: pg.Pool) {}

  async execute({ tenant, id }: FindSeries): Promise<Found<SeriesAnswer>> {
    const { rows, position } = await read(this.pool, ['r.tenant = $1', 'r.id = $2'], '1', sql(tenant, id));
    return { data: rows[0] ? answerOf(rows[0]) : null, position };
  }
}
