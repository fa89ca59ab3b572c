import { describe, expect, test } from '@jest/globals';
import { creditAccount, type AmendGrant, type CreditEvent } from '#libs/credits';
import {
  amountOf,
  consume,
  consumed,
  day,
  expired,
  issued,
  onDay,
  voided,
} from '../../test/support/credit-facts.js';
import { specOf } from '../../test/support/decider-spec.js';

const { given } = specOf(creditAccount);
const amend = (change: Partial<AmendGrant>, on = 2): AmendGrant => ({
  type: 'AmendGrant',
  now: day(on),
  grantId: 'g1',
  ...change,
});
const adjust = (amount: string, on = 2) => ({
  type: 'AdjustGrant' as const,
  now: day(on),
  grantId: 'g1',
  amount: amountOf(amount),
  reason: 'counted again',
});
const expire = (grantId: string, on: number) => ({ type: 'ExpireGrant' as const, now: day(on), grantId });
const edit = (changes: object) => ({ type: 'EditGrant' as const, now: day(2), grantId: 'g1', changes });
const refusal = (code: string) => [{ type: 'CommandRefused' as const, data: { code } }];
const held = (amount: string, remainingAfter: string): CreditEvent => ({
  type: 'HoldPlaced',
  data: {
    holdId: 'h1',
    unit: 'calls',
    requested: amount,
    amount,
    onShortage: 'refuse',
    effectiveAt: onDay(1),
    allocations: [{ grantId: 'g1', amount, remainingAfter, heldAfter: amount }],
    balanceAfter: remainingAfter,
    heldAfter: amount,
    availableAfter: remainingAfter,
    placedAt: onDay(1),
  },
});
const ended = [
  ['expired', [issued('g1', '10', { until: 1 }), expired('g1', '10', 1)]],
  ['voided', [issued('g1', '10'), voided('g1', '10', 1)]],
] as const;

describe('a grant that is ended by hand', () => {
  test('forfeits what remains, now', () => {
    given([issued('g1', '10', { until: 9 }), consumed('c', [['g1', '4', '6']])])
      .when(expire('g1', 2))
      .then([
        {
          type: 'GrantExpired',
          data: {
            grantId: 'g1',
            unit: 'calls',
            amount: '6',
            cause: 'expired_now',
            balanceAfter: '0',
            expiredAt: onDay(2),
          },
        },
      ]);
  });

  test('may be scheduled still', () => {
    given([issued('g1', '10', { from: 5 })])
      .when(expire('g1', 2))
      .thenLike([{ type: 'GrantExpired', data: { amount: '10' } }]);
  });

  test('leaves alone what is held', () => {
    given([issued('g1', '10'), held('10', '0')])
      .when(expire('g1', 2))
      .thenLike([{ type: 'GrantExpired', data: { amount: '0' } }]);
  });

  test.each(ended)('is not ended again when %s', (_, history) => {
    given([...history])
      .when(expire('g1', 2))
      .thenLike(refusal('grant_not_active'));
  });

  test('must be known', () => given([]).when(expire('g1', 2)).thenThrows('grant_not_found'));
});

describe('a grant of 100 000 with 10 000 left', () => {
  const history = [issued('g1', '100000', { until: 30 }), consumed('c', [['g1', '90000', '10000']])];

  test('has 110 000 left when it is raised to 200 000', () => {
    given(history)
      .when(amend({ amount: amountOf('200000'), reason: 'contract raised' }))
      .then([
        {
          type: 'GrantAmended',
          data: {
            grantId: 'g1',
            unit: 'calls',
            amount: '200000',
            change: '100000',
            effectiveAt: onDay(0),
            expiresAt: onDay(30),
            remainingAfter: '110000',
            balanceAfter: '110000',
            amendedAt: onDay(2),
            reason: 'contract raised',
          },
        },
      ]);
  });

  test('is lowered to what was drawn and no further', () => {
    given(history)
      .when(amend({ amount: amountOf('90000') }))
      .thenLike([{ type: 'GrantAmended', data: { remainingAfter: '0' } }]);
    given(history)
      .when(amend({ amount: amountOf('89999.999999999999') }))
      .thenLike(refusal('amount_in_use'));
  });

  test('is not lowered below what is held either', () => {
    const holding = [issued('g1', '10'), held('4', '6')];
    given(holding)
      .when(amend({ amount: amountOf('4') }))
      .thenLike([{ type: 'GrantAmended', data: { remainingAfter: '0' } }]);
    given(holding)
      .when(amend({ amount: amountOf('3') }))
      .thenLike(refusal('amount_in_use'));
  });
});

