import { EventStoreUnavailable } from '../event-store.js';

export interface Limiter {
  /**
   * Runs `work` when there is room for it, in the order of asking.
   * @param deadline by `performance.now()`
   * @throws EventStoreUnavailable when there was no room until the deadline; then nothing was begun
   */
  run<T>(weight: number, deadline: number, work: () => Promise<T>): Promise<T>;
}

/** At most `maxCount` at once, and together at most `maxWeight`; whatever is heavier goes alone. */
export function createLimiter(maxCount: number, maxWeight: number): Limiter {
  const waiting = new Set<{ readonly weight: number; readonly start: () => void }>();
  let running = 0;
  let load = 0;

  function admit(): void {
    for (const next of waiting) {
      if (running >= maxCount || (running > 0 && load + next.weight > maxWeight)) return;
      waiting.delete(next);
      running++;
      load += next.weight;
      next.start();
    }
  }

  return {
    run: async (weight, deadline, work) => {
      await new Promise<void>((resolve, reject) => {
        const giveUp = (): void => {
          waiting.delete(next);
          reject(new EventStoreUnavailable('EventStoreDB is too slow for what waits for it'));
          admit();
        };
        const timer = setTimeout(giveUp, Math.max(0, deadline - performance.now()));
        const next = {
          weight,
          start: () => {
            clearTimeout(timer);
            resolve();
          },
        };
        waiting.add(next);
        admit();
      });
      try {
        return await work();
      } finally {
        running--;
        load -= weight;
        admit();
      }
    },
  };
}
