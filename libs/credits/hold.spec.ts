import { describe, expect, test } from '@jest/globals';
import { creditAccount, unitOf } from '#libs/credits';
import { after, amountOf, consume, day, issued, onDay, revoke } from '../../test/support/credit-facts.js';
import { fold } from '../../test/support/credit-history.js';
import { specOf } from '../../test/support/decider-spec.js';

const { given } = specOf(creditAccount);
const place = (amount: string, rest: object = {}) => ({
  type: 'PlaceHold' as const,
  now: day(1),
  holdId: 'h1',
  unit: 'calls',
  amount: amountOf(amount),
  onShortage: 'refuse' as const,
  effectiveAt: day(1),
  context: {},
  ...rest,
});
const capture = (amount?: string, rest: object = {}) => ({
  type: 'CaptureHold' as const,
  now: day(2),
  holdId: 'h1',
  effectiveAt: day(2),
  ...(amount === undefined ? {} : { amount: amountOf(amount) }),
  ...rest,
});
const release = (on = 2) => ({ type: 'ReleaseHold' as const, now: day(on), holdId: 'h1' });
const settle = (on: number) => ({ type: 'SettleDue' as const, now: day(on) });
const refusal = (code: string) => [{ type: 'CommandRefused' as const, data: { code } }];

const two = [issued('g1', '10'), issued('g2', '20')];

describe('a hold', () => {
  test('sets aside on grants in the order of drawdown', () => {
    given(two)
      .when(place('12.5', { expiresAt: day(5), context: { featureSlug: 'chat' }, reference: 'job' }))
      .then([
        {
          type: 'HoldPlaced',
          data: {
            holdId: 'h1',
            unit: 'calls',
            requested: '12.5',
            amount: '12.5',
            onShortage: 'refuse',
            effectiveAt: onDay(1),
            expiresAt: onDay(5),
            context: { featureSlug: 'chat' },
            reference: 'job',
            allocations: [
              { grantId: 'g1', amount: '10', remainingAfter: '0', heldAfter: '10' },
              { grantId: 'g2', amount: '2.5', remainingAfter: '17.5', heldAfter: '2.5' },
            ],
            balanceAfter: '17.5',
            heldAfter: '12.5',
            availableAfter: '17.5',
            placedAt: onDay(1),
          },
        },
      ]);
  });

  test('counts against what is available at once, and is not depletion', () => {
    const log = after(two, place('10'));
    given(log)
      .when(consume('20.1', { on: 1 }))
      .thenLike([{ type: 'ConsumptionRefused', data: { available: '20' } }]);
    expect(fold(log).ended.size).toBe(0);
  });

  test('is refused whole where it is short', () => {
    given(two)
      .when(place('30.1'))
      .thenLike([{ type: 'HoldRefused', data: { available: '30' } }]);
    given(two)
      .when(place('40', { onShortage: 'partial' }))
      .thenLike([{ type: 'HoldPlaced', data: { requested: '40', amount: '30' } }]);
    given([])
      .when(place('1', { onShortage: 'partial' }))
      .thenLike([{ type: 'HoldRefused' }]);
  });

  test('ends once', () => {
    for (const end of [capture(), release()]) {
      const log = after(two, place('5'), end);
      given(log).when(capture()).thenLike(refusal('hold_not_open'));
      given(log).when(release()).thenLike(refusal('hold_not_open'));
      expect(unitOf(fold(log), 'calls').held).toBe(0n);
    }
  });

  test('has an id of its own', () => {
    given(after(two, place('5')))
      .when(place('1'))
      .thenThrows('already_exists');
  });
});

