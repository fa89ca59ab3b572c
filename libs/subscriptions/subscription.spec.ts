import { describe, expect, it } from '@jest/globals';
import { formatInstant, parseInstant } from '#libs/kernel';
import { codeOf, specOf } from '../../test/support/decider-spec.js';
import { fold, terms } from '../../test/support/subscription-facts.js';
import { cycleOf } from './cycle.js';
import { decide, subscriptionDecider, type CreateSubscription } from './decide.js';
import { dueFacts, settled } from './due.js';
import type { SubscriptionEvent } from './events.js';
import { overrideAt, type GrantStep } from './subscription.js';

const t = (text: string): number => parseInstant(text)!;
const START = t('2026-01-31T10:00:00Z');
const DAY = 86_400_000;
const create = (members: Partial<CreateSubscription> = {}): CreateSubscription => ({
  type: 'Create',
  now: START,
  subscriptionId: 's',
  customerId: 'org',
  terms: terms('a'),
  ...members,
});
const created = (members: Partial<CreateSubscription> = {}): readonly SubscriptionEvent[] =>
  decide(create(members), null);
const after = (history: readonly SubscriptionEvent[], command: Parameters<typeof decide>[0]) => {
  const due = dueFacts(fold(history), 'now' in command ? command.now : Infinity);
  const settledHistory = [...history, ...due];
  return [...settledHistory, ...decide(command, fold(settledHistory))];
};
const stepsOf = (history: readonly SubscriptionEvent[]): readonly string[] =>
  fold(history).pending.map(textOf);
const textOf = (step: GrantStep): string =>
  step.do === 'release'
    ? 'release'
    : `${step.do} ${step.line.definitionId}@${step.line.customerId}${step.line.seat === null ? '' : ` for ${step.line.seat}`}`;
const spec = specOf(subscriptionDecider);

describe('the periods of a subscription', () => {
  const periodsOf = (rule: string, zone: string, start: string, until: string) =>
    dueFacts(fold(created({ now: t(start), terms: terms('a', { rule, zone }) })), t(until)).flatMap(
      ({ data }) => ('start' in data ? [data.start] : []),
    );

  it('return to the day of the month they began on', () => {
    expect(periodsOf('FREQ=MONTHLY', 'UTC', '2026-01-31T10:00:00Z', '2026-06-01T00:00:00Z')).toEqual([
      '2026-02-28T10:00:00.000Z',
      '2026-03-31T10:00:00.000Z',
      '2026-04-30T10:00:00.000Z',
      '2026-05-31T10:00:00.000Z',
    ]);
  });

  it('keep their wall clock over a change of the clocks', () => {
    expect(periodsOf('FREQ=WEEKLY', 'Europe/Berlin', '2026-03-22T01:30:00Z', '2026-04-06T00:00:00Z')).toEqual(
      ['2026-03-29T01:30:00.000Z', '2026-04-05T00:30:00.000Z'],
    );
    expect(periodsOf('FREQ=WEEKLY', 'Europe/Berlin', '2026-10-18T00:30:00Z', '2026-11-02T00:00:00Z')).toEqual(
      ['2026-10-25T00:30:00.000Z', '2026-11-01T01:30:00.000Z'],
    );
  });

  it('begin where the one before ends, and not a millisecond earlier', () => {
    const state = fold(created());
    expect(dueFacts(state, state.period.end - 1)).toEqual([]);
    expect(dueFacts(state, state.period.end)).toHaveLength(1);
    expect(settled(state, state.period.end).period.start).toBe(state.period.end);
  });

  it('are those of the component that recurs soonest, without its end', () => {
    const component = (recurrence_rule: string, timezone?: string) => ({
      id: recurrence_rule,
      type: 'fixed' as const,
      label: 'x',
      recurrence_rule,
      ...(timezone === undefined ? {} : { timezone }),
    });
    expect(cycleOf([], 'Europe/Berlin', START)).toEqual({ rule: 'FREQ=MONTHLY', zone: 'Europe/Berlin' });
    const components = [
      component('FREQ=YEARLY'),
      component('FREQ=WEEKLY;COUNT=3', 'Asia/Tokyo'),
      component('FREQ=DAILY;INTERVAL=7'),
    ];
    expect(cycleOf(components, 'UTC', START)).toEqual({ rule: 'FREQ=WEEKLY', zone: 'Asia/Tokyo' });
  });

  it('that have passed already are recorded with the creation, if they are not too many', () => {
    const now = t('2026-06-01T00:00:00Z');
    const history = created({ now, start: START });
    expect(fold(history).period).toMatchObject({ number: 5, start: t('2026-05-31T10:00:00Z') });
    spec
      .given([])
      .when(create({ start: START + 1 }))
      .thenThrows('validation_failed');
    spec
      .given([])
      .when(create({ now, start: t('1990-01-01T00:00:00Z') }))
      .thenThrows('validation_failed');
  });
});

