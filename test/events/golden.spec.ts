import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { evolve, initialAccount, snapshotOf, type CreditEvent, type CreditEventType } from '#libs/credits';

/** Events as version 1 stored them. This file never changes: a new shape gets a file of its own beside it. */
const V1 = JSON.parse(
  readFileSync(new URL('./credit-account.v1.json', import.meta.url), 'utf8'),
) as readonly CreditEvent[];

/** Every type of the union, or this does not compile. */
const TYPES: Readonly<Record<CreditEventType, true>> = {
  GrantIssued: true,
  GrantActivated: true,
  CreditsConsumed: true,
  ConsumptionRefused: true,
  UsageRecorded: true,
  DebtSettled: true,
  GrantExpired: true,
  GrantVoided: true,
  CommandRefused: true,
};

describe('events of a credit account as they were stored', () => {
  it('cover every type there is', () => {
    expect([...new Set(V1.map(({ type }) => type))].sort()).toEqual(Object.keys(TYPES).sort());
  });

  it('fold to the state they always folded to', () => {
    expect(snapshotOf(V1.reduce(evolve, initialAccount))).toEqual({
      revision: 12,
      units: [
        ['api-calls', [], []],
        [
          'USD',
          [
            {
              id: 'grant_3',
              unit: 'USD',
              amount: '40',
              remaining: '40',
              activated: true,
              scope: 'plan',
              kind: 'prepaid',
              priority: 50,
              free: true,
              narrowness: [1, null, null],
              effectiveAt: Date.UTC(2026, 0, 14),
              expiresAt: null,
              issued: 11,
            },
          ],
          [],
        ],
      ],
      ended: [
        ['schedule_1.1', { endedAs: 'depleted', unit: 'api-calls', issued: 1 }],
        ['grant_2', { endedAs: 'voided', unit: 'api-calls', issued: 7 }],
        ['grant_1', { endedAs: 'expired', unit: 'api-calls', issued: 0 }],
      ],
      uniquenessKeys: [['u-1', 'grant_1']],
    });
  });

  it('stop the replay when one is unknown or contradicts what stands before it', () => {
    const unknown = { type: 'GrantDoubled', data: {} } as unknown as CreditEvent;
    expect(() => evolve(initialAccount, unknown)).toThrow('unknown credit event');
    expect(() => V1.slice(2).reduce(evolve, initialAccount)).toThrow('history contradicts itself');
  });
});
