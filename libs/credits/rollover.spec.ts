import { describe, expect, test } from '@jest/globals';
import { creditAccount, dueFacts, type BeginRenewal, type CreditEvent } from '#libs/credits';
import { DAY } from '#libs/kernel';
import { after, begin, consume, day, newGrant, onDay } from '../../test/support/credit-facts.js';
import { fold } from '../../test/support/credit-history.js';
import { specOf } from '../../test/support/decider-spec.js';

const { given } = specOf(creditAccount);
const settle = (on: number) => ({ type: 'SettleDue' as const, now: day(on) });
const started = (rest: Partial<BeginRenewal> = {}): CreditEvent[] => after([], begin(rest));
const types = (events: readonly CreditEvent[]): string[] => events.map(({ type }) => type);
const bill = (start: number, end: number, on = start) => ({
  type: 'RenewBilling' as const,
  now: day(on),
  seriesId: 's1',
  period: { start: day(start), end: day(end) },
});
const refusal = [{ type: 'CommandRefused' as const, data: { code: 'renewal_not_active' } }];

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
