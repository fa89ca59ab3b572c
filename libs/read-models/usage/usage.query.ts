import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type pg from 'pg';
import { formatAmount, formatInstant, readAmount, type Instant } from '#libs/kernel';
import {
  consumptionAnswer,
  usageAnswer,
  type ConsumptionAnswer,
  type ConsumptionStatus,
  type CreditsConsumed,
  type StoredUsage,
  type UsageAnswer,
} from '#libs/credits';
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

export interface UsageFilters {
  readonly customerId?: string | undefined;
  readonly eventName?: string | undefined;
  /** Inclusive, of the usage's own time. */
  readonly from?: Instant | undefined;
  /** Exclusive. */
  readonly to?: Instant | undefined;
}

/** A usage event with what it drew; both null where nothing draws. */
export type ListedUsage = UsageAnswer & {
  readonly consumptionId: string | null;
  readonly consumptionStatus: ConsumptionStatus | null;
};

/** Usage events of a tenant in the order of the log. */
export class ListUsage extends Query<ListPage<ListedUsage>> {
  constructor(
    readonly tenant: string,
    readonly filters: UsageFilters,
    readonly page: PageRequest,
  ) {
    super();
  }
}

/** A consumption or a refused one by its id. */
export class FindConsumption extends Query<Found<ConsumptionAnswer>> {
  constructor(
    readonly tenant: string,
    readonly id: string,
  ) {
    super();
  }
}

interface Stored {
  readonly id: string;
  readonly customerId: string;
  readonly status: ConsumptionStatus | null;
  readonly type: string;
  readonly data: { readonly usage: StoredUsage; readonly effectiveAt: string };
  readonly reversed: string;
  readonly recordedAt: Date;
  readonly at: string;
}

const COLUMNS = `u.id, u.customer_id as "customerId", u.status, u.reversed::text, u.type, u.data, u.recorded_at as "recordedAt", u.position::text as at`;

@QueryHandler(ListUsage)
export class ListUsageHandler implements IQueryHandler<ListUsage> {
  constructor(@Inject(READ_MODELS_POOL) private readonly pool: pg.Pool) {}

  async execute({ tenant, filters, page }: ListUsage): Promise<ListPage<ListedUsage>> {
    const query = sql(tenant);
    const where = ['u.tenant = $1', 'u.event_name is not null'];
    const { customerId, eventName, from, to } = filters;
    if (page.cursor !== null) where.push(`u.position > ${query.bind(numbersOf(page.cursor, 1)[0])}`);
    if (customerId !== undefined) where.push(`u.customer_id = ${query.bind(customerId)}`);
    if (eventName !== undefined) where.push(`u.event_name = ${query.bind(eventName)}`);
    if (from !== undefined) where.push(`u.effective_at >= ${query.bind(formatInstant(from))}`);
    if (to !== undefined) where.push(`u.effective_at < ${query.bind(formatInstant(to))}`);
    const read = await readRows<Stored>(
      this.pool,
      ['usage'],
      `select ${COLUMNS} from ${LIVE}.usage u where ${where.join(' and ')}
       order by u.position limit ${query.bind(page.limit + 1)}`,
      query,
    );
    return pageOfRows(read, page.limit, ({ at }) => at, listed);
  }
}

@QueryHandler(FindConsumption)
export class FindConsumptionHandler implements IQueryHandler<FindConsumption> {
  constructor(@Inject(READ_MODELS_POOL) private readonly pool: pg.Pool) {}

  async execute({ tenant, id }: FindConsumption): Promise<Found<ConsumptionAnswer>> {
    const { rows, position } = await readRows<Stored>(
      this.pool,
      ['usage'],
      `select ${COLUMNS} from ${LIVE}.usage u where u.tenant = $1 and u.id = $2 and u.status is not null`,
      sql(tenant, id),
    );
    const [row] = rows;
    if (!row) return { data: null, position };
    const event = { type: row.type as 'CreditsConsumed', data: row.data as unknown as CreditsConsumed };
    const reversed = formatAmount(readAmount(row.reversed));
    return { data: consumptionAnswer(row.customerId, event, reversed), position };
  }
}

const listed = ({ id, customerId, status, data, recordedAt }: Stored): ListedUsage => ({
  ...usageAnswer(customerId, data, recordedAt.toISOString()),
  consumptionId: status === null ? null : id,
  consumptionStatus: status,
});
