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
import { DAY } from '#libs/kernel';
import { amountOf, consume, day, newGrant, onDay } from '../../test/support/credit-facts.js';
import { specOf } from '../../test/support/decider-spec.js';

const { given } = specOf(creditAccount);
const fold = (log: readonly CreditEvent[]) =>
  log.reduce((state, event) => creditAccount.evolve(state, event), creditAccount.initialState);
/** The facts of commands that come one after the other, each after what time made due. */
function after(history: readonly CreditEvent[], ...commands: readonly CreditCommand[]): CreditEvent[] {
  const log = [...history];
  for (const command of commands) {
    log.push(...allDue(fold(log), command.now));
    log.push(...creditAccount.decide(command, fold(log)));
  }
  return log;
}
const settle = (on: number) => ({ type: 'SettleDue' as const, now: day(on) });
const begin = (rest: Partial<BeginRenewal> = {}, on = 0): BeginRenewal => ({
  type: 'BeginRenewal',
  now: day(on),
  seriesId: 's1',
  grant: newGrant('first', '100', { from: on, source: 'plan', name: 'Monthly' }),
  rule: 'FREQ=WEEKLY',
  zone: 'UTC',
  lifetime: { periods: 1 },
  rollover: { kind: 'reset' },
  refillAmount: amountOf('80'),
  ...rest,
});
const started = (rest: Partial<BeginRenewal> = {}): CreditEvent[] => after([], begin(rest));
const types = (events: readonly CreditEvent[]): string[] => events.map(({ type }) => type);
const series = (command: 'PauseRenewal' | 'ResumeRenewal' | 'CancelRenewal', on: number, rest: object = {}) =>
  ({ type: command, now: day(on), seriesId: 's1', ...rest }) as CreditCommand;
const bill = (start: number, end: number, on = start) => ({
  type: 'RenewBilling' as const,
  now: day(on),
  seriesId: 's1',
  period: { start: day(start), end: day(end) },
});
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

describe('what is left at a renewal', () => {
  const carried = (rest: Partial<BeginRenewal>, drawn: string): unknown[] =>
    dueFacts(fold(after(started(rest), consume(drawn, { on: 1 }))), day(7)).flatMap(({ type, data }) => {
      if (type === 'BalanceCarried') return [['carried', data.amount]];
      return type === 'GrantExpired' ? [['forfeited', data.amount]] : [];
    });

  test.each([
    ['all', { kind: 'carry' as const }, '90', [['carried', '10']]],
    [
      'up to an amount',
      { kind: 'carry' as const, upTo: '25' },
      '40',
      [
        ['carried', '25'],
        ['forfeited', '35'],
      ],
    ],
    ['up to more than there is', { kind: 'carry' as const, upTo: '25' }, '90', [['carried', '10']]],
    [
      'up to half of what was granted',
      { kind: 'carry' as const, fraction: '0.5' },
      '90',
      [['carried', '10']],
    ],
    [
      'up to a fraction',
      { kind: 'carry' as const, fraction: '0.05' },
      '90',
      [
        ['carried', '5'],
        ['forfeited', '5'],
      ],
    ],
    ['nothing', { kind: 'reset' as const }, '90', [['forfeited', '10']]],
  ])('is carried: %s', (_, rollover, drawn, expected) => {
    expect(carried({ rollover }, drawn)).toEqual(expected);
  });

  test('of 100 000 with 10 000 left and a fraction of one half is 10 000', () => {
    const grant = newGrant('first', '100000', { source: 'plan' });
    expect(carried({ grant, rollover: { kind: 'carry', fraction: '0.5' } }, '90000')).toEqual([
      ['carried', '10000'],
    ]);
  });

  test('goes on in a grant that burns first and lasts one period', () => {
    const log = after(started({ rollover: { kind: 'carry' } }), settle(7));
    const rollover = log.flatMap((event) =>
      event.type === 'GrantIssued' && event.data.kind === 'rollover' ? [event.data] : [],
    );
    expect(rollover).toMatchObject([
      {
        grantId: 's1~carried~1',
        amount: '100',
        source: 'rollover',
        effectiveAt: onDay(7),
        expiresAt: onDay(14),
      },
    ]);
    given(log)
      .when(consume('101', { on: 8 }))
      .thenLike([
        {
          type: 'CreditsConsumed',
          data: {
            allocations: [
              { grantId: 's1~carried~1', amount: '100' },
              { grantId: 's1~1', amount: '1' },
            ],
          },
        },
      ]);
  });

  test('is capped over all that ends, carried balances included', () => {
    const log = after(started({ rollover: { kind: 'carry', upTo: '25' } }), settle(7), settle(14));
    const amounts = log.flatMap((event) =>
      event.type === 'GrantIssued' && event.data.kind === 'rollover' ? [event.data.amount] : [],
    );
    expect(amounts).toEqual(['25', '25']);
  });

  test('waits for late usage where there is a grace, and what is left then is carried', () => {
    const log = started({ rollover: { kind: 'carry' } });
    const early = dueFacts(fold(log), day(8), 2 * DAY);
    expect(types(early)).toEqual(['GrantRenewed', 'GrantIssued']);
    const late = [
      ...log,
      ...early,
      ...creditAccount.decide(consume('60', { on: 8, usedOn: 6 }), fold([...log, ...early])),
    ];
    expect(dueFacts(fold(late), day(9), 2 * DAY)).toMatchObject([
      { type: 'BalanceCarried', data: { amount: '40', carriedAt: onDay(7) } },
      { type: 'GrantIssued', data: { amount: '40', effectiveAt: onDay(7), expiresAt: onDay(14) } },
    ]);
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

describe('a series that billing renews', () => {
  const { rule: _, ...byBilling } = begin({ periodEnd: day(31) });
  const billed = after([], byBilling);

  test('renews once for each period that begins', () => {
    given(billed)
      .when(settle(400))
      .thenLike([{ type: 'GrantExpired', data: { expiredAt: onDay(31) } }]);
    const renewed = after(billed, bill(31, 59));
    expect(renewed.slice(-2)).toMatchObject([
      { type: 'GrantRenewed', data: { occurrence: 1, dueAt: onDay(31) } },
      { type: 'GrantIssued', data: { effectiveAt: onDay(31), expiresAt: onDay(59) } },
    ]);
    given(renewed).when(bill(31, 59)).thenNothing();
    given(started()).when(bill(31, 59)).thenLike(refusal);
  });

  test('carries over the end of the period, until the end of the next', () => {
    const log = after([], { ...byBilling, rollover: { kind: 'carry' } }, bill(31, 59, 32));
    expect(types(log)).toEqual([
      ...['RenewalBegun', 'GrantIssued', 'BalanceCarried', 'GrantIssued'],
      ...['GrantAmended', 'GrantRenewed', 'GrantIssued'],
    ]);
    given(log)
      .when(settle(59))
      .thenLike([
        { type: 'BalanceCarried', data: { amount: '100' } },
        { type: 'BalanceCarried', data: { amount: '80' } },
        { type: 'GrantIssued', data: { amount: '180', kind: 'rollover' } },
      ]);
  });
});
