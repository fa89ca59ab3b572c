import { describe, expect, test } from '@jest/globals';
import { creditAccount, type ShortagePolicy } from '#libs/credits';
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
const drew = (data: object) => ({ type: 'CreditsConsumed' as const, data });
const refused = (data: object) => ({ type: 'ConsumptionRefused' as const, data });
const part = (grantId: string, amount: string, remainingAfter: string) => ({
  grantId,
  amount,
  remainingAfter,
});
const policies: ShortagePolicy[] = ['refuse', 'partial', 'overage', 'pending'];

describe('an account with two grants', () => {
  const two = [issued('g1', '10'), issued('g2', '20.5')];

  test('draws from one what one has', () => {
    given(two)
      .when(consume('4.25', { reference: 'order 7', context: { featureSlug: 'chat' } }))
      .then([
        {
          type: 'CreditsConsumed',
          data: {
            consumptionId: 'con_1',
            context: { featureSlug: 'chat' },
            effectiveAt: onDay(1),
            onShortage: 'refuse',
            reference: 'order 7',
            requested: '4.25',
            unit: 'calls',
            allocations: [part('g1', '4.25', '5.75')],
            consumed: '4.25',
            shortfall: '0',
            debt: '0',
            balanceAfter: '26.25',
            debtAfter: '0',
            availableAfter: '26.25',
          },
        },
      ]);
  });

  test('draws over both, the later only once the first is empty', () => {
    given(two)
      .when(consume('10.000000000001'))
      .thenLike([
        drew({
          allocations: [part('g1', '10', '0'), part('g2', '0.000000000001', '20.499999999999')],
          balanceAfter: '20.499999999999',
        }),
      ]);
  });

  test.each(policies)('draws exactly everything under %s', (onShortage) => {
    given(two)
      .when(consume('30.5', { onShortage }))
      .thenLike([
        drew({
          allocations: [part('g1', '10', '0'), part('g2', '20.5', '0')],
          consumed: '30.5',
          shortfall: '0',
          debt: '0',
          balanceAfter: '0',
          availableAfter: '0',
        }),
      ]);
  });

  test('is asked for nothing and gives nothing', () => {
    const rating = { quantity: '0.1', rate: '0.1', rounding: 'half_up' as const };
    given(two)
      .when(consume('0', { rating }))
      .thenLike([drew({ allocations: [], consumed: '0', shortfall: '0', availableAfter: '30.5', rating })]);
  });

  test('refuses what is short and says what there is', () => {
    given(two)
      .when(consume('30.500000000001'))
      .then([
        {
          type: 'ConsumptionRefused',
          data: {
            consumptionId: 'con_1',
            effectiveAt: onDay(1),
            onShortage: 'refuse',
            requested: '30.500000000001',
            unit: 'calls',
            reason: 'insufficient_credit',
            available: '30.5',
          },
        },
      ]);
  });

  test.each([
    ['partial', '0'],
    ['overage', '0'],
    ['pending', '9.5'],
  ] as const)('gives what there is under %s', (onShortage, debt) => {
    given(two)
      .when(consume('40', { onShortage }))
      .thenLike([
        drew({
          allocations: [part('g1', '10', '0'), part('g2', '20.5', '0')],
          requested: '40',
          consumed: '30.5',
          shortfall: '9.5',
          debt,
          debtAfter: debt,
          balanceAfter: '0',
          onShortage,
        }),
      ]);
  });

  test('gives nothing to another unit', () => {
    given(two)
      .when(consume('1', { unit: 'EUR' }))
      .thenLike([refused({ available: '0' })]);
  });

  test('gives nothing once both have ended', () => {
    given([...two, voided('g1', '10', 0), consumed('c', [['g2', '20.5', '0']])])
      .when(consume('1', { onShortage: 'partial' }))
      .thenLike([drew({ allocations: [], consumed: '0', shortfall: '1', balanceAfter: '0' })]);
  });

  test('is left as it was by a refusal', () => {
    const { decide, evolve, initialState } = creditAccount;
    const state = two.reduce(evolve, initialState);
    const events = decide(consume('99'), state);
    expect(events.reduce(evolve, state)).toEqual({ ...state, revision: 2 });
  });

  test('keeps usage that draws nothing as a fact that changes nothing', () => {
    const usage = { eventId: 'e1', eventName: 'seen', meterId: 'm1' };
    given(two)
      .when({ type: 'RecordUsage', now: day(1), usage, effectiveAt: day(0) })
      .then([{ type: 'UsageRecorded', data: { usage, effectiveAt: onDay(0) } }]);
  });
});

describe('an account without credit', () => {
  test.each([
    ['partial', '0'],
    ['overage', '0'],
    ['pending', '5'],
  ] as const)('accepts %s with nothing drawn', (onShortage, debt) => {
    given([])
      .when(consume('5', { onShortage }))
      .thenLike([drew({ allocations: [], consumed: '0', shortfall: '5', debt, balanceAfter: '0' })]);
  });

  test('refuses otherwise', () => {
    given([])
      .when(consume('5'))
      .thenLike([refused({ reason: 'insufficient_credit', available: '0' })]);
  });
});

