import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type pg from 'pg';
import { formatInstant, readAmount, type Instant } from '#libs/kernel';
import {
  grantAnswer,
  scheduleAnswer,
  type EndedAs,
  type GrantAnswer,
  type GrantIssued,
  type GrantStatus,
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
  type Sql,
} from '../reading.js';
import { LIVE } from '../table.js';

/** A customer's grants in the order of their issue, segments of a schedule one by one. */
export class CustomerGrants extends Query<ListPage<GrantAnswer>> {
  constructor(
    readonly tenant: string,
    readonly customerId: string,
    readonly filters: {
      readonly status?: GrantStatus | undefined;
      readonly applicationType?: string | undefined;
    },
    readonly page: PageRequest,
    /** The instant the statuses are of. */
    readonly now: Instant,
  ) {
    super();
  }
}

export type FoundGrant = GrantAnswer & { readonly segments?: readonly GrantAnswer[] };

/** A grant by its id; the parent id of a schedule finds its segments as one grant. */
export class FindGrant extends Query<Found<FoundGrant>> {
  constructor(
    readonly tenant: string,
    readonly id: string,
    readonly now: Instant,
  ) {
    super();
  }
}

interface StoredGrant {
  readonly customerId: string;
  readonly data: GrantIssued;
  readonly remaining: string;
  readonly held: string;
  readonly endedAs: EndedAs | null;
  readonly voidNotes: string | null;
  readonly at: string;
}

const COLUMNS = `g.customer_id as "customerId", g.data, g.remaining::text, g.held::text, g.ended_as as "endedAs",
  g.void_notes as "voidNotes", g.position::text as at`;

/** The statuses as `grantStatus` of libs/credits tells them, so that a status can be searched for. */
const STATUS: Record<GrantStatus, (now: () => string) => string> = {
  DEPLETED: () => `g.ended_as = 'depleted'`,
  REVOKED: () => `g.ended_as = 'voided'`,
  EXPIRED: (now) => `(g.ended_as = 'expired' or (g.ended_as is null and g.expires_at <= ${now()}))`,
  ACTIVE: (now) => `(${unexpired(now())} and g.effective_at <= ${now()})`,
  SCHEDULED: (now) => `(${unexpired(now())} and g.effective_at > ${now()})`,
};

const unexpired = (now: string): string =>
  `g.ended_as is null and (g.expires_at is null or g.expires_at > ${now})`;

@QueryHandler(CustomerGrants)
export class CustomerGrantsHandler implements IQueryHandler<CustomerGrants> {
  constructor(@Inject(READ_MODELS_POOL) private readonly pool: pg.Pool) {}

  async execute({ tenant, customerId, filters, page, now }: CustomerGrants): Promise<ListPage<GrantAnswer>> {
    const query = sql(tenant, customerId);
    const where = ['g.tenant = $1', 'g.customer_id = $2'];
    if (page.cursor !== null) where.push(`g.position > ${query.bind(numbersOf(page.cursor, 1)[0])}`);
    if (filters.status)
      where.push(STATUS[filters.status](() => `${query.bind(formatInstant(now))}::timestamptz`));
    if (filters.applicationType !== undefined)
      where.push(`g.application_type = ${query.bind(filters.applicationType)}`);
    const read = await this.read(where, `order by g.position limit ${query.bind(page.limit + 1)}`, query);
    return pageOfRows(
      read,
      page.limit,
      ({ at }) => at,
      (row) => answerOf(row, now),
    );
  }

  private read(where: readonly string[], rest: string, query: Sql) {
    return readRows<StoredGrant>(
      this.pool,
      ['grants'],
      `select ${COLUMNS} from ${LIVE}.grants g where ${where.join(' and ')} ${rest}`,
      query,
    );
  }
}

@QueryHandler(FindGrant)
export class FindGrantHandler implements IQueryHandler<FindGrant> {
  constructor(@Inject(READ_MODELS_POOL) private readonly pool: pg.Pool) {}

  async execute({ tenant, id, now }: FindGrant): Promise<Found<FoundGrant>> {
    const { rows, position } = await readRows<StoredGrant>(
      this.pool,
      ['grants'],
      `select * from (
         select ${COLUMNS} from ${LIVE}.grants g where g.tenant = $1 and g.grant_id = $2
         union all
         select ${COLUMNS} from ${LIVE}.grants g where g.tenant = $1 and g.parent_id = $2
       ) g order by at::bigint`,
      sql(tenant, id),
    );
    const exact = rows.find(({ data }) => data.grantId === id);
    if (exact) return { data: answerOf(exact, now), position };
    if (rows.length === 0) return { data: null, position };
    return { data: scheduleAnswer(rows.map((row) => answerOf(row, now))), position };
  }
}

function answerOf(
  { customerId, data, remaining, held, endedAs, voidNotes }: StoredGrant,
  now: Instant,
): GrantAnswer {
  const progress = { remaining: readAmount(remaining), held: readAmount(held), endedAs };
  const answer = grantAnswer(customerId, data, progress, now);
  return voidNotes === null ? answer : { ...answer, notes: voidNotes };
}
