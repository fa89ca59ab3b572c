import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { captureHold, placeHold } from '#libs/commands/credits';
import { createCustomer } from '#libs/commands/catalog';
import {
  addSeat,
  changeSubscription,
  removeSeat,
  type SubscriptionChange,
} from '#libs/commands/subscriptions';
import type { EventStore, RecordedEvent } from '#libs/event-store';
import { HOUR, Problem } from '#libs/kernel';
import { asked } from '../../../test/support/catalog-world.js';
import { at, base, invoicingWorld, SEATS, usageOf } from '../../../test/support/invoicing-world.js';
import { faultsIn } from '../../../test/support/log-faults.js';

/** `PARTITION_RUNS=1000 PARTITION_SEED=8 npm test -- usage-partition` plays more, and others. */
const RUNS = Number(process.env['PARTITION_RUNS'] ?? 12);
const SEED = Number(process.env['PARTITION_SEED'] ?? 7);

const w = invoicingWorld();
const { world, open, price, subscribe, use, credit, bill } = w;

/** What may happen; `who` is the organisation `c1`, or `ann`, who may have a seat there. */
type Step =
  | { readonly do: 'wait'; readonly hours: number }
  | { readonly do: 'bill'; readonly dies: string | null }
  | { readonly do: 'use'; readonly who: string; readonly amount: number; readonly ago: number }
  | { readonly do: 'grant'; readonly who: string; readonly amount: number; readonly shown: boolean }
  | { readonly do: 'hold'; readonly who: string; readonly amount: number }
  | { readonly do: 'subscribe'; readonly who: string; readonly plan: string; readonly ago: number }
  | { readonly do: 'seat'; readonly add: boolean; readonly ago: number }
  | { readonly do: 'change'; readonly change: SubscriptionChange };

const who = fc.constantFrom('c1', 'c1', 'ann');
const amount = fc.integer({ min: 1, max: 30 });
const ago = fc.oneof(
  { arbitrary: fc.constant(0), weight: 3 },
  { arbitrary: fc.integer({ min: 1, max: 700 }), weight: 1 },
);
const plan = fc.constantFrom('api', 'team', 'seats');
const proration = fc.constantFrom('immediate' as const, 'next_cycle' as const);
const change: fc.Arbitrary<SubscriptionChange> = fc.oneof(
  fc.record({ planId: plan, proration }).map((request) => ({ action: 'change' as const, request })),
  fc.constant({ action: 'pause' as const, request: {} }),
  fc.constant({ action: 'resume' as const, request: {} }),
  fc.boolean().map((atPeriodEnd) => ({ action: 'cancel' as const, request: { atPeriodEnd } })),
  fc.constantFrom([usageOf('9', { label: 'more' })], [base('7')]).map((components) => ({
    action: 'overridePrice' as const,
    request: {
      components: components.map((one) => ({ label: 'x', recurrence_rule: 'FREQ=MONTHLY', ...one })),
      expiresAfterBillingCycles: 2,
    },
  })),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: fc.record({ do: fc.constant('use' as const), who, amount, ago }), weight: 10 },
  {
    arbitrary: fc.record({ do: fc.constant('wait' as const), hours: fc.integer({ min: 1, max: 500 }) }),
    weight: 4,
  },
  {
    arbitrary: fc.record({
      do: fc.constant('bill' as const),
      dies: fc.constantFrom(null, null, 'ChargesClosed', 'InvoiceSealed', 'NumbersTaken', 'InvoiceFinalized'),
    }),
    weight: 3,
  },
  fc.record({ do: fc.constant('grant' as const), who, amount, shown: fc.boolean() }),
  fc.record({ do: fc.constant('hold' as const), who, amount }),
  fc.record({ do: fc.constant('subscribe' as const), who, plan, ago }),
  fc.record({ do: fc.constant('seat' as const), add: fc.boolean(), ago }),
  { arbitrary: fc.record({ do: fc.constant('change' as const), change }), weight: 2 },
);

let made = 0;
const idsOf = (): readonly string[] => Array.from({ length: made }, (_, index) => `s${index + 1}`);
const timestamp = (hours: number): string => new Date(world.now - hours * HOUR).toISOString();

async function take(taken: Step): Promise<unknown> {
  switch (taken.do) {
    case 'wait':
      return (world.now += taken.hours * HOUR);
    case 'bill': {
      const dying = open((_, types) => taken.dies !== null && types.includes(taken.dies));
      return bill(dying, idsOf());
    }
    case 'use': {
      // a value below zero takes back what was used last
      const value = taken.amount > 25 ? 25 - taken.amount : taken.amount;
      return use(value, { customerId: taken.who, eventTimestamp: timestamp(taken.ago) });
    }
    case 'grant':
      return credit('calls', taken.amount, { customerId: taken.who, billingVisible: taken.shown });
    case 'hold': {
      const request = {
        customerId: taken.who,
        meterId: 'mtr',
        amount: String(taken.amount),
        id: `h${world.now}`,
      };
      await placeHold(w.deps.credits, asked, request, false);
      return captureHold(w.deps.credits, asked, request.id, {
        amount: '1',
        allowMore: { onShortage: 'overage' },
      });
    }
    case 'subscribe': {
      const id = `s${made + 1}`;
      const more = { startDate: timestamp(taken.ago), dangerouslyAllowMultipleSubscriptions: true };
      await subscribe(taken.plan, { id, customerId: taken.who, ...more });
      return ++made;
    }
    case 'seat': {
      const seat = {
        user_id: 'c1',
        created_user_id: 'ann',
        removed_user_id: 'ann',
        timestamp: timestamp(taken.ago),
      };
      return taken.add ? addSeat(w.subs, asked, seat) : removeSeat(w.subs, asked, seat);
    }
    case 'change':
      return changeSubscription(w.subs, asked, `s${made}`, taken.change);
  }
}

