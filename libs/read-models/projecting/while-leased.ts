import type pg from 'pg';
import type { EventStore, LogSlice } from '#libs/event-store';
import type { EventTypes } from '#libs/event-types';
import {
  assertOurs,
  earliest,
  loadStandings,
  storeStandings,
  type Standing,
} from '../checkpoints/checkpoints.js';
import { transaction, WRITING_SESSION } from '../database.js';
import {
  allTogether,
  prepareSlice,
  projectEvents,
  ProjectionFailed,
  type PreparedSlice,
} from './project-slice.js';
import type { Projection } from '../projection.js';
import { createSink, databaseError, run } from '../sink.js';
import { LIVE } from '../table.js';
import type { Gathering } from './gathering.js';

export interface LeasedWork {
  readonly eventStore: EventStore;
  readonly pool: pg.Pool;
  /** The connection that holds the lease; all rows are written over it, so whoever lost the lease cannot write. */
  readonly client: pg.PoolClient;
  readonly projections: readonly Projection[];
  readonly eventTypes: EventTypes;
  readonly gathering: Gathering;
  readonly signal: AbortSignal;
  readonly batchSize?: number;
  /** Told of where the projections stand, whenever that has changed. */
  advanced(standings: ReadonlyMap<string, Standing>): void;
  onError(error: unknown): void;
}

/** The checkpoints are not what was expected, or reading must begin elsewhere: look at them again. */
class LookAgain extends Error {}

/** Milliseconds between two looks whether a stopped projection was set going again, by a rebuild. */
const LOOK_AFTER = 500;

/** Milliseconds for which the next events gather unless somebody waits for them. */
const GATHER = 25;

/** A rebuild may hold the checkpoints for a while. */
const SESSION = `${WRITING_SESSION}; set lock_timeout = 0`;

/** Projects until the signal is raised. @throws DatabaseUnavailable when the connection, and with it the lease, is lost */
export async function projectWhileLeased(work: LeasedWork): Promise<void> {
  const { client, eventStore, projections, signal } = work;
  const names = projections.map(({ name }) => name);
  await run(client, SESSION);
  // what was stopped is tried again: the code may be another one by now
  await run(
    client,
    `update ${LIVE}.checkpoints set stopped_reason = null where projection = any($1::text[])`,
    [names],
  );
  while (!signal.aborted) {
    try {
      const standings = new Map(await loadStandings(client, names));
      assertOurs(standings, names, eventStore);
      await projectFrom(work, standings);
    } catch (error) {
      if (!(error instanceof LookAgain)) throw error;
    }
  }
}

