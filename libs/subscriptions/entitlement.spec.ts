import { describe, expect, it } from '@jest/globals';
import { parseAmount, type Amount } from '#libs/kernel';
import { entitlementOf, usageWindow, type FeatureCredit, type FeatureFacts } from './entitlement.js';

const amount = (text: string): Amount => parseAmount(text) as Amount;
const AT = Date.UTC(2026, 4, 15);
const DAY = 86_400_000;

const credit = (left: string, members: Partial<FeatureCredit> = {}): FeatureCredit => ({
  amount: amount('100'),
  remaining: amount(left),
  effectiveAt: AT - DAY,
  expiresAt: Infinity,
  ...members,
});
const period = { start: AT - 10 * DAY, end: AT + 20 * DAY };
const number = { type: 'number' as const, value: '5' };
const plan = (value: boolean | string, type: 'number' | 'boolean' | 'string' = 'number') => ({
  features: [{ featureId: 'f', slug: 'calls', type, value }],
  overrides: [],
  period,
});
const override = (value: boolean | string, from = AT - DAY, until: number | null = AT + DAY) => ({
  slug: 'calls',
  value,
  reason: null,
  from,
  until,
});
const used = (value: string) => ({ meterId: 'm', value: amount(value) });
const facts = (members: Partial<FeatureFacts> = {}): FeatureFacts => ({
  slug: 'calls',
  subscriptions: [],
  default: number,
  credits: [],
  usage: used('0'),
  ...members,
});
const said = (members: Partial<FeatureFacts>, at = AT) => {
  const { entitled, source, feature } = entitlementOf(facts(members), at);
  return [source, feature.value, entitled];
};

describe('an entitlement', () => {
  const overridden = { ...plan('10'), overrides: [override('20')] };

  it.each<[string, Partial<FeatureFacts>, unknown[]]>([
    ['default', {}, ['default', '5', true]],
    ['default, nothing known', { default: null, usage: null }, ['default', false, false]],
    ['plan over default', { subscriptions: [plan('10')] }, ['plan', '10', true]],
    ['plan without a default', { subscriptions: [plan('10')], default: null }, ['plan', '10', true]],
    ['override over plan', { subscriptions: [overridden] }, ['override', '20', true]],
    [
      'credit over override',
      { subscriptions: [overridden], credits: [credit('1')] },
      ['credits', '100', true],
    ],
    [
      'credit that is held whole',
      { subscriptions: [plan('10')], credits: [credit('0')] },
      ['credits', '100', false],
    ],
    ['the oldest subscription', { subscriptions: [plan('7'), plan('10')] }, ['plan', '7', true]],
    ['an override of any of them', { subscriptions: [plan('7'), overridden] }, ['override', '20', true]],
    [
      'a plan without the feature',
      { subscriptions: [{ ...plan('1'), features: [] }] },
      ['default', '5', true],
    ],
    ['usage below', { subscriptions: [plan('10')], usage: used('9.999999999999') }, ['plan', '10', true]],
    ['usage equal', { subscriptions: [plan('10')], usage: used('10') }, ['plan', '10', false]],
    [
      'usage whatever, with credit',
      { usage: used('1000'), credits: [credit('1')] },
      ['credits', '100', true],
    ],
    ['a switch that is off', { subscriptions: [plan(false, 'boolean')] }, ['plan', false, false]],
    ['a switch that is on', { subscriptions: [plan(true, 'boolean')] }, ['plan', true, true]],
    ['a text', { subscriptions: [plan('1', 'string')], usage: null }, ['plan', '1', true]],
    ['no text', { subscriptions: [plan('', 'string')], usage: null }, ['plan', '', false]],
  ])('is decided by: %s', (_, members, expected) => {
    expect(said(members)).toEqual(expected);
  });

  it('changes at the very instants at which windows begin and end', () => {
    const subscriptions = [overridden];
    expect(said({ subscriptions }, AT - DAY - 1)[0]).toBe('plan');
    expect(said({ subscriptions }, AT - DAY)[0]).toBe('override');
    expect(said({ subscriptions }, AT + DAY - 1)[0]).toBe('override');
    expect(said({ subscriptions }, AT + DAY)[0]).toBe('plan');
    const credits = [credit('5', { expiresAt: AT + DAY })];
    expect([AT - DAY - 1, AT - DAY, AT + DAY - 1, AT + DAY].map((at) => said({ credits }, at)[0])).toEqual([
      ...['default', 'credits', 'credits', 'default'],
    ]);
  });

  it('carries what credit there is, and what was used', () => {
    const credits = [
      credit('2.5', { expiresAt: AT + 2 * DAY }),
      credit('40', { expiresAt: AT + DAY }),
      credit('1'),
    ];
    expect(entitlementOf(facts({ credits, usage: used('3') }), AT)).toEqual({
      entitled: true,
      feature: { slug: 'calls', value: '300' },
      source: 'credits',
      usages: [{ metricId: 'm', usage: '3' }],
      creditInfo: {
        creditAllowance: '300',
        creditsRemaining: '43.5',
        nextExpiryDate: new Date(AT + DAY).toISOString(),
      },
    });
    expect(entitlementOf(facts({ usage: null }), AT)).toMatchObject({
      usages: [],
      creditInfo: { creditAllowance: '0', creditsRemaining: '0', nextExpiryDate: null },
    });
  });
});

it('usage counts in the billing period of the oldest subscription, else in the month', () => {
  expect(usageWindow([plan('1'), { period: { start: 0, end: 1 } }], AT)).toEqual(period);
  expect(usageWindow([], Date.UTC(2026, 11, 31, 23))).toEqual({
    start: Date.UTC(2026, 11),
    end: Date.UTC(2027, 0),
  });
});
