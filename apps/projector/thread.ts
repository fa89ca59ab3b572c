import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { EventStoreUnavailable } from '#libs/event-store';
import { backOff } from '#libs/kernel';
import type { Config } from '#libs/platform';
import type { Project, ProjectorNews } from '#libs/read-models';

/** Where the thread finds the log and the read models. */
export interface Where extends Pick<Config, 'eventStore'> {
  readonly databaseUrl: string;
}

/** What the thread is asked. */
export type Asked = 'stop' | { readonly position: bigint; readonly timeoutMs: number };

/** What it tells. */
export type Told =
  | { readonly advanced: Parameters<ProjectorNews['advanced']>[0] }
  | { readonly projecting: boolean }
  /** `isAway`: the event store does not answer. */
  | { readonly failed: string; readonly isAway: boolean };

/** Milliseconds before a thread that has ended is followed by another one, twice as long each time it ends again. */
const AGAIN = 250;
const SLOWEST_AGAIN = 5000;

/**
 * Projects in a thread of its own, so that commands and projections do not wait for each other. It reads the log and writes
 * the rows over connections of its own, as another process would.
 * @param onError told of everything that went wrong in it; it goes on, or another thread follows
 */
export function projectInThread(where: Where, onError: (error: unknown) => void): Project {
  return (news) => {
    const stopping = new AbortController();
    const { signal } = stopping;
    let thread: Worker | undefined;
    let failures = 0;
    const ask = (asked: Asked): void => thread?.postMessage(asked);

    function hear(told: Told): void {
      if ('failed' in told) {
        const message = `In the projector's thread: ${told.failed}`;
        return onError(told.isAway ? new EventStoreUnavailable(message) : new Error(message));
      }
      if ('projecting' in told) return void news.projecting(told.projecting);
      failures = 0;
      news.advanced(told.advanced);
    }

    async function runThreads(): Promise<void> {
      while (!signal.aborted) {
        const next = new Worker(new URL('./main.js', import.meta.url), { workerData: where });
        next.on('message', hear).on('error', onError);
        thread = next;
        await new Promise((resolve) => next.on('exit', resolve));
        thread = undefined;
        news.projecting(false);
        const wait = backOff(failures++, AGAIN, SLOWEST_AGAIN);
        await pause(wait, undefined, { signal }).catch(() => undefined);
      }
    }

    const ended = runThreads();
    return {
      waitedFor: (position, timeoutMs) => ask({ position, timeoutMs }),
      stop: () => {
        stopping.abort();
        ask('stop');
        return ended;
      },
    };
  };
}
