import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { evolve, initialAccount, type CreditEvent, type CreditEventType } from '#libs/credits';

/** Events as version 1 stored them. This file never changes: a new shape gets a file of its own beside it. */
const eventsIn = (file: string) =>
  JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8')) as readonly CreditEvent[];
const V1 = eventsIn('./credit-account.v1.json');
/** Types that came later: a life of one account that has them all. */
const LATER = eventsIn('./credit-account.holds-and-renewals.json');

const ONE = 10n ** 12n;

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
  GrantAmended: true,
  GrantAdjusted: true,
  GrantEdited: true,
  HoldPlaced: true,
  HoldRefused: true,
  HoldCaptured: true,
  HoldReleased: true,
  ConsumptionReversed: true,
  RenewalBegun: true,
  GrantRenewed: true,
  BalanceCarried: true,
  RenewalAmended: true,
  RenewalPaused: true,
  RenewalResumed: true,
  RenewalCancelled: true,
  CommandRefused: true,
};

describe('events of a credit account as they were stored', () => {
  it('cover every type there is', () => {
    expect([...new Set([...V1, ...LATER].map(({ type }) => type))].sort()).toEqual(Object.keys(TYPES).sort());
  });

  it('fold to the state they always folded to', () => {
    const { units, ended, holds, reversed, series } = V1.reduce(evolve, initialAccount);
    expect([...units].map(([unit, { balance, debt, grants }]) => [unit, balance, debt, grants])).toEqual([
      ['api-calls', 0n, 0n, []],
      [
        'USD',
        40n * ONE,
        0n,
        [
          {
            id: 'grant_3',
            unit: 'USD',
            amount: 40n * ONE,
            adjusted: 0n,
            remaining: 40n * ONE,
            held: 0n,
            usedUntil: 0,
            activated: true,
            scope: 'plan',
            kind: 'prepaid',
            priority: 50,
            free: true,
            narrowness: [1, Infinity, Infinity],
            effectiveAt: Date.UTC(2026, 0, 14),
            expiresAt: Infinity,
            issued: 11,
          },
        ],
      ],
    ]);
    expect([...ended].map(([id, { endedAs, unit, issued }]) => [id, endedAs, unit, issued])).toEqual([
      ['schedule_1.1', 'depleted', 'api-calls', 1],
      ['grant_2', 'voided', 'api-calls', 7],
      ['grant_1', 'expired', 'api-calls', 0],
    ]);
    expect([holds.size, reversed.size, series.size]).toEqual([0, 0, 0]);
  });

  it('fold to the state they folded to when they came', () => {
    const { units, ended, holds, reversed, series, nextDue } = LATER.reduce(evolve, initialAccount);
    expect([...units].map(([unit, { balance, held }]) => [unit, balance, held])).toEqual([
      ['calls', 0n, 0n],
      ['seats', 0n, 0n],
    ]);
    expect([...ended].map(([id, { endedAs }]) => [id, endedAs])).toEqual([
      ['grant_2', 'expired'],
      ['grant_3', 'expired'],
      ['series_1~carried~1', 'expired'],
      ['series_1~1', 'expired'],
      ['series_1~2', 'expired'],
      ['grant_1', 'expired'],
    ]);
    expect([holds.size, nextDue]).toEqual([0, Infinity]);
    expect([...reversed]).toEqual([['hold_1', ONE / 2n]]);
    expect(series.get('series_1')).toMatchObject({ status: 'cancelled', occurrence: 2, carried: 1 });
  });

  it('stop the replay when one is unknown or contradicts what stands before it', () => {
    const unknown = { type: 'GrantDoubled', data: {} } as unknown as CreditEvent;
    expect(() => evolve(initialAccount, unknown)).toThrow('unknown credit event');
    expect(() => V1.slice(2).reduce(evolve, initialAccount)).toThrow('history contradicts itself');
  });
});
