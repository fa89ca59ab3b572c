import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import type { EventStore, Position } from '#libs/event-store';
import { EVENT_TYPES, type EventTypes } from '#libs/event-types';
import { backOff } from '#libs/kernel';
import { ReadModelsOfAnotherLog, type Standing } from '../checkpoints/checkpoints.js';
import { PROJECTOR_LOCK } from '../locks.js';
import type { Projection } from '../projection.js';
import { PROJECTIONS } from '../projections.js';
import { databaseError, run } from '../sink.js';
import { createGathering } from './gathering.js';
import { projectWhileLeased } from './while-leased.js';

/** What is told of the projecting. */
export interface ProjectorNews {
  /** Rows are committed: where the projections stand now. */
  advanced(standings: ReadonlyMap<string, Standing>): void;
  /** It has begun, or ceased because another process projects or nothing can be. */
  projecting(is: boolean): unknown;
}

export interface Projecting {
  /** Somebody waits for a position, for at most so many milliseconds: events are not gathered meanwhile. */
  waitedFor(position: Position, timeoutMs: number): void;
  /** Resolves when the batch in hand is committed and nothing more is projected. */
  stop(): Promise<void>;
}

/** Projects whenever no other process does, in this thread or elsewhere. */
export type Project = (news: ProjectorNews) => Projecting;

export interface ProjectHereOptions {
  readonly eventStore: EventStore;
  /** Database of the read models, migrated. Two connections are held while this process projects, one is used now and then. */
  readonly pool: pg.Pool;
  /** Default: all read models. */
  readonly projections?: readonly Projection[];
  /** The events that are known. Default: all that the product knows. */
  readonly eventTypes?: EventTypes;
  /** Told of a projection that stopped (ProjectionFailed) and of failures that are tried again. */
  readonly onError: (error: unknown) => void;
  /** Most events folded into one transaction. Default 4000. */
  readonly batchSize?: number;
}

/** Milliseconds after which a process that does not project asks whether it may, or one that failed tries again. */
const ASK_AGAIN = 250;
const SLOWEST_RETRY = 5000;

/** Projects in this thread. */
export function projectHere(options: ProjectHereOptions): Project {
  const { pool, projections = PROJECTIONS, eventTypes = EVENT_TYPES, onError } = options;
  return (news) => {
    const gathering = createGathering();
    const stopping = new AbortController();
    const { signal } = stopping;

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
        news.projecting(true);
        await projectWhileLeased({
          ...options,
          projections,
          eventTypes,
          client,
          gathering,
          signal,
          advanced: news.advanced,
        });
        client.release(true); // the lease ends with the connection
      } catch (error) {
        client.release(true);
        throw error;
      } finally {
        news.projecting(false);
        client.off('error', ignore);
      }
    }

    async function keepServing(): Promise<void> {
      for (let failures = 0; !signal.aborted;) {
        let wait = ASK_AGAIN;
        try {
          await serve();
          failures = 0;
        } catch (error) {
          if (!signal.aborted) onError(error);
          if (error instanceof ReadModelsOfAnotherLog) return;
          wait = backOff(failures++, ASK_AGAIN, SLOWEST_RETRY);
        }
        await pause(wait, undefined, { signal }).catch(ignore);
      }
    }

    const served = keepServing();
    return {
      waitedFor: gathering.waitedFor,
      stop: () => {
        stopping.abort();
        return served;
      },
    };
  };
}

const ignore = (): void => {};
