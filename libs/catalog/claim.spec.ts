import { describe, expect, test } from '@jest/globals';
import { CLAIM_LEASE, claimDecider } from './claim.js';

const T0 = Date.UTC(2026, 0, 1);
const at = '2026-01-01T00:00:00.000Z';

describe('a claim', () => {
  const taken = { code: 'event_name_taken', detail: 'taken' } as const;
  const claim = (owner: string, now: number, mayReplace?: string) =>
    ({ type: 'Claim', owner, now, taken, mayReplace }) as const;
  const held = claimDecider.evolve(claimDecider.initialState, { type: 'Claimed', data: { owner: 'a', at } });

  const refusal = expect.objectContaining({ code: 'event_name_taken' }) as unknown as Error;

  test('is taken by the first, again by itself, and by nobody else', () => {
    expect(claimDecider.decide(claim('a', T0), claimDecider.initialState)).toEqual([
      { type: 'Claimed', data: { owner: 'a', at } },
    ]);
    expect(claimDecider.decide(claim('a', T0), held)).toEqual([]);
    expect(() => claimDecider.decide(claim('b', T0 + 10 * CLAIM_LEASE), held)).toThrow(refusal);
  });

  test('passes on when its owner turned out not to exist, after the lease, and only from that owner', () => {
    expect(() => claimDecider.decide(claim('b', T0 + CLAIM_LEASE - 1, 'a'), held)).toThrow(refusal);
    expect(() => claimDecider.decide(claim('b', T0 + CLAIM_LEASE, 'z'), held)).toThrow(refusal);
    expect(claimDecider.decide(claim('b', T0 + CLAIM_LEASE, 'a'), held)).toHaveLength(1);
  });

  test('is released by its owner alone', () => {
    expect(claimDecider.decide({ type: 'Release', owner: 'b', now: T0 }, held)).toEqual([]);
    const [released] = claimDecider.decide({ type: 'Release', owner: 'a', now: T0 }, held);
    expect(claimDecider.evolve(held, released!)).toEqual(claimDecider.initialState);
  });
});
