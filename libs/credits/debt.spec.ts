import { describe, test } from '@jest/globals';
import { creditAccount, type IssueGrants, type NewGrant } from '#libs/credits';
import { consume, consumed, day, issued, newGrant, onDay } from '../../test/support/credit-facts.js';
import { specOf } from '../../test/support/decider-spec.js';

const { given } = specOf(creditAccount);
const issue = (on: number, ...grants: NewGrant[]): IssueGrants => ({
  type: 'IssueGrants',
  now: day(on),
  grants,
});
const settle = (on: number) => ({ type: 'SettleDue' as const, now: day(on) });
const owes = (id: string, debt: string, context?: object) =>
  consumed(id, [], { debt, ...(context ? { context } : {}) });
const paid = (data: object) => ({ type: 'DebtSettled' as const, data });
const ISSUED = { type: 'GrantIssued' as const };

describe('a balance of 30', () => {
  test('gives 30 to a usage of 50 and owes 20', () => {
    given([issued('g1', '30')])
      .when(consume('50', { onShortage: 'pending' }))
      .thenLike([
        { type: 'CreditsConsumed', data: { consumed: '30', debt: '20', debtAfter: '20', balanceAfter: '0' } },
      ]);
  });
});

describe('an account that owes 5 and then 3', () => {
  const owing = [owes('c1', '5'), owes('c2', '3')];

  test('is settled by the next grant, oldest debt first', () => {
    given(owing)
      .when(issue(2, newGrant('g1', '20')))
      .then([
        issued('g1', '20', { on: 2 }),
        {
          type: 'DebtSettled',
          data: {
            grantId: 'g1',
            unit: 'calls',
            amount: '8',
            settlements: [
              { consumptionId: 'c1', amount: '5' },
              { consumptionId: 'c2', amount: '3' },
            ],
            remainingAfter: '12',
            balanceAfter: '12',
            debtAfter: '0',
            settledAt: onDay(2),
          },
        },
      ]);
  });

  test('is settled in part by a smaller grant, which is then used up', () => {
    const settlements = [
      { consumptionId: 'c1', amount: '5' },
      { consumptionId: 'c2', amount: '1' },
    ];
    given(owing)
      .when(issue(2, newGrant('g1', '6')))
      .thenLike([
        ISSUED,
        paid({ amount: '6', settlements, remainingAfter: '0', balanceAfter: '0', debtAfter: '2' }),
      ]);
  });

  test('is settled to the last by a grant of exactly that', () => {
    given(owing)
      .when(issue(2, newGrant('g1', '8')))
      .thenLike([ISSUED, paid({ amount: '8', remainingAfter: '0', debtAfter: '0' })]);
  });

  test('is settled by one segment after the other', () => {
    given(owing)
      .when(issue(2, newGrant('s.1', '4'), newGrant('s.2', '9')))
      .thenLike([
        ISSUED,
        paid({ grantId: 's.1', amount: '4', debtAfter: '4', balanceAfter: '0' }),
        ISSUED,
        paid({ grantId: 's.2', amount: '4', remainingAfter: '5', debtAfter: '0', balanceAfter: '5' }),
      ]);
  });

  test('owes nothing to a grant of another unit', () => {
    given(owing)
      .when(issue(2, newGrant('g1', '6', { unit: 'EUR' })))
      .thenLike([ISSUED]);
  });

  test('waits for a scheduled grant until it is effective', () => {
    given(owing)
      .when(issue(2, newGrant('g1', '20', { from: 4 })))
      .thenLike([ISSUED]);
    const scheduled = [...owing, issued('g1', '20', { on: 2, from: 4 })];
    given(scheduled).when(settle(3)).thenNothing();
    given(scheduled)
      .when(settle(4))
      .thenLike([
        { type: 'GrantActivated', data: { grantId: 'g1', activatedAt: onDay(4) } },
        paid({ amount: '8', remainingAfter: '12', debtAfter: '0', settledAt: onDay(4) }),
      ]);
  });

  test('is settled by a grant whose whole window nobody looked at', () => {
    given([...owing, issued('g1', '20', { on: 2, from: 4, until: 6 })])
      .when(settle(9))
      .thenLike([
        { type: 'GrantActivated', data: { activatedAt: onDay(4) } },
        paid({ amount: '8', remainingAfter: '12', settledAt: onDay(4) }),
        { type: 'GrantExpired', data: { amount: '12', balanceAfter: '0', expiredAt: onDay(6) } },
      ]);
    given([...owing, issued('g1', '8', { on: 2, from: 4, until: 6 })])
      .when(settle(9))
      .thenLike([{ type: 'GrantActivated' }, paid({ amount: '8', remainingAfter: '0' })]);
  });

  test('gets nothing from a grant that is over when it is issued', () => {
    given(owing)
      .when(issue(2, newGrant('g1', '20', { from: -4, until: 2 })))
      .thenLike([ISSUED]);
  });

  test('is settled at once by a grant that began in the past', () => {
    given(owing)
      .when(issue(2, newGrant('g1', '20', { from: -4 })))
      .thenLike([ISSUED, paid({ amount: '8', settledAt: onDay(2) })]);
  });

  test('may owe more, and draws from what admits it meanwhile', () => {
    given([...owing, issued('g1', '4', { applicability: { features: ['chat'] } })])
      .when(consume('6', { onShortage: 'pending', context: { featureSlug: 'chat' } }))
      .thenLike([{ type: 'CreditsConsumed', data: { consumed: '4', debt: '2', debtAfter: '10' } }]);
  });
});

describe('an account that owes for chat and for search', () => {
  const owing = [owes('chat', '5', { featureSlug: 'chat' }), owes('search', '3', { featureSlug: 'search' })];

  test('is not settled by a grant that admits neither', () => {
    given(owing)
      .when(issue(2, newGrant('g1', '20', { applicability: { features: ['mail'] } })))
      .thenLike([ISSUED]);
  });

  test('is settled only as far as a grant could have paid the usage', () => {
    given(owing)
      .when(issue(2, newGrant('g1', '20', { applicability: { features: ['search'] } })))
      .thenLike([
        ISSUED,
        paid({ amount: '3', settlements: [{ consumptionId: 'search', amount: '3' }], debtAfter: '5' }),
      ]);
  });

  test('pays in the order of the debts when several grants start at once', () => {
    const scheduled = ['late', 'soon'].map((id, index) =>
      issued(id, '4', { from: 5, priority: index === 0 ? 60 : 40, applicability: { features: ['chat'] } }),
    );
    given([...owing, ...scheduled])
      .when(settle(5))
      .thenLike([
        { type: 'GrantActivated', data: { grantId: 'soon' } },
        paid({ grantId: 'soon', amount: '4', debtAfter: '4' }),
        { type: 'GrantActivated', data: { grantId: 'late' } },
        paid({ grantId: 'late', amount: '1', remainingAfter: '3', debtAfter: '3' }),
      ]);
  });
});