/** Projects from where the projections stand. @throws LookAgain */
async function projectFrom(work: LeasedWork, standings: Map<string, Standing>): Promise<void> {
  const {
    eventStore,
    pool,
    client,
    projections,
    eventTypes,
    gathering,
    signal,
    batchSize = 4000,
    advanced,
    onError,
  } = work;
  const names = projections.map(({ name }) => name);
  const sink = createSink(client, LIVE);
  const standing = (name: string): Standing => standings.get(name)!;
  const running = (): readonly Projection[] =>
    projections.filter(({ name }) => standing(name).stopped === null);

  /** Commits what `project` writes together with where its projections stand then. */
  async function commit(moved: ReadonlyMap<string, Standing>, project: () => Promise<void>): Promise<void> {
    await transaction(client, async () => {
      const stored = await loadStandings(client, names, true);
      if (names.some((name) => !same(stored.get(name), standings.get(name)))) throw new LookAgain();
      await project();
      await storeStandings(client, moved);
    });
    for (const [name, now] of moved) standings.set(name, now);
    advanced(new Map(standings));
  }

  async function projectAll(prepared: PreparedSlice, behind: readonly Projection[]): Promise<void> {
    const { checkpoint, position } = prepared.slice;
    const moved = new Map(behind.map(({ name }) => [name, { ...standing(name), checkpoint, position }]));
    await commit(moved, () =>
      allTogether(
        behind.map((projection) => {
          const events = prepared.after(standing(projection.name).position);
          return projectEvents(projection, () => prepared.of(projection, events), sink);
        }),
      ),
    );
  }

  /** Goes on in ever smaller steps, so that everything before the event that fails is in the rows; stops there. */
  async function projectUpToFault(prepared: PreparedSlice, projection: Projection): Promise<void> {
    const { name } = projection;
    const { checkpoint, position } = prepared.slice;
    let rest = prepared.after(standing(name).position);
    for (let step = rest.length; rest.length > 0;) {
      const part = rest.slice(0, step);
      // inside a slice there is no checkpoint to be had: the position alone says what is in
      const moved = { ...standing(name), position: part.at(-1)!.position };
      try {
        await commit(new Map([[name, moved]]), () =>
          projectEvents(projection, () => prepared.of(projection, part), sink),
        );
        rest = rest.slice(step);
      } catch (error) {
        if (!(error instanceof ProjectionFailed)) throw error;
        if (step === 1) {
          await commit(new Map([[name, { ...standing(name), stopped: error.message }]]), async () => {});
          return onError(error);
        }
        step = Math.ceil(Math.min(step, rest.length) / 2);
      }
    }
    await commit(new Map([[name, { ...standing(name), checkpoint, position }]]), async () => {});
  }

  async function write(slice: LogSlice): Promise<void> {
    const prepared = prepareSlice(slice, eventTypes);
    let behind = running().filter(({ name }) => standing(name).position < slice.position);
    const failed: Projection[] = [];
    while (behind.length > 0) {
      try {
        await projectAll(prepared, behind);
        break;
      } catch (error) {
        if (!(error instanceof ProjectionFailed)) throw error;
        const culprit = behind.find(({ name }) => name === error.projection)!;
        failed.push(culprit);
        behind = behind.filter((projection) => projection !== culprit);
      }
    }
    for (const projection of failed) await projectUpToFault(prepared, projection);
    // what is left may stand far ahead of what has stopped: no use in reading all that for nobody
    if (failed.length > 0) throw new LookAgain();
  }

  const from = running().map(({ name }) => standing(name));
  advanced(new Map(standings));
  let writing = Promise.resolve();
  await new Promise<void>((resolve, reject) => {
    let ending = false;
    /** A full slice is written while the next one is read; after any other, the later the next one is taken the more is in it. */
    async function handle(slice: LogSlice): Promise<void> {
      await writing;
      if (ending) return;
      writing = write(slice).catch(fail);
      if (slice.events.length < batchSize)
        await Promise.all([writing, gathering.gather(slice.position, GATHER)]);
    }
    const restarted = setInterval(() => {
      loadStandings(pool, names).then(
        (stored) => {
          const again = names.some(
            (name) => stored.get(name)?.stopped === null && standing(name).stopped !== null,
          );
          if (again) fail(new LookAgain());
        },
        () => undefined, // the projecting connection will tell
      );
    }, LOOK_AFTER);
    const fail = (error: unknown): void =>
      end(() => reject(error instanceof Error ? error : new Error(String(error))));
    const lost = (error: unknown): void => fail(databaseError(error));
    const stopped = (): void => end(resolve);
    const end = (settle: () => void): void => {
      if (ending) return;
      ending = true;
      clearInterval(restarted);
      client.off('error', lost);
      signal.removeEventListener('abort', stopped);
      void Promise.resolve(subscription?.stop())
        .then(() => writing)
        .then(settle);
    };
    client.on('error', lost);
    signal.addEventListener('abort', stopped);
    const subscription =
      from.length === 0
        ? undefined
        : eventStore.subscribe(earliest(from), {
            batchSize,
            handle,
            onError: fail,
          });
    if (signal.aborted) stopped();
  });
}

const same = (a: Standing | undefined, b: Standing | undefined): boolean =>
  a?.checkpoint === b?.checkpoint &&
  a?.position === b?.position &&
  a?.stopped === b?.stopped &&
  a?.log === b?.log;
