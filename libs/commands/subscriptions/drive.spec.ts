import { beforeEach, describe, expect, it } from '@jest/globals';
import { createStreamWriter } from '#libs/commands';
import { createCatalogReader, createCustomer } from '#libs/commands/catalog';
import type { EventStore } from '#libs/event-store';
import type { SubscriptionAnswer } from '#libs/subscriptions';
import { creditDefinitions, features, plans, prices } from '../catalog/catalog-kinds.js';
import { createDocument } from '../catalog/catalog-writer.js';
import {
  asked,
  catalogIndexOf,
  context,
  issuesOf,
  problemOf,
  tenant,
} from '../../../test/support/catalog-world.js';
import { creditsWorld } from '../../../test/support/credits-world.js';
import type { Answered } from '../credits/answered.js';
import { consume } from '../credits/consume.js';
import { changeSubscription } from './changes.js';
import { readSubscription, subscriptions, type SubscriptionLookups, type SubscriptionsDeps } from './deps.js';
import { settleSubscription } from './drive.js';
import { addSeat, removeSeat } from './seats.js';
import { settleBilling, settleSubscriptions } from './settle-due.js';
import { createSubscription } from './subscriptions.js';

const world = creditsWorld();
const DAY = 86_400_000;
let deps: SubscriptionsDeps;

/** Another process on the same log; its appends to accounts fail once `failing` says so. */
function openDeps(failing: (stream: string) => boolean = () => false): SubscriptionsDeps {
  const eventStore: EventStore = {
    ...world.eventStore,
    append: (batches) =>
      batches.some(({ stream }) => failing(stream))
        ? Promise.reject(new Error('the process died here'))
        : world.eventStore.append(batches),
  };
  const writer = createStreamWriter({ eventStore, clock: () => world.now });
  const reader = createCatalogReader({
    writer,
    index: catalogIndexOf(world.eventStore),
    monotonic: () => world.monotonic,
  });
  return {
    credits: { ...world.deps, writer, catalog: reader, eventStore },
    ports: { writer, reader, newId: world.ports.newId },
    lookups: lookups(),
  };
}

/** What the read models would say, said by the log itself. */
function lookups(): SubscriptionLookups {
  const created = async (type: string) =>
    (await world.eventStore.readAll(null, 1e6)).events
      .filter((event) => event.type === type)
      .map(({ data }) => data as unknown as { id: string; attributes: Record<string, unknown> });
  const all = async () =>
    (await world.eventStore.readAll(null, 1e6)).events
      .filter(({ type }) => type === 'SubscriptionCreated')
      .map(({ data }) => data as unknown as { subscriptionId: string; customerId: string });
  return {
    definitionsOfPlans: async (_, planIds) =>
      (await created('CreditDefinitionCreated'))
        .filter(({ attributes }) => planIds.includes(attributes['planId'] as string))
        .map(({ id }) => id),
    subscriptionsOf: async (_, customerId) =>
      (await all()).filter((one) => one.customerId === customerId).map((one) => one.subscriptionId),
    subscriptionsOn: () => Promise.resolve([]),
    subscriptionsDue: async (_, __, after) =>
      after === null ? (await all()).map((one) => one.subscriptionId) : [],
  };
}

const plan = (id: string, members: object = {}) =>
  createDocument(deps.ports, plans, {
    context: asked,
    operation: 'plan',
    id,
    input: {},
    attributes: { planName: id, ...members },
  });
const price = (id: string, planId: string, currency = 'USD', recurrence_rule = 'FREQ=MONTHLY') =>
  createDocument(deps.ports, prices, {
    context: asked,
    operation: 'price',
    id,
    input: {},
    attributes: {
      planId,
      currency,
      pricingData: {
        dsl_version: 1,
        components: [{ id: `c-${id}`, type: 'fixed', label: id, amount_cents: '100', recurrence_rule }],
      },
    },
  });
const define = (id: string, members: object = {}) =>
  createDocument(deps.ports, creditDefinitions, {
    context: asked,
    operation: 'definition',
    id,
    input: {},
    attributes: {
      name: id,
      scope: 'plan',
      applicationType: 'usage',
      planId: 'pro',
      featureSlug: 'calls',
      defaultAmount: '100',
      refillAmount: '50',
      renewOnBilling: true,
      billingVisible: false,
      priority: 50,
      isActive: true,
      unit: 'credits',
      linkedMeters: ['m1'],
      ...members,
    },
  });

beforeEach(async () => {
  deps = openDeps();
  await createCustomer(deps.ports, asked, { id: 'org', name: 'Org', externalCustomerId: 'org' });
  await createDocument(deps.ports, features, {
    context: asked,
    operation: 'feature',
    id: 'f1',
    input: {},
    attributes: {
      slug: 'calls',
      displayName: 'Calls',
      featureValue: '0',
      featureType: 'number',
      meterId: 'm1',
    },
  });
  await plan('pro', { features: [{ featureId: 'f1', value: '500' }] });
  await price('p1', 'pro');
  await define('billing');
  await define('daily', { renewOnBilling: false, refillRrule: 'FREQ=DAILY', refillAmount: '5' });
  await define('once', { renewOnBilling: false });
  await define('off', { isActive: false });
});

