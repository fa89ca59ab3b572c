import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import type { EventStore, Position } from '#libs/event-store';
import {
  adoptLog,
  assertOurs,
  loadStandings,
  storeStandings,
  type Standing,
} from '../checkpoints/checkpoints.js';
import { inTransaction, transaction, WRITING_SESSION } from '../database.js';
import { REBUILD_LOCK } from '../locks.js';
import type { Progress } from '../progress.js';
import type { Projection } from '../projection.js';
import { PROJECTIONS } from '../projections.js';
import { DatabaseUnavailable, run } from '../sink.js';
import { LIVE, SHADOW } from '../table.js';
import { createFill } from './fill.js';
import {
  completeShadow,
  createShadow,
  digestsOf,
  digestText,
  dropShadow,
  swapIn,
  type TableDigest,
} from './shadow.js';

/** Another rebuild is running on this database. */
export class RebuildRunning extends Error {
  override readonly name = 'RebuildRunning';
}

export interface RebuildOptions {
  readonly eventStore: EventStore;
  /** Database of the read models, migrated. */
  readonly pool: pg.Pool;
  /** Which read models; default all. */
  readonly names?: readonly string[];
  /** The code that makes them. Default: all read models there are. */
  readonly projections?: readonly Projection[];
  /** Called a few times a second. */
  readonly onProgress?: (progress: Progress) => void;
  /** Ends the rebuild; the live read models stay as they are. */
  readonly signal?: AbortSignal;
  /** Most events folded into one transaction. Default 5000. */
  readonly batchSize?: number;
}

export interface RebuildResult {
  /** Events that were read. */
  readonly events: number;
  readonly seconds: number;
  /** Position at which the rebuilt read models took over. */
  readonly position: Position;
  readonly digests: readonly RebuiltReadModel[];
}

export interface RebuiltReadModel {
  readonly name: string;
  /** Position of the rows compared; null where the live read model was empty, so that there was nothing to compare. */
  readonly comparedAt: Position | null;
  /** Digests of both there: equal where the live read model was right. */
  readonly live: string | null;
  readonly rebuilt: string | null;
  readonly same: boolean | null;
  /** What took over: the tables at the position of the swap, or a little later where events came in meanwhile. */
  readonly built: { readonly position: Position; readonly tables: readonly TableDigest[] };
}

/** How long the swap waits for readers before it lets them pass and tries again (ms): below the deadlock timeout. */
const SWAP_PATIENCE = 300;

/** SQLSTATEs of a swap that readers held up: lock timeout, deadlock. */
const HELD_UP = new Set(['55P03', '40P01']);

/**
 * Builds read models anew from the log beside the live ones, with the same code, and swaps them in while serving goes on.
 * What is interrupted leaves the live ones as they are and can be run again.
 * @throws RebuildRunning; ReadModelsOfAnotherLog; ProjectionFailed for an event that the code cannot fold;
 *   what the signal was aborted with
 */
export async function rebuildReadModels(options: RebuildOptions): Promise<RebuildResult> {
  const { pool, projections: known = PROJECTIONS } = options;
  const projections = chosen(options);
  await inTransaction(pool, (client) => adoptLog(client, options.eventStore, known));
  return inShadow(pool, (client) => rebuild(options, projections, client));
}

/** The read models asked for. @throws Error for a name that is none */
export function chosen({
  names,
  projections: known = PROJECTIONS,
}: Pick<RebuildOptions, 'names' | 'projections'>): readonly Projection[] {
  const unknown = names?.filter((name) => !known.some((projection) => projection.name === name)) ?? [];
  if (unknown.length > 0) throw new Error(`There is no read model ${unknown.join(', ')}.`);
  return known.filter(({ name }) => names === undefined || names.includes(name));
}

/** Runs `work` as the only one that uses the shadow schema, and drops that when it fails. @throws RebuildRunning */
export async function inShadow<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  client.on('error', ignore); // the statement in hand reports it
  try {
    const { rows } = await run<{ mine: boolean }>(client, 'select pg_try_advisory_lock($1) as mine', [
      REBUILD_LOCK,
    ]);
    if (!rows[0]?.mine) throw new RebuildRunning('Another rebuild is running; wait for it, or stop it.');
    await run(client, WRITING_SESSION);
    try {
      return await work(client);
    } catch (error) {
      await dropShadow(client).catch(ignore); // the next run drops what is left
      throw error;
    } finally {
      await run(client, 'select pg_advisory_unlock($1)', [REBUILD_LOCK]).catch(ignore);
    }
  } finally {
    client.release(true); // with its settings, and the lock if it is held still
  }
}