describe('prepaid and postpaid of 400 each', () => {
  test('give 400 and 100 to a usage of 500', () => {
    given([
      issued('commit', '400', { kind: 'postpaid', priority: 0 }),
      issued('prepaid', '400', { priority: 99 }),
    ])
      .when(consume('500'))
      .thenLike([drew({ allocations: [part('prepaid', '400', '0'), part('commit', '100', '300')] })]);
  });
});

describe('an account with a bounded overdraft', () => {
  const within = (amount: string, debtLimit: string) =>
    consume(amount, { onShortage: 'pending', debtLimit: amountOf(debtLimit) });
  const owing = [issued('g1', '10'), consumed('c0', [['g1', '10', '0']], { debt: '7' })];

  test('owes up to the limit exactly', () => {
    given([issued('g1', '10')])
      .when(within('15', '5'))
      .thenLike([drew({ consumed: '10', debt: '5', debtAfter: '5' })]);
  });

  test('is refused the whole consumption beyond it', () => {
    given([issued('g1', '10')])
      .when(within('15.1', '5'))
      .thenLike([refused({ reason: 'debt_limit', available: '10', debtLimit: '5' })]);
  });

  test('counts what it owes already', () => {
    given(owing)
      .when(within('3', '10'))
      .thenLike([drew({ debt: '3', debtAfter: '10' })]);
    given(owing)
      .when(within('3.000000000001', '10'))
      .thenLike([refused({ reason: 'debt_limit', available: '0' })]);
  });

  test('counts what it owes in this unit only', () => {
    given([consumed('c0', [], { debt: '100', unit: 'EUR' })])
      .when(within('3', '10'))
      .thenLike([drew({ debtAfter: '3' })]);
  });

  test('may owe nothing at a limit of 0', () => {
    given([issued('g1', '10')])
      .when(within('10', '0'))
      .thenLike([drew({ debt: '0' })]);
    given([issued('g1', '10')])
      .when(within('11', '0'))
      .thenLike([refused({ reason: 'debt_limit' })]);
  });

  test('still draws what is covered when it owes more than a lowered limit', () => {
    given([...owing, issued('g2', '5')])
      .when(within('5', '1'))
      .thenLike([drew({ consumed: '5', debt: '0', debtAfter: '7' })]);
  });

  test.each(['refuse', 'partial', 'overage'] as const)('has no say under %s', (onShortage) => {
    given(owing)
      .when(consume('1', { onShortage, debtLimit: 0n }))
      .thenLike([
        onShortage === 'refuse' ? refused({ reason: 'insufficient_credit' }) : drew({ debtAfter: '7' }),
      ]);
  });

  test('keeps debt within the range of amounts', () => {
    const most = '9'.repeat(24);
    given([])
      .when(consume(most, { onShortage: 'pending' }))
      .thenLike([drew({ debtAfter: most })]);
    given([consumed('c', [], { debt: most })])
      .when(consume('1', { onShortage: 'pending' }))
      .thenThrows('validation_failed');
  });
});

describe('late usage', () => {
  const grants = [
    issued('first', '10', { until: 5 }),
    issued('second', '10', { on: 3, from: 3, until: 20 }),
    issued('open', '10', { on: 6, from: 6 }),
  ];

  test('draws from grants that were effective at its time and are open still', () => {
    given([...grants, expired('first', '10', 5)])
      .when(consume('12', { on: 8, usedOn: 4, onShortage: 'partial' }))
      .thenLike([drew({ effectiveAt: onDay(4), allocations: [part('second', '10', '0')], shortfall: '2' })]);
  });

  test('draws on a grant past its end as long as the end is not recorded', () => {
    given(grants)
      .when(consume('12', { on: 8, usedOn: 4 }))
      .thenLike([drew({ allocations: [part('first', '10', '0'), part('second', '2', '8')] })]);
  });

  test('from before any grant finds none', () => {
    given(grants)
      .when(consume('1', { on: 8, usedOn: -1 }))
      .thenLike([refused({ available: '0' })]);
  });
});

describe('future usage', () => {
  const grants = [issued('now', '10', { until: 2 }), issued('soon', '10', { from: 2 })];

  test('draws on a grant that will be effective by then, and not on one that will be gone', () => {
    given(grants)
      .when(consume('3', { on: 1, usedOn: 2 }))
      .thenLike([drew({ allocations: [part('soon', '3', '7')], balanceAfter: '17' })]);
  });

  test('may use up a scheduled grant before it starts', () => {
    const history = [...grants, consumed('c', [['soon', '10', '0']])];
    given(history)
      .when(consume('1', { on: 1, usedOn: 2 }))
      .thenLike([refused({ available: '0' })]);
    given([...history, expired('now', '10', 2)])
      .when({ type: 'SettleDue', now: day(3) })
      .thenNothing();
  });
});

describe('a grant from day 2 to day 4', () => {
  const grant = [issued('g1', '10', { from: 2, until: 4 })];
  const instants = [
    ['just before its start', day(2) - 1, false],
    ['at its start', day(2), true],
    ['just before its end', day(4) - 1, true],
    ['at its end', day(4), false],
    ['just after its end', day(4) + 1, false],
  ] as const;

  test.each(instants)('is drawn %s: %p', (_, effectiveAt, isDrawn) => {
    given(grant)
      .when(consume('1', { effectiveAt }))
      .thenLike([isDrawn ? drew({ allocations: [part('g1', '1', '9')] }) : refused({ available: '0' })]);
  });
});
