import pg from 'pg';

/** A hand-written SQL ledger, the baseline: grants with a remainder, movements under a unique key. */
export interface SqlLedger {
  consume(customer: number, amount: number, key: string): Promise<void>;
  /** Sum of what remains, and the number of movements. */
  totals(): Promise<{ readonly remaining: bigint; readonly movements: bigint }>;
  close(): Promise<void>;
}

/** Live grants each account has, in every ledger compared. */
export const GRANTS_PER_ACCOUNT = 3;
/** What each grant holds: more than any run can draw. */
export const GRANT_AMOUNT = 1_000_000_000;

const SCHEMA = `
drop schema if exists sql_ledger cascade;
create schema sql_ledger;
create table sql_ledger.grants (
  id bigserial primary key, customer bigint not null, priority int not null, expires_at timestamptz,
  remaining numeric not null check (remaining >= 0)
);
create index on sql_ledger.grants (customer, priority, expires_at, id);
create table sql_ledger.movements (
  id bigserial primary key, customer bigint not null, grant_id bigint not null, amount numeric not null,
  remaining_after numeric not null, key text not null, recorded_at timestamptz not null default now(), unique (key, grant_id)
);
create function sql_ledger.consume(who bigint, wanted numeric, use_key text) returns numeric language plpgsql as $$
declare g record; part numeric;
begin
  for g in select id, remaining from sql_ledger.grants where customer = who and remaining > 0 order by priority, expires_at, id for update loop
    exit when wanted = 0;
    part := least(wanted, g.remaining);
    update sql_ledger.grants set remaining = remaining - part where id = g.id;
    insert into sql_ledger.movements (customer, grant_id, amount, remaining_after, key) values (who, g.id, part, g.remaining - part, use_key);
    wanted := wanted - part;
  end loop;
  if wanted > 0 then raise exception 'insufficient'; end if;
  return wanted;
end $$;
`;

/** Makes the tables and the accounts 1 to `accounts`. */
export async function prepareSqlLedger(url: string, accounts: number): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(SCHEMA);
  await client.query(
    `insert into sql_ledger.grants (customer, priority, expires_at, remaining)
     select c, 50, now() + interval '1 year' + g * interval '1 day', $2 from generate_series(1, $1::bigint) c, generate_series(1, $3::int) g`,
    [accounts, GRANT_AMOUNT, GRANTS_PER_ACCOUNT],
  );
  await client.query('vacuum analyze sql_ledger.grants');
  await client.end();
}

function ledger(pool: pg.Pool, consume: SqlLedger['consume']): SqlLedger {
  return {
    consume,
    async totals() {
      const { rows } = await pool.query<{ remaining: string; movements: string }>(
        'select (select sum(remaining) from sql_ledger.grants)::text as remaining, (select count(*) from sql_ledger.movements)::text as movements',
      );
      return { remaining: BigInt(rows[0]!.remaining), movements: BigInt(rows[0]!.movements) };
    },
    close: () => pool.end(),
  };
}

/** What applications usually write: select for update in order, update, insert under a unique key, in one transaction. */
export function openSqlApp(url: string, connections: number): SqlLedger {
  const pool = new pg.Pool({ connectionString: url, max: connections });
  pool.on('error', () => {}); // a connection that was let go of and ends with the server
  return ledger(pool, async (customer, amount, key) => {
    const client = await pool.connect();
    try {
      await client.query({ name: 'begin', text: 'begin' });
      const { rows } = await client.query<{ id: string; remaining: string }>({
        name: 'select',
        text: 'select id, remaining from sql_ledger.grants where customer = $1 and remaining > 0 order by priority, expires_at, id for update',
        values: [customer],
      });
      let wanted = amount;
      for (const { id, remaining } of rows) {
        if (wanted === 0) break;
        const part = Math.min(wanted, Number(remaining));
        await client.query({
          name: 'update',
          text: 'update sql_ledger.grants set remaining = remaining - $2 where id = $1',
          values: [id, part],
        });
        await client.query({
          name: 'insert',
          text: 'insert into sql_ledger.movements (customer, grant_id, amount, remaining_after, key) values ($1, $2, $3, $4, $5)',
          values: [customer, id, part, Number(remaining) - part, key],
        });
        wanted -= part;
      }
      if (wanted > 0) throw new Error('insufficient');
      await client.query({ name: 'commit', text: 'commit' });
    } catch (error) {
      await client.query('rollback');
      throw error;
    } finally {
      client.release();
    }
  });
}

/** The best that SQL can do: the same in one call of a PL/pgSQL function. */
export function openSqlBest(url: string, connections: number): SqlLedger {
  const pool = new pg.Pool({ connectionString: url, max: connections });
  pool.on('error', () => {}); // a connection that was let go of and ends with the server
  return ledger(pool, async (customer, amount, key) => {
    await pool.query({
      name: 'consume',
      text: 'select sql_ledger.consume($1, $2, $3)',
      values: [customer, amount, key],
    });
  });
}
