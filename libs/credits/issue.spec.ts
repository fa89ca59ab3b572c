import { describe, expect, test } from '@jest/globals';
import { creditAccount, type IssueGrants, type NewGrant } from '#libs/credits';
import { consumed, day, expired, issued, newGrant, onDay, voided } from '../../test/support/credit-facts.js';
import { codeOf, specOf } from '../../test/support/decider-spec.js';

const { given } = specOf(creditAccount);
const issue = (on: number, ...grants: NewGrant[]): IssueGrants => ({
  type: 'IssueGrants',
  now: day(on),
  grants,
});

describe('an account without grants', () => {
  test('takes a grant with everything that was decided about it', () => {
    const applicability = { features: ['chat'], meters: ['meter_1'] };
    given([])
      .when(
        issue(
          3,
          newGrant('g1', '12.5', { from: 3, until: 33, priority: 10.5, applicability, metadata: { a: 'b' } }),
        ),
      )
      .then([
        {
          type: 'GrantIssued',
          data: {
            grantId: 'g1',
            unit: 'calls',
            amount: '12.5',
            effectiveAt: onDay(3),
            expiresAt: onDay(33),
            priority: 10.5,
            category: 'promotional',
            source: 'manual',
            kind: 'prepaid',
            scope: 'merchant',
            costBasis: '0',
            applicability,
            metadata: { a: 'b' },
            issuedAt: onDay(3),
            balanceAfter: '12.5',
          },
        },
      ]);
  });

  test('takes the segments of an access schedule as grants that share a parent', () => {
    const parentId = 'year';
    given([])
      .when(
        issue(
          0,
          newGrant('g1', '10', { parentId, until: 30 }),
          newGrant('g2', '20', { parentId, from: 30, until: 60 }),
        ),
      )
      .thenLike([
        { type: 'GrantIssued', data: { grantId: 'g1', parentId, balanceAfter: '10' } },
        {
          type: 'GrantIssued',
          data: { grantId: 'g2', parentId, effectiveAt: onDay(30), balanceAfter: '30' },
        },
      ]);
  });

  test('refuses an amount of nothing', () => {
    given([])
      .when(issue(0, newGrant('g1', '0')))
      .thenThrows('validation_failed');
    given([])
      .when(issue(0, newGrant('g1', '-1')))
      .thenThrows('validation_failed');
  });

  test('keeps its balance within the range of amounts', () => {
    const most = '9'.repeat(24);
    given([])
      .when(issue(0, newGrant('g1', most)))
      .thenLike([{ type: 'GrantIssued', data: { balanceAfter: most } }]);
    given([issued('g1', most)])
      .when(issue(0, newGrant('g2', '0.5')))
      .thenLike([{ type: 'GrantIssued' }]);
    given([issued('g1', most)])
      .when(issue(0, newGrant('g2', '1')))
      .thenThrows('validation_failed');
    given([issued('g1', most)])
      .when(issue(0, newGrant('g2', '1', { unit: 'EUR' })))
      .thenLike([{ type: 'GrantIssued', data: { balanceAfter: '1' } }]);
    given([])
      .when(issue(0, newGrant('g1', most), newGrant('g2', '1')))
      .thenThrows('validation_failed');
  });
});

describe('an account with a grant', () => {
  const one = issued('g1', '10');

  test('adds the next to its balance, a scheduled one too', () => {
    given([one])
      .when(issue(1, newGrant('g2', '5', { from: 7 })))
      .thenLike([
        { type: 'GrantIssued', data: { balanceAfter: '15', effectiveAt: onDay(7), issuedAt: onDay(1) } },
      ]);
  });

  test.each([
    ['open', [one]],
    ['scheduled', [issued('g1', '10', { from: 9 })]],
    ['used up', [one, consumed('c', [['g1', '10', '0']])]],
    ['expired', [issued('g1', '10', { until: 1 }), expired('g1', '10', 1)]],
    ['revoked', [one, voided('g1', '10', 1)]],
  ])('does not give an id a second time while the first is %s', (_, history) => {
    given(history)
      .when(issue(2, newGrant('g2', '1'), newGrant('g1', '1')))
      .thenThrows('already_exists');
    given(history)
      .when(issue(2, newGrant('g1', '1', { unit: 'EUR' })))
      .thenThrows('already_exists');
  });
});

