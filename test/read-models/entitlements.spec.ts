import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { checkEntitlements } from '../../apps/api/entitlements/check.js';
import type { Runtime } from '../../apps/runtime.js';
import { createStreamWriter, type CommandContext } from '#libs/commands';
import {
  accountKind,
  ingestUsage,
  issueGrant,
  settleAccount,
  type CreditsDeps,
} from '#libs/commands/credits';
import { createCatalogReader } from '#libs/commands/catalog';
import {
  addSeat,
  changeSubscription,
  createSubscription,
  removeSeat,
  settleSubscription,
  subscriptions,
  suppose,
  type SubscriptionsDeps,
} from '#libs/commands/subscriptions';
import { admits, evolve as evolveAccount, initialAccount, type CreditEvent } from '#libs/credits';
import type { EventStore, RecordedEvent } from '#libs/event-store';
import { createMemoryEventStore } from '#libs/event-store/memory';
import { DAY, formatAmount, formatInstant, HOUR, Problem, readAmount, type Instant } from '#libs/kernel';
import { verifyLedger, type ReadModels } from '#libs/read-models';
import { evolve, type Entitlement, type Subscription, type SubscriptionEvent } from '#libs/subscriptions';
import { createDocument } from '../../libs/commands/catalog/catalog-writer.js';
import { creditDefinitions, plans, prices } from '../../libs/commands/catalog/catalog-kinds.js';
import { createCustomer } from '../../libs/commands/catalog/customers.handlers.js';
import { createFeature } from '../../libs/commands/catalog/features.js';
import { createMeter } from '../../libs/commands/catalog/meters.js';
import { createUnit } from '../../libs/commands/catalog/units.js';
import { givenLedger, NOW, type Ledger } from './given.js';

const CUSTOMERS = ['org', 'ada', 'bob'] as const;
const SLUGS = ['calls', 'sso', 'none'] as const;
const UNIT = 'credits';

type Supposing = Runtime['suppose'];

type Step = { readonly wait: number; readonly n: number } & (
  | {
      readonly do:
        'subscribe' | 'change' | 'pause' | 'resume' | 'cancel' | 'cancelLater' | 'revoke' | 'record';
    }
  | { readonly do: 'addSeat' | 'removeSeat' }
  | { readonly do: 'override' | 'grant'; readonly from: number; readonly until: number }
  | { readonly do: 'use'; readonly who: number; readonly late: number }
);

const waits = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 3 * HOUR }),
  fc.integer({ min: DAY, max: 20 * DAY }),
);
const simple = (...names: string[]) =>
  fc.record({ do: fc.constantFrom(...names), wait: waits, n: fc.integer({ min: 1, max: 60 }) });
const steps = fc.oneof(
  { weight: 3, arbitrary: simple('subscribe', 'change', 'record') },
  { weight: 2, arbitrary: simple('pause', 'resume', 'cancel', 'cancelLater', 'revoke') },
  { weight: 2, arbitrary: simple('addSeat', 'addSeat', 'removeSeat') },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('override', 'grant', 'grant'),
      wait: waits,
      n: fc.integer({ min: 1, max: 60 }),
      from: fc.integer({ min: 0, max: 2 * DAY }),
      until: fc.integer({ min: 1, max: 40 * DAY }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('use'),
      wait: waits,
      n: fc.integer({ min: 1, max: 60 }),
      who: fc.integer({ min: 0, max: 2 }),
      late: fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 30 * DAY })),
    }),
  },
) as fc.Arbitrary<Step>;

