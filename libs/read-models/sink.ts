import { finished } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom, type CopyStreamQuery } from 'pg-copy-streams';
import type { Sink } from './projection.js';
import type { ColumnOf, Table } from './table.js';

/** The database did not answer, or asked to try again: nothing is wrong with the events. */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable';
  constructor(
    message: string,
    /** SQLSTATE; null where the connection itself failed. */
    readonly code: string | null,
    cause: unknown,
  ) {
    super(message, { cause });
  }
}

/** SQLSTATE classes in which nothing is wrong with the statement: connection, rollback, resources, operator, system. */
const TRANSIENT = new Set(['08', '40', '53', '55', '57', '58']);

/** What `pg` threw, as {@link DatabaseUnavailable} where trying again later may help. */
export function databaseError(error: unknown): unknown {
  if (error instanceof DatabaseUnavailable) return error;
  const code = error instanceof pg.DatabaseError ? (error.code ?? '') : null;
  const wrong =
    code === null
      ? error instanceof TypeError || error instanceof RangeError
      : !TRANSIENT.has(code.slice(0, 2));
  if (wrong && code !== '25006') return error; // 25006: a standby, during a switch-over
  return new DatabaseUnavailable(
    `Postgres: ${error instanceof Error ? error.message : String(error)}`,
    code,
    error,
  );
}

export interface Queryable {
  query<Result extends object>(
    config: pg.QueryConfig & { readonly rowMode?: 'array' },
  ): Promise<pg.QueryResult<Result>>;
}

/** One connection, over which rows can be streamed too. */
type Connection = Queryable & { query(stream: CopyStreamQuery): CopyStreamQuery };

/** Milliseconds that whoever asks a pool waits for the answer: more than any read of rows takes from a database that works. */
const PATIENCE_MS = 10_000;

/**
 * Runs one statement; over a pool within 10 s.
 * @param rowMode rows as arrays: what busy reads take, because row objects stay until a full collection of garbage
 * @throws DatabaseUnavailable when trying again later may help
 */
export async function run<Result extends object>(
  client: Queryable,
  text: string,
  values: readonly unknown[] = [],
  name?: string,
  rowMode?: 'array',
): Promise<pg.QueryResult<Result>> {
  try {
    return await client.query<Result>({
      text,
      values: values.map((value) => (typeof value === 'string' ? storable(value) : value)),
      ...(name === undefined ? {} : { name }),
      ...(rowMode === undefined ? {} : { rowMode }),
      ...(client instanceof pg.Pool ? { query_timeout: PATIENCE_MS } : {}),
    });
  } catch (error) {
    throw databaseError(error);
  }
}

/** Writes into one schema over one connection, whole columns at a time. */
export function createSink(connection: Connection, schema: string): Sink {
  const inTurn = oneByOne();
  const client: Queryable = { query: (config) => inTurn(() => connection.query(config)) };

  /** Sets columns of the rows that exist. @returns how many do */
  async function change(table: Table, set: readonly ColumnOf[], rows: readonly object[]): Promise<number> {
    const columns = [...table.key, ...set];
    const text = `update ${schema}.${table.name} t
      set ${set.map((column) => `${q(column.name)} = ${typed(column)}`).join(', ')}
      from ${unnest(columns)}
      where ${table.key.map((column) => `t.${q(column.name)} = ${typed(column)}`).join(' and ')}`;
    const name = `${schema}.${table.name}.change.${maskOf(table, set)}`;
    // what lies side by side is changed together, while it is at hand
    const ordered = [...rows].sort(byText(table.key[0]!.property));
    return (await run(client, text, arrays(columns, ordered), name)).rowCount ?? 0;
  }

  return {
    async insert(table, rows) {
      if (rows.length === 0) return;
      const text = `copy ${schema}.${table.name} (${names(table.columns)}) from stdin`;
      const lines = copyLines(table.columns, rows);
      try {
        await inTurn(() => finished(connection.query(copyFrom(text)).end(lines)));
      } catch (error) {
        throw databaseError(error);
      }
    },

    async upsert(table, rows, update) {
      if (rows.length === 0) return;
      // changing a row is cheaper than finding out that it cannot be inserted
      if (update && (await change(table, columnsNamed(table, update), rows)) === rows.length) return;
      const { columns, key } = table;
      const set = columns.filter(({ primary }) => !primary);
      const text = `insert into ${schema}.${table.name} (${names(columns)})
        select ${columns.map(typed).join(', ')} from ${unnest(columns)} on conflict (${names(key)})
        do ${update ? 'nothing' : `update set ${set.map(({ name }) => `${q(name)} = excluded.${q(name)}`).join(', ')}`}`;
      const name = `${schema}.${table.name}.${update ? 'add' : 'upsert'}`;
      await run(client, text, arrays(columns, rows), name);
    },

    async patch(table, patches) {
      for (const [properties, some] of byMembers(table, patches)) {
        const changed = await change(table, columnsNamed(table, properties), some);
        if (changed !== some.length)
          throw new Error(`${some.length - changed} of ${some.length} rows of ${table.name} are missing`);
      }
    },

    async remove(table, keys) {
      if (keys.length === 0) return;
      const text = `delete from ${schema}.${table.name} t using ${unnest(table.key)}
        where ${table.key.map((column) => `t.${q(column.name)} = ${typed(column)}`).join(' and ')}`;
      await run(client, text, arrays(table.key, keys), `${schema}.${table.name}.remove`);
    },

    query: async <Result extends object>(text: string, values: readonly unknown[]) =>
      (await run<Result>(client, text.replaceAll('{schema}', schema), values)).rows,
  };
}

