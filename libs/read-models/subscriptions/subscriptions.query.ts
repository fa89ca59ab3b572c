import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type pg from 'pg';
import type { Instant } from '#libs/kernel';
import {
  settled,
  subscriptionAnswer,
  type Subscription,
  type SubscriptionAnswer,
  type SubscriptionStatus,
} from '#libs/subscriptions';
import {
  numbersOf,
  READ_MODELS_POOL,
  readRows,
  sql,
  type Found,
  type ListPage,
  type PageRequest,
} from '../reading.js';
import { LIVE } from '../table.js';

export interface SubscriptionFilters {
  readonly customerId?: string | undefined;
  readonly planId?: string | undefined;
  readonly status?: SubscriptionStatus | undefined;
}

/** The subscriptions of a tenant as they stand at `now`, oldest first. */
export class ListSubscriptions extends Query<ListPage<SubscriptionAnswer>> {
  constructor(
    readonly tenant: string,
    readonly filters: SubscriptionFilters,
    readonly page: PageRequest,
    readonly now: Instant,
  ) {
    super();
  }
}

/** A subscription as it stands at `now`. */
export class FindSubscription extends Query<Found<SubscriptionAnswer>> {
  constructor(
    readonly tenant: string,
    readonly id: string,
    readonly now: Instant,
  ) {
    super();
  }
}

interface Stored {
  readonly state: Subscription;
  readonly at: string;
}

const read = (pool: pg.Pool, where: readonly string[], limit: string, query: ReturnType<typeof sql>) =>
  readRows<Stored>(
    pool,
    ['subscriptions'],
    `select s.state, s.created_position::text as at from ${LIVE}.subscriptions s where ${where.join(' and ')}
     order by s.created_position limit ${limit}`,
    query,
  );

@QueryHandler(ListSubscriptions)
export class ListSubscriptionsHandler implements IQueryHandler<ListSubscriptions> {
  constructor(@Inject(READ_MODELS_POOL) private readonly pool: pg.Pool) {}

  async execute({ tenant, filters, page, now }: ListSubscriptions): Promise<ListPage<SubscriptionAnswer>> {
    const found: { readonly answer: SubscriptionAnswer; readonly at: string }[] = [];
    let after = page.cursor === null ? null : numbersOf(page.cursor, 1)[0]!;
    for (;;) {
      const { rows, position } = await this.rowsAfter(tenant, filters, after, page.limit + 1);
      for (const { state, at } of rows) {
        const answer = subscriptionAnswer(settled(state, now));
        // time may have changed what no row says yet: that decides, not the row
        if (matches(answer, filters)) found.push({ answer, at });
      }
      if (found.length <= page.limit && rows.length > page.limit) {
        after = rows.at(-1)!.at;
        continue;
      }
      const shown = found.slice(0, page.limit);
      return {
        data: shown.map(({ answer }) => answer),
        nextKey: found.length > page.limit ? shown.at(-1)!.at : null,
        position,
      };
    }
  }

  private rowsAfter(
    tenant: string,
    { customerId }: SubscriptionFilters,
    after: string | null,
    limit: number,
  ): ReturnType<typeof read> {
    const query = sql(tenant);
    const where = ['s.tenant = $1'];
    if (after !== null) where.push(`s.created_position > ${query.bind(after)}`);
    if (customerId !== undefined) where.push(`s.customer_id = ${query.bind(customerId)}`);
    return read(this.pool, where, query.bind(limit), query);
  }
}

const matches = (answer: SubscriptionAnswer, { status, planId }: SubscriptionFilters): boolean =>
  (status === undefined || answer.status === status) && (planId === undefined || answer.planId === planId);

@QueryHandler(FindSubscription)
export class FindSubscriptionHandler implements IQueryHandler<FindSubscription> {
  constructor(@Inject(READ_MODELS_POOL) private readonly pool: pg.Pool) {}

  async execute({ tenant, id, now }: FindSubscription): Promise<Found<SubscriptionAnswer>> {
    const { rows, position } = await read(this.pool, ['s.tenant = $1', 's.id = $2'], '1', sql(tenant, id));
    return { data: rows[0] ? subscriptionAnswer(settled(rows[0].state, now)) : null, position };
  }
}