describe('entitlements, with nobody recording what time makes due', () => {
  let ledger: Ledger;
  let readModels: ReadModels;
  /** Where the log of the tenant in hand begins. */
  let begins: string | null;
  beforeAll(async () => {
    ledger = await givenLedger();
    readModels = await ledger.project({ learnedUpTo: () => performance.now() });
    ledger.eventStore.subscribe(null, {
      handle: async ({ events }) => readModels.learn(events),
      onError: (error) => ledger.errors.push(error),
    });
  });
  afterAll(() => ledger.close());

  /** The product's parts on a log, whose time stands still. */
  function partsOn(eventStore: EventStore): SubscriptionsDeps {
    const writer = createStreamWriter({ eventStore, clock: () => ledger.clock.now });
    const catalog = createCatalogReader({ writer, index: readModels, monotonic: () => 0 });
    let made = 0;
    const newId = (prefix: string) => `${prefix}_${++made}`;
    const { locateGrant, locateHold, locateConsumption, locateSeries, drawnByMeter, customersDue } =
      readModels;
    const credits: CreditsDeps = {
      ...{
        writer,
        eventStore,
        catalog,
        newId,
        account: accountKind(0),
        now: () => ledger.clock.now,
        expiryGrace: 0,
        settleBilling: () => Promise.resolve(),
      },
      ...{
        maxEventAge: 34 * DAY,
        locateGrant,
        locateHold,
        locateConsumption,
        locateSeries,
        drawnByMeter,
        customersDue,
      },
    };
    return { credits, ports: { writer, reader: catalog, newId }, lookups: readModels.subscriptions };
  }

  async function catalogue(deps: SubscriptionsDeps, context: CommandContext): Promise<void> {
    const { ports } = deps;
    const document = (kind: never, id: string, attributes: object) =>
      createDocument(ports, kind, {
        context,
        operation: 'test',
        id,
        input: {},
        attributes: attributes as never,
      });
    for (const id of CUSTOMERS)
      await createCustomer(ports, context, {
        ...{ id, name: id, externalCustomerId: id },
        ...(id === 'ada' ? { orgRole: 'member', customerOrganizationId: 'org' } : {}),
      });
    await createUnit(ports, context, { code: UNIT, scale: 2 });
    await createMeter(ports, context, {
      id: 'm1',
      eventName: 'calls',
      unit: UNIT,
      rate: 1,
      onShortage: 'pending',
    });
    const named = (slug: string) => ({ slug, displayName: slug });
    await createFeature(ports, context, { id: 'f1', ...named('calls'), featureValue: 20, meterId: 'm1' });
    await createFeature(ports, context, { id: 'f2', ...named('sso'), featureValue: false });
    for (const [planId, value, recurrence_rule] of [
      ['pro', '100', 'FREQ=MONTHLY'],
      ['basic', '40', 'FREQ=WEEKLY'],
    ] as const) {
      const has = [
        { featureId: 'f1', value },
        ...(planId === 'pro' ? [{ featureId: 'f2', value: true }] : []),
      ];
      await document(plans as never, planId, { planName: planId, features: has });
      const base = { type: 'fixed', label: 'Base', amount_cents: '1', recurrence_rule };
      const components = [{ id: `c-${planId}`, ...base }];
      await document(prices as never, `p-${planId}`, {
        planId,
        currency: 'USD',
        pricingData: { dsl_version: 1, components },
      });
    }
    await document(creditDefinitions as never, 'd1', {
      ...{
        name: 'd1',
        scope: 'plan',
        applicationType: 'usage',
        planId: 'pro',
        featureSlug: 'calls',
        unit: UNIT,
      },
      ...{
        defaultAmount: '30',
        refillAmount: '10',
        renewOnBilling: true,
        billingVisible: false,
        priority: 50,
      },
      ...{ isActive: true, linkedMeters: ['m1'], seatCredits: 'per_seat' },
    });
  }

  async function take(
    deps: SubscriptionsDeps,
    context: CommandContext,
    step: Step,
    current: string[],
  ): Promise<void> {
    const { now } = ledger.clock;
    const id = current.at(-1) ?? 'none';
    const change = (action: string, request: object) =>
      changeSubscription(deps, context, id, { action, request } as never);
    const planId = step.n % 3 === 0 ? 'pro' : 'basic';
    switch (step.do) {
      case 'subscribe': {
        const request = { id: `s${current.length}`, customerId: 'org', planId };
        const trial = step.n % 4 === 0 ? { trialDays: step.n } : {};
        await createSubscription(deps, context, { ...request, ...trial }, false);
        current.push(request.id);
        return;
      }
      case 'change':
        return void (await change('change', { planId, when: step.n % 2 ? 'now' : 'next_cycle' }));
      case 'cancelLater':
        return void (await change('cancel', { atPeriodEnd: true }));
      case 'pause':
      case 'resume':
      case 'cancel':
        return void (await change(step.do, {}));
      case 'override':
        return void (await change('overrideFeature', {
          ...{ featureSlug: 'calls', value: step.n },
          effectiveFrom: formatInstant(now + step.from),
          effectiveUntil: formatInstant(now + step.from + step.until),
        }));
      case 'revoke':
        return void (await change('revokeFeatureOverride', { featureSlug: 'calls' }));
      case 'addSeat':
        return void (await addSeat(deps, context, { organization_id: 'org', created_user_id: 'ada' }));
      case 'removeSeat':
        return void (await removeSeat(deps, context, { organization_id: 'org', removed_user_id: 'ada' }));
      case 'grant': {
        const window = {
          startDate: formatInstant(now + step.from),
          expiryDate: formatInstant(now + step.from + step.until),
        };
        const customerId = CUSTOMERS[step.n % 3]!;
        await issueGrant(
          deps.credits,
          context,
          { customerId, unit: UNIT, amount: step.n, source: 'manual', ...window },
          false,
        );
        return;
      }
      case 'use':
        await ingestUsage(deps.credits, context, [
          {
            ...{ eventName: 'calls', customerId: CUSTOMERS[step.who]!, eventValue: step.n },
            eventTimestamp: formatInstant(now - step.late),
          },
        ]);
        return;
      case 'record':
        return record(deps, context, current);
    }
  }

  /** What the workers would do. */
  async function record(
    deps: SubscriptionsDeps,
    context: CommandContext,
    ids: readonly string[],
  ): Promise<void> {
    for (const id of ids) await settleSubscription(deps, context, id);
    for (const id of CUSTOMERS) await settleAccount(deps.credits, context, id);
  }

  /** The answers as a fold of the log, in which a worker on a copy of it has recorded everything. */
  async function folded(context: CommandContext, ids: readonly string[], at: Instant) {
    const copy = createMemoryEventStore();
    for (const event of await logOf(ledger.eventStore, context.tenant, begins))
      await copy.append([
        {
          stream: event.stream,
          expectedRevision: event.revision - 1,
          events: [{ ...event, data: JSON.stringify(event.data), metadata: JSON.stringify(event.metadata) }],
        },
      ]);
    const now = ledger.clock.now;
    ledger.clock.now = at;
    const deps = partsOn(copy);
    const there = [];
    for (const id of ids)
      if ((await deps.credits.writer.read(subscriptions, context.tenant, id)).state) there.push(id);
    await record(deps, context, there);
    ledger.clock.now = now;
    const log = await logOf(copy, context.tenant);
    return CUSTOMERS.map((customer) => SLUGS.map((slug) => naive(log, context.tenant, customer, slug, at)));
  }

  const SEED = 20_260_521;
  test('are what a fold of the log says, at any time', async () => {
    let run = 0;
    const sources = new Set<string>();
    const check = async (some: readonly Step[]): Promise<void> => {
      const tenant = `t${++run}`;
      const context = { tenant, actor: 'key', correlationId: 'c' };
      ledger.clock.now = NOW + 1_234_567; // no period begins with an hour
      begins = (await ledger.eventStore.readAll(null, 1e6)).checkpoint;
      const deps = partsOn(ledger.eventStore);
      await catalogue(deps, context);
      const ids: string[] = [];
      const parts = {
        readModels,
        catalog: deps.credits.catalog,
        clocks: { now: () => ledger.clock.now } as never,
        suppose: (...asked: Parameters<Supposing>) => suppose({ ...deps, index: readModels }, ...asked),
      };
      const ask = async (customerIds: readonly string[], at?: Instant) =>
        (
          await checkEntitlements(parts, {
            ...{ tenant, customerIds, slugs: SLUGS, at },
            atLeast: await ledger.eventStore.head(),
          })
        ).customers;
      // by turns all in one question, and each in one of its own
      const answers = async (at?: Instant) =>
        run % 2 ? ask(CUSTOMERS, at) : (await Promise.all(CUSTOMERS.map((id) => ask([id], at)))).flat();
      const seen: { at: Instant; said: readonly (readonly Entitlement[])[] }[] = [];
      for (const step of some) {
        await take(deps, context, step, ids).catch((error: unknown) => {
          if (!(error instanceof Problem)) throw error;
        });
        ledger.clock.now += step.wait;
        await ledger.caughtUp(readModels);
        const at = ledger.clock.now;
        const said = await answers();
        expect(said).toEqual(await folded(context, ids, at));
        // asked again, they come from memory
        expect(await answers()).toEqual(said);
        for (const one of said.flat()) sources.add(`${one.source} ${one.entitled}`);
        seen.push({ at, said });
        ledger.clock.now += 1; // what comes next is recorded later
      }
      // as of a time before: the same answers, whatever has been recorded since
      await record(deps, context, ids);
      await ledger.caughtUp(readModels);
      for (const { at, said } of seen) expect(await answers(at)).toEqual(said);
    };
    const histories = fc
      .array(steps, { minLength: 4, maxLength: 12 })
      .map((some): Step[] => [{ do: 'subscribe', wait: 0, n: some.length }, ...some]);
    // a grant that pays a debt when it begins: no row says so before that is recorded
    await check([
      { do: 'use', who: 2, n: 10, late: 0, wait: HOUR },
      { do: 'grant', n: 59, from: HOUR, until: 30 * DAY, wait: 2 * HOUR },
    ]);
    // an hour that a period cuts becomes known bit by bit, and some of it late
    const use = { do: 'use', who: 0, late: 0, wait: HOUR / 60 } as const;
    await check([
      { ...use, n: 2 },
      { do: 'subscribe', n: 1, wait: HOUR / 60 },
      { ...use, n: 3 },
      { ...use, n: 4, wait: 2 * HOUR },
      { ...use, n: 5, late: 2 * HOUR },
    ]);
    for (const some of fc.sample(histories, { seed: SEED, numRuns: 9 })) await check(some);
    await fc.assert(fc.asyncProperty(histories, check), { numRuns: 3 });
    for (const source of ['default true', 'default false', 'plan true', 'override true', 'credits true'])
      expect(sources).toContain(source);
    const checked = await verifyLedger({ eventStore: ledger.eventStore, pool: ledger.pool });
    expect(checked).toMatchObject({ faults: [], differences: [] });
    expect(ledger.errors).toEqual([]);
  }, 120_000);
});

