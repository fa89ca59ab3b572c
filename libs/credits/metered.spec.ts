import { describe, expect, it } from '@jest/globals';
import { formatAmount, parseAmount, type Amount } from '#libs/kernel';
import type { CreditEvent } from './events.js';
import { measured, meteredUsage, type Measure, type MeteredUsage } from './metered.js';

const usage = (value: string | undefined, effectiveAt: number, members: object = {}): MeteredUsage => ({
  usage: {
    eventId: 'e',
    eventName: 'calls',
    meterId: 'm',
    ...(value === undefined ? {} : { value }),
    ...members,
  },
  quantity: parseAmount(value ?? '0') as Amount,
  effectiveAt,
});

describe('usage is measured by', () => {
  const properties = (user: unknown) => ({ properties: { user } });
  const usages = [
    usage('1', 5, properties('a')),
    usage('3', 9, properties('b')),
    usage('-1', 7, properties('a')),
    usage(undefined, 8, properties(4)),
  ];
  it.each<[Measure, string]>([
    [{ aggregation: 'sum' }, '3'],
    [{ aggregation: 'count' }, '3'],
    [{ aggregation: 'max' }, '3'],
    [{ aggregation: 'max', valueProperty: 'user' }, '4'],
    [{ aggregation: 'last' }, '3'],
    [{ aggregation: 'avg' }, '1'],
    [{ aggregation: 'unique_count', valueProperty: 'user' }, '3'],
    [{ aggregation: 'unique_count' }, '3'],
  ])('%j', (measure, expected) => {
    expect(formatAmount(measured(measure, usages))).toBe(expected);
    expect(measured(measure, [])).toBe(0n);
  });

  it('its own time where two are recorded in another order, the later record where they share it', () => {
    const of = (list: MeteredUsage[]) => formatAmount(measured({ aggregation: 'last' }, list));
    expect(of([usage('1', 5), usage('2', 4)])).toBe('1');
    expect(of([usage('1', 5), usage('2', 5)])).toBe('2');
  });
});

it('usage is what a meter counted, drawn or not, and not what was refused', () => {
  const drawn = { usage: usage('2', 0).usage, requested: '6', effectiveAt: '2026-01-01T00:00:00.000Z' };
  const of = (type: string, data: object) => {
    const found = meteredUsage({ type, data } as unknown as CreditEvent);
    return found && formatAmount(found.quantity);
  };
  expect(of('CreditsConsumed', drawn)).toBe('6');
  expect(of('CreditsConsumed', { ...drawn, rating: { quantity: '2', rate: '3' } })).toBe('2');
  expect(of('CreditsConsumed', { ...drawn, usage: undefined })).toBeNull();
  expect(of('UsageRecorded', drawn)).toBe('2');
  expect(of('ConsumptionRefused', drawn)).toBeNull();
});
