import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import type { EventStore, LogSlice, Position } from '#libs/event-store';
import { EVENT_TYPES } from '#libs/event-types';
import {
  adoptLog,
  assertOurs,
  loadStandings,
  storeStandings,
  type Standing,
} from '../checkpoints/checkpoints.js';
import { inTransaction, transaction } from '../database.js';
import { REBUILD_LOCK } from '../locks.js';
import { createProgress, type Progress } from '../progress.js';
import { allTogether, prepareSlice, projectEvents } from '../project-slice.js';
import type { Projection } from '../projection.js';
import { PROJECTIONS } from '../projections.js';
import { createSink, DatabaseUnavailable, run } from '../sink.js';
import { LIVE, SHADOW } from '../table.js';
import { completeShadow, createShadow, digestOf, dropShadow, swapIn } from './shadow.js';

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
  /** Rows of both at one position: equal where the live read model was right. */
  readonly digests: readonly {
    readonly name: string;
    readonly live: string;
    readonly rebuilt: string;
    readonly same: boolean;
  }[];
}

/** How long the swap waits for readers before it lets them pass and tries again (ms): below the deadlock timeout. */
const SWAP_PATIENCE = 300;

/** SQLSTATEs of a swap that readers held up: lock timeout, deadlock. */
const HELD_UP = new Set(['55P03', '40P01']);

/** Tables are filled by key; nothing in them needs to survive a crash before the swap. */
const SESSION = `set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off;
  set plan_cache_mode = force_generic_plan; set synchronous_commit = off; set statement_timeout = 0`;

/**
 * Builds read models anew from the log beside the live ones, with the same code, and swaps them in while serving goes on.
 * What is interrupted leaves the live ones as they are and can be run again.
 * @throws RebuildRunning; ReadModelsOfAnotherLog; ProjectionFailed for an event that the code cannot fold;
 *   what the signal was aborted with
 */
export async function rebuildReadModels(options: RebuildOptions): Promise<RebuildResult> {
  const { pool, names, projections: known = PROJECTIONS } = options;
  const unknown = names?.filter((name) => !known.some((projection) => projection.name === name)) ?? [];
  if (unknown.length > 0) throw new Error(`There is no read model ${unknown.join(', ')}.`);
  const projections = known.filter(({ name }) => names === undefined || names.includes(name));
  await inTransaction(pool, (client) => adoptLog(client, options.eventStore, known));
  const client = await pool.connect();
  client.on('error', ignore); // the statement in hand reports it
  try {
    const { rows } = await run<{ mine: boolean }>(client, 'select pg_try_advisory_lock($1) as mine', [
      REBUILD_LOCK,
    ]);
    if (!rows[0]?.mine) throw new RebuildRunning('Another rebuild is running; wait for it, or stop it.');
    await run(client, SESSION);
    try {
      return await rebuild(options, projections, client);
    } catch (error) {
      await dropShadow(client).catch(ignore); // the next run drops what is left
      throw error;
    }
  } finally {
    client.release(true); // ends the lock
  }
}

