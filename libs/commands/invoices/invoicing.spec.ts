import { beforeEach, describe, expect, it } from '@jest/globals';
import { captureHold, consume, placeHold } from '#libs/commands/credits';
import { addSeat, removeSeat, settleSubscription } from '#libs/commands/subscriptions';
import { asked, tenant } from '../../../test/support/catalog-world.js';
import { bodyOf } from '../../../test/support/credits-world.js';
import { at, base, invoicingWorld, linesOf, SEATS, usageOf } from '../../../test/support/invoicing-world.js';
import { faultsIn } from '../../../test/support/log-faults.js';
import { createMeter, updateMeter } from '../catalog/meters.js';
import { invoices } from './deps.js';
import { invoiceSubscriptions } from './invoicing.js';
import { upcomingInvoices } from './upcoming.js';

const w = invoicingWorld();
const { world, open, price, subscribe, change, use, credit, bill, issued } = w;

describe('the invoice of a period', () => {
  it('V25: usage 12,000, credit 10,000, one cent each: 12,000, -10,000, subtotal 2,000', async () => {
    await price('api', [usageOf('1')]);
    await subscribe('api');
    await credit('calls', 10_000, { billingVisible: true, name: 'Included' });
    world.now = at('2026-01-10');
    const { consumption } = await use(12_000);
    expect(consumption).toMatchObject({ consumed: '10000' });
    world.now = at('2026-02-01');
    await bill();
    const [invoice, ...more] = await issued();
    expect(more).toEqual([]);
    expect(linesOf(invoice!)).toEqual(['usage 12000', 'usage_credit -10000']);
    expect(invoice).toMatchObject({
      number: 'INV-001',
      subtotal: '2000',
      total: '2000',
      period: { start: '2026-01-01T00:00:00.000Z', end: '2026-02-01T00:00:00.000Z' },
    });
    expect(invoice!.lines[0]).toMatchObject({
      sources: [{ customerId: 'c1', events: 1, quantity: '12000' }],
    });
    // again makes nothing
    await bill();
    expect(await issued()).toHaveLength(1);
  });

  it('V5: 80 units at 1.00, prepaid 50, shown or not: total 30.00; money pays what it can', async () => {
    await price('api', [usageOf('100')]);
    await subscribe('api');
    await credit('calls', 50, { billingVisible: true });
    await credit('USD', 1000, { name: 'Welcome' });
    await use(80);
    world.now = at('2026-02-01');
    await bill();
    const [invoice] = await issued();
    expect(linesOf(invoice!)).toEqual(['usage 8000', 'usage_credit -5000', 'monetary_credit -1000']);
    expect(invoice).toMatchObject({ subtotal: '3000', credits: '-1000', total: '2000' });
    const { state } = await w.deps.credits.writer.read(w.deps.credits.account, tenant, 'c1');
    expect(state.units.get('USD')!.balance).toBe(0n);
  });

  it('charges what recurs when its period begins, and free plans 0', async () => {
    await price('free', [base('0')]);
    await subscribe('free');
    await bill();
    world.now = at('2026-02-01');
    await bill();
    expect((await issued()).map((one) => [one.number, one.total, linesOf(one)])).toEqual([
      ['INV-001', '0', ['fixed 0']],
      ['INV-002', '0', ['fixed 0']],
    ]);
    const { state } = await w.deps.credits.writer.read(invoices, tenant, (await issued())[0]!.invoiceId);
    expect(state.status).toBe('paid');
  });

  it('has late usage on the next one, on top of what was free and in lower tiers', async () => {
    await price('api', [usageOf('2', { free_units: '10' })]);
    await subscribe('api');
    await use(8);
    world.now = at('2026-02-01');
    await bill();
    await use(5, { eventTimestamp: '2026-01-20T00:00:00Z' });
    await use(20);
    world.now = at('2026-03-01');
    await bill();
    expect((await issued()).map(linesOf)).toEqual([['usage 0'], ['usage 6', 'usage 20']]);
  });

  it('leaves out what was taken back, and asks no money for what is owed in credits', async () => {
    await price('api', [usageOf('1')]);
    await subscribe('api');
    await use(100);
    await use(-30);
    world.now = at('2026-02-01');
    await bill();
    expect((await issued()).map(linesOf)).toEqual([['usage 70']]);
  });
});