describe('the grants that follow', () => {
  it('begin with the first period and are renewed with each one after', () => {
    const history = created();
    expect(stepsOf(history)).toEqual(['begin a-seat@org', 'begin a-pool@org', 'begin a-money@org']);
    const next = dueFacts(fold(history), fold(history).period.end);
    expect(stepsOf([...history, ...next]).slice(3)).toEqual([
      'renew a-seat@org',
      'renew a-pool@org',
      'renew a-money@org',
    ]);
  });

  it('of a seat go to its customer or into the pool, and are revoked with it', () => {
    const seat = { customerId: 'ada', externalCustomerId: 'Ada' };
    const history = after(created(), { type: 'AddSeat', now: START + DAY, ...seat });
    expect(stepsOf(history).slice(3)).toEqual(['begin a-seat@ada for ada', 'begin a-pool@org for ada']);
    const gone = after(history, { type: 'RemoveSeat', now: START + 2 * DAY, customerId: 'ada' });
    expect(stepsOf(gone).slice(5)).toEqual(['end a-seat@ada for ada', 'end a-pool@org for ada']);
    expect(fold(gone).pending.slice(5)).toMatchObject([{ revoke: true }, { revoke: true }]);
    expect(fold(gone).seats).toHaveLength(1);
    const end = fold(gone).period.end;
    expect(settled(fold(gone), end).seats).toEqual([]);
    spec
      .given(history)
      .when({ type: 'AddSeat', now: START + DAY, ...seat })
      .thenThrows('seat_taken');
    spec.given(gone).when({ type: 'RemoveSeat', now: START, customerId: 'ada' }).thenThrows('seat_not_found');
    const past = { type: 'AddSeat', now: START + DAY, ...seat, at: START - 1 } as const;
    spec.given(created()).when(past).thenThrows('validation_failed');
  });

  it('end with the subscription, which lets the customer have another', () => {
    const history = after(created(), { type: 'Cancel', now: START + DAY, atPeriodEnd: false });
    expect(stepsOf(history).slice(3)).toEqual([
      'end a-seat@org',
      'end a-pool@org',
      'end a-money@org',
      'release',
    ]);
    expect(dueFacts(fold(history), START + 1000 * DAY)).toEqual([]);
  });

  it('pause with it, and begin afresh when it is resumed', () => {
    const paused = after(created(), { type: 'Pause', now: START + DAY });
    expect(stepsOf(paused).slice(3)).toEqual(['pause a-seat@org', 'pause a-pool@org', 'pause a-money@org']);
    expect(dueFacts(fold(paused), START + 400 * DAY)).toEqual([]);
    const resumed = after(paused, { type: 'Resume', now: START + 40 * DAY });
    expect(stepsOf(resumed).slice(6)).toEqual([
      ...['end a-seat@org', 'end a-pool@org', 'end a-money@org'],
      ...['begin a-seat@org', 'begin a-pool@org', 'begin a-money@org'],
    ]);
    expect(fold(resumed)).toMatchObject({ anchor: START + 40 * DAY, period: { start: START + 40 * DAY } });
    expect(fold(resumed).lines.every(({ again }) => again)).toBe(true);
  });

  it('go on through a change where both plans have them', () => {
    const [shared] = terms('a').credits;
    const next = terms('b', { credits: [shared!, { definitionId: 'b-new' }] });
    const change = { type: 'Change', now: START + DAY, terms: next, proration: 'immediate' } as const;
    const history = after(created(), { ...change, when: 'now' });
    expect(stepsOf(history).slice(3)).toEqual(['end a-pool@org', 'end a-money@org', 'begin b-new@org']);
    const planned = after(created(), { ...change, when: 'next_cycle' });
    expect(stepsOf(planned)).toHaveLength(3);
    const turned = dueFacts(fold(planned), fold(planned).period.end);
    expect(turned.map(({ type }) => type)).toEqual(['SubscriptionChanged', 'SubscriptionPeriodBegun']);
    expect(stepsOf([...planned, ...turned]).slice(3)).toEqual([
      ...['end a-pool@org', 'end a-money@org'],
      ...['renew a-seat@org', 'begin b-new@org'],
    ]);
    spec
      .given(planned)
      .when({ ...change, when: 'next_cycle' })
      .thenNothing();
  });

  it('are told once', () => {
    const history = created();
    const { revision } = fold(history);
    const told = { type: 'RecordDriven', throughRevision: revision, refused: [] } as const;
    const driven = [...history, ...decide(told, fold(history))];
    expect(fold(driven).pending).toEqual([]);
    spec.given(driven).when(told).thenNothing();
  });
});