async function rebuild(
  { eventStore, pool, onProgress, signal, batchSize = 5000 }: RebuildOptions,
  projections: readonly Projection[],
  client: pg.PoolClient,
): Promise<RebuildResult> {
  const names = projections.map(({ name }) => name);
  const tables = projections.flatMap((projection) => projection.tables);
  const sink = createSink(client, SHADOW);
  const progress = createProgress(eventStore, onProgress);
  const none: Standing = { checkpoint: null, position: 0n, stopped: null, log: eventStore.identity };
  const standings = new Map(names.map((name) => [name, none]));
  const standing = (name: string): Standing => standings.get(name)!;
  let reached = 0n;
  let ahead: { readonly from: string | null; readonly slice: Promise<LogSlice> } | undefined;

  /** The next slice, while the one after it is being read. */
  async function read(from: string | null): Promise<LogSlice> {
    const waiting = ahead?.from === from ? await ahead.slice : undefined;
    ahead = undefined;
    // an empty one met the end of a log that may have grown since
    const slice = waiting?.events.length ? waiting : await eventStore.readAll(from, batchSize);
    if (slice.events.length === batchSize) {
      ahead = { from: slice.checkpoint, slice: eventStore.readAll(slice.checkpoint, batchSize) };
      ahead.slice.catch(ignore); // whoever asks for it is told
    }
    return slice;
  }

  /** Brings the shadow exactly to the targets, as far as the log goes. */
  async function advance(targets: ReadonlyMap<string, Position>): Promise<void> {
    for (;;) {
      signal?.throwIfAborted();
      const behind = projections.filter(({ name }) => standing(name).position < targets.get(name)!);
      if (behind.length === 0) return;
      const slice = await read(earliest(behind.map(({ name }) => standing(name))));
      if (slice.events.length === 0) return;
      const prepared = prepareSlice(slice, EVENT_TYPES);
      const late = behind.filter(({ name }) => standing(name).position < slice.position);
      await allTogether(
        late.map((projection) => {
          const { name } = projection;
          const upTo = targets.get(name)!;
          const events = prepared.after(standing(name).position).filter(({ position }) => position <= upTo);
          return projectEvents(projection, () => prepared.of(projection, events), sink);
        }),
      );
      for (const { name } of late) {
        // a checkpoint stands at the end of a slice only; inside, the position says what is in
        const now = standing(name);
        const target = targets.get(name)!;
        const { checkpoint, position } = slice;
        standings.set(
          name,
          position <= target ? { ...now, checkpoint, position } : { ...now, position: target },
        );
      }
      await progress.read(slice.events.filter(({ position }) => position > reached).length, slice.position);
      if (slice.position > reached) reached = slice.position;
    }
  }

  const livePositions = async (
    from: Parameters<typeof loadStandings>[0],
  ): Promise<ReadonlyMap<string, Position>> =>
    new Map([...(await loadStandings(from, names))].map(([name, { position }]) => [name, position]));

  const all = (position: Position): ReadonlyMap<string, Position> =>
    new Map(names.map((name) => [name, position]));

  const migrated = await migration(client);
  await createShadow(client, tables);
  await advance(await livePositions(pool));
  await completeShadow(client, tables);

  // the live rows of one snapshot, and the shadow's at the very same position
  const live = await inTransaction(
    pool,
    async (snapshot) => {
      await run(
        snapshot,
        `lock table ${tables.map(({ name }) => `${LIVE}.${name}`).join(', ')} in access share mode`,
      );
      const positions = await livePositions(snapshot);
      const digests = new Map<string, string>();
      for (const projection of projections) {
        signal?.throwIfAborted();
        digests.set(projection.name, await digestOf(snapshot, LIVE, projection.tables));
      }
      return { positions, digests };
    },
    'begin isolation level repeatable read read only',
  );
  await advance(live.positions);
  const digests: RebuildResult['digests'][number][] = [];
  for (const { name, tables: own } of projections) {
    const rebuilt = await digestOf(client, SHADOW, own);
    const before = live.digests.get(name)!;
    digests.push({ name, live: before, rebuilt, same: before === rebuilt });
  }

  for (;;) {
    await advance(all(await eventStore.head()));
    const before = new Map(standings);
    try {
      await transaction(client, async () => {
        await run(client, `set local lock_timeout = ${SWAP_PATIENCE}; set local synchronous_commit = on`);
        // from here on nobody projects; what was projected meanwhile is caught up with
        const now = await loadStandings(client, names, true);
        assertOurs(now, names, eventStore);
        if ((await migration(client)) !== migrated)
          throw new Error('The read models were migrated during the rebuild; run it again.');
        await advance(new Map([...now].map(([name, { position }]) => [name, position])));
        for (const name of names)
          if (standing(name).position < now.get(name)!.position)
            throw new Error(`The log ends before position ${now.get(name)!.position}, where ${name} stands.`);
        await storeStandings(client, atCheckpoints(standings, now));
        await swapIn(client, tables);
      });
      break;
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable) || !HELD_UP.has(error.code ?? '')) throw error;
      for (const [name, was] of before) standings.set(name, was); // the rows are back there too
      await pause(SWAP_PATIENCE, undefined, { signal });
    }
  }
  await progress.read(0, reached, true);
  return { events: progress.events, seconds: progress.seconds(), position: reached, digests };
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

function earliest(standings: readonly Standing[]): string | null {
  let first = standings[0]!;
  for (const one of standings) if (one.position < first.position) first = one;
  return first.checkpoint;
}

const ignore = (): void => {};
