import type { Comparison } from './comparison.js';

export interface Measure extends Pick<Comparison, 'name' | 'baselineName' | 'goal' | 'unit'> {
  /** One round. @returns how many were done */
  readonly ours: () => Promise<number>;
  readonly baseline: () => Promise<number>;
}

/** Rounds of ours and of the baseline in turns, so that both have the same machine; one of each to warm up, then medians. */
export async function inTurns({ ours, baseline, ...what }: Measure, rounds: number): Promise<Comparison> {
  const rates: readonly [number[], number[]] = [[], []];
  for (let round = 0; round <= rounds; round++)
    for (const [side, work] of [ours, baseline].entries()) {
      const begun = performance.now();
      const count = await work();
      if (round > 0) rates[side]!.push((1000 * count) / (performance.now() - begun));
    }
  const [own, other] = rates.map((some) => some.sort((a, b) => a - b)[some.length >> 1]!) as [number, number];
  return { ...what, ours: own, baseline: other, ratio: own / other };
}
