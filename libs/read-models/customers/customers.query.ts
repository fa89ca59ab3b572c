import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type pg from 'pg';
import { customerKind, presentDocument, type Attributes, type Customer, type Document } from '#libs/catalog';
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

export interface CustomerFilters {
  readonly externalCustomerId?: string | undefined;
  /** Capitals aside. */
  readonly email?: string | undefined;
  /** Its members only. */
  readonly customerOrganizationId?: string | undefined;
  /** `true` lists members of organisations as well. */
  readonly includeMembers?: string | undefined;
}

/** The customers of a tenant that are in use, oldest first; members of organisations only where they are asked for. */
export class ListCustomers extends Query<ListPage<Attributes>> {
  constructor(
    readonly tenant: string,
    readonly filters: CustomerFilters,
    readonly page: PageRequest,
  ) {
    super();
  }
}

/** A customer by its id, or by the caller's own. */
export class FindCustomer extends Query<Found<Attributes>> {
  constructor(
    readonly tenant: string,
    readonly id: string,
    readonly external = false,
  ) {
    super();
  }
}

interface Stored {
  readonly body: Document<Customer>;
  readonly at: string;
}

const read = (pool: pg.Pool, where: readonly string[], limit: string, query: ReturnType<typeof sql>) =>
  readRows<Stored>(
    pool,
    ['customers'],
    `select c.body, c.created_position::text as at from ${LIVE}.customers c where ${where.join(' and ')}
     order by c.created_position limit ${limit}`,
    query,
  );

@QueryHandler(ListCustomers)
export class ListCustomersHandler implements IQueryHandler<ListCustomers> {
  constructor(@Inject(READ_MODELS_POOL) private readonly pool: pg.Pool) {}

  async execute({ tenant, filters, page }: ListCustomers): Promise<ListPage<Attributes>> {
    const query = sql(tenant);
    const where = ['c.tenant = $1', `(c.body ->> 'archivedAt') is null`];
    if (page.cursor !== null) where.push(`c.created_position > ${query.bind(numbersOf(page.cursor, 1)[0])}`);
    if (filters.externalCustomerId !== undefined)
      where.push(`c.external_id = ${query.bind(filters.externalCustomerId)}`);
    if (filters.email !== undefined) where.push(`c.email = ${query.bind(filters.email.toLowerCase())}`);
    if (filters.customerOrganizationId !== undefined)
      where.push(`c.organization_id = ${query.bind(filters.customerOrganizationId)}`);
    else if (filters.includeMembers !== 'true') where.push('c.organization_id is null');
    const found = await read(this.pool, where, query.bind(page.limit + 1), query);
    return pageOfRows(
      found,
      page.limit,
      ({ at }) => at,
      ({ body }) => presentDocument(customerKind, body),
    );
  }
}

@QueryHandler(FindCustomer)
export class FindCustomerHandler implements IQueryHandler<FindCustomer> {
  constructor(@Inject(READ_MODELS_POOL) private readonly pool: pg.Pool) {}

  async execute({ tenant, id, external }: FindCustomer): Promise<Found<Attributes>> {
    const where = ['c.tenant = $1', `c.${external ? 'external_id' : 'id'} = $2`];
    const { rows, position } = await read(this.pool, where, '1', sql(tenant, id));
    return { data: rows[0] ? presentDocument(customerKind, rows[0].body) : null, position };
  }
}