describe('a meter with a rate', () => {
  beforeEach(async () => {
    await createMeter(world.ports, asked, { id: 'gpu', eventName: 'gpu', unit: 'credits', rate: '0.3' });
    await price('gpu', [usageOf('100', { metric_id: 'gpu' })]);
    await subscribe('gpu');
  });
  const reported = (eventValue: number | string) => use(eventValue, { eventName: 'gpu' });

  it('has the value on the line, and of credits as much of it as they paid for', async () => {
    await credit('credits', 3, { billingVisible: true });
    await credit('credits', 1);
    // 6.9 credits: 10 of the 23 by what is shown, 3.33.. by what is not
    await reported(23);
    world.now = at('2026-02-01');
    await bill();
    const [invoice] = await issued();
    expect(invoice!.lines).toMatchObject([
      { quantity: '19.666666666667', coveredQuantity: '3.333333333333', amount: '1967' },
      { quantity: '10', amount: '-1000', unitAmount: '100' },
    ]);
    expect(invoice!.total).toBe('967');
    expect(await faultsIn(world.eventStore)).toEqual([]);
  });

  it('counts all of a value that credits covered, rounded as it was', async () => {
    await credit('credits', 1, { billingVisible: true });
    for (let index = 0; index < 3; index++) await reported('1.11'); // 0.333 credits: 0.33
    world.now = at('2026-02-01');
    await bill();
    expect((await issued()).map(linesOf)).toEqual([['usage 333', 'usage_credit -333']]);
  });

  it('counts what was asked for in units, and held, by the rate there was', async () => {
    const { credits } = w.deps;
    const asks = { customerId: 'c1', meterId: 'gpu', onShortage: 'overage' as const };
    bodyOf(await consume(credits, asked, { ...asks, amount: '1.2' }, false));
    await credit('credits', 3, { billingVisible: true });
    bodyOf(await placeHold(credits, asked, { id: 'h', customerId: 'c1', meterId: 'gpu', value: '7' }, false));
    const more = { amount: '2.4', allowMore: { onShortage: 'overage' as const } };
    bodyOf(await captureHold(credits, asked, 'h', more));
    await updateMeter(world.ports, asked, 'gpu', { rate: '5' });
    world.now = at('2026-02-01');
    await bill();
    // 1.2 + 2.1 + 0.3 at 0.3
    expect((await issued()).map(linesOf)).toEqual([['usage 1200', 'usage_credit -800']]);
    expect(await faultsIn(world.eventStore)).toEqual([]);
  });
});

