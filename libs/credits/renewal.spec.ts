import { describe, expect, test } from '@jest/globals';
import {
  allDue,
  creditAccount,
  dueFacts,
  previewRenewals,
  RENEWALS_AT_ONCE,
  type BeginRenewal,
  type CreditCommand,
  type CreditEvent,
} from '#libs/credits';
import { after, begin, amountOf, consume, day, onDay } from '../../test/support/credit-facts.js';
import { fold } from '../../test/support/credit-history.js';
import { specOf } from '../../test/support/decider-spec.js';

const { given } = specOf(creditAccount);
const settle = (on: number) => ({ type: 'SettleDue' as const, now: day(on) });
const started = (rest: Partial<BeginRenewal> = {}): CreditEvent[] => after([], begin(rest));
const types = (events: readonly CreditEvent[]): string[] => events.map(({ type }) => type);
const series = (command: 'PauseRenewal' | 'ResumeRenewal' | 'CancelRenewal', on: number, rest: object = {}) =>
  ({ type: command, now: day(on), seriesId: 's1', ...rest }) as CreditCommand;
const refusal = [{ type: 'CommandRefused' as const, data: { code: 'renewal_not_active' } }];

describe('a series that begins', () => {
  test('issues its first grant until the next renewal, and copies all it needs later', () => {
    given([])
      .when(begin())
      .thenLike([
        {
          type: 'RenewalBegun',
          data: {
            seriesId: 's1',
            grantId: 'first',
            anchor: onDay(0),
            nextAt: onDay(7),
            rule: 'FREQ=WEEKLY',
            template: { amount: '80', name: 'Monthly', unit: 'calls', priority: 50 },
          },
        },
        { type: 'GrantIssued', data: { grantId: 'first', amount: '100', expiresAt: onDay(7) } },
      ]);
  });

  test('may live days instead, or several periods', () => {
    const endOf = (rest: Partial<BeginRenewal>) =>
      started(rest).flatMap((event) => (event.type === 'GrantIssued' ? event.data.expiresAt : []));
    expect(endOf({ lifetime: { days: 3 } })).toEqual([onDay(3)]);
    expect(endOf({ lifetime: { periods: 2 } })).toEqual([onDay(14)]);
    expect(endOf({ rule: 'FREQ=WEEKLY;COUNT=1' })).toEqual([onDay(7)]);
  });

  test('begins once, and only by a rule that occurs', () => {
    given(started()).when(begin()).thenThrows('already_exists');
    given([])
      .when(begin({ rule: 'FREQ=DAILY;UNTIL=20251231' }))
      .thenThrows('validation_failed');
  });
});

describe('an occurrence', () => {
  test('forfeits what is left and issues the refill, each at its own instant', () => {
    given(started())
      .when(settle(7))
      .then([
        {
          type: 'GrantExpired',
          data: {
            grantId: 'first',
            unit: 'calls',
            amount: '100',
            cause: 'not_carried',
            balanceAfter: '0',
            expiredAt: onDay(7),
          },
        },
        {
          type: 'GrantRenewed',
          data: {
            seriesId: 's1',
            occurrence: 1,
            grantId: 's1~1',
            unit: 'calls',
            dueAt: onDay(7),
            nextAt: onDay(14),
          },
        },
        {
          type: 'GrantIssued',
          data: {
            unit: 'calls',
            amount: '80',
            priority: 50,
            category: 'promotional',
            kind: 'prepaid',
            scope: 'merchant',
            costBasis: '0',
            name: 'Monthly',
            grantId: 's1~1',
            source: 'renewal',
            effectiveAt: onDay(7),
            expiresAt: onDay(14),
            issuedAt: onDay(7),
            balanceAfter: '80',
          },
        },
      ]);
  });

  test('is not due a millisecond before', () => {
    given(started())
      .when({ type: 'SettleDue', now: day(7) - 1 })
      .thenNothing();
  });

  test('pays what is owed when it comes', () => {
    const owing = after(started(), consume('130', { on: 2, onShortage: 'pending' }));
    given(owing)
      .when(settle(7))
      .thenLike([
        { type: 'GrantRenewed' },
        { type: 'GrantIssued' },
        { type: 'DebtSettled', data: { amount: '30', remainingAfter: '50', settledAt: onDay(7) } },
      ]);
  });

  test('comes for a whole year that nobody looked, in order, in bounded batches', () => {
    const daily = started({ rule: 'FREQ=DAILY' });
    const facts = dueFacts(fold(daily), day(365));
    const renewals = facts.flatMap(({ type, data }) =>
      type === 'GrantRenewed' ? [[data.occurrence, data.dueAt]] : [],
    );
    expect(renewals).toEqual(Array.from({ length: 365 }, (_, index) => [index + 1, onDay(index + 1)]));
    const long = day(RENEWALS_AT_ONCE + 100);
    const batch = dueFacts(fold(daily), long);
    expect(batch.filter(({ type }) => type === 'GrantRenewed')).toHaveLength(RENEWALS_AT_ONCE);
    expect([...batch, ...allDue(fold([...daily, ...batch]), long)]).toEqual(allDue(fold(daily), long));
  });

  test('ends with the rule, and its last grant with the last period', () => {
    const facts = allDue(fold(started({ rule: 'FREQ=WEEKLY;COUNT=2' })), day(99));
    expect(types(facts)).toEqual(['GrantExpired', 'GrantRenewed', 'GrantIssued', 'GrantExpired']);
    expect(facts.at(-1)?.data).toMatchObject({ cause: 'ended', expiredAt: onDay(14) });
  });

  test('that would burst the balance pauses the series instead', () => {
    const huge = '9'.repeat(24);
    given(started({ lifetime: { days: 30 }, refillAmount: amountOf(huge) }))
      .when(settle(7))
      .thenLike([{ type: 'RenewalPaused' }]);
  });

  test('is foretold as it comes', () => {
    const log = started({ rule: 'FREQ=MONTHLY', rollover: { kind: 'carry' } });
    const foretold = previewRenewals(fold(log).series.get('s1')!, 12);
    const came = allDue(fold(log), day(364)).flatMap(({ type, data }) =>
      type === 'GrantIssued' && data.source === 'renewal'
        ? [[data.grantId, data.amount, Date.parse(data.effectiveAt), Date.parse(data.expiresAt!)]]
        : [],
    );
    expect(foretold.slice(0, came.length)).toEqual(
      came.map(([grantId, amount, at, expiresAt], index) => ({
        occurrence: index + 1,
        grantId,
        amount: amountOf(String(amount)),
        at,
        expiresAt,
      })),
    );
    expect(came).toHaveLength(11);
  });
});