describe('an account with a uniqueness key', () => {
  const keyed = issued('g1', '10', { uniquenessKey: 'welcome' });
  const refusal = (grantId: string) => ({
    type: 'CommandRefused' as const,
    data: {
      command: 'IssueGrants' as const,
      code: 'uniqueness_key_used' as const,
      grantId,
      detail: `The uniqueness key belongs to grant ${grantId}.`,
    },
  });

  test('refuses the key as a fact, which changes nothing but the revision', () => {
    const command = issue(1, newGrant('g2', '5', { uniquenessKey: 'welcome' }));
    given([keyed])
      .when(command)
      .then([refusal('g1')]);
    const state = creditAccount.evolve(creditAccount.initialState, keyed);
    expect(creditAccount.evolve(state, refusal('g1'))).toEqual({ ...state, revision: 1 });
  });

  test('keeps it after the grant has ended, and across units', () => {
    const command = issue(3, newGrant('g2', '5', { uniquenessKey: 'welcome', unit: 'EUR' }));
    given([keyed, voided('g1', '10', 1)])
      .when(command)
      .then([refusal('g1')]);
    given([keyed, consumed('c', [['g1', '10', '0']])])
      .when(command)
      .then([refusal('g1')]);
  });

  test('takes other keys and none', () => {
    given([keyed])
      .when(issue(1, newGrant('g2', '5')))
      .thenLike([{ type: 'GrantIssued' }]);
    given([keyed])
      .when(issue(1, newGrant('g2', '5', { uniquenessKey: 'Welcome' })))
      .thenLike([{ type: 'GrantIssued' }]);
  });

  test('names the schedule its first segment belongs to', () => {
    const segments = ['s.1', 's.2'].map((id) => issued(id, '1', { uniquenessKey: 'welcome', parentId: 's' }));
    given(segments)
      .when(issue(1, newGrant('g', '5', { uniquenessKey: 'welcome' })))
      .then([refusal('s')]);
  });

  test('lets one command use it for all its segments', () => {
    given([])
      .when(
        issue(0, newGrant('s.1', '1', { uniquenessKey: 'k' }), newGrant('s.2', '1', { uniquenessKey: 'k' })),
      )
      .thenLike([{ type: 'GrantIssued' }, { type: 'GrantIssued' }]);
  });

  test('meets the same grant again by its id, not by its key', () => {
    given([keyed])
      .when(issue(1, newGrant('g1', '10', { uniquenessKey: 'welcome' })))
      .thenThrows('already_exists');
  });
});

describe('the fold', () => {
  const { evolve, initialState } = creditAccount;
  const one = evolve(initialState, issued('g1', '10'));

  test.each([
    ['a grant of nothing', issued('g2', '0')],
    ['a grant of less than nothing', issued('g2', '-1')],
    ['more drawn than there was', consumed('c', [['g1', '11', '-1']])],
    ['a remainder that does not follow', consumed('c', [['g1', '4', '5']])],
    ['nothing drawn', consumed('c', [['g1', '0', '10']])],
    ['less than nothing drawn', consumed('c', [['g1', '-1', '11']])],
    ['debt below zero', consumed('c', [], { debt: '-1' })],
    ['something drawn from nowhere', consumed('c', [['g2', '1', '9']])],
    ['something drawn from another unit', consumed('c', [['g1', '1', '9']], { unit: 'EUR' })],
    ['an expiry of another amount', expired('g1', '9', 1)],
    ['a void of another amount', voided('g1', '9', 1)],
    ['a second end', expired('g0', '9', 1)],
  ])('stops at %s', (_, event) => {
    expect(() => evolve(one, event)).toThrow('history contradicts itself');
  });

  test('stops where a grant that is not there becomes effective, or pays debt that is not owed', () => {
    const active = { grantId: 'g2', unit: 'calls', activatedAt: onDay(1) };
    expect(() => evolve(one, { type: 'GrantActivated', data: active })).toThrow('history contradicts itself');
    const paid = {
      grantId: 'g1',
      unit: 'calls',
      amount: '3',
      settlements: [{ consumptionId: 'c', amount: '3' }],
      remainingAfter: '7',
      balanceAfter: '7',
      debtAfter: '0',
      settledAt: onDay(1),
    };
    expect(() => evolve(one, { type: 'DebtSettled', data: paid })).toThrow('history contradicts itself');
    const owing = evolve(one, consumed('c', [], { debt: '2' }));
    expect(() => evolve(owing, { type: 'DebtSettled', data: paid })).toThrow('history contradicts itself');
    expect(() =>
      evolve(evolve(one, consumed('c', [], { debt: '3' })), { type: 'DebtSettled', data: paid }),
    ).not.toThrow();
  });

  test('stops at a fact it does not know', () => {
    const event = { type: 'GrantGilded', data: {} } as never;
    expect(() => evolve(one, event)).toThrow('unknown credit event "GrantGilded"');
    expect(codeOf(() => one)).toBe('none');
  });
});
