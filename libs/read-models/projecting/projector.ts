import { latest, type Position } from '#libs/event-store';
import {
  adoptLog,
  loadStandings,
  ReadModelsOfAnotherLog,
  type Standing,
} from '../checkpoints/checkpoints.js';
import { inTransaction } from '../database.js';
import { PROJECTIONS } from '../projections.js';
import { projectHere, type Project, type ProjectHereOptions, type Projecting } from './project-here.js';
import { createPositionWaiter, type PositionWaiter } from './waiting.js';

export interface ProjectorOptions extends ProjectHereOptions {
  /** False: only look on, where another process projects. True, as by default: here. A function: as it does. */
  readonly project?: boolean | Project;
}

/** Where a read model stands, for the health check. */
export interface ProjectionStatus {
  readonly name: string;
  readonly position: Position;
  /** Why it stands still; null while it runs. */
  readonly stopped: string | null;
}

export interface Projector extends Pick<PositionWaiter, 'waitForPosition'> {
  /** Whether this process is the one that projects. */
  readonly active: boolean;
  /** Read from the checkpoints, so it tells of other processes' work too. */
  status(): Promise<readonly ProjectionStatus[]>;
  /** A position that every running read model reflects: ask before reading the rows. */
  currentPosition(): Promise<Position>;
  /** Resolves when the batch in hand is committed and nothing more is projected. */
  stop(): Promise<void>;
}

/**
 * Keeps the read models up with the log, or looks on. Any number of processes may run it: one projects, another takes over
 * when it is gone. Rows and checkpoints change in one transaction, so an event is in the rows exactly once.
 * @throws ReadModelsOfAnotherLog when the rows were made from another log, or from more of it than there is
 */
export async function startProjector(options: ProjectorOptions): Promise<Projector> {
  const { eventStore, pool, projections = PROJECTIONS, project = true } = options;
  const names = projections.map(({ name }) => name);
  const standings = (): Promise<ReadonlyMap<string, Standing>> => loadStandings(pool, names);

  await inTransaction(pool, (client) => adoptLog(client, eventStore, projections));
  const furthest = latest([...(await standings()).values()].map(({ position }) => position));
  const end = await eventStore.head();
  // what an older copy goes on with would be passed over
  if (furthest > end)
    throw new ReadModelsOfAnotherLog(
      `The read models reflect position ${furthest}, but the log ${eventStore.identity} ends at ${end}: it is an older copy. ` +
        'Drop the schemas read_models and write_cache to have them made anew.',
    );
  let projecting: Projecting | undefined = undefined;
  const waiter = createPositionWaiter(standings, (position, timeoutMs) =>
    projecting?.waitedFor(position, timeoutMs),
  );
  const begin = project === true ? projectHere(options) : project || undefined;
  projecting = begin?.({ advanced: waiter.advanced, projecting: (is) => (waiter.told = is) });

  return {
    get active() {
      return waiter.told;
    },
    waitForPosition: waiter.waitForPosition,
    status: async () =>
      [...(await standings())].map(([name, { position, stopped }]) => ({ name, position, stopped })),
    currentPosition: async () => {
      const running = [...(await standings()).values()].filter(({ stopped }) => stopped === null);
      return (
        running.reduce<Position | null>(
          (least, { position }) => (least === null || position < least ? position : least),
          null,
        ) ?? 0n
      );
    },
    stop: async () => projecting?.stop(),
  };
}