describe('on any history', () => {
  it('each usage is on one line, covered or not, or still unbilled, and the three add up', async () => {
    const seen = { lines: 0, covered: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 30 }), async (steps) => {
        await world.reset();
        made = 0;
        await createCustomer(world.ports, asked, { id: 'ann', externalCustomerId: 'ann', name: 'Ann' });
        await price('api', [usageOf('2', { free_units: '3' })]);
        await price('team', [usageOf('5'), SEATS]);
        await price('seats', [SEATS]);
        await take({ do: 'subscribe', who: 'c1', plan: 'team', ago: 0 });
        await take({ do: 'seat', add: true, ago: 0 });
        await take({ do: 'grant', who: 'c1', amount: 50, shown: false });
        for (const one of steps)
          await take(one).catch((error: unknown) => {
            if (!(error instanceof Problem) && !String(error).includes('died here')) throw error;
          });
        world.now += 40 * 24 * HOUR;
        await bill(open(), idsOf());
        for (const { lines } of await w.issued())
          for (const line of lines)
            if (line.type === 'usage' && line.sources!.length > 0) {
              seen.lines++;
              if (line.coveredQuantity !== undefined) seen.covered++;
            } else if (line.type === 'usage_credit') seen.covered++;
        expect(await faultsIn(world.eventStore)).toEqual([]);
      }),
      { numRuns: RUNS, seed: SEED },
    );
    expect(seen.lines).toBeGreaterThan(RUNS / 2);
    expect(seen.covered).toBeGreaterThan(RUNS / 4);
  }, 600_000);
});

/** The log as it would be had somebody changed one type of its facts. */
function changed(eventStore: EventStore, type: string, was: string, is: string): EventStore {
  const change = (event: RecordedEvent): RecordedEvent => {
    const text = JSON.stringify(event.data);
    if (event.type !== type || !text.includes(was)) return event;
    return { ...event, data: JSON.parse(text.replaceAll(was, is)) as RecordedEvent['data'] };
  };
  return {
    ...eventStore,
    readAll: async (after, limit) => {
      const slice = await eventStore.readAll(after, limit);
      return { ...slice, events: slice.events.map(change) };
    },
    async *readStream(stream, from) {
      for await (const event of eventStore.readStream(stream, from)) yield change(event);
    },
  };
}

describe('what was changed afterwards is found:', () => {
  const tampered: readonly (readonly [string, string, string, string])[] = [
    [
      'a quantity',
      '"quantity":"9","rounding"',
      '"quantity":"8","rounding"',
      'line 2 charges 11, the accounts have 12',
    ],
    [
      'what is hidden',
      '"coveredQuantity":"3"',
      '"coveredQuantity":"2"',
      'line 2 has 2 covered and not shown, the accounts 3',
    ],
    ['what is shown', '"quantity":"4","rounding"', '"quantity":"5","rounding"', 'line 2 has 5 covered by'],
    ['how many', '"events":2', '"events":3', 'line 2 has 3 of 12 by c1, the account 2 of 12'],
    ['from where', '"fromRevision":2', '"fromRevision":3', 'line 2 has 2 of 12 by c1, the account 1 of 1'],
    [
      'up to where',
      '"throughRevision":3',
      '"throughRevision":9',
      'line 2 has 2 of 12 by c1, the account 3 of 32',
    ],
    [
      'the period',
      '"end":"2026-02-01T',
      '"end":"2026-01-01T',
      'line 2 has 2 of 12 by c1, the account 0 of 0',
    ],
  ];
  beforeEach(async () => {
    await price('api', [base('500'), usageOf('2')]);
    await subscribe('api');
    await credit('calls', 3);
    await credit('calls', 4, { billingVisible: true });
    await use(11);
    await use(1);
    world.now = at('2026-02-01');
    await bill();
    await use(20, { eventTimestamp: '2026-01-20T00:00:00Z' });
    expect(await faultsIn(world.eventStore)).toEqual([]);
  });

  it.each(tampered)('%s', async (_, was, is, reason) => {
    const found = await faultsIn(changed(world.eventStore, 'InvoiceFinalized', was, is));
    expect(found.filter((fault) => fault.startsWith('usage: ')).join('\n')).toContain(reason);
  });

  it('usage that is on two lines, and usage that no line will have', async () => {
    world.now = at('2026-03-01');
    await bill();
    expect(await faultsIn(world.eventStore)).toEqual([]);
    const twice = changed(world.eventStore, 'InvoiceFinalized', '"fromRevision":4', '"fromRevision":2');
    expect((await faultsIn(twice)).join('\n')).toMatch(/charges the usage evt_\S+ again/);
    const lost = changed(world.eventStore, 'InvoiceFinalized', '"metricId":"mtr"', '"metricId":"other"');
    expect((await faultsIn(lost)).join('\n')).toMatch(/the usage evt_\S+ was closed and is on no line/);
  });
});
