import pg from 'pg';
import { formatInstant, type Instant } from '#libs/kernel';

/** Invoicing as it is usually written by hand: usage in a table, sums by component, one transaction for each invoice. */

const CONNECTIONS = 10;

const SCHEMA = `
create schema bench;
create table bench.components (id serial primary key, metric text, description text not null, cents numeric not null);
create table bench.usage (customer text not null, metric text not null, at timestamptz not null, quantity numeric not null);
create index on bench.usage (customer, at);
create table bench.series (prefix text primary key, last int not null);
create table bench.invoices (
  id bigserial primary key, customer text not null, number text not null unique, issued_at timestamptz not null,
  total numeric not null, unique (customer, issued_at)
);
create table bench.lines (
  invoice bigint not null references bench.invoices, line int not null, description text not null, quantity numeric not null,
  unit_cents numeric not null, amount numeric not null, primary key (invoice, line)
);
insert into bench.series values ('INV', 0);
`;

/** @param cents price of one, by metric */
export async function openSqlInvoices(
  url: string,
  base: number,
  cents: Readonly<Record<string, number>>,
): Promise<pg.Pool> {
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS });
  pool.on('error', () => undefined); // the server may stop first
  await pool.query(SCHEMA);
  await pool.query(`insert into bench.components (metric, description, cents) values (null, 'Base', $1)`, [
    base,
  ]);
  for (const [metric, price] of Object.entries(cents))
    await pool.query('insert into bench.components (metric, description, cents) values ($1, $1, $2)', [
      metric,
      price,
    ]);
  return pool;
}

/** Invoices every customer for `[from, to)`; the number is taken last, so that others wait for the commit alone. */
export async function invoiceInSql(
  pool: pg.Pool,
  customers: readonly string[],
  from: Instant,
  to: Instant,
): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const client = await pool.connect();
      try {
        while (next < customers.length)
          await invoice(client, customers[next++]!, formatInstant(from), formatInstant(to));
      } finally {
        client.release();
      }
    }),
  );
}

interface Sum {
  readonly description: string;
  readonly cents: string;
  readonly quantity: string;
  readonly amount: string;
}

async function invoice(client: pg.PoolClient, customer: string, from: string, to: string): Promise<void> {
  await client.query({ name: 'begin', text: 'begin' });
  const { rows } = await client.query<Sum>({
    name: 'sums',
    text: `select description, cents, quantity, round(quantity * cents) as amount from (
        select c.id, c.description, c.cents, case when c.metric is null then 1 else coalesce(sum(u.quantity), 0) end as quantity
        from bench.components c
        left join bench.usage u on u.customer = $1 and u.metric = c.metric and u.at >= $2 and u.at < $3
        group by c.id) sums order by id`,
    values: [customer, from, to],
  });
  const total = rows.reduce((sum, { amount }) => sum + Number(amount), 0);
  const { rows: taken } = await client.query<{ last: number }>({
    name: 'number',
    text: `update bench.series set last = last + 1 where prefix = 'INV' returning last`,
  });
  const { rows: made } = await client.query<{ id: string }>({
    name: 'invoice',
    text: 'insert into bench.invoices (customer, number, issued_at, total) values ($1, $2, $3, $4) returning id',
    values: [customer, `INV-${String(taken[0]!.last).padStart(3, '0')}`, to, total],
  });
  await client.query({
    name: 'lines',
    text: `insert into bench.lines select $1, n, description, quantity, cents, amount
      from unnest($2::text[], $3::numeric[], $4::numeric[], $5::numeric[]) with ordinality
        as l(description, quantity, cents, amount, n)`,
    values: [
      made[0]!.id,
      rows.map(({ description }) => description),
      rows.map(({ quantity }) => quantity),
      rows.map(({ cents }) => cents),
      rows.map(({ amount }) => amount),
    ],
  });
  await client.query({ name: 'commit', text: 'commit' });
}