const create = async (using = deps, members: object = {}, key?: string) => {
  const request = { id: 's', customerId: 'org', planId: 'pro', ...members };
  return (await createSubscription(using, context(key), request, false)) as Answered<SubscriptionAnswer>;
};
const change = (action: string, request: object = {}, using = deps) =>
  changeSubscription(using, asked, 's', { action, request } as never);
const settle = (using = deps) => settleSubscription(using, asked, 's');
/** What the accounts have recorded, grants by what they were made from. */
async function told(customerId = 'org'): Promise<readonly string[]> {
  const names = new Map<string, string>();
  const { events } = await world.eventStore.readAll(null, 1e6);
  return events
    .filter(({ stream }) => stream === `creditAccount-${tenant}_${customerId}`)
    .flatMap(({ type, data }) => {
      const { grantId, seriesId, definitionId, amount } = data as Record<string, string>;
      if (type === 'GrantIssued') names.set(grantId!, definitionId!);
      const name = names.get(grantId ?? '') ?? names.get(seriesId ?? '') ?? '';
      return type === 'RenewalBegun' ? [] : [`${type} ${name} ${amount ?? ''}`.trim()];
    });
}
const issued = async (customerId?: string) =>
  (await told(customerId)).filter((one) => one.startsWith('GrantIssued'));

describe('creating a subscription', () => {
  it('copies the plan, its price and its features, and issues every grant', async () => {
    const { body } = await create();
    expect(body).toMatchObject({
      planId: 'pro',
      effectivePriceId: 'p1',
      subscriptionFeatures: [{ featureId: 'f1', slug: 'calls', type: 'number', value: '500', meterId: 'm1' }],
    });
    expect(await issued()).toEqual([
      'GrantIssued billing 100',
      'GrantIssued daily 100',
      'GrantIssued once 100',
    ]);
    const { state } = await deps.credits.writer.read(subscriptions, tenant, 's');
    expect(state).toMatchObject({ pending: [], lines: [{}, {}, {}] });
  });

  it('takes the latest price of the currency that is wanted, else the customer’s', async () => {
    await price('p2', 'pro', 'EUR');
    await price('p3', 'pro');
    const priceOf = async (customerId: string, members: object = {}) =>
      (await create(deps, { id: customerId, customerId, ...members })).body.effectivePriceId;
    for (const [id, preferredCurrency] of [
      ['c2', 'EUR'],
      ['c3', 'CHF'],
    ] as const)
      await createCustomer(deps.ports, asked, { id, name: id, preferredCurrency });
    expect(await priceOf('c2')).toBe('p2');
    expect(await priceOf('c3')).toBe('p3');
    expect(await priceOf('org', { currency: 'EUR' })).toBe('p2');
    expect(await issuesOf(create(deps, { id: 'x', currency: 'JPY' }))).toEqual([
      '/currency unknown_reference',
    ]);
  });

  it('on a trial plan becomes the newest version of its parent', async () => {
    await plan('pro2', { stablePlanId: 'pro', versionNumber: 2, priceIds: ['p1'] });
    await plan('try', { isTrialPlan: true, trialParentPlanId: 'pro', trialDays: 7 });
    const { body } = await create(deps, { planId: 'try' });
    expect(body).toMatchObject({ status: 'trialing', scheduledChange: { planId: 'pro2', versionNumber: 2 } });
    expect(await issued()).toEqual([]);
    world.now += 7 * DAY;
    await settle();
    // what names the plan's first version is every version's
    expect(await issued()).toEqual([
      'GrantIssued billing 100',
      'GrantIssued daily 100',
      'GrantIssued once 100',
    ]);
  });

  it('leaves no claim behind when it is refused', async () => {
    const ahead = new Date(world.now + DAY).toISOString();
    expect(await issuesOf(create(deps, { startDate: ahead }))).toEqual(['/startDate timestamp_in_future']);
    await create(deps, { id: 'other' });
    expect((await problemOf(create())).code).toBe('subscription_exists');
  });
});

describe('a command that changes nothing', () => {
  it('leaves a fact under a key, and none without one', async () => {
    await create();
    const send = (action: 'uncancel' | 'change', key?: string) =>
      changeSubscription(deps, context(key), 's', { action, request: { quantity: 2 } } as never);
    await change('pause');
    const revision = async () => (await deps.credits.writer.read(subscriptions, tenant, 's')).revision;
    const before = await revision();
    await send('uncancel');
    expect((await problemOf(send('change'))).code).toBe('subscription_not_active');
    expect(await revision()).toBe(before);
    await send('uncancel', 'k1');
    const refused = await send('change', 'k1');
    expect(refused).toMatchObject({ problem: { code: 'subscription_not_active' }, replayed: false });
    expect(await revision()).toBe(before + 2);
    await change('resume');
    expect(await send('change', 'k1')).toMatchObject({
      problem: { code: 'subscription_not_active' },
      replayed: true,
    });
  });
});

