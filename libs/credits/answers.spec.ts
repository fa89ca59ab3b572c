import { describe, expect, test } from '@jest/globals';
import {
  consumptionAmong,
  consumptionAnswer,
  creditAccount,
  grantAnswer,
  grantStatus,
  scheduleAnswer,
  usageAnswer,
  type CreditEvent,
} from '#libs/credits';
import { amountOf, consume, consumed, day, issued, onDay } from '../../test/support/credit-facts.js';

const open = (remaining: string) => ({ remaining: amountOf(remaining), held: 0n, endedAs: null });
const ended = (endedAs: 'depleted' | 'expired' | 'voided') => ({ remaining: 0n, held: 0n, endedAs });

describe('the status of a grant from day 2 to day 4', () => {
  test.each([
    [null, day(2) - 1, 'SCHEDULED'],
    [null, day(2), 'ACTIVE'],
    [null, day(4) - 1, 'ACTIVE'],
    [null, day(4), 'EXPIRED'],
    ['depleted', day(1), 'DEPLETED'],
    ['depleted', day(9), 'DEPLETED'],
    ['voided', day(9), 'REVOKED'],
    ['expired', day(3), 'EXPIRED'],
  ] as const)('ended as %p, at %p is %s', (endedAs, now, status) => {
    expect(grantStatus({ endedAs }, day(2), day(4), now)).toBe(status);
  });

  test('never becomes EXPIRED without an end', () => {
    expect(grantStatus({ endedAs: null }, day(2), null, day(9999))).toBe('ACTIVE');
  });
});

describe('a grant of 10 000 with 7 500 left', () => {
  const { data } = issued('g1', '10000', { until: 30 });

  test('is active and keeps what it began with', () => {
    expect(grantAnswer('cus_1', data, open('7500'), day(1))).toMatchObject({
      id: 'g1',
      customerId: 'cus_1',
      initialAmount: '10000',
      remainingAmount: '7500',
      heldAmount: '0',
      status: 'ACTIVE',
      parentGrantId: null,
      expiryDate: onDay(30),
      metadata: {},
    });
  });

  test('has nothing left at its end, recorded or not', () => {
    expect(grantAnswer('cus_1', data, open('7500'), day(30))).toMatchObject({
      status: 'EXPIRED',
      remainingAmount: '0',
    });
    expect(grantAnswer('cus_1', data, ended('voided'), day(3))).toMatchObject({
      status: 'REVOKED',
      remainingAmount: '0',
    });
  });

  test('counts it before it starts', () => {
    expect(grantAnswer('cus_1', data, open('7500'), day(0) - 1)).toMatchObject({
      status: 'SCHEDULED',
      remainingAmount: '7500',
    });
  });
});

describe('an access schedule', () => {
  const segment = (
    id: string,
    from: number,
    until: number | undefined,
    progress: Parameters<typeof grantAnswer>[2],
    now: number,
  ) =>
    grantAnswer(
      'cus_1',
      issued(id, '10', { parentId: 's', from, ...(until === undefined ? {} : { until }) }).data,
      progress,
      day(now),
    );

  test('adds its segments up and spans them all', () => {
    const segments = [segment('s.1', 30, 60, open('10'), 5), segment('s.2', 0, 30, open('2.5'), 5)];
    expect(scheduleAnswer(segments)).toMatchObject({
      id: 's',
      parentGrantId: null,
      initialAmount: '20',
      remainingAmount: '12.5',
      status: 'ACTIVE',
      startDate: onDay(0),
      expiryDate: onDay(60),
      segments,
    });
  });

  test('never ends when one of them does not', () => {
    const segments = [segment('s.1', 0, undefined, open('10'), 5), segment('s.2', 0, 30, open('10'), 5)];
    expect(scheduleAnswer(segments).expiryDate).toBeNull();
  });

  test.each([
    ['SCHEDULED', ended('depleted'), open('10'), 5],
    ['DEPLETED', ended('depleted'), ended('voided'), 5],
    ['EXPIRED', ended('voided'), open('10'), 60],
    ['REVOKED', ended('voided'), ended('voided'), 5],
  ] as const)('is %s as its liveliest segment', (status, first, second, now) => {
    const segments = [segment('s.1', 0, 30, first, now), segment('s.2', 30, 60, second, now)];
    expect(scheduleAnswer(segments).status).toBe(status);
  });
});

describe('the answer to a consumption', () => {
  const state = [issued('g1', '30')].reduce<typeof creditAccount.initialState>(
    creditAccount.evolve,
    creditAccount.initialState,
  );
  const answerTo = (command: ReturnType<typeof consume>) =>
    consumptionAnswer('cus_1', consumptionAmong(creditAccount.decide(command, state)) as never);

  test.each([
    ['consumed', 'refuse', '30', '30', '0', '0'],
    ['consumed', 'pending', '30', '30', '0', '0'],
    ['partial', 'partial', '50', '30', '20', '0'],
    ['overage', 'overage', '50', '30', '20', '0'],
    ['pending', 'pending', '50', '30', '20', '20'],
    ['refused', 'refuse', '50', '0', '50', '0'],
  ] as const)('is %s under %s for %s', (status, onShortage, requested, drawn, shortfall, debt) => {
    expect(answerTo(consume(requested, { onShortage }))).toMatchObject({
      id: 'con_1',
      customerId: 'cus_1',
      status,
      requested,
      consumed: drawn,
      shortfall,
      debt,
      onShortage,
      reason: status === 'refused' ? 'insufficient_credit' : null,
      allocations: status === 'refused' ? [] : [{ grantId: 'g1', amount: '30', remainingAfter: '0' }],
      balanceAfter: status === 'refused' ? null : '0',
      availableAfter: status === 'refused' ? '30' : '0',
    });
  });

  test('is found among what the command did', () => {
    const consumption = consumed('c', []);
    const grant: CreditEvent = issued('g1', '1');
    expect(consumptionAmong([grant, consumption])).toBe(consumption);
    expect(consumptionAmong([grant])).toBeUndefined();
  });
});

test('the answer to usage tells what was not sent as null', () => {
  const usage = { eventId: 'e1', eventName: 'seen', meterId: 'm1', value: '2' };
  expect(usageAnswer('cus_1', { usage, effectiveAt: onDay(1) }, onDay(2))).toEqual({
    id: 'e1',
    eventName: 'seen',
    customerId: 'cus_1',
    meterId: 'm1',
    eventValue: '2',
    eventString: null,
    eventTimestamp: onDay(1),
    idempotencyKey: null,
    properties: {},
    createdAt: onDay(2),
  });
});
