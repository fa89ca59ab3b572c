import { beforeEach, describe, expect, it } from '@jest/globals';
import type { InvoiceFinalized } from '#libs/billing';
import { createStreamWriter, ingestUsage, issueGrant } from '#libs/commands';
import { createCatalogReader, createCustomer } from '#libs/commands/catalog';
import {
  addSeat,
  changeSubscription,
  createSubscription,
  removeSeat,
  settleSubscription,
  subscriptions,
  type SubscriptionsDeps,
} from '#libs/commands/subscriptions';
import type { EventStore } from '#libs/event-store';
import { asked, catalogIndexOf, tenant } from '../../../test/support/catalog-world.js';
import { bodyOf, creditsWorld } from '../../../test/support/credits-world.js';
import { plans, prices } from '../catalog/catalog-kinds.js';
import { createDocument } from '../catalog/catalog-writer.js';
import { createMeter } from '../catalog/meters.js';
import { createUnit } from '../catalog/units.js';
import { invoices, invoiceNumbers, type InvoicesDeps } from './deps.js';
import { invoiceSubscriptions } from './invoicing.js';
import { upcomingInvoices } from './upcoming.js';

const world = creditsWorld();
const at = (text: string): number => Date.parse(`${text}T00:00:00Z`);
let subs: SubscriptionsDeps;
let deps: InvoicesDeps;

/** A process on the log; its appends fail once `failing` says so. */
function open(failing: (stream: string, types: readonly string[]) => boolean = () => false) {
  const eventStore: EventStore = {
    ...world.eventStore,
    append: (batches) =>
      batches.some(({ stream, events }) =>
        failing(
          stream,
          events.map(({ type }) => type),
        ),
      )
        ? Promise.reject(new Error('the process died here'))
        : world.eventStore.append(batches),
  };
  const writer = createStreamWriter({ eventStore, clock: () => world.now });
  const reader = createCatalogReader({
    writer,
    index: catalogIndexOf(eventStore),
    monotonic: () => (world.monotonic += 1e6),
  });
  const created = async () =>
    (await world.eventStore.readAll(null, 1e6)).events
      .filter(({ type }) => type === 'SubscriptionCreated')
      .map(({ data }) => ({
        id: String(data['subscriptionId']),
        customerId: String(data['customerId']),
      }));
  const credits = { ...world.deps, writer, catalog: reader, eventStore };
  const subscriptionsDeps: SubscriptionsDeps = {
    credits,
    ports: { writer, reader, newId: world.ports.newId },
    lookups: {
      definitionsOfPlans: () => Promise.resolve([]),
      pricesOfPlan: (name, planId) => catalogIndexOf(world.eventStore).pricesOfPlan(name, planId),
      newestVersion: () => Promise.resolve(null),
      subscriptionsOf: async (_, id) =>
        (await created()).filter(({ customerId }) => customerId === id).map((one) => one.id),
      subscriptionsOn: () => Promise.resolve([]),
      subscriptionsDue: () => Promise.resolve([]),
    },
  };
  const invoicesDeps: InvoicesDeps = {
    credits,
    lookups: {
      subscriptionsToBill: async (_, after) =>
        after === null ? (await created()).map(({ id }) => id).sort() : [],
      subscriptionsOfAll: async (_, ids) =>
        (await created()).filter(({ customerId }) => ids.includes(customerId)),
    },
  };
  return { subs: subscriptionsDeps, deps: invoicesDeps };
}

const price = (id: string, components: readonly object[], planId = id) =>
  createDocument(subs.ports, plans, {
    context: asked,
    operation: 'plan',
    id: planId,
    input: {},
    attributes: { planName: planId },
  }).then(() =>
    createDocument(subs.ports, prices, {
      context: asked,
      operation: 'price',
      id: `p-${id}`,
      input: {},
      attributes: {
        planId,
        currency: 'USD',
        pricingData: {
          dsl_version: 1,
          components: components.map((component, index) => ({
            id: `${id}-${index}`,
            label: id,
            recurrence_rule: 'FREQ=MONTHLY',
            ...component,
          })) as never,
        },
      },
    }),
  );
const usageOf = (unit_cost_cents: string, members: object = {}) => ({
  type: 'usage',
  metric_id: 'mtr',
  unit_cost_cents,
  ...members,
});
const base = (amount_cents: string) => ({ type: 'fixed', amount_cents });
const SEATS = { type: 'per_unit', unit_amount_cents: '310', minimum_seats: 1 };
const subscribe = (planId: string, members: object = {}) =>
  createSubscription(subs, asked, { id: 's', customerId: 'c1', planId, ...members }, false);
