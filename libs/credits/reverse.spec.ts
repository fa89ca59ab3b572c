import { describe, expect, test } from '@jest/globals';
import { creditAccount, type CreditEvent, type RecordedConsumption } from '#libs/credits';
import { after, amountOf, consume, day, issued, newGrant, revoke } from '../../test/support/credit-facts.js';
import { fold, settlementsOf } from '../../test/support/credit-history.js';
import { specOf } from '../../test/support/decider-spec.js';

const { given } = specOf(creditAccount);
const recorded = (log: readonly CreditEvent[], id = 'con_1'): RecordedConsumption => ({
  event: log.find((event) => event.type === 'CreditsConsumed' && event.data.consumptionId === id) as never,
  settlements: settlementsOf(log, id),
});
const reverse =
  (amount?: string, on = 3) =>
  (log: readonly CreditEvent[]) => ({
    type: 'ReverseConsumption' as const,
    now: day(on),
    reversalId: 'rev_1',
    consumption: recorded(log),
    ...(amount === undefined ? {} : { amount: amountOf(amount) }),
    reason: 'wrong customer',
  });
const reversed = (data: object) => [{ type: 'ConsumptionReversed' as const, data }];
const refusal = [{ type: 'CommandRefused' as const, data: { code: 'consumption_exceeded' } }];

describe('a consumption of 25 from two grants', () => {
  const log = after([issued('g1', '10'), issued('g2', '20', { until: 9 })], consume('25'));

  test('is taken back whole: each gets what it gave, last taken first, and one that was used up is open again', () => {
    given(log)
      .when(reverse()(log))
      .then([
        {
          type: 'ConsumptionReversed',
          data: {
            reversalId: 'rev_1',
            consumptionId: 'con_1',
            unit: 'calls',
            amount: '25',
            uncovered: '0',
            debt: '0',
            allocations: [
              { grantId: 'g1', amount: '5', remainingAfter: '10' },
              { grantId: 'g2', amount: '20', remainingAfter: '20' },
            ],
            reversedTotal: '25',
            reason: 'wrong customer',
            balanceAfter: '30',
            debtAfter: '0',
            reversedAt: '2026-01-04T00:00:00.000Z',
            effectiveAt: '2026-01-04T00:00:00.000Z',
          },
        },
      ]);
    given(after(log, reverse()))
      .when(consume('30', { on: 4, consumptionId: 'con_2' }))
      .thenLike([{ type: 'CreditsConsumed', data: { consumed: '30' } }]);
  });

  test('is taken back in parts that go on where the last one stopped', () => {
    const first = after(log, reverse('3'));
    given(log)
      .when(reverse('3')(log))
      .thenLike(reversed({ allocations: [{ grantId: 'g1', amount: '3' }] }));
    given(first)
      .when(reverse('4')(first))
      .thenLike(
        reversed({
          allocations: [
            { grantId: 'g1', amount: '2', remainingAfter: '10' },
            { grantId: 'g2', amount: '2', remainingAfter: '2' },
          ],
          reversedTotal: '7',
        }),
      );
  });

  test('is never taken back beyond what it was', () => {
    given(log).when(reverse('25.1')(log)).thenLike(refusal);
    const some = after(log, reverse('20'));
    given(some).when(reverse('5.1')(some)).thenLike(refusal);
    const all = after(some, reverse());
    given(all).when(reverse()(all)).thenLike(refusal);
    given(all).when(reverse('0')(all)).thenLike(refusal);
  });

  test('gives nothing spendable to a grant that has ended', () => {
    for (const [end, forfeited] of [
      [revoke('g1', 2), 'voided'],
      [{ type: 'ExpireGrant' as const, now: day(2), grantId: 'g1' }, 'expired'],
    ] as const) {
      const over = after(log, end);
      given(over)
        .when(reverse('5')(over))
        .thenLike(
          reversed({
            allocations: [{ grantId: 'g1', amount: '5', remainingAfter: '0', forfeited }],
            balanceAfter: '0',
          }),
        );
    }
  });

  test('gives nothing to a used-up grant whose end has come', () => {
    given(log)
      .when(reverse(undefined, 9)(log))
      .thenLike(
        reversed({
          allocations: [
            { grantId: 'g1', amount: '5', remainingAfter: '10' },
            { grantId: 'g2', amount: '20', remainingAfter: '0', forfeited: 'expired' },
          ],
          balanceAfter: '10',
        }),
      );
  });
});

describe('a consumption of 50 with a balance of 30', () => {
  const owing = after([issued('g1', '30')], consume('50', { onShortage: 'pending' }));
  const paid = after(owing, { type: 'IssueGrants', now: day(2), grants: [newGrant('g2', '8', { from: 2 })] });

  test('owes less first', () => {
    given(owing)
      .when(reverse('15')(owing))
      .thenLike(reversed({ debt: '15', allocations: [], debtAfter: '5' }));
  });

  test('then gives back what was paid for it, then what it drew', () => {
    given(paid)
      .when(reverse('25')(paid))
      .thenLike(
        reversed({
          debt: '12',
          debtAfter: '0',
          allocations: [
            { grantId: 'g2', amount: '8', remainingAfter: '8' },
            { grantId: 'g1', amount: '5', remainingAfter: '5' },
          ],
          balanceAfter: '13',
        }),
      );
  });

  test('is the same in steps, with a payment in between', () => {
    const steps = after(
      after(owing, reverse('5')),
      { type: 'IssueGrants', now: day(2), grants: [newGrant('g2', '8', { from: 2 })] },
      reverse('9'),
      reverse('6'),
      reverse(),
    );
    const state = fold(steps);
    expect(state.units.get('calls')).toMatchObject({ balance: amountOf('38'), debt: 0n });
    expect(state.reversed.get('con_1')).toBe(amountOf('50'));
  });

  test('is not decided on what somebody paid meanwhile', () => {
    given(paid).when(reverse('1')(owing)).thenThrows('write_conflict');
  });

  test('has its uncovered overage taken back first', () => {
    const over = after([issued('g1', '30')], consume('50', { onShortage: 'overage' }));
    given(over)
      .when(reverse('25')(over))
      .thenLike(reversed({ uncovered: '20', debt: '0', allocations: [{ grantId: 'g1', amount: '5' }] }));
    const partial = after([issued('g1', '30')], consume('50', { onShortage: 'partial' }));
    given(partial).when(reverse('30.1')(partial)).thenLike(refusal);
  });
});

describe('usage of a negative value', () => {
  const log = after(
    [issued('g1', '30')],
    consume('5', { consumptionId: 'a' }),
    consume('3', { consumptionId: 'b' }),
  );
  const usage = { eventId: 'e9', eventName: 'calls', meterId: 'm1', value: '-6' };
  const correct = (amount: string) => ({
    type: 'CorrectUsage' as const,
    now: day(4),
    usage,
    effectiveAt: day(4),
    amount: amountOf(amount),
    consumptions: ['b', 'a'].map((id) => ({ reversalId: `rev_${id}`, consumption: recorded(log, id) })),
  });

  test('takes back the newest consumptions first', () => {
    given(log)
      .when(correct('6'))
      .thenLike([
        { type: 'UsageRecorded', data: { usage } },
        ...reversed({ reversalId: 'rev_b', consumptionId: 'b', amount: '3', usageEventId: 'e9' }),
        ...reversed({ reversalId: 'rev_a', consumptionId: 'a', amount: '3', balanceAfter: '28' }),
      ]);
  });

  test('is refused where there is not as much', () => {
    given(log).when(correct('8.1')).thenLike(refusal);
  });
});
