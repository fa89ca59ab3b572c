import { setTimeout as pause } from 'node:timers/promises';
import { Problem } from '#libs/kernel';
import type { Position } from '#libs/event-store';
import type { Standing } from '../checkpoints/checkpoints.js';

/** Milliseconds between two looks at the checkpoints: while this process projects, and while another one does. */
const LOOK_AFTER = { told: 250, watching: 10 };

export interface PositionWaiter {
  /**
   * Resolves once the read models reflect at least this position.
   * @param timeoutMs bound; default 2000
   * @param names read models that must; default: all that are not stopped
   * @throws Problem `read_model_behind` when they do not in time
   */
  waitForPosition(position: Position, timeoutMs?: number, names?: readonly string[]): Promise<void>;
  /** Tells it of rows that were committed. */
  advanced(standings: ReadonlyMap<string, Standing>): void;
  /** Whether it is told of all of them; if not, the checkpoints are looked at often. */
  told: boolean;
}

interface Waiting {
  readonly position: Position;
  readonly names: readonly string[] | undefined;
  readonly resolve: () => void;
}

/**
 * @param look reads where the projections stand; one reader for all that wait
 * @param began told of everybody who begins to wait
 */
export function createPositionWaiter(
  look: () => Promise<ReadonlyMap<string, Standing>>,
  began: (position: Position, timeoutMs: number) => void = () => undefined,
): PositionWaiter {
  const waiting = new Set<Waiting>();
  let looking: Promise<void> | undefined;
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
      if (waiting.size > 0) await pause(waiter.told ? LOOK_AFTER.told : LOOK_AFTER.watching);
    }
    looking = undefined;
  }

  const waiter: PositionWaiter = {
    told: false,
    advanced,
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
        began(position, timeoutMs);
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
