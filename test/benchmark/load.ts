import { setTimeout as pause } from 'node:timers/promises';

/** What a closed loop did: so many callers, each starting the next call when its last one is done. */
export interface LoadResult {
  readonly count: number;
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

export async function runLoad(
  inFlight: number,
  seconds: number,
  call: (n: number) => Promise<void>,
): Promise<LoadResult> {
  const latencies: number[] = [];
  let next = 0;
  const start = performance.now();
  const end = start + seconds * 1000;
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (performance.now() < end) {
        const from = performance.now();
        await call(next++);
        latencies.push(performance.now() - from);
      }
    }),
  );
  return resultOf(latencies, start);
}

/**
 * An open loop: calls begin at random (a Poisson process), so many a second on average, however long those before them take.
 * Latencies are counted from when a call begins; a timer is a millisecond late at most times, which is no one's latency.
 */
export async function runArrivals(
  perSecond: number,
  seconds: number,
  call: () => Promise<void>,
): Promise<LoadResult> {
  const latencies: number[] = [];
  const failures: unknown[] = [];
  // counted, not kept: a sender that collects garbage is late
  let open = 0;
  let closed: (() => void) | undefined;
  const timed = async (): Promise<void> => {
    open++;
    const from = performance.now();
    await call().catch((error: unknown) => failures.push(error));
    latencies.push(performance.now() - from);
    if (--open === 0) closed?.();
  };
  const start = performance.now();
  const end = start + seconds * 1000;
  for (let at = start; at < end; at -= (Math.log(1 - Math.random()) * 1000) / perSecond) {
    const early = at - performance.now();
    if (early > 0) await pause(early);
    void timed();
  }
  if (open > 0) await new Promise<void>((resolve) => (closed = resolve));
  if (failures.length > 0) throw failures[0];
  return resultOf(latencies, start);
}

function resultOf(latencies: number[], start: number): LoadResult {
  const elapsed = (performance.now() - start) / 1000;
  latencies.sort((a, b) => a - b);
  const quantile = (q: number): number => latencies[Math.floor(latencies.length * q)] ?? NaN;
  return {
    count: latencies.length,
    perSecond: latencies.length / elapsed,
    p50: quantile(0.5),
    p99: quantile(0.99),
  };
}
