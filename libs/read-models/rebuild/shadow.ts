import type pg from 'pg';
import { run } from '../sink.js';
import { LIVE, SHADOW, type Table } from '../table.js';

/** Where live tables go in the moment of the swap, to be dropped. */
const RETIRED = 'read_models_retired';

/** An empty shadow schema with tables like the live ones; a stale one is dropped. */
export async function createShadow(client: pg.ClientBase, tables: readonly Table[]): Promise<void> {
  await dropShadow(client);
  await run(client, `create schema ${SHADOW}`);
  await createTables(client, tables, SHADOW);
}

/** Empty tables in a schema like the live ones, with what makes their rows unique. */
export async function createTables(
  client: pg.ClientBase,
  tables: readonly Table[],
  schema: string,
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
  await createIndexes(client, tables, schema, true);
}

export const dropShadow = async (client: pg.ClientBase): Promise<void> => {
  await run(client, `drop schema if exists ${SHADOW} cascade`);
};

/** Gives the shadow tables the rest of their indexes: once, after the most of the rows. */
export async function completeShadow(client: pg.ClientBase, tables: readonly Table[]): Promise<void> {
  await createIndexes(client, tables, SHADOW, false);
  for (const { name } of tables) await run(client, `analyze ${SHADOW}.${name}`);
}

/** Under their live names: after the swap nothing tells the tables from migrated ones. */
async function createIndexes(
  client: pg.ClientBase,
  tables: readonly Table[],
  schema: string,
  unique: boolean,
): Promise<void> {
  for (const { name } of tables) {
    const { rows } = await run<{ index: string; key: string | null; name: string }>(
      client,
      `select pg_get_indexdef(i.indexrelid) as index, pg_get_constraintdef(c.oid) as key, c.conname as name
       from pg_index i left join pg_constraint c on c.conindid = i.indexrelid and c.contype in ('p', 'u')
       where i.indrelid = $1::regclass and i.indisunique = $2 order by i.indexrelid`,
      [`${LIVE}.${name}`, unique],
    );
    for (const { index, key, name: constraint } of rows)
      await run(
        client,
        key === null
          ? index.replace(` ON ${LIVE}.`, ` ON ${schema}.`)
          : `alter table ${schema}.${name} add constraint ${constraint} ${key}`,
      );
  }
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

/** Digests of a read model's tables; they do not depend on the order of the rows, but on the time zone of the session. */
export async function digestsOf(
  client: pg.ClientBase,
  schema: string,
  tables: readonly Table[],
): Promise<readonly TableDigest[]> {
  const digests: TableDigest[] = [];
  for (const { name } of tables) {
    const { rows } = await run<{ rows: string; digest: string }>(
      client,
      `select count(*)::text as rows, coalesce(mod(sum(hashtextextended(t::text, 0)::numeric), 18446744073709551616), 0)::text as digest
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
