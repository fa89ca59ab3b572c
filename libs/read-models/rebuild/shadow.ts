import type pg from 'pg';
import { allTogether } from '../projecting/project-slice.js';
import type { Projection } from '../projection.js';
import { run } from '../sink.js';
import { LIVE, SHADOW, type Table } from '../table.js';

/** Where live tables go in the moment of the swap, to be dropped. */
const RETIRED = 'read_models_retired';

/** An empty shadow schema with tables like the live ones; a stale one is dropped. */
export async function createShadow(client: pg.ClientBase, projections: readonly Projection[]): Promise<void> {
  await dropShadow(client);
  await run(client, `create schema ${SHADOW}`);
  for (const { tables, addsOnly } of projections) await createTables(client, tables, SHADOW, !addsOnly);
}

/** Empty tables in a schema like the live ones; `keyed`: with what makes their rows unique. */
export async function createTables(
  client: pg.ClientBase,
  tables: readonly Table[],
  schema: string,
  keyed = true,
): Promise<void> {
  for (const { name } of tables) {
    const { rows } = await run<{ options: string | null }>(
      client,
      `select array_to_string(reloptions, ', ') as options from pg_class where oid = $1::regclass`,
      [`${LIVE}.${name}`],
    );
    const options = rows[0]?.options;
    await run(
      client,
      `create table ${schema}.${name} (like ${LIVE}.${name} including all excluding indexes) ${options ? `with (${options})` : ''}`,
    );
  }
  if (keyed) for (const { name } of tables) await createIndexes(client, name, schema, 'unique');
}

export const dropShadow = async (client: pg.ClientBase): Promise<void> => {
  await run(client, `drop schema if exists ${SHADOW} cascade`);
};

/** Gives the shadow tables the rest of their indexes, over all connections at once: after the most of the rows. */
export async function completeShadow(
  clients: readonly pg.ClientBase[],
  projections: readonly Projection[],
): Promise<void> {
  const rest = projections.flatMap(({ tables, addsOnly }) =>
    tables.map(({ name }) => ({ name, which: addsOnly ? ('all' as const) : ('rest' as const) })),
  );
  const work = async (client: pg.ClientBase): Promise<void> => {
    for (let table = rest.shift(); table; table = rest.shift()) {
      await createIndexes(client, table.name, SHADOW, table.which);
      await run(client, `analyze ${SHADOW}.${table.name}`);
    }
  };
  await allTogether(clients.map(work));
}

/** Under their live names: after the swap nothing tells the tables from migrated ones. */
async function createIndexes(
  client: pg.ClientBase,
  table: string,
  schema: string,
  which: 'unique' | 'rest' | 'all',
): Promise<void> {
  const { rows } = await run<{ index: string; key: string | null; name: string }>(
    client,
    `select pg_get_indexdef(i.indexrelid) as index, pg_get_constraintdef(c.oid) as key, c.conname as name
     from pg_index i left join pg_constraint c on c.conindid = i.indexrelid and c.contype in ('p', 'u')
     where i.indrelid = $1::regclass and ($2 = 'all' or i.indisunique = ($2 = 'unique')) order by i.indexrelid`,
    [`${LIVE}.${table}`, which],
  );
  for (const { index, key, name: constraint } of rows)
    await run(
      client,
      key === null
        ? index.replace(` ON ${LIVE}.`, ` ON ${schema}.`)
        : `alter table ${schema}.${table} add constraint ${constraint} ${key}`,
    );
}

/** Puts the shadow tables in the place of the live ones; to be called in a transaction. */
export async function swapIn(client: pg.ClientBase, tables: readonly Table[]): Promise<void> {
  await run(client, `create schema ${RETIRED}`);
  for (const { name } of tables) {
    await run(client, `alter table ${LIVE}.${name} set schema ${RETIRED}`);
    await run(client, `alter table ${SHADOW}.${name} set schema ${LIVE}`);
  }
  await run(client, `drop schema ${RETIRED} cascade`);
  await dropShadow(client);
}

export interface TableDigest {
  readonly table: string;
  readonly rows: number;
  /** Sum of 64 bits of each row, in hex: changed, missing and additional rows show, up to one chance in 2^64. */
  readonly digest: string;
}

/** Digests of a read model's tables; they do not depend on the order of the rows. */
export async function digestsOf(
  client: pg.ClientBase,
  schema: string,
  tables: readonly Table[],
): Promise<readonly TableDigest[]> {
  const digests: TableDigest[] = [];
  for (const { name, columns } of tables) {
    // json is hashed as text; a row's hash adds those of its columns up, so it is hashed again: values that changed rows would not show
    const values = columns.map((column) => `t."${column.name}"${column.type === 'json' ? '::text' : ''}`);
    const { rows } = await run<{ rows: string; digest: string }>(
      client,
      `select count(*)::text as rows,
         coalesce(mod(sum(hashint8extended(hash_record_extended(row(${values.join(', ')}), 0), 0)::numeric), 18446744073709551616), 0)::text as digest
       from ${schema}.${name} t`,
    );
    const digest = BigInt.asUintN(64, BigInt(rows[0]!.digest)).toString(16).padStart(16, '0');
    digests.push({ table: name, rows: Number(rows[0]!.rows), digest });
  }
  return digests;
}

/** All of a read model in one text. */
export const digestText = (digests: readonly TableDigest[]): string =>
  digests.map(({ rows, digest }) => `${rows} rows, ${digest}`).join('; ');
