import { setTimeout as pause } from 'node:timers/promises';
import { Problem } from '#libs/kernel';
import type { Position } from '#libs/event-store';
import type { Standing } from './checkpoints/checkpoints.js';

/** Milliseconds between two looks at the checkpoints: while this process projects itself, and while it does not. */
const LOOK_AFTER = { projecting: 250, watching: 10 };

export interface PositionWaiter {
  /**
   * Resolves once the read models reflect at least this position.
   * @param timeoutMs bound; default 2000
   * @param names read models that must; default: all that are not stopped
   * @throws Problem `read_model_behind` when they do not in time
   */
  waitForPosition(position: Position, timeoutMs?: number, names?: readonly string[]): Promise<void>;
  /** Resolves after so many milliseconds, at once when somebody waits or begins to. */
  untilAsked(ms: number): Promise<void>;
  /** Tells of rows that this process has committed. */
  advanced(standings: ReadonlyMap<string, Standing>): void;
  /** Whether this process tells; if not, the checkpoints are looked at often. */
  projecting: boolean;
}

interface Waiting {
  readonly position: Position;
  readonly names: readonly string[] | undefined;
  readonly resolve: () => void;
}

/** @param look reads where the projections stand; one reader for all that wait */
export function createPositionWaiter(look: () => Promise<ReadonlyMap<string, Standing>>): PositionWaiter {
  const waiting = new Set<Waiting>();
  let looking: Promise<void> | undefined;
  let asked: () => void = () => undefined;
  let known: ReadonlyMap<string, Standing> = new Map();

  function advanced(standings: ReadonlyMap<string, Standing>): void {
    known = standings;
    for (const one of waiting)
      if (reached(standings, one.position, one.names)) {
        waiting.delete(one);
        one.resolve();
      }
  }

  async function lookWhileWaiting(): Promise<void> {
    while (waiting.size > 0) {
      // who cannot look waits on: the bound is the caller's
      await look().then(advanced, () => undefined);
      if (waiting.size > 0) await pause(waiter.projecting ? LOOK_AFTER.projecting : LOOK_AFTER.watching);
    }
    looking = undefined;
  }

  const waiter: PositionWaiter = {
    projecting: false,
    advanced,
    untilAsked: (ms) =>
      new Promise((resolve) => {
        if (waiting.size > 0) return resolve();
        const timer = setTimeout(resolve, ms);
        asked = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
    waitForPosition: (position, timeoutMs = 2000, names) => {
      if (reached(known, position, names)) return Promise.resolve();
      return new Promise<void>((resolve, reject) => {
        const one: Waiting = {
          position,
          names,
          resolve: () => {
            clearTimeout(timer);
            resolve();
          },
        };
        const timer = setTimeout(() => {
          waiting.delete(one);
          reject(
            new Problem('read_model_behind', `Position ${position} was not reached within ${timeoutMs} ms.`),
          );
        }, timeoutMs);
        waiting.add(one);
        asked();
        looking ??= lookWhileWaiting();
      });
    },
  };
  return waiter;
}

function reached(
  standings: ReadonlyMap<string, Standing>,
  position: Position,
  names: readonly string[] | undefined,
): boolean {
  const asked = names
    ? names.map((name) => standings.get(name))
    : [...standings.values()].filter(({ stopped }) => stopped === null);
  return (
    asked.length > 0 && asked.every((standing) => standing !== undefined && standing.position >= position)
  );
}