describe('a crash between the subscription and the accounts', () => {
  const WAYS = ['at once', 'after one account', 'before it is recorded as driven'] as const;
  /** A process that dies the moment it would append where the way says. */
  const dying = (way: (typeof WAYS)[number]): SubscriptionsDeps => {
    let accounts = 0;
    let onSubscription = 0;
    return openDeps((stream) => {
      if (stream.startsWith('creditAccount')) {
        accounts++;
        return way === 'at once' || (way === 'after one account' && accounts > 1);
      }
      if (!stream.startsWith('subscription-')) return false;
      onSubscription++;
      return way === 'before it is recorded as driven' && onSubscription > 1;
    });
  };

  for (const way of WAYS) {
    it(`${way} leaves each grant once when somebody else goes on`, async () => {
      const first = dying(way);
      await expect(create(first, {}, 'key')).rejects.toThrow('the process died here');
      const next = openDeps();
      await settleSubscriptions(next, asked, world.now);
      expect((await issued()).sort()).toEqual([
        'GrantIssued billing 100',
        'GrantIssued daily 100',
        'GrantIssued once 100',
      ]);
      expect((await create(openDeps(), {}, 'key')).replayed).toBe(true);
      await settleSubscriptions(openDeps(), asked, world.now);
      expect(await issued()).toHaveLength(3);
    });

    it(`${way} of a resumption leaves the fresh grants once and no old one`, async () => {
      await create();
      await change('pause');
      const before = await told();
      const first = dying(way);
      await expect(change('resume', {}, first)).rejects.toThrow('the process died here');
      await Promise.all([settle(openDeps()), settle(openDeps())]);
      await settle(openDeps());
      const since = (await told()).slice(before.length).sort();
      expect(since).toEqual([
        'GrantExpired billing 100',
        'GrantExpired daily 100',
        'GrantExpired once 100',
        'GrantIssued billing 50',
        'GrantIssued daily 5',
        'GrantIssued once 50',
        'RenewalCancelled billing',
        'RenewalCancelled daily',
      ]);
    });

    it(`${way} of a seat's removal leaves it revoked once`, async () => {
      await create();
      const seat = { organization_id: 'org', created_user_id: 'ada' };
      await addSeat(deps, asked, seat);
      const first = dying(way);
      const removal = { organization_id: 'org', removed_user_id: 'ada' };
      await expect(removeSeat(first, asked, removal)).rejects.toThrow('the process died here');
      await settle(openDeps());
      await settle(openDeps());
      const ada = (await openDeps().ports.reader.customerByExternalId(tenant, 'ada'))!;
      expect(ada.attributes).toMatchObject({ orgRole: 'member', customerOrganizationId: 'org' });
      expect((await told(ada.id)).filter((one) => !one.startsWith('GrantIssued')).sort()).toEqual([
        'GrantVoided billing 100',
        'GrantVoided daily 100',
        'GrantVoided once 100',
        'RenewalCancelled billing',
        'RenewalCancelled daily',
      ]);
    });
  }
});

describe('an account in use while no worker runs', () => {
  const draw = async () => {
    const credits = {
      ...deps.credits,
      settleBilling: (of: string, customerId: string) => settleBilling(deps, of, customerId),
    };
    const request = { customerId: 'org', meterId: 'm1', value: 1, onShortage: 'refuse' } as const;
    return consume(credits, asked, request, false);
  };
  const periodEnd = async () => (await readSubscription(deps, tenant, 's')).subscription.period.end;
  const since = async (count: number) => (await told()).slice(count).map((one) => one.replace(/ \d+$/, ''));

  it('is renewed at the end of the period before anything is drawn, and not earlier', async () => {
    await create();
    const end = await periodEnd();
    world.now = end - 1;
    await draw();
    const early = (await told()).length;
    world.now = end;
    await draw();
    const after = await since(early);
    expect(after).toContain('GrantIssued billing');
    expect(after.at(-1)).toBe('CreditsConsumed');
  });

  it('has nothing left of a subscription that ended with its period', async () => {
    await create();
    await change('cancel', { atPeriodEnd: true });
    world.now = (await periodEnd()) - 1;
    await draw();
    world.now++;
    expect(await draw()).toMatchObject({ problem: { code: 'insufficient_credit' } });
  });
});

describe('driving', () => {
  it('renews for each period that began while nobody looked, at its own instant', async () => {
    await create();
    world.now += 70 * DAY;
    await settle();
    expect((await issued()).filter((one) => one === 'GrantIssued billing 50')).toHaveLength(2);
    const before = (await told()).length;
    await settle();
    expect(await told()).toHaveLength(before);
  });

  it('records what an account cannot take, and goes on', async () => {
    await define('huge', { defaultAmount: '9'.repeat(24), renewOnBilling: false });
    await create();
    expect(await issued()).toHaveLength(3);
    const { events } = await world.eventStore.readAll(null, 1e6);
    const driven = events.find(({ type }) => type === 'GrantsDriven');
    expect(driven?.data).toMatchObject({
      refused: [{ definitionId: 'huge', customerId: 'org', code: 'validation_failed' }],
    });
  });
});
