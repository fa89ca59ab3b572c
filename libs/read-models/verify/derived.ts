import type pg from 'pg';
import type { LogSlice, Position } from '#libs/event-store';
import { EVENT_TYPES } from '#libs/event-types';
import {
  prepareSlice,
  projectEvents,
  ProjectionFailed,
  type SliceEvent,
} from '../projecting/project-slice.js';
import type { Projection } from '../projection.js';
import { createTables, digestsOf, digestText } from '../rebuild/shadow.js';
import { createSink, run } from '../sink.js';
import { LIVE, type ColumnOf, type Table } from '../table.js';

/** Temporary tables: they vanish with the connection, and nobody else sees them. */
export const DERIVED = 'pg_temp';

/** A row that is not what the log says. */
export interface Difference {
  readonly readModel: string;
  /** Of the row; of the account's last event where that is compared; null where the row names none. */
  readonly position: Position | null;
  readonly tenant: string;
  readonly customerId: string;
  /** The rest of the row's key, such as the unit, or the grant's id. */
  readonly key: string;
  /** The columns that differ; `row` for a row that is missing or too many. */
  readonly member: string;
  /** What the log says; null: there should be no such row. */
  readonly expected: string | null;
  /** What the row says; null: there is no row. */
  readonly found: string | null;
}

/**
 * Read models made from the log by their own code once more, in temporary tables of one connection. What an event makes
 * fail is left where it is.
 */
export async function deriveReadModels(client: pg.ClientBase, projections: readonly Projection[]) {
  const sink = createSink(client, DERIVED);
  const failed = new Map<string, { readonly position: Position; readonly reason: string }>();
  await createTables(
    client,
    projections.flatMap(({ tables }) => tables),
    DERIVED,
  );

  /** All or nothing. @returns why it failed */
  async function attempt(work: () => Promise<void>): Promise<ProjectionFailed | null> {
    await run(client, 'savepoint derived');
    try {
      await work();
      await run(client, 'release derived');
      return null;
    } catch (error) {
      if (!(error instanceof ProjectionFailed)) throw error;
      await run(client, 'rollback to derived');
      return error;
    }
  }

  return {
    failed: failed as ReadonlyMap<string, { readonly position: Position; readonly reason: string }>,

    /** Folds a slice in, each read model's events up to a position; to be called in a transaction. */
    async take(slice: LogSlice, upTo: (name: string) => Position): Promise<void> {
      const prepared = prepareSlice(slice, EVENT_TYPES);
      for (const projection of projections) {
        const { name } = projection;
        const target = upTo(name);
        if (failed.has(name) || slice.events.every(({ position }) => position > target)) continue;
        const own = prepared.after(0n).filter(({ position }) => position <= target);
        const fold = (events: readonly SliceEvent[]) =>
          attempt(() => projectEvents(projection, () => prepared.of(projection, events), sink));
        if ((await fold(own)) === null) continue;
        // one by one, up to the event that fails
        for (const event of own) {
          const failure = await fold([event]);
          if (!failure) continue;
          failed.set(name, { position: event.position, reason: failure.message });
          break;
        }
      }
    },
  };
}

/** Compares every column of every row; to be called in a transaction. @returns the rows there are, and their digest */
export async function compareRows(
  client: pg.ClientBase,
  { name, tables }: Projection,
  most: number,
  tell: (differences: readonly Difference[], count: number) => void,
): Promise<{ readonly rows: number; readonly digest: string }> {
  const live = await digestsOf(client, LIVE, tables);
  const derived = await digestsOf(client, DERIVED, tables);
  for (const [index, table] of tables.entries()) {
    if (live[index]!.digest === derived[index]!.digest && live[index]!.rows === derived[index]!.rows)
      continue;
    const { rows } = await run<Differing>(client, differing(table), [most]);
    tell(
      rows.map((row) => differenceOf(name, table, row)),
      Number(rows[0]?.count ?? 0),
    );
  }
  return { rows: live.reduce((sum, { rows }) => sum + rows, 0), digest: digestText(live) };
}

type Texts = Readonly<Record<string, string | null>>;

interface Differing {
  readonly count: string;
  readonly position: string | null;
  readonly expected: Texts | null;
  readonly found: Texts | null;
}

/** Rows by their keys, all columns as text. */
function differing({ name, key, columns }: Table): string {
  const position = columns.some((column) => column.name === 'position')
    ? 'coalesce(d.position, l.position)'
    : 'null::bigint';
  const [{ name: first }] = key as [ColumnOf];
  const texts = (row: string) =>
    `(select json_object_agg(c.key, c.value) from json_each_text(to_json(${row})) as c) `;
  return `select count(*) over ()::text as count, ${position}::text as position,
      case when d."${first}" is not null then ${texts('d')} end as expected,
      case when l."${first}" is not null then ${texts('l')} end as found
    from ${LIVE}.${name} l full join ${DERIVED}.${name} d
      on ${key.map((column) => `l."${column.name}" = d."${column.name}"`).join(' and ')}
    where l::text is distinct from d::text
    order by ${position} limit $1`;
}

function differenceOf(
  readModel: string,
  { key }: Table,
  { position, expected, found }: Differing,
): Difference {
  const row = (expected ?? found)!;
  const names = key.map(({ name }) => name).filter((name) => name !== 'tenant' && name !== 'customer_id');
  const members = Object.keys(row).filter((name) => expected?.[name] !== found?.[name]);
  const values = (of: Texts | null) => of && members.map((name) => of[name] ?? 'null').join(', ');
  return {
    readModel,
    position: position === null ? null : BigInt(position),
    tenant: row['tenant'] ?? '',
    customerId: row['customer_id'] ?? (readModel === 'customers' ? row['id']! : ''),
    key: names.map((name) => row[name]).join('/'),
    member: expected && found ? members.join(', ') : 'row',
    expected: values(expected),
    found: values(found),
  };
}
