import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type pg from 'pg';
import { formatAmount, formatInstant, readAmount, type Amount, type Instant } from '#libs/kernel';
import { READ_MODELS_POOL, readRows, sql } from '../reading.js';
import { LIVE } from '../table.js';

/** What a customer has in one unit at an instant. Amounts are decimal strings. */
export interface UnitBalance {
  readonly unit: string;
  /** What remains on active grants, and what is held. */
  readonly ledger: string;
  /** Set aside by holds. */
  readonly held: string;
  /** What is owed; does not reduce `available`. */
  readonly debt: string;
  readonly available: string;
  /** What is not yet effective. */
  readonly scheduled: string;
  /** The earliest instant at which active credit ends, and how much ends then. */
  readonly nextExpiry: { readonly at: string; readonly amount: string } | null;
  /** Active grants with something left. */
  readonly grants: number;
}

export interface BalancesAnswer {
  readonly customerId: string;
  readonly at: string;
  readonly position: number;
  readonly balances: readonly UnitBalance[];
  /**
   * Set when time has brought about what only the account itself can work out, and that is not recorded yet: a debt that a
   * new grant pays, a hold's time-out, a renewal, a balance carried over. Settle, wait for the position and ask again.
   */
  readonly needsSettling?: true;
}

/** A customer's balances, exact at the instant: what expired or began by then counts so, whether that is recorded or not. */
export class CustomerBalances extends Query<BalancesAnswer> {
  constructor(
    readonly tenant: string,
    readonly customerId: string,
    readonly filters: { readonly unit?: string | undefined },
    readonly now: Instant,
  ) {
    super();
  }
}

interface Stored {
  readonly unit: string;
  readonly debt: string;
  readonly available: string;
  readonly held: string;
  readonly scheduled: string;
  readonly grants: number;
  readonly endsAt: Date | null;
  readonly ending: string | null;
  readonly needsSettling: boolean;
}

@QueryHandler(CustomerBalances)
export class CustomerBalancesHandler implements IQueryHandler<CustomerBalances> {
  constructor(@Inject(READ_MODELS_POOL) private readonly pool: pg.Pool) {}

  async execute({ tenant, customerId, filters, now }: CustomerBalances): Promise<BalancesAnswer> {
    const query = sql(tenant, customerId, formatInstant(now));
    const ofUnit = filters.unit === undefined ? '' : `and b.unit = ${query.bind(filters.unit)}`;
    const { rows, position } = await readRows<Stored>(
      this.pool,
      ['balances', 'grants', 'renewals', 'schedules'],
      `with open as materialized (
         select g.unit, g.remaining, g.activated, g.expires_at, g.effective_at <= $3::timestamptz as begun,
           g.expires_at <= $3::timestamptz as over
         from ${LIVE}.grants g where g.tenant = $1 and g.customer_id = $2 and g.ended_as is null
       ), active as (
         select * from open where begun and over is not true
       ), ends as (
         select distinct on (unit) unit, expires_at, sum(remaining) as ending
         from active where expires_at is not null and remaining > 0 group by unit, expires_at order by unit, expires_at
       )
       select b.unit, b.debt::text, b.held::text, ends.expires_at as "endsAt", ends.ending::text,
         (select coalesce(sum(remaining), 0) from active a where a.unit = b.unit)::text as available,
         (select coalesce(sum(remaining), 0) from open o where o.unit = b.unit and not o.begun)::text as scheduled,
         (select count(*) from active a where a.unit = b.unit and a.remaining > 0)::int as grants,
         b.debt > 0 and exists (select from open o where o.unit = b.unit and o.begun and not o.activated)
           or exists (select from ${LIVE}.schedules s where s.tenant = $1 and s.customer_id = $2
             and s.kind in ('hold', 'renewal') and s.due_at <= $3::timestamptz)
           or exists (select from open o where o.unit = b.unit and o.over) and exists (select from ${LIVE}.renewals r
             where r.tenant = $1 and r.customer_id = $2 and r.unit = b.unit and r.carries) as "needsSettling"
       from ${LIVE}.balances b left join ends on ends.unit = b.unit
       where b.tenant = $1 and b.customer_id = $2 ${ofUnit} order by b.unit`,
      query,
    );
    return {
      customerId,
      at: formatInstant(now),
      position: Number(position),
      balances: rows.map(balanceOf),
      ...(rows.some(({ needsSettling }) => needsSettling) ? { needsSettling: true } : {}),
    };
  }
}

function balanceOf({ unit, debt, available, held, scheduled, grants, endsAt, ending }: Stored): UnitBalance {
  const text = (amount: Amount): string => formatAmount(amount);
  return {
    unit,
    // what is held is out of what remains already
    ledger: text(readAmount(available) + readAmount(held)),
    held: text(readAmount(held)),
    debt: text(readAmount(debt)),
    available: text(readAmount(available)),
    scheduled: text(readAmount(scheduled)),
    nextExpiry:
      endsAt && ending !== null ? { at: endsAt.toISOString(), amount: text(readAmount(ending)) } : null,
    grants,
  };
}