describe('a trial', () => {
  it('ends at its instant, and the cycle counts from there', () => {
    const history = created({ trialDays: 14 });
    const end = START + 14 * DAY;
    expect(fold(history)).toMatchObject({ status: 'trialing', period: { number: 0, start: START, end } });
    const due = dueFacts(fold(history), end);
    expect(due.map(({ type }) => type)).toEqual(['SubscriptionTrialEnded', 'SubscriptionPeriodBegun']);
    expect(settled(fold(history), end)).toMatchObject({
      status: 'active',
      anchor: end,
      period: { number: 1 },
    });
  });

  it('becomes what it was to become', () => {
    const history = created({ trialDays: 14, then: terms('b', { rule: 'FREQ=YEARLY' }) });
    const state = settled(fold(history), START + 14 * DAY);
    expect(state).toMatchObject({ status: 'active', terms: { planId: 'b' }, period: { number: 1 } });
    expect(formatInstant(state.period.end)).toBe('2027-02-14T10:00:00.000Z');
    expect(state.pending.slice(3).map(textOf)).toEqual([
      ...['end a-seat@org', 'end a-pool@org', 'end a-money@org'],
      ...['begin b-seat@org', 'begin b-pool@org', 'begin b-money@org'],
    ]);
  });

  it('that is cancelled with its period becomes nothing', () => {
    const history = after(created({ trialDays: 14, then: terms('b') }), {
      type: 'Cancel',
      now: START + DAY,
      atPeriodEnd: true,
    });
    const state = settled(fold(history), START + 100 * DAY);
    expect(state).toMatchObject({ status: 'canceled', endedAt: START + 14 * DAY, terms: { planId: 'a' } });
  });
});

describe('an override', () => {
  it('of a feature holds within its window, the last one set first', () => {
    const set = (value: string, from: number, until?: number) => ({
      type: 'OverrideFeature' as const,
      now: START,
      slug: 'calls',
      value,
      from,
      ...(until === undefined ? {} : { until }),
    });
    const one = after(created(), set('1', START));
    const both = fold(after(one, set('2', START + DAY, START + 2 * DAY)));
    const valueAt = (at: number) => overrideAt(both, 'calls', at)?.value;
    expect([START - 1, START, START + DAY, START + 2 * DAY - 1, START + 2 * DAY].map(valueAt)).toEqual([
      undefined,
      '1',
      '2',
      '2',
      '1',
    ]);
    const revoked = after(one, { type: 'RevokeFeatureOverride', now: START, slug: 'calls' });
    expect(fold(revoked).overrides).toEqual([]);
    spec
      .given(one)
      .when(set('3', START, START))
      .thenThrows('validation_failed');
  });

  it('of a price holds for its number of periods', () => {
    const components = [{ id: 'x', type: 'fixed' as const, label: 'x', amount_cents: '1' }];
    const history = after(created(), { type: 'OverridePrice', now: START, components, cycles: 2 });
    const first = fold(history);
    const second = settled(first, first.period.end);
    const third = settled(second, second.period.end);
    expect([first, second, third].map(({ priceOverride }) => priceOverride !== null)).toEqual([
      true,
      true,
      false,
    ]);
  });
});

describe('a subscription that is over', () => {
  it('takes no command but says so', () => {
    const state = fold(after(created(), { type: 'Cancel', now: START, atPeriodEnd: false }));
    const now = START;
    const change = { terms: terms('b'), proration: 'immediate', when: 'now' } as const;
    for (const command of [
      { type: 'Pause', now },
      { type: 'Resume', now },
      { type: 'Cancel', now, atPeriodEnd: true },
      { type: 'Cancel', now, atPeriodEnd: false },
      { type: 'Uncancel', now },
      { type: 'Change', now, ...change },
      { type: 'AddSeat', now, customerId: 'x', externalCustomerId: 'x' },
    ] as const)
      expect([command.type, codeOf(() => decide(command, state))]).toEqual([
        command.type,
        'subscription_not_active',
      ]);
    expect(codeOf(() => decide({ type: 'Pause', now }, null))).toBe('not_found');
    expect(codeOf(() => decide(create(), state))).toBe('already_exists');
  });
});
