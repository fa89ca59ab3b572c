import type { InvoiceFinalized } from '#libs/billing';
import { createStreamWriter } from '#libs/commands';
import { ingestUsage, issueGrant } from '#libs/commands/credits';
import { createCatalogReader } from '#libs/commands/catalog';
import { invoiceSubscriptions, type InvoicesDeps } from '#libs/commands/invoices';
import {
  changeSubscription,
  createSubscription,
  settleSubscription,
  type SubscriptionChange,
  type SubscriptionsDeps,
} from '#libs/commands/subscriptions';
import type { EventStore } from '#libs/event-store';
import { Problem } from '#libs/kernel';
import { plans, prices } from '../../libs/commands/catalog/catalog-kinds.js';
import { createDocument } from '../../libs/commands/catalog/catalog-writer.js';
import { createMeter } from '../../libs/commands/catalog/meters.js';
import { createUnit } from '../../libs/commands/catalog/units.js';
import { asked, catalogIndexOf } from './catalog-world.js';
import { bodyOf, creditsWorld } from './credits-world.js';
import { logSoFar } from './log-so-far.js';

export const at = (text: string): number => Date.parse(`${text}T00:00:00Z`);
export const usageOf = (unit_cost_cents: string, members: object = {}) => ({
  type: 'usage',
  metric_id: 'mtr',
  unit_cost_cents,
  ...members,
});
export const base = (amount_cents: string) => ({ type: 'fixed', amount_cents });
export const SEATS = { type: 'per_unit', unit_amount_cents: '310', minimum_seats: 1 };
export const linesOf = ({ lines }: { lines: InvoiceFinalized['lines'] }): readonly string[] =>
  lines.map((line) => `${line.type} ${line.amount}`);

/** Subscriptions of the customer `c1` that are invoiced, on a log in memory; the meter `mtr` counts `calls`. */
export function invoicingWorld() {
  const world = creditsWorld();
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
    const created = logSoFar(world.eventStore, ({ type, data, position }) =>
      type === 'SubscriptionCreated'
        ? [
            {
              id: String(data['subscriptionId']),
              customerId: String(data['customerId']),
              createdPosition: position,
            },
          ]
        : [],
    );
    const credits = { ...world.deps, writer, catalog: reader, eventStore };
    const subscriptionsDeps: SubscriptionsDeps = {
      credits,
      ports: { writer, reader, newId: world.ports.newId },
      lookups: {
        definitionsOfPlans: () => Promise.resolve([]),
        subscriptionsOf: async (_, id) =>
          (await created()).filter(({ customerId }) => customerId === id).map((one) => one.id),
        subscriptionsOn: () => Promise.resolve([]),
        subscriptionsDue: () => Promise.resolve([]),
      },
    };
    const invoicesDeps: InvoicesDeps = {
      credits,
      subscriptions: subscriptionsDeps,
      lookups: {
        invoicesDue: async (_, __, after) =>
          after === null ? (await issued()).map(({ invoiceId }) => invoiceId).sort() : [],
        subscriptionsToBill: async (_, __, after) =>
          (await created())
            .map(({ id }) => id)
            .filter((id) => after === null || id > after)
            .sort(),
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
  const subscribe = (planId: string, members: object = {}) =>
    createSubscription(subs, asked, { id: 's', customerId: 'c1', planId, ...members }, false);
  /** Does something to the subscription. */
  const change = (action: SubscriptionChange['action'], request: object = {}) =>
    changeSubscription(subs, asked, 's', { action, request } as SubscriptionChange);
  const use = async (eventValue: number | string, members: object = {}) => {
    const [done] = await ingestUsage(deps.credits, asked, [
      { eventName: 'mtr', customerId: 'c1', eventValue, ...members },
    ]);
    if (done instanceof Problem) throw done;
    if ('problem' in done!) throw done.problem;
    return done!.body;
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
  const bill = async (using = { subs, deps }, ids: readonly string[] = ['s']) => {
    for (const id of ids) await settleSubscription(using.subs, asked, id);
    return invoiceSubscriptions(using.deps, asked, ids);
  };
  /** What was issued, in the order of numbers. */
  async function issued(): Promise<readonly InvoiceFinalized[]> {
    const { events } = await world.eventStore.readAll(null, 1e6);
    return events
      .filter(({ type }) => type === 'InvoiceFinalized')
      .map(({ data }) => data as unknown as InvoiceFinalized)
      .sort((a, b) => a.number.localeCompare(b.number, 'en', { numeric: true }));
  }

  const empty = world.reset;
  world.reset = async () => {
    await empty();
    ({ subs, deps } = open());
    await createUnit(world.ports, asked, { code: 'calls', scale: 0 });
    await createMeter(world.ports, asked, { id: 'mtr', eventName: 'mtr', unit: 'calls', rate: 1 });
  };
  return {
    world,
    open,
    price,
    subscribe,
    change,
    use,
    credit,
    bill,
    issued,
    get subs() {
      return subs;
    },
    get deps() {
      return deps;
    },
  };
}