/** A tenant's events after a checkpoint. */
const logOf = async (
  eventStore: EventStore,
  tenant: string,
  after: string | null = null,
): Promise<readonly RecordedEvent[]> =>
  (await eventStore.readAll(after, 1e6)).events.filter(({ stream }) => stream.includes(`-${tenant}_`));

const LIMITS: Record<string, { value: string | boolean; type: string }> = {
  calls: { value: '20', type: 'number' },
  sso: { value: false, type: 'boolean' },
};

/** One answer from a log in which everything is recorded, worked out the plain way. */
function naive(
  log: readonly RecordedEvent[],
  tenant: string,
  customer: string,
  slug: string,
  at: Instant,
): Entitlement {
  const states = new Map<string, Subscription>();
  let account = initialAccount;
  const usages: { at: Instant; quantity: bigint }[] = [];
  for (const { stream, type, data } of log) {
    if (stream.startsWith('subscription-'))
      states.set(stream, evolve(states.get(stream) ?? null, { type, data } as unknown as SubscriptionEvent));
    if (stream !== `creditAccount-${tenant}_${customer}`) continue;
    account = evolveAccount(account, { type, data } as unknown as CreditEvent);
    if (type === 'CreditsConsumed')
      usages.push({
        at: Date.parse(String(data['effectiveAt'])),
        quantity: readAmount((data['usage'] as { value: string }).value),
      });
  }
  const mine = [...states.values()].filter(
    ({ status, customerId, seats }) =>
      (status === 'active' || status === 'trialing') &&
      (customerId === customer ||
        seats.some((seat) => seat.customerId === customer && seat.removedAt === null)),
  );
  const metered = slug === 'calls';
  const month = new Date(at);
  const start = mine[0]?.period.start ?? Date.UTC(month.getUTCFullYear(), month.getUTCMonth());
  const end = mine[0]?.period.end ?? Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + 1);
  const used = usages.reduce((sum, one) => (one.at >= start && one.at < end ? sum + one.quantity : sum), 0n);
  const grants = (account.units.get(UNIT)?.grants ?? []).filter(
    (grant) =>
      metered &&
      grant.effectiveAt <= at &&
      at < grant.expiresAt &&
      admits(grant.applicability, { featureSlug: slug, meterId: 'm1' }),
  );
  const total = (of: 'amount' | 'remaining') => grants.reduce((sum, grant) => sum + grant[of], 0n);
  const ends = grants.map(({ expiresAt }) => expiresAt).filter((one) => one !== Infinity);
  const override = mine
    .flatMap(
      ({ overrides }) =>
        overrides.findLast((one) => one.slug === slug && one.from <= at && at < one.until!) ?? [],
    )
    .at(0);
  const plan = mine.flatMap(({ terms }) => terms.features.filter((one) => one.slug === slug)).at(0);
  const source = grants.length > 0 ? 'credits' : override ? 'override' : plan ? 'plan' : 'default';
  const value =
    source === 'credits'
      ? formatAmount(total('amount'))
      : ((override ?? plan ?? LIMITS[slug])?.value ?? false);
  return {
    entitled:
      source === 'credits'
        ? total('remaining') > 0n
        : typeof value === 'string'
          ? used < readAmount(value)
          : value,
    feature: { slug, value },
    source,
    usages: metered ? [{ metricId: 'm1', usage: formatAmount(used) }] : [],
    creditInfo: {
      creditAllowance: formatAmount(total('amount')),
      creditsRemaining: formatAmount(total('remaining')),
      nextExpiryDate: ends.length === 0 ? null : formatInstant(Math.min(...ends)),
    },
  };
}
