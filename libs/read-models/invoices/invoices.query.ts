import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type pg from 'pg';
import { invoiceAnswer, type InvoiceAnswer, type InvoiceEvent } from '#libs/billing';
import { formatInstant, type Instant } from '#libs/kernel';
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

export interface InvoiceFilters {
  readonly customerId?: string | undefined;
  readonly subscriptionId?: string | undefined;
  readonly status?: string | undefined;
  /** Issued at this instant or later. */
  readonly from?: string | undefined;
  /** Issued before this instant. */
  readonly to?: string | undefined;
}

/** The issued invoices of a tenant as they are at `now`, oldest first. */
export class ListInvoices extends Query<ListPage<InvoiceAnswer>> {
  constructor(
    readonly tenant: string,
    readonly now: Instant,
    readonly filters: InvoiceFilters,
    readonly page: PageRequest,
  ) {
    super();
  }
}

export class FindInvoice extends Query<Found<InvoiceAnswer>> {
  constructor(
    readonly tenant: string,
    readonly now: Instant,
    readonly id: string,
  ) {
    super();
  }
}

/** The line of an issued invoice that charges a usage event. */
export class FindInvoiceLine extends Query<Found<InvoicedUsage>> {
  constructor(
    readonly tenant: string,
    readonly eventId: string,
  ) {
    super();
  }
}

export interface InvoicedUsage {
  readonly eventId: string;
  /** unbilled: it stands on no invoice that was issued. */
  readonly status: 'invoiced' | 'unbilled';
  readonly invoiceId: string | null;
  readonly lineId: string | null;
}

interface Stored {
  readonly facts: readonly InvoiceEvent[];
  readonly at: string;
}

@QueryHandler(ListInvoices)
export class ListInvoicesHandler implements IQueryHandler<ListInvoices> {
  constructor(@Inject(READ_MODELS_POOL) private readonly pool: pg.Pool) {}

  async execute({ tenant, now, filters, page }: ListInvoices): Promise<ListPage<InvoiceAnswer>> {
    const { customerId, subscriptionId, status, from, to } = filters;
    const query = sql(tenant);
    const where = ['i.tenant = $1', 'i.number is not null'];
    if (page.cursor !== null) where.push(`i.created_position > ${query.bind(numbersOf(page.cursor, 1)[0])}`);
    if (customerId !== undefined) where.push(`i.customer_id = ${query.bind(customerId)}`);
    if (subscriptionId !== undefined) where.push(`i.subscription_id = ${query.bind(subscriptionId)}`);
    // one that time has changed is looked at, whatever is recorded of it
    if (status !== undefined)
      where.push(`(i.status = ${query.bind(status)} or i.due_at <= ${query.bind(formatInstant(now))})`);
    if (from !== undefined) where.push(`i.issued_at >= ${query.bind(from)}`);
    if (to !== undefined) where.push(`i.issued_at < ${query.bind(to)}`);
    const found = await readRows<Stored>(
      this.pool,
      ['invoices'],
      `select i.facts, i.created_position::text as at from ${LIVE}.invoices i where ${where.join(' and ')}
       order by i.created_position limit ${query.bind(page.limit + 1)}`,
      query,
    );
    const { data, ...rest } = pageOfRows(
      found,
      page.limit,
      ({ at }) => at,
      ({ facts }) => invoiceAnswer(facts, now),
    );
    return { ...rest, data: data.filter((one) => status === undefined || one.status === status) };
  }
}

@QueryHandler(FindInvoice)
export class FindInvoiceHandler implements IQueryHandler<FindInvoice> {
  constructor(@Inject(READ_MODELS_POOL) private readonly pool: pg.Pool) {}

  async execute({ tenant, now, id }: FindInvoice): Promise<Found<InvoiceAnswer>> {
    const { rows, position } = await readRows<Stored>(
      this.pool,
      ['invoices'],
      `select i.facts, i.created_position::text as at from ${LIVE}.invoices i
       where i.tenant = $1 and i.id = $2 and i.number is not null`,
      sql(tenant, id),
    );
    return { data: rows[0] ? invoiceAnswer(rows[0].facts, now) : null, position };
  }
}

@QueryHandler(FindInvoiceLine)
export class FindInvoiceLineHandler implements IQueryHandler<FindInvoiceLine> {
  constructor(@Inject(READ_MODELS_POOL) private readonly pool: pg.Pool) {}

  async execute({ tenant, eventId }: FindInvoiceLine): Promise<Found<InvoicedUsage>> {
    // what draws stands under the id of its consumption, which is the event's with another prefix
    const consumptionId = `con${eventId.slice(eventId.indexOf('_'))}`;
    const { rows, position } = await readRows<Pick<InvoicedUsage, 'invoiceId' | 'lineId'>>(
      this.pool,
      ['invoices', 'usage'],
      `select s.invoice_id as "invoiceId", s.line_id as "lineId" from ${LIVE}.usage u
       left join ${LIVE}.invoice_sources s on s.tenant = u.tenant and s.customer_id = u.customer_id
         and s.metric_id = u.meter_id and s.period_start <= u.effective_at and u.effective_at < s.period_end
         and u.revision between s.from_revision and s.through_revision
       where u.tenant = $1 and u.id in ($2, $3) and u.event_name is not null
       order by s.through_revision limit 1`,
      sql(tenant, eventId, consumptionId),
    );
    const [row] = rows;
    if (!row) return { data: null, position };
    const { invoiceId, lineId } = row;
    return {
      data: { eventId, status: invoiceId === null ? 'unbilled' : 'invoiced', invoiceId, lineId },
      position,
    };
  }
}
