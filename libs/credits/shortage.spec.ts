import { describe, expect, test } from '@jest/globals';
import { DAY } from '#libs/kernel';
import {
  creditAccount,
  minimumPurchase,
  outlook,
  rateOf,
  usedIn,
  verifyAvailability,
  type CreditEvent,
} from '#libs/credits';
import { amountOf, consume, consumed, day, issued, newGrant } from '../../test/support/credit-facts.js';

const fold = (log: readonly CreditEvent[]) =>
  log.reduce((state, event) => creditAccount.evolve(state, event), creditAccount.initialState);
const now = day(1);
const owing = fold([
  consumed('c', [], { debt: '20' }),
  issued('chat', '5', { applicability: { features: ['chat'] } }),
]);

describe('the minimum purchase', () => {
  test('clears the debt, in whole packs, and leaves what is needed', () => {
    const ask = (rest: object) => minimumPurchase(owing, 'calls', { now, ...rest });
    expect(ask({})).toEqual({
      debt: amountOf('20'),
      amount: amountOf('20'),
      packs: null,
      availableAfter: 0n,
    });
    expect(ask({ pack: amountOf('15') })).toMatchObject({ packs: 2n, availableAfter: amountOf('10') });
    expect(ask({ pack: amountOf('20') })).toMatchObject({ packs: 1n, availableAfter: 0n });
    expect(ask({ needed: amountOf('7') })).toMatchObject({
      amount: amountOf('27'),
      availableAfter: amountOf('7'),
    });
    expect(ask({ needed: amountOf('7'), context: { featureSlug: 'chat' } })).toMatchObject({
      amount: amountOf('22'),
    });
  });

  test('leaves out debt that such a grant could not pay, and is nothing where nothing is lacking', () => {
    expect(minimumPurchase(owing, 'calls', { now, applicability: { features: ['chat'] } }).amount).toBe(0n);
    expect(minimumPurchase(owing, 'EUR', { now, pack: 1n })).toMatchObject({ amount: 0n, packs: 0n });
  });

  test('is enough and not more than enough', () => {
    const { amount } = minimumPurchase(owing, 'calls', { now, needed: amountOf('7') });
    const after = (bought: bigint) => {
      const grant = { ...newGrant('new', '1', { from: 1 }), amount: bought };
      const events = creditAccount.decide({ type: 'IssueGrants', now, grants: [grant] }, owing);
      const state = events.reduce((before, event) => creditAccount.evolve(before, event), owing);
      return creditAccount.decide(consume('7'), state)[0]?.type;
    };
    expect([after(amount), after(amount - 1n)]).toEqual(['CreditsConsumed', 'ConsumptionRefused']);
  });
});

describe('service', () => {
  const verify = (rest: object, state = owing) => verifyAvailability(state, 'calls', { now, ...rest });

  test('goes on while something is available', () => {
    const rich = fold([issued('g', '10')]);
    expect(verify({}, rich)).toEqual({ canContinue: true });
    expect(verify({ needed: amountOf('10') }, rich)).toEqual({ canContinue: true });
    expect(verify({ needed: amountOf('11') }, rich)).toEqual({
      canContinue: false,
      reason: 'insufficient_credit',
    });
  });

  test('goes on where recharges would cover the rest, within their number and the debt', () => {
    const recharge = { amount: amountOf('10'), most: 2 };
    expect(verify({})).toEqual({ canContinue: false, reason: 'insufficient_credit' });
    expect(verify({ recharge })).toEqual({ canContinue: true });
    expect(verify({ recharge: { ...recharge, most: 1 } })).toEqual({
      canContinue: false,
      reason: 'recharge_limit',
    });
    expect(verify({ recharge, debtLimit: amountOf('19') })).toEqual({
      canContinue: false,
      reason: 'debt_limit',
    });
    expect(verify({ recharge, needed: 1n })).toEqual({ canContinue: false, reason: 'recharge_limit' });
  });
});

describe('the outlook', () => {
  test('loses nothing where something begins or ends within a day', () => {
    const state = fold([issued('soon', '70', { until: 10 }), issued('late', '30', { from: 5 })]);
    const now = day(0) + 7;
    const { uncovered } = outlook(state, { unit: 'calls', rate: amountOf('10'), now, until: now + 30 * DAY });
    expect(uncovered).toBe(amountOf('200'));
  });

  test('says when a unit runs out, what expires unused and what renews', () => {
    const grants = [
      issued('soon', '50', { until: 4, priority: 10 }),
      issued('rest', '30'),
      issued('other', '9', { unit: 'EUR' }),
    ];
    const state = [
      ...grants,
      ...creditAccount.decide(
        {
          type: 'BeginRenewal',
          now: day(0),
          seriesId: 's',
          grant: newGrant('plan', '10', { priority: 0 }),
          rule: 'FREQ=WEEKLY',
          zone: 'UTC',
          lifetime: { periods: 1 },
          rollover: { kind: 'reset' },
          refillAmount: amountOf('10'),
        },
        fold(grants),
      ),
    ];
    const ahead = outlook(fold(state), { unit: 'calls', rate: amountOf('10'), now: day(0), until: day(8) });
    // 40 of 60 are drawn by day 4, 30 more by day 7; the renewal lasts a day
    expect(ahead.expiring).toEqual([{ grantId: 'soon', at: day(4), amount: amountOf('20') }]);
    expect(ahead.renewals).toEqual([{ grantId: 's~1', at: day(7), amount: amountOf('10') }]);
    expect([ahead.runsOutAt, ahead.uncovered]).toEqual([null, 0n]);
    const faster = outlook(fold(state), { unit: 'calls', rate: amountOf('40'), now: day(0), until: day(8) });
    expect(faster.runsOutAt).toBe(day(2) + (day(1) - day(0)) / 4);
    expect(
      outlook(fold(state), { unit: 'calls', rate: 0n, now: day(0), until: day(30) }).runsOutAt,
    ).toBeNull();
  });

  test('takes the rate of the last days, what was taken back counted off', () => {
    const log = [
      issued('g', '100'),
      ...[1, 3, 5].flatMap((on) =>
        creditAccount.decide(consume('6', { on, consumptionId: `c${on}` }), fold([issued('g', '100')])),
      ),
    ];
    const rate = (unit: string) => {
      const window = { unit, now: day(6), days: 4 };
      return rateOf(
        log.reduce((sum, fact) => sum + usedIn(fact, window), 0n),
        window,
      );
    };
    expect(rate('calls')).toBe(amountOf('3'));
    expect(rate('EUR')).toBe(0n);
  });
});
