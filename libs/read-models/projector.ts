import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import type { EventStore, Position } from '#libs/event-store';
import { EVENT_TYPES, type EventTypes } from '#libs/event-types';
import { adoptLog, loadStandings, ReadModelsOfAnotherLog, type Standing } from './checkpoints/checkpoints.js';
import { inTransaction } from './database.js';
import { PROJECTOR_LOCK } from './locks.js';
import type { Projection } from './projection.js';
import { projectWhileLeased } from './projecting.js';
import { PROJECTIONS } from './projections.js';
import { databaseError, run } from './sink.js';
import { createPositionWaiter, type PositionWaiter } from './waiting.js';

export interface ProjectorOptions {
  readonly eventStore: EventStore;
  /** Database of the read models, migrated. Two connections are held while this process projects, one is used now and then. */
  readonly pool: pg.Pool;
  /** Default: all read models. */
  readonly projections?: readonly Projection[];
  /** The events that are known. Default: all that the product knows. */
  readonly eventTypes?: EventTypes;
  /** False: only look on, where another process projects. Default true. */
  readonly project?: boolean;
  /** Told of a projection that stopped (ProjectionFailed) and of failures that are tried again. */
  readonly onError: (error: unknown) => void;
  /** Most events folded into one transaction. Default 4000. */
  readonly batchSize?: number;
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

/** Milliseconds after which a process that does not project asks whether it may, or one that failed tries again. */
const ASK_AGAIN = 250;
const SLOWEST_RETRY = 5000;

/**
 * Keeps the read models up with the log. Any number of processes may run it: one projects, another takes over when it
 * is gone. Rows and checkpoints change in one transaction, so an event is in the rows exactly once.
 * @throws ReadModelsOfAnotherLog when the rows were made from another log
 */
export async function startProjector(options: ProjectorOptions): Promise<Projector> {
  const {
    eventStore,
    pool,
    projections = PROJECTIONS,
    eventTypes = EVENT_TYPES,
    project = true,
    onError,
  } = options;
  const names = projections.map(({ name }) => name);
  const standings = (): Promise<ReadonlyMap<string, Standing>> => loadStandings(pool, names);
  const waiter = createPositionWaiter(standings);
  const stopping = new AbortController();
  const { signal } = stopping;

  await inTransaction(pool, (client) => adoptLog(client, eventStore, projections));

  /** Asks for the lease; projects while it is held. */
  async function serve(): Promise<void> {
    const client = await pool.connect().catch((error: unknown) => {
      throw databaseError(error);
    });
    client.on('error', ignore); // the statement in hand reports it
    try {
      const { rows } = await run<{ mine: boolean }>(client, 'select pg_try_advisory_lock($1) as mine', [
        PROJECTOR_LOCK,
      ]);
      if (!rows[0]?.mine) return void client.release();
      waiter.projecting = true;
      await projectWhileLeased({ ...options, projections, eventTypes, client, waiter, signal });
      client.release(true); // the lease ends with the connection
    } catch (error) {
      client.release(true);
      throw error;
    } finally {
      waiter.projecting = false;
      client.off('error', ignore);
    }
  }

  async function keepServing(): Promise<void> {
    for (let failures = 0; !signal.aborted;) {
      try {
        await serve();
        failures = 0;
      } catch (error) {
        failures++;
        if (!signal.aborted) onError(error);
        if (error instanceof ReadModelsOfAnotherLog) return;
      }
      const wait = Math.min(SLOWEST_RETRY, ASK_AGAIN * 2 ** Math.max(0, Math.min(failures, 10) - 1));
      await pause(wait, undefined, { signal }).catch(ignore);
    }
  }
  const served = project ? keepServing() : Promise.resolve();

  return {
    get active() {
      return waiter.projecting;
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
    stop: () => {
      stopping.abort();
      return served;
    },
  };
}

const ignore = (): void => {};