describe('changes within a period', () => {
  it('stand on an invoice of their own at once, or on the next one', async () => {
    await price('small', [base('3100')]);
    await price('big', [base('6200')]);
    await subscribe('small');
    await bill();
    world.now = at('2026-01-16');
    await change('change', { planId: 'big', proration: 'immediate' });
    await bill();
    expect((await issued()).map(linesOf)).toEqual([['fixed 3100'], ['fixed -1600', 'fixed 3200']]);
    await change('change', { planId: 'small', proration: 'next_cycle' });
    await bill();
    expect(await issued()).toHaveLength(2);
    world.now = at('2026-02-01');
    await bill();
    expect(linesOf((await issued())[2]!)).toEqual(['fixed -3200', 'fixed 1600', 'fixed 3100']);
  });

  it.each([
    ['is cancelled', [], '2026-01-16'],
    ['is cancelled while it is paused', ['pause'], '2026-01-16'],
    ['is charged for something else and cancelled at once', ['seat'], '2026-01-10'],
  ])('that wait for the next invoice stand on the last one where it %s before', async (_, before, day) => {
    await price('small', [base('3100'), SEATS]);
    await price('big', [base('6200'), { ...SEATS, bill_immediately: true }]);
    await subscribe('small');
    await bill();
    world.now = at('2026-01-10');
    await change('change', { planId: 'big', proration: 'next_cycle' });
    for (const action of before) {
      if (action === 'pause') await change(action);
      else await addSeat(w.subs, asked, seat('ann'));
      await bill();
    }
    expect((await issued()).slice(1).flatMap(linesOf)).toEqual([]);
    world.now = at(day);
    await change('cancel');
    const draft = (await upcomingInvoices(w.deps, tenant, 's')).flatMap(linesOf);
    await bill();
    const lines = ['fixed -2200', 'per_unit -220', 'fixed 4400', 'per_unit 220'];
    expect((await issued()).slice(1).flatMap(linesOf)).toEqual(lines);
    expect(draft).toEqual(lines);
    world.now = at('2026-04-01');
    await bill();
    expect(await issued()).toHaveLength(2);
  });

  it('end usage of the old price where the new one begins', async () => {
    await price('cheap', [usageOf('1')]);
    await price('dear', [usageOf('3')]);
    await subscribe('cheap');
    await use(10);
    world.now = at('2026-01-16');
    await change('change', { planId: 'dear', proration: 'immediate' });
    await use(10);
    await use(1, { eventTimestamp: '2026-01-05T00:00:00Z' });
    world.now = at('2026-02-01');
    await bill();
    expect((await issued()).map(linesOf)).toEqual([['usage 11'], ['usage 30']]);
  });

  it('charge added seats for the rest of the period, and count removed ones until its end', async () => {
    await price('team', [SEATS]);
    await subscribe('team');
    await bill();
    world.now = at('2026-01-16');
    for (const name of ['ann', 'bob', 'cid']) await addSeat(w.subs, asked, seat(name));
    await removeSeat(w.subs, asked, seat('ann'));
    await addSeat(w.subs, asked, seat('dan'));
    world.now = at('2026-02-01');
    await bill();
    expect((await issued()).map(linesOf)).toEqual([
      ['per_unit 310'],
      // the minimum was one seat: bob, cid and dan come on top
      ['per_unit 160', 'per_unit 160', 'per_unit 160', 'per_unit 930'],
    ]);
  });

  it('end with the last usage when it is cancelled', async () => {
    await price('api', [base('100'), usageOf('1')]);
    await subscribe('api');
    await use(7);
    world.now = at('2026-01-16');
    await change('cancel');
    await bill();
    world.now = at('2026-03-01');
    await bill();
    expect((await issued()).map(linesOf)).toEqual([['fixed 100'], ['usage 7']]);
  });
});

const seat = (name: string) => ({ user_id: 'c1', created_user_id: name, removed_user_id: name });

describe('an organisation', () => {
  it('pays for the usage of its seats, their credits taken off', async () => {
    await price('team', [usageOf('1')]);
    await subscribe('team');
    await addSeat(w.subs, asked, seat('ann'));
    const { events } = await world.eventStore.readAll(null, 1e6);
    const added = events.find(({ type }) => type === 'SeatAdded')!.data['customerId'] as string;
    await credit('calls', 20, { customerId: added, billingVisible: true, name: 'Ann’s' });
    world.now = at('2026-01-10');
    await use(30, { customerId: added });
    await use(5);
    world.now = at('2026-02-01');
    await bill();
    const [invoice] = await issued();
    expect(invoice!.customerId).toBe('c1');
    expect(linesOf(invoice!)).toEqual(['usage 35', 'usage_credit -20']);
  });

  it('is charged each usage once where it has two subscriptions', async () => {
    await price('api', [usageOf('1')]);
    await price('other', [usageOf('5')]);
    await subscribe('api');
    await subscribe('other', { id: 't', dangerouslyAllowMultipleSubscriptions: true });
    await use(9);
    world.now = at('2026-02-01');
    await bill(undefined, ['s', 't']);
    expect((await issued()).map(linesOf).sort()).toEqual([['usage 0'], ['usage 9']]);
  });
});