async function rebuild(
  { eventStore, pool, onProgress, signal, batchSize = 5000 }: RebuildOptions,
  projections: readonly Projection[],
  client: pg.PoolClient,
): Promise<RebuildResult> {
  const names = projections.map(({ name }) => name);
  const tables = projections.flatMap((projection) => projection.tables);
  const second = await pool.connect();
  second.on('error', ignore); // the statement in hand reports it
  const clients = [client, second] as const;
  const fill = createFill({
    eventStore,
    clients,
    schema: SHADOW,
    projections,
    onProgress,
    signal,
    batchSize,
  });
  const standing = (name: string): Standing => fill.standings.get(name)!;

  /** The live rows in one snapshot, and where they stand. */
  const inLive = <T>(
    work: (client: pg.PoolClient, positions: ReadonlyMap<string, Position>) => Promise<T>,
  ): Promise<T> =>
    inTransaction(
      pool,
      async (snapshot) => {
        await run(
          snapshot,
          `lock table ${tables.map(({ name }) => `${LIVE}.${name}`).join(', ')} in access share mode`,
        );
        return work(snapshot, await livePositions(snapshot));
      },
      'begin isolation level repeatable read read only',
    );

  const livePositions = async (
    from: Parameters<typeof loadStandings>[0],
  ): Promise<ReadonlyMap<string, Position>> =>
    new Map([...(await loadStandings(from, names))].map(([name, { position }]) => [name, position]));

  const migrated = await migration(client);
  let begun: ReadonlyMap<string, Position>;
  try {
    await run(second, WRITING_SESSION);
    await createShadow(client, projections);
    const head = await eventStore.head();
    begun = await livePositions(client);
    // an empty one is nothing to compare with
    await fill.advance(
      new Map([...begun].map(([name, position]) => [name, position === 0n ? head : position])),
    );
    signal?.throwIfAborted();
    await completeShadow(clients, projections);
  } finally {
    fill.useOne();
    second.release(true);
  }

  // the live rows of one snapshot, and the shadow's at the very same position
  const compared = projections.filter(({ name }) => begun.get(name)! > 0n);
  const digestsIn = async (from: pg.ClientBase, schema: string) => {
    const digests = new Map<string, readonly TableDigest[]>();
    for (const { name, tables: own } of compared) {
      signal?.throwIfAborted();
      digests.set(name, await digestsOf(from, schema, own));
    }
    return digests;
  };
  const { live, rebuilt, comparedAt } = await inLive(async (snapshot, positions) => {
    const reading = digestsIn(snapshot, LIVE);
    const making = fill
      .advance(new Map(names.map((name) => [name, begun.get(name)! > 0n ? positions.get(name)! : 0n])))
      .then(() => digestsIn(client, SHADOW));
    await Promise.allSettled([reading, making]); // neither is left behind at work
    return { live: await reading, rebuilt: await making, comparedAt: positions };
  });

  for (;;) {
    const end = await eventStore.head();
    await fill.advance(new Map(names.map((name) => [name, end])));
    const before = new Map(fill.standings);
    try {
      await transaction(client, async () => {
        await run(client, `set local lock_timeout = ${SWAP_PATIENCE}; set local synchronous_commit = on`);
        // from here on nobody projects; what was projected meanwhile is caught up with
        const now = await loadStandings(client, names, true);
        assertOurs(now, names, eventStore);
        if ((await migration(client)) !== migrated)
          throw new Error('The read models were migrated during the rebuild; run it again.');
        await fill.advance(new Map([...now].map(([name, { position }]) => [name, position])));
        for (const name of names)
          if (standing(name).position < now.get(name)!.position)
            throw new Error(`The log ends before position ${now.get(name)!.position}, where ${name} stands.`);
        await storeStandings(client, atCheckpoints(fill.standings, now));
        await swapIn(client, tables);
      });
      break;
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable) || !HELD_UP.has(error.code ?? '')) throw error;
      fill.goBack(before); // the rows are back there too
      await pause(SWAP_PATIENCE, undefined, { signal }).catch(() => signal?.throwIfAborted());
    }
  }

  // projecting goes on already: a digest of all rows would have held it up
  const built = await inLive(async (snapshot, positions) => {
    const digests = new Map<string, RebuiltReadModel['built']>();
    for (const { name, tables: own } of projections) {
      const position = positions.get(name)!;
      const known = comparedAt.get(name) === position ? rebuilt.get(name) : undefined;
      digests.set(name, { position, tables: known ?? (await digestsOf(snapshot, LIVE, own)) });
    }
    return digests;
  });
  await fill.progress.read(0, fill.reached(), true);
  return {
    events: fill.progress.events,
    seconds: fill.progress.seconds(),
    position: fill.reached(),
    digests: names.map((name): RebuiltReadModel => {
      const [was, is] = [live.get(name), rebuilt.get(name)].map((some) => some && digestText(some));
      return was === undefined || is === undefined
        ? { name, comparedAt: null, live: null, rebuilt: null, same: null, built: built.get(name)! }
        : {
            name,
            comparedAt: comparedAt.get(name)!,
            live: was,
            rebuilt: is,
            same: was === is,
            built: built.get(name)!,
          };
    }),
  };
}

/** Where the live one stands at the same position, its checkpoint is the one to keep: ours may lie before it. */
const atCheckpoints = (
  standings: ReadonlyMap<string, Standing>,
  live: ReadonlyMap<string, Standing>,
): ReadonlyMap<string, Standing> =>
  new Map(
    [...standings].map(([name, own]) => {
      const other = live.get(name)!;
      return [name, other.position === own.position ? { ...other, stopped: null } : own];
    }),
  );

/** The newest migration that made the live tables. */
async function migration(client: pg.ClientBase): Promise<string | null> {
  const { rows } = await run<{ newest: string | null }>(
    client,
    `select max(name) as newest from ${LIVE}.migrations`,
  );
  return rows[0]?.newest ?? null;
}

const ignore = (): void => {};
