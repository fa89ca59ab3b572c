import { describe, expect, test } from '@jest/globals';
import { creditAccount, dueFacts, type CreditEvent } from '#libs/credits';
import { consumed, day, expired, issued, onDay, revoke, voided } from '../../test/support/credit-facts.js';
import { specOf } from '../../test/support/decider-spec.js';

const { given } = specOf(creditAccount);
const settle = (now: number) => ({ type: 'SettleDue' as const, now });
const voids = (data: object) => ({ type: 'GrantVoided' as const, data });

describe('a grant that ends on day 4', () => {
  const grant = [issued('g1', '10', { until: 4 })];

  test('ends at that instant and not before', () => {
    given(grant)
      .when(settle(day(4) - 1))
      .thenNothing();
    given(grant)
      .when(settle(day(4)))
      .then([expired('g1', '10', 4)]);
  });

  test('ends with exactly what remains, at its own time, however late that is recorded', () => {
    given([...grant, issued('g2', '5'), consumed('c', [['g1', '7.5', '2.5']])])
      .when(settle(day(90)))
      .then([
        {
          type: 'GrantExpired',
          data: {
            grantId: 'g1',
            unit: 'calls',
            amount: '2.5',
            cause: 'ended',
            balanceAfter: '5',
            expiredAt: onDay(4),
          },
        },
      ]);
  });

  test.each([
    ['used up', consumed('c', [['g1', '10', '0']])],
    ['revoked', voided('g1', '10', 1)],
    ['expired', expired('g1', '10', 4)],
  ])('does not end again once %s', (_, end) => {
    given([...grant, end])
      .when(settle(day(9)))
      .thenNothing();
  });

  test('waits for late usage as long as the grace lasts', () => {
    const state = grant.reduce(creditAccount.evolve, creditAccount.initialState);
    expect(dueFacts(state, day(5) - 1, day(5) - day(4))).toEqual([]);
    expect(dueFacts(state, day(5), day(5) - day(4))).toEqual([expired('g1', '10', 4)]);
  });
});

describe('an account with several units', () => {
  const units = [
    issued('a', '1', { until: 6 }),
    issued('b', '2', { unit: 'EUR', until: 3 }),
    issued('c', '3', { from: 6, until: 8 }),
    issued('d', '4', { unit: 'EUR', until: 5 }),
    issued('e', '5', { unit: 'seats', from: 3 }),
  ];

  test('records what fell due in the order in which it did, ends before starts', () => {
    given(units)
      .when(settle(day(7)))
      .thenLike([
        { type: 'GrantExpired', data: { grantId: 'b', balanceAfter: '4' } },
        { type: 'GrantActivated', data: { grantId: 'e' } },
        { type: 'GrantExpired', data: { grantId: 'd', balanceAfter: '0' } },
        { type: 'GrantExpired', data: { grantId: 'a', balanceAfter: '3' } },
        { type: 'GrantActivated', data: { grantId: 'c' } },
      ]);
  });

  test('knows when it is due next', () => {
    const state = units.reduce<typeof creditAccount.initialState>(
      creditAccount.evolve,
      creditAccount.initialState,
    );
    const dues: number[] = [];
    for (
      let now = state;
      now.nextDue !== Infinity;
      now = dueFacts(now, now.nextDue).reduce(creditAccount.evolve, now)
    )
      dues.push(now.nextDue);
    expect(dues).toEqual([day(3), day(5), day(6), day(8)]);
  });

  test('is due later once what ended first is gone', () => {
    const { evolve, initialState } = creditAccount;
    const dueAfter = (...events: CreditEvent[]): number =>
      [...units, ...events].reduce(evolve, initialState).nextDue;
    const b = voided('b', '2', 1, 'EUR');
    const e = voided('e', '5', 1, 'seats');
    expect([dueAfter(), dueAfter(b), dueAfter(b, e), dueAfter(b, e, voided('d', '4', 1, 'EUR'))]).toEqual(
      [3, 3, 5, 6].map(day),
    );
  });
});

describe('a grant that is revoked', () => {
  test('loses what remains from now on', () => {
    given([issued('g1', '10'), issued('g2', '5'), consumed('c', [['g1', '4', '6']])])
      .when(revoke('g1', 2, 'ended early'))
      .then([
        {
          type: 'GrantVoided',
          data: {
            grantId: 'g1',
            unit: 'calls',
            amount: '6',
            balanceAfter: '5',
            voidedAt: onDay(2),
            notes: 'ended early',
          },
        },
      ]);
  });

  test('may be scheduled still', () => {
    given([issued('g1', '10', { from: 9 })])
      .when(revoke('g1', 2))
      .then([voided('g1', '10', 2)]);
    given([issued('g1', '10', { from: 9 }), voided('g1', '10', 2)])
      .when(settle(day(9)))
      .thenNothing();
  });

  test('may be in its last millisecond', () => {
    const grant = [issued('g1', '10', { until: 4 })];
    given(grant)
      .when({ type: 'RevokeGrant', grantId: 'g1', now: day(4) - 1 })
      .thenLike([voids({ amount: '10' })]);
    given(grant)
      .when(revoke('g1', 4))
      .thenLike([{ type: 'CommandRefused', data: { code: 'grant_not_active', grantId: 'g1' } }]);
  });

  test.each([
    ['depleted', [issued('g1', '10'), consumed('c', [['g1', '10', '0']])]],
    ['expired', [issued('g1', '10', { until: 1 }), expired('g1', '10', 1)]],
    ['voided', [issued('g1', '10'), voided('g1', '10', 1)]],
  ] as const)('is not revoked when it is %s: a fact that changes nothing', (endedAs, history) => {
    const command = revoke('g1', 2);
    const refusal: CreditEvent = {
      type: 'CommandRefused',
      data: {
        command: 'RevokeGrant',
        code: 'grant_not_active',
        grantId: 'g1',
        detail: `The grant is ${endedAs} already.`,
      },
    };
    given(history).when(command).then([refusal]);
    const state = [...history].reduce<typeof creditAccount.initialState>(
      creditAccount.evolve,
      creditAccount.initialState,
    );
    expect(creditAccount.evolve(state, refusal)).toEqual({ ...state, revision: 2 });
  });

  test('must be known', () => {
    given([issued('g1', '10')])
      .when(revoke('g2', 1))
      .thenThrows('grant_not_found');
    given([]).when(revoke('g1', 1)).thenThrows('grant_not_found');
  });

  test('is found in any unit', () => {
    given([issued('g1', '10'), issued('g2', '3', { unit: 'EUR' })])
      .when(revoke('g2', 1))
      .thenLike([voids({ unit: 'EUR', amount: '3', balanceAfter: '0' })]);
  });
});
