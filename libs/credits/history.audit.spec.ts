import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { snapshotOf, type AccountState, type CreditEvent } from '#libs/credits';
import { lives } from '../../test/support/arbitraries.js';
import { CreditAuditor } from '../../test/support/credit-auditor.js';
import { play } from '../../test/support/credit-history.js';

const textOf = (state: AccountState): string =>
  JSON.stringify({ ...(snapshotOf(state) as object), revision: 0 });
const REFUSALS: readonly CreditEvent['type'][] = ['ConsumptionRefused', 'HoldRefused', 'CommandRefused'];

describe('everything that can happen to an account', () => {
  test('passes the audit: nothing is made, nothing is lost, everything said is so', () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(lives(40), (steps) => {
        const auditor = new CreditAuditor();
        for (const { settled, events, after } of play(steps)) {
          auditor.audit([...settled, ...events]);
          for (const { type } of [...settled, ...events]) seen.set(type, (seen.get(type) ?? 0) + 1);
          const open = [...after.units.values()].flatMap(({ grants }) => grants);
          for (const { id, remaining, held } of open)
            expect([remaining, held]).toEqual([auditor.books.get(id)!.left, auditor.books.get(id)!.held]);
        }
      }),
      { numRuns: 500 },
    );
    const rare = [
      'GrantAmended',
      'HoldCaptured',
      'HoldReleased',
      'ConsumptionReversed',
      'BalanceCarried',
      'RenewalResumed',
    ];
    expect(rare.filter((type) => (seen.get(type) ?? 0) < 10)).toEqual([]);
  });

  test('leaves the account as it was where it is refused', () => {
    let refusals = 0;
    fc.assert(
      fc.property(lives(30), (steps) => {
        for (const { events, problem, before, after } of play(steps)) {
          const isRefused = events.some(({ type }) => REFUSALS.includes(type));
          if (!isRefused && problem === null) continue;
          refusals++;
          expect(events).toHaveLength(isRefused ? 1 : 0);
          expect(textOf(after)).toBe(textOf(before));
        }
      }),
      { numRuns: 200 },
    );
    expect(refusals).toBeGreaterThan(200);
  });
});