const use = async (eventValue: number, members: object = {}) => {
  const [done] = await ingestUsage(deps.credits, asked, [
    { eventName: 'mtr', customerId: 'c1', eventValue, ...members },
  ]);
  if (!done || !('body' in done)) throw new Error('usage was refused');
  return done.body;
};
const credit = async (unit: string, amount: number, members: object = {}) =>
  bodyOf(
    await issueGrant(
      deps.credits,
      asked,
      { customerId: 'c1', unit, amount: String(amount), ...members },
      false,
    ),
  );
const bill = async (using = { subs, deps }, ids = ['s']) => {
  for (const id of ids) await settleSubscription(using.subs, asked, id);
  return invoiceSubscriptions(using.deps, asked, ids);
};
/** What was issued, in the order of numbers. */
async function issued(): Promise<readonly InvoiceFinalized[]> {
  const { events } = await world.eventStore.readAll(null, 1e6);
  return events
    .filter(({ type }) => type === 'InvoiceFinalized')
    .map(({ data }) => data as unknown as InvoiceFinalized)
    .sort((a, b) => (a.number < b.number ? -1 : 1));
}
const linesOf = ({ lines }: { lines: InvoiceFinalized['lines'] }): readonly string[] =>
  lines.map((line) => `${line.type} ${line.amount}`);

beforeEach(async () => {
  ({ subs, deps } = open());
  await createUnit(world.ports, asked, { code: 'calls', scale: 0 });
  await createMeter(world.ports, asked, { id: 'mtr', eventName: 'mtr', unit: 'calls', rate: 1 });
});

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
    const { state } = await deps.credits.writer.read(deps.credits.account, tenant, 'c1');
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
    const { state } = await deps.credits.writer.read(invoices, tenant, (await issued())[0]!.invoiceId);
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