/** Projections that run together share the connection: their statements wait for each other. */
function oneByOne() {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };
}

const q = (name: string): string => `"${name}"`;
const names = (columns: readonly ColumnOf[]): string => columns.map(({ name }) => q(name)).join(', ');
/** Every value travels as text and is read by its column's own input function. */
const typed = ({ name, type }: ColumnOf): string =>
  type === 'text' ? `s.${q(name)}` : `s.${q(name)}::${type}`;
const unnest = (columns: readonly ColumnOf[]): string =>
  `unnest(${columns.map((_, index) => `$${index + 1}::text[]`).join(', ')}) as s(${names(columns)})`;

function columnsNamed(table: Table, properties: readonly string[]): readonly ColumnOf[] {
  return properties.map((property) => {
    const column = table.columns.find((candidate) => candidate.property === property);
    if (!column) throw new Error(`${table.name} has no ${property}`);
    return column;
  });
}

/** Patches that set the same columns, together. One that sets none is left out. */
function byMembers<Row extends object>(
  table: Table<Row>,
  patches: readonly Partial<Row>[],
): Iterable<readonly [properties: readonly string[], patches: readonly Partial<Row>[]]> {
  const settable = table.columns.filter(({ primary }) => !primary).map(({ property }) => property);
  const groups = new Map<string, [string[], Partial<Row>[]]>();
  for (const patch of patches) {
    const set = settable.filter((property) => (patch as Record<string, unknown>)[property] !== undefined);
    if (set.length === 0) continue;
    const group = groups.get(set.join());
    if (group) group[1].push(patch);
    else groups.set(set.join(), [set, [patch]]);
  }
  return groups.values();
}

/** Tells statements on one table apart, within the 63 characters that the name of one may have. */
const maskOf = ({ columns }: Table, some: readonly ColumnOf[]): string =>
  some
    .reduce((mask, { name }) => mask | (1 << columns.findIndex((column) => column.name === name)), 0)
    .toString(36);

const arrays = (columns: readonly ColumnOf[], rows: readonly object[]): Buffer[] =>
  columns.map(({ property }) =>
    textArray(rows.map((row) => asText((row as Record<string, unknown>)[property]))),
  );

const byText =
  (property: string) =>
  (a: object, b: object): number => {
    const x = (a as Record<string, string>)[property]!;
    const y = (b as Record<string, string>)[property]!;
    return x < y ? -1 : Number(x > y);
  };

function asText(value: unknown): string | null {
  switch (typeof value) {
    case 'string':
      return value;
    case 'bigint':
    case 'number':
    case 'boolean':
      return value.toString();
    default:
      if (value == null) return null;
      throw new Error(`a column cannot hold ${JSON.stringify(value)}`);
  }
}

/** Rows in the text format of COPY. */
function copyLines(columns: readonly ColumnOf[], rows: readonly object[]): string {
  let lines = '';
  for (const row of rows) {
    let separator = '';
    for (const { property } of columns) {
      const text = asText((row as Record<string, unknown>)[property]);
      lines += separator + (text === null ? '\\N' : copyable(text));
      separator = '\t';
    }
    lines += '\n';
  }
  return lines;
}

const copyable = (text: string): string =>
  /[\\\t\n\r\0]/.test(text)
    ? storable(text).replace(/[\\\t\n\r]/g, (character) => ESCAPED[character]!)
    : text;

const ESCAPED: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** Postgres keeps no NUL in a text; what is looked for is written the same way. */
const storable = (text: string): string => (text.includes('\0') ? text.replaceAll('\0', '\ufffd') : text);

const TEXT = 25;
const HEADER = 20;

/** A `text[]` in its binary form: `pg` sends a Buffer as it is, where a JS array costs quoting and parsing of every element. */
export function textArray(texts: readonly (string | null)[]): Buffer {
  const values = texts.map((text) => (text === null ? null : storable(text)));
  let size = HEADER;
  let nulls = 0;
  for (const value of values) {
    size += 4;
    if (value === null) nulls = 1;
    else size += Buffer.byteLength(value);
  }
  const array = Buffer.allocUnsafe(size);
  array.writeInt32BE(1, 0);
  array.writeInt32BE(nulls, 4);
  array.writeInt32BE(TEXT, 8);
  array.writeInt32BE(values.length, 12);
  array.writeInt32BE(1, 16);
  let at = HEADER;
  for (const value of values) {
    if (value === null) {
      at = array.writeInt32BE(-1, at);
      continue;
    }
    const length = array.write(value, at + 4);
    at = array.writeInt32BE(length, at) + length;
  }
  return array;
}
