import type { Position } from '#libs/event-store';

/** Lets events gather while nobody waits for them: many cost little more than few. */
export interface Gathering {
  /** Somebody waits for a position, for at most so many milliseconds. */
  waitedFor(position: Position, timeoutMs: number): void;
  /** Resolves after so many milliseconds; at once when somebody waits, or begins to, for what lies behind `reached`. */
  gather(reached: Position, ms: number): Promise<void>;
}

export function createGathering(): Gathering {
  let wanted = 0n;
  let until = -Infinity;
  let hurry: () => void = () => undefined;
  return {
    waitedFor: (position, timeoutMs) => {
      if (position > wanted) wanted = position;
      until = Math.max(until, performance.now() + timeoutMs);
      hurry();
    },
    gather: (reached, ms) =>
      new Promise((resolve) => {
        const isWanted = (): boolean => wanted > reached && performance.now() < until;
        if (isWanted()) return resolve();
        const timer = setTimeout(resolve, ms);
        hurry = () => {
          if (!isWanted()) return;
          clearTimeout(timer);
          resolve();
        };
      }),
  };
}