describe('changes within a period', () => {
  it('stand on an invoice of their own at once, or on the next one', async () => {
    await price('small', [base('3100')]);
    await price('big', [base('6200')]);
    await subscribe('small');
    await bill();
    world.now = at('2026-01-16');
    await changeSubscription(subs, asked, 's', {
      action: 'change',
      request: { planId: 'big', proration: 'immediate' },
    } as never);
    await bill();
    expect((await issued()).map(linesOf)).toEqual([['fixed 3100'], ['fixed -1600', 'fixed 3200']]);
    await changeSubscription(subs, asked, 's', {
      action: 'change',
      request: { planId: 'small', proration: 'next_cycle' },
    } as never);
    await bill();
    expect(await issued()).toHaveLength(2);
    world.now = at('2026-02-01');
    await bill();
    expect(linesOf((await issued())[2]!)).toEqual(['fixed -3200', 'fixed 1600', 'fixed 3100']);
  });

  it('end usage of the old price where the new one begins', async () => {
    await price('cheap', [usageOf('1')]);
    await price('dear', [usageOf('3')]);
    await subscribe('cheap');
    await use(10);
    world.now = at('2026-01-16');
    await changeSubscription(subs, asked, 's', {
      action: 'change',
      request: { planId: 'dear', proration: 'immediate' },
    } as never);
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
    for (const name of ['ann', 'bob', 'cid']) await addSeat(subs, asked, seat(name));
    await removeSeat(subs, asked, seat('ann'));
    await addSeat(subs, asked, seat('dan'));
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
    await changeSubscription(subs, asked, 's', { action: 'cancel', request: {} } as never);
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
    await addSeat(subs, asked, seat('ann'));
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

describe('the next invoice', () => {
  it('is made from the log and becomes exactly that', async () => {
    await price('api', [base('500'), usageOf('2')]);
    await subscribe('api');
    await bill();
    await credit('USD', 300);
    await credit('calls', 4, { billingVisible: true });
    await use(10);
    const before = await world.eventStore.head();
    const [draft] = await upcomingInvoices(deps, tenant, 's');
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
});

describe('a crash', () => {
  const steps: readonly [string, (stream: string, types: readonly string[]) => boolean][] = [
    ['before the closing', (_, types) => types.includes('ChargesClosed')],
    ['before the seal', (_, types) => types.includes('InvoiceSealed')],
    ['between two draws', (stream, types) => types.includes('CreditsConsumed') && ++drawn > 1],
    ['before the number', (_, types) => types.includes('NumbersTaken')],
    ['between number and invoice', (_, types) => types.includes('InvoiceFinalized')],
  ];
  let drawn = 0;
  it.each(steps)('%s leaves no gap and nothing twice', async (_, failing) => {
    drawn = 0;
    await price('api', [base('500'), usageOf('2')]);
    await subscribe('api');
    await subscribe('api', { id: 't', dangerouslyAllowMultipleSubscriptions: true });
    await credit('USD', 600);
    await use(10);
    world.now = at('2026-02-01');
    const dying = open(failing);
    await settleSubscription(subs, asked, 's');
    await settleSubscription(subs, asked, 't');
    await expect(invoiceSubscriptions(dying.deps, asked, ['s', 't'])).rejects.toThrow();
    // usage and credit come in between; another process goes on with the other subscription first
    await use(3, { eventTimestamp: '2026-01-30T00:00:00Z' });
    const next = open();
    await bill(next, ['t']);
    await bill(next, ['s']);
    const made = await issued();
    expect(made.map(({ number }) => number)).toEqual(made.map((_one, index) => `INV-00${index + 1}`));
    const { state } = await deps.credits.writer.read(invoiceNumbers, tenant, 'INV');
    expect(state.last).toBe(made.length);
    const fixed = made.flatMap(linesOf).filter((line) => line === 'fixed 500');
    expect(fixed).toHaveLength(4);
    const paid = made.reduce((sum, one) => sum + Number(one.credits), 0);
    expect(paid).toBe(-600);
    // the usage in between: on this invoice where nothing was closed yet, else on the next one
    world.now = at('2026-03-01');
    await bill(next, ['s', 't']);
    const used = (await issued())
      .flatMap(({ lines }) => lines)
      .flatMap((line) => (line.type === 'usage' ? [Number(line.quantity)] : []));
    expect(used.reduce((sum, one) => sum + one, 0)).toBe(13);
    await expect(deps.credits.writer.read(subscriptions, tenant, 's')).resolves.toBeDefined();
  });
});

describe('a month of a company', () => {
  it('adds up: lines + covered + unbilled = usage, after a crash in the middle of the run', async () => {
    const random = seeded(7);
    await price('api', [base('900'), usageOf('3', { free_units: '5' })]);
    const customers = Array.from({ length: 24 }, (_, index) => `cus${index}`);
    const used = new Map<string, number>();
    for (const id of customers) {
      await createCustomer(world.ports, asked, { id, name: id });
      await subscribe('api', { id: `s-${id}`, customerId: id });
      if (random(3) > 0)
        await credit('calls', 10 + random(60), { customerId: id, billingVisible: random(2) === 0 });
      if (random(2) === 0) await credit('USD', random(2000) + 1, { customerId: id });
    }
    for (let day = 1; day <= 40; day++) {
      world.now = at('2026-01-01') + day * 86_400_000 - 3_600_000;
      if (day === 31) await dyingRun(customers);
      for (const customerId of customers) {
        if (random(4) > 0) continue;
        const amount = 1 + random(20);
        await use(amount, { customerId });
        used.set(customerId, (used.get(customerId) ?? 0) + amount);
      }
    }
    await bill(
      open(),
      customers.map((id) => `s-${id}`),
    );
    const made = await issued();
    expect(made.map(({ number }) => Number(number.slice(4)))).toEqual(made.map((_, index) => index + 1));
    expect(made).toHaveLength(2 * customers.length);
    for (const customerId of customers) {
      const own = made.filter((invoice) => invoice.customerId === customerId);
      const charged = own.flatMap(({ lines }) => lines).filter(({ type }) => type === 'usage');
      const onLines = charged.reduce((sum, line) => sum + Number((line as UsageLine).quantity), 0);
      const covered = charged.reduce(
        (sum, line) => sum + Number((line as UsageLine).coveredQuantity ?? 0),
        0,
      );
      const drafts = await upcomingInvoices(deps, tenant, `s-${customerId}`);
      const unbilled = drafts
        .flatMap(({ lines }) => lines)
        .filter(({ type }) => type === 'usage')
        .reduce(
          (sum, line) =>
            sum + Number((line as UsageLine).quantity) + Number((line as UsageLine).coveredQuantity ?? 0),
          0,
        );
      expect([customerId, onLines + covered + unbilled]).toEqual([customerId, used.get(customerId) ?? 0]);
      for (const invoice of own) {
        const sum = invoice.lines.reduce((total, { amount }) => total + Number(amount), 0);
        expect(sum).toBe(Number(invoice.total));
      }
    }
  });

  /** The run of the month's end: the process dies when half of the invoices are made. */
  async function dyingRun(customers: readonly string[]): Promise<void> {
    world.now = at('2026-02-01');
    let finalized = 0;
    const dying = open((_, types) => types.includes('InvoiceFinalized') && ++finalized > 2);
    const ids = customers.map((id) => `s-${id}`);
    for (const id of ids) await settleSubscription(subs, asked, id);
    await expect(invoiceSubscriptions(dying.deps, asked, ids)).rejects.toThrow();
  }
});

interface UsageLine {
  readonly quantity: string;
  readonly coveredQuantity?: string;
}

/** Whole numbers below a bound, the same for the same seed. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * below);
  };
}
