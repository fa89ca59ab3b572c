import type { Checkpoint, EventStore, Position } from '#libs/event-store';
import { run, type Queryable } from '../sink.js';
import { LIVE } from '../table.js';

/** The rows were made from another log than the one at hand: reading on from there would make nonsense of them. */
export class ReadModelsOfAnotherLog extends Error {
  override readonly name = 'ReadModelsOfAnotherLog';
}

/** Where a projection stands. */
export interface Standing {
  readonly checkpoint: Checkpoint | null;
  /** Of the last event in the rows; 0 when there is none. */
  readonly position: Position;
  /** Why it stands still; null while it runs. */
  readonly stopped: string | null;
  /** Identity of the log the rows were made from. */
  readonly log: string;
}

/** Where to read on so that none of them misses anything. */
export function earliest(standings: readonly Standing[]): Checkpoint | null {
  let first = standings[0]!;
  for (const one of standings) if (one.position < first.position) first = one;
  return first.checkpoint;
}

interface StoredStanding {
  readonly projection: string;
  readonly checkpoint: string | null;
  readonly position: string;
  readonly stopped: string | null;
  readonly log: string;
}

/** @param lock keeps them from being changed until the transaction ends */
export async function loadStandings(
  client: Queryable,
  names: readonly string[],
  lock = false,
): Promise<ReadonlyMap<string, Standing>> {
  const { rows } = await run<StoredStanding>(
    client,
    `select projection, checkpoint, position::text as position, stopped_reason as stopped, log
     from ${LIVE}.checkpoints where projection = any($1::text[]) order by projection${lock ? ' for update' : ''}`,
    [names],
    `checkpoints.load.${lock}`,
  );
  return new Map(
    rows.map(({ projection, position, ...rest }) => [projection, { ...rest, position: BigInt(position) }]),
  );
}

/** Stores where projections stand now; the rows must exist. */
export async function storeStandings(
  client: Queryable,
  standings: ReadonlyMap<string, Standing>,
): Promise<void> {
  const all = [...standings];
  await run(
    client,
    `update ${LIVE}.checkpoints c set checkpoint = s.checkpoint, position = s.position::bigint, stopped_reason = s.stopped
     from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as s(projection, checkpoint, position, stopped)
     where c.projection = s.projection`,
    [
      all.map(([name]) => name),
      all.map(([, { checkpoint }]) => checkpoint),
      all.map(([, { position }]) => position.toString()),
      all.map(([, { stopped }]) => stopped),
    ],
    'checkpoints.store',
  );
}

/**
 * Makes sure that the read models belong to this log, and that every projection has a checkpoint.
 * A log in memory never comes back: what was made from one, or is to be, starts anew. To be called in a transaction.
 * @throws ReadModelsOfAnotherLog when the rows were made from another log
 */
export async function adoptLog(
  client: Queryable,
  { identity }: Pick<EventStore, 'identity'>,
  projections: readonly { readonly name: string; readonly tables: readonly { readonly name: string }[] }[],
): Promise<void> {
  // nobody projects or adopts meanwhile
  await run(client, `lock table ${LIVE}.checkpoints in share row exclusive mode`);
  const { rows } = await run<{ log: string }>(client, `select distinct log from ${LIVE}.checkpoints`);
  const foreign = rows.map(({ log }) => log).filter((log) => log !== identity);
  const lasting = identity.startsWith('memory:')
    ? undefined
    : foreign.find((log) => !log.startsWith('memory:'));
  if (lasting !== undefined)
    throw new ReadModelsOfAnotherLog(
      `The read models were made from the log ${lasting}, but the event store is ${identity}. ` +
        `Use the event store they belong to, or drop the schema ${LIVE} to have them made anew.`,
    );
  if (foreign.length > 0) {
    const tables = projections.flatMap((projection) =>
      projection.tables.map(({ name }) => `${LIVE}.${name}`),
    );
    await run(client, `truncate ${[...tables, `${LIVE}.checkpoints`].join(', ')}`);
  }
  await run(
    client,
    `insert into ${LIVE}.checkpoints (projection, checkpoint, position, log)
     select name, null, 0, $2 from unnest($1::text[]) as name on conflict (projection) do nothing`,
    [projections.map(({ name }) => name), identity],
  );
}

/** @throws ReadModelsOfAnotherLog when another process has begun them anew from its own log meanwhile */
export function assertOurs(
  standings: ReadonlyMap<string, Standing>,
  names: readonly string[],
  { identity }: Pick<EventStore, 'identity'>,
): void {
  for (const name of names) {
    const log = standings.get(name)?.log;
    if (log !== identity)
      throw new ReadModelsOfAnotherLog(
        `Read model ${name} belongs to ${log ?? 'no log'} now, not to ${identity}.`,
      );
  }
}
