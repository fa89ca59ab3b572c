/**
 * One read for all who ask meanwhile: one is under way, and one more follows for those who have asked since it began, so
 * that everybody is told what was there after he asked.
 */
export function sharedRead<T>(read: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;
  return () =>
    (next ??= running.then(() => {
      next = undefined;
      const mine = read();
      running = mine.catch(() => undefined);
      return mine;
    }));
}