describe('a series that is paused', () => {
  const paused = after(started(), series('PauseRenewal', 3));

  test('renews no more; its grant lives to its end', () => {
    given(paused)
      .when(settle(30))
      .thenLike([{ type: 'GrantExpired', data: { cause: 'ended', expiredAt: onDay(7) } }]);
    given(paused).when(series('PauseRenewal', 4)).thenLike(refusal);
  });

  test('begins a new cycle when it is resumed: old grants expire, a fresh one is issued now', () => {
    given(paused)
      .when(series('ResumeRenewal', 5))
      .thenLike([
        { type: 'RenewalResumed', data: { anchor: onDay(5) } },
        { type: 'GrantExpired', data: { grantId: 'first', cause: 'resumed', expiredAt: onDay(5) } },
        {
          type: 'GrantRenewed',
          data: { occurrence: 1, grantId: 's1~1', dueAt: onDay(5), nextAt: onDay(12) },
        },
        { type: 'GrantIssued', data: { amount: '80', effectiveAt: onDay(5), expiresAt: onDay(12) } },
      ]);
    given(started()).when(series('ResumeRenewal', 5)).thenLike(refusal);
  });

  test('neither loses nor doubles an occurrence', () => {
    const log = after(paused, series('ResumeRenewal', 20), settle(40));
    const seen = log.flatMap(({ type, data }) =>
      type === 'GrantRenewed' ? [[data.occurrence, data.dueAt]] : [],
    );
    expect(seen).toEqual([
      [1, onDay(20)],
      [2, onDay(27)],
      [3, onDay(34)],
    ]);
  });
});

describe('a series that is amended', () => {
  test('renews by what it is then; what was issued stays', () => {
    const log = after(started(), {
      type: 'AmendRenewal',
      now: day(3),
      seriesId: 's1',
      refillAmount: amountOf('200'),
      rollover: { kind: 'carry' },
      template: { priority: 7 },
    });
    given(log)
      .when(settle(7))
      .thenLike([
        { type: 'BalanceCarried', data: { amount: '100' } },
        { type: 'GrantIssued', data: { amount: '100', priority: 7, expiresAt: onDay(14) } },
        { type: 'GrantRenewed' },
        { type: 'GrantIssued', data: { amount: '200', priority: 7, name: 'Monthly' } },
      ]);
    given(after(started(), series('CancelRenewal', 3)))
      .when({ type: 'AmendRenewal', now: day(4), seriesId: 's1' })
      .thenLike(refusal);
  });
});

describe('a series that is cancelled', () => {
  test('expires its grants, and renews no more', () => {
    given(started())
      .when(series('CancelRenewal', 3, { reason: 'left' }))
      .thenLike([
        { type: 'RenewalCancelled', data: { grantsKept: false, reason: 'left' } },
        {
          type: 'GrantExpired',
          data: { grantId: 'first', amount: '100', cause: 'cancelled', expiredAt: onDay(3) },
        },
      ]);
    const cancelled = after(started(), series('CancelRenewal', 3));
    given(cancelled).when(settle(99)).thenNothing();
    given(cancelled).when(series('CancelRenewal', 4)).thenLike(refusal);
  });

  test('may keep them to their own end', () => {
    const kept = after(started(), series('CancelRenewal', 3, { keepGrants: true }));
    given(kept)
      .when(settle(99))
      .thenLike([{ type: 'GrantExpired', data: { cause: 'ended', expiredAt: onDay(7) } }]);
  });

  test('gets nothing back from usage that is reversed later', () => {
    const used = after(started(), consume('100', { on: 1 }));
    const event = used.at(-1) as CreditEvent & { type: 'CreditsConsumed' };
    given(after(used, series('CancelRenewal', 3)))
      .when({
        type: 'ReverseConsumption',
        now: day(4),
        reversalId: 'r1',
        consumption: { event, settlements: [] },
        reason: 'late',
      })
      .thenLike([
        { type: 'ConsumptionReversed', data: { balanceAfter: '0', allocations: [{ forfeited: 'expired' }] } },
      ]);
  });
});