describe('the window of a grant', () => {
  const used = creditAccount.decide(
    consume('1', { on: 1, usedOn: 4 }),
    [issued('g1', '10')].reduce<typeof creditAccount.initialState>(
      creditAccount.evolve,
      creditAccount.initialState,
    ),
  );

  test('may end later, earlier or never', () => {
    const grant = [issued('g1', '10', { until: 9 })];
    given(grant)
      .when(amend({ expiresAt: day(30) }))
      .thenLike([{ type: 'GrantAmended', data: { expiresAt: onDay(30) } }]);
    given(grant)
      .when(amend({ expiresAt: day(3) }))
      .thenLike([{ type: 'GrantAmended', data: { expiresAt: onDay(3) } }]);
    given(grant)
      .when(amend({ expiresAt: null }))
      .thenLike([{ type: 'GrantAmended' }]);
    given(grant)
      .when(amend({ expiresAt: day(2) }))
      .thenLike(refusal('window_in_use'));
  });

  test('does not leave out usage it paid for', () => {
    given([issued('g1', '10'), ...used])
      .when(amend({ expiresAt: day(4) }))
      .thenLike(refusal('window_in_use'));
    given([issued('g1', '10'), ...used])
      .when(amend({ expiresAt: day(4) + 1 }))
      .thenLike([{ type: 'GrantAmended' }]);
  });

  test('begins elsewhere only as long as it has not begun', () => {
    given([issued('g1', '10', { from: 5 })])
      .when(amend({ effectiveAt: day(7) }))
      .thenLike([{ type: 'GrantAmended', data: { effectiveAt: onDay(7) } }]);
    given([issued('g1', '10')])
      .when(amend({ effectiveAt: day(7) }))
      .thenLike(refusal('window_in_use'));
    given([issued('g1', '10', { from: 5, until: 8 })])
      .when(amend({ effectiveAt: day(8) }))
      .thenLike(refusal('window_in_use'));
  });

  test('pays what is owed when it is moved to begin now', () => {
    given([consumed('c', [], { debt: '3' }), issued('g1', '10', { from: 5 })])
      .when(amend({ effectiveAt: day(1) }))
      .thenLike([{ type: 'GrantAmended' }, { type: 'DebtSettled', data: { amount: '3' } }]);
  });

  test.each(ended)('stays when the grant is %s', (_, history) => {
    given([...history])
      .when(amend({ expiresAt: day(30) }))
      .thenLike(refusal('grant_not_active'));
  });
});

describe('a manual entry', () => {
  test('is signed, has a reason and moves what remains', () => {
    given([issued('g1', '10'), issued('g2', '5')])
      .when(adjust('2.5'))
      .thenLike([
        { type: 'GrantAdjusted', data: { amount: '2.5', remainingAfter: '12.5', balanceAfter: '17.5' } },
      ]);
    given([issued('g1', '10')])
      .when(adjust('-10'))
      .thenLike([{ type: 'GrantAdjusted', data: { amount: '-10', remainingAfter: '0' } }]);
  });

  test('takes at most what remains and is not held', () => {
    given([issued('g1', '10')])
      .when(adjust('-10.1'))
      .thenLike(refusal('amount_in_use'));
    given([issued('g1', '10'), held('4', '6')])
      .when(adjust('-6.1'))
      .thenLike(refusal('amount_in_use'));
  });

  test('opens a used-up grant again', () => {
    const history = [issued('g1', '10'), consumed('c', [['g1', '10', '0']])];
    given(history)
      .when(adjust('3'))
      .thenLike([{ type: 'GrantAdjusted', data: { remainingAfter: '3' } }]);
    const state = [...history, ...creditAccount.decide(adjust('3'), fold(history))];
    given(state)
      .when(consume('3', { on: 3 }))
      .thenLike([{ type: 'CreditsConsumed', data: { consumed: '3' } }]);
  });

  test('does not open one whose end has come', () => {
    given([issued('g1', '10', { until: 2 }), consumed('c', [['g1', '10', '0']])])
      .when(adjust('3'))
      .thenLike(refusal('grant_not_active'));
  });
});

describe('an edit', () => {
  test('says only what was set anew', () => {
    given([issued('g1', '10')])
      .when(edit({ name: 'Summer', notes: null }))
      .then([
        {
          type: 'GrantEdited',
          data: { grantId: 'g1', unit: 'calls', name: 'Summer', notes: null, editedAt: onDay(2) },
        },
      ]);
  });

  test('of the priority puts the grant in another place, and changes nothing that was recorded', () => {
    const history = [issued('g1', '10', { priority: 50 }), issued('g2', '10', { priority: 10 })];
    const first = (events: readonly CreditEvent[]) =>
      events.flatMap(({ data }) => ('allocations' in data ? data.allocations : []))[0]?.grantId;
    expect(first(creditAccount.decide(consume('1'), fold(history)))).toBe('g2');
    const edited = creditAccount.decide(edit({ priority: 9.5 }), fold(history));
    expect(first(creditAccount.decide(consume('1'), fold([...history, ...edited])))).toBe('g1');
  });

  test('of anything else is possible after the end, of the priority it is not', () => {
    given([...ended[0][1]])
      .when(edit({ notes: 'late' }))
      .thenLike([{ type: 'GrantEdited' }]);
    given([...ended[0][1]])
      .when(edit({ priority: 1 }))
      .thenLike(refusal('grant_not_active'));
  });
});

function fold(history: readonly CreditEvent[]) {
  return history.reduce((state, event) => creditAccount.evolve(state, event), creditAccount.initialState);
}
