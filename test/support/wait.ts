export interface UntilOptions {
  /** Give up after this many milliseconds; 5000 by default. */
  readonly timeoutMs?: number;
  /** Milliseconds between two looks; 10 by default. */
  readonly intervalMs?: number;
  /** What is waited for, for the error message. */
  readonly what?: string;
}

/**
 * Looks again and again until `condition` gives something truthy, and returns it.
 * @throws Error after `timeoutMs`, with the last thrown error as its cause
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 15_000, intervalMs = 10, what = 'the condition' }: UntilOptions = {},
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs;
  let cause: unknown;
  do {
    try {
      const value = await condition();
      if (value) return value;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    await new Promise((done) => setTimeout(done, intervalMs));
  } while (performance.now() < deadline);
  throw new Error(`waited ${timeoutMs} ms in vain for ${what}`, { cause });
}
