import type pg from 'pg';
import { Problem } from '#libs/kernel';
import type { Position } from '#libs/event-store';
import { DatabaseUnavailable, run } from './sink.js';
import { LIVE } from './table.js';

/** Injection token of the pool (`pg.Pool`) that the queries read through. */
export const READ_MODELS_POOL = Symbol('read models pool');

/** Which rows of a list are wanted. */
export interface PageRequest {
  /** Most rows, 1 or more. */
  readonly limit: number;
  /** `nextKey` of the page before; null: from the start. */
  readonly cursor: string | null;
}

/** One page of a list, oldest first. Every row that stays in the list is on exactly one page. */
export interface ListPage<Row> {
  readonly data: readonly Row[];
  /** Where the next page begins; null: there is none yet. */
  readonly nextKey: string | null;
  /** Position in the log that the page reflects. */
  readonly position: Position;
}

export interface Found<Row> {
  /** Null: there is none. */
  readonly data: Row | null;
  /** Position in the log that the answer reflects. */
  readonly position: Position;
}

/** Builds the text and the values of a query together. */
export interface Sql {
  readonly values: unknown[];
  /** Adds a value and gives the placeholder that stands for it. */
  bind(value: unknown): string;
}

export function sql(...values: unknown[]): Sql {
  return { values, bind: (value) => `$${values.push(value)}` };
}

/**
 * Runs a `select` and says which position its rows reflect; both are of one snapshot.
 * @param names read models that are read
 * @throws Problem `store_unavailable` when the database does not answer
 */
export async function readRows<Row extends object>(
  pool: pg.Pool,
  names: readonly string[],
  select: string,
  { values }: Sql,
): Promise<{ readonly rows: readonly Row[]; readonly position: Position }> {
  const text = `select at.reflected, r.* from (
      select min(position)::text as reflected from ${LIVE}.checkpoints where projection in (${names.map((name) => `'${name}'`).join(', ')})
    ) at left join lateral (select true as found, r.* from (${select}) r) r on true`;
  const { rows } = await run<{ reflected: string | null; found: boolean | null } & Row>(
    pool,
    text,
    values,
    statementOf(text),
  ).catch(asProblem);
  return {
    rows: rows.filter(({ found }) => found),
    position: BigInt(rows[0]?.reflected ?? 0),
  };
}

const statements = new Map<string, string>();
/** Filters make some hundred texts at most; should there be more, they are planned each time. */
const MAX_STATEMENTS = 500;

/** The name under which a text is prepared, so that a connection plans it once. */
function statementOf(text: string): string | undefined {
  let name = statements.get(text);
  if (name === undefined && statements.size < MAX_STATEMENTS)
    statements.set(text, (name = `read.${statements.size}`));
  return name;
}

/** @throws Problem `store_unavailable` for a database that does not answer; anything else as it is */
export function asProblem(error: unknown): never {
  if (error instanceof DatabaseUnavailable)
    throw new Problem('store_unavailable', 'The read models do not answer.');
  throw error;
}

/** Makes a page of rows of which one more than the limit was read. */
export function pageOfRows<Row, Answer>(
  { rows, position }: { readonly rows: readonly Row[]; readonly position: Position },
  limit: number,
  keyOf: (row: Row) => string,
  answer: (row: Row) => Answer,
): ListPage<Answer> {
  const page = rows.slice(0, limit);
  return {
    data: page.map(answer),
    nextKey: rows.length > limit ? keyOf(page.at(-1)!) : null,
    position,
  };
}

/** The numbers of a cursor such as `12.3`. @throws Problem `invalid_query_parameter` when it is none of this list's */
export function numbersOf(cursor: string, count: number): readonly string[] {
  const numbers = cursor.split('.');
  if (
    numbers.length !== count ||
    !numbers.every((number) => /^\d{1,19}$/.test(number) && BigInt(number) < 2n ** 63n)
  )
    throw new Problem('invalid_query_parameter', 'cursor belongs to another list.', [
      { pointer: '?cursor', code: 'cursor_invalid', message: 'cursor belongs to another list.' },
    ]);
  return numbers;
}