describe('a hold that is captured', () => {
  test('in part gives back the rest, last set aside first', () => {
    given(after(two, place('15')))
      .when(capture('12'))
      .thenLike([
        {
          type: 'HoldCaptured',
          data: {
            captured: '12',
            released: '3',
            allocations: [
              { grantId: 'g1', amount: '10', released: '0', remainingAfter: '0', heldAfter: '0' },
              { grantId: 'g2', amount: '2', released: '3', remainingAfter: '18', heldAfter: '0' },
            ],
            balanceAfter: '18',
            heldAfter: '0',
          },
        },
      ]);
  });

  test('depletes a grant only then', () => {
    const log = after(two, place('10'), capture());
    expect(fold(log).ended.get('g1')?.endedAs).toBe('depleted');
  });

  test('takes more only where the call allows it, like a consumption', () => {
    const history = after(two, place('15'));
    given(history).when(capture('16')).thenLike(refusal('hold_exceeded'));
    given(history)
      .when(capture('16', { more: { consumptionId: 'more', onShortage: 'refuse' } }))
      .thenLike([
        { type: 'HoldCaptured', data: { captured: '15', released: '0', moreConsumptionId: 'more' } },
        { type: 'CreditsConsumed', data: { consumptionId: 'more', consumed: '1', balanceAfter: '14' } },
      ]);
  });

  test('stays open where more than there is is asked for', () => {
    const log = after(two, place('15'));
    given(log)
      .when(capture('31', { more: { consumptionId: 'more', onShortage: 'refuse' } }))
      .thenLike([{ type: 'ConsumptionRefused' }]);
    given(log)
      .when(capture('31', { more: { consumptionId: 'more', onShortage: 'pending' } }))
      .thenLike([{ type: 'HoldCaptured' }, { type: 'CreditsConsumed', data: { consumed: '15', debt: '1' } }]);
  });
});

describe('a hold whose time runs out', () => {
  const placed = after(two, place('15', { expiresAt: day(4) }));

  test('gives all back at that instant and not before', () => {
    given(placed)
      .when({ type: 'SettleDue', now: day(4) - 1 })
      .thenNothing();
    given(placed)
      .when(settle(9))
      .thenLike([
        {
          type: 'HoldReleased',
          data: {
            cause: 'timed_out',
            released: '15',
            balanceAfter: '30',
            heldAfter: '0',
            releasedAt: onDay(4),
          },
        },
      ]);
  });

  test('is over by then, recorded or not', () => {
    given(placed)
      .when({ ...capture(), now: day(4) })
      .thenLike(refusal('hold_not_open'));
  });
});

describe('a hold on a grant that ends meanwhile', () => {
  const ending = [issued('g1', '10', { until: 3 })];

  test('keeps its amount: the end forfeits only the rest', () => {
    const log = after(ending, place('4'));
    given(log)
      .when(settle(5))
      .thenLike([{ type: 'GrantExpired', data: { amount: '6', balanceAfter: '0' } }]);
    given(after(log, settle(5)))
      .when({ ...capture(), now: day(6) })
      .thenLike([{ type: 'HoldCaptured', data: { captured: '4', released: '0', balanceAfter: '0' } }]);
  });

  test('loses what is given back', () => {
    given(after(ending, place('4'), settle(5)))
      .when({ ...capture('1'), now: day(6) })
      .thenLike([
        {
          type: 'HoldCaptured',
          data: { allocations: [{ amount: '1', released: '3', remainingAfter: '0', forfeited: 'expired' }] },
        },
      ]);
    given(after(ending, place('4'), revoke('g1', 2)))
      .when(release())
      .thenLike([
        {
          type: 'HoldReleased',
          data: { released: '4', balanceAfter: '0', allocations: [{ amount: '4', forfeited: 'voided' }] },
        },
      ]);
  });

  test('that times out at the very end is forfeited with the grant', () => {
    given(after(ending, place('4', { expiresAt: day(3) })))
      .when(settle(3))
      .thenLike([{ type: 'HoldReleased' }, { type: 'GrantExpired', data: { amount: '10' } }]);
  });
});

test('a debt is not settled by what a hold gives back', () => {
  const log = after(two, place('30'), consume('5', { on: 1, onShortage: 'pending' }), release());
  expect(log.filter(({ type }) => type === 'DebtSettled')).toEqual([]);
  expect(unitOf(fold(log), 'calls').debt).toBe(amountOf('5'));
});