describe('usage that was charged', () => {
  it('stays where it is when a subscription is made later to begin earlier', async () => {
    await price('api', [usageOf('1')]);
    await price('own', [usageOf('5')]);
    await subscribe('api');
    await addSeat(w.subs, asked, seat('ann'));
    const { events } = await world.eventStore.readAll(null, 1e6);
    const ann = events.find(({ type }) => type === 'SeatAdded')!.data['customerId'] as string;
    world.now = at('2026-01-20');
    await use(30, { customerId: ann });
    world.now = at('2026-02-01');
    await bill();
    await subscribe('own', { id: 't', customerId: ann, startDate: '2026-01-15T00:00:00Z' });
    await use(2, { customerId: ann, eventTimestamp: '2026-01-20T00:00:00Z' });
    world.now = at('2026-03-01');
    await bill(undefined, ['t', 's']);
    // what was recorded after it was made is its own
    expect((await issued()).map(linesOf).sort()).toEqual([['usage 0'], ['usage 10'], ['usage 30']]);
    expect(await faultsIn(world.eventStore)).toEqual([]);
  });

  it('is looked at again for what comes late, and nothing before its period', async () => {
    await price('api', [usageOf('1', { free_units: '10' })]);
    await subscribe('api');
    for (const month of ['2026-02-01', '2026-03-01', '2026-04-01']) {
      for (let index = 0; index < 20; index++) await use(1);
      world.now = at(month);
      await bill();
    }
    await use(7, { eventTimestamp: '2026-03-20T00:00:00Z' });
    world.now = at('2026-05-01');
    const read: number[] = [];
    const watched = open();
    const { eventStore } = watched.deps.credits;
    const readStream: typeof eventStore.readStream = (stream, from) => {
      if (stream.startsWith('creditAccount')) read.push(from ?? 0);
      return eventStore.readStream(stream, from);
    };
    await settleSubscription(watched.subs, asked, 's');
    await invoiceSubscriptions(
      { ...watched.deps, credits: { ...watched.deps.credits, eventStore: { ...eventStore, readStream } } },
      asked,
      ['s'],
    );
    expect(linesOf((await issued())[3]!)).toEqual(['usage 7', 'usage 0']);
    expect(Math.min(...read)).toBe(40);
  });
});

describe('the next invoice', () => {
  it('is made from the log and becomes exactly that', async () => {
    await price('api', [base('500'), usageOf('2')]);
    await subscribe('api');
    await bill();
    await credit('USD', 300);
    await credit('calls', 4, { billingVisible: true });
    await use(10);
    const before = await world.eventStore.head();
    const [draft] = await upcomingInvoices(w.deps, tenant, 's');
    expect(await world.eventStore.head()).toBe(before);
    expect(linesOf(draft!)).toEqual([
      'fixed 500',
      'usage 20',
      'usage_credit -8',
      'monetary_credit -12',
      'monetary_credit -288',
    ]);
    world.now = at('2026-02-01');
    await bill();
    const invoice = (await issued())[1]!;
    expect(invoice.invoiceId).toBe(draft!.invoiceId);
    expect(linesOf(invoice)).toEqual(linesOf(draft!));
    expect(invoice.total).toBe(draft!.total);
  });

  it('is the opening one until that is issued, and what a change at once asks for before the period’s', async () => {
    await price('api', [base('500'), usageOf('2')]);
    await price('big', [base('900')]);
    await subscribe('api');
    await use(10);
    const drafts = async () => {
      const upcoming = await upcomingInvoices(w.deps, tenant, 's');
      return upcoming.map((one) => [one.invoiceId, linesOf(one), one.closesAt]);
    };
    const asIssued = async (closesAt: string) => {
      await bill();
      const last = (await issued()).at(-1)!;
      return [[last.invoiceId, linesOf(last), closesAt]];
    };
    const opening = await drafts();
    expect(opening).toMatchObject([[expect.anything(), ['fixed 500'], '2026-01-01T00:00:00.000Z']]);
    expect(await asIssued('2026-01-01T00:00:00.000Z')).toEqual(opening);
    expect(await drafts()).toMatchObject([[expect.anything(), ['fixed 500', 'usage 20'], expect.anything()]]);
    world.now = at('2026-01-16');
    await change('change', { planId: 'big', proration: 'immediate' });
    const changed = await drafts();
    expect(changed[0]![1]).toEqual(['fixed -258', 'fixed 465', 'usage 20']);
    expect(await asIssued('2026-01-16T00:00:00.000Z')).toEqual(changed);
  });

  it('leaves out a closing that charges nothing', async () => {
    await price('api', [usageOf('2')]);
    await subscribe('api');
    await use(10);
    const [draft, ...more] = await upcomingInvoices(w.deps, tenant, 's');
    expect(more).toEqual([]);
    world.now = at('2026-02-01');
    await bill();
    expect(await issued()).toMatchObject([{ invoiceId: draft!.invoiceId, total: draft!.total }]);
  });
});
