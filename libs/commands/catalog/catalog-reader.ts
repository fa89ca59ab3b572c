import { LRUCache } from 'lru-cache';
import { claimId, currencyUnit, latestPrices, versionOf } from '#libs/catalog';
import type {
  Attributes,
  ClaimedThing,
  CreditDefinition,
  Customer,
  Document,
  Feature,
  Merchant,
  Meter,
  Plan,
  Price,
  PriceComponent,
  Unit,
} from '#libs/catalog';
import type { RecordedEvent } from '#libs/event-store';
import type { DomainEvent } from '#libs/kernel';
import { streamName } from '#libs/event-types';
import { apiKeys, SYSTEM_TENANT, type ApiKey } from '../api-keys.js';
import { follow, type Lookup } from '../lookup.js';
import type { StreamKind, StreamWriter } from '../stream-kind.js';
import {
  claims,
  creditDefinitions,
  customers,
  features,
  MERCHANT,
  merchants,
  meters,
  plans,
  prices,
  units,
} from './catalog-kinds.js';

export interface ComponentOfPrice {
  readonly component: PriceComponent;
  readonly price: Document<Price>;
}

/**
 * Lookups in the catalogue for decisions: from memory, at most {@link MAX_AGE} behind what other processes wrote and never
 * behind this one. Null: nothing exists under that name (always looked up again). Archived objects are answered too.
 */
export interface CatalogReader {
  unit(tenant: string, code: string): Lookup<Document<Unit>>;
  meter(tenant: string, id: string): Lookup<Document<Meter>>;
  meterByEventName(tenant: string, eventName: string): Lookup<Document<Meter>>;
  feature(tenant: string, id: string): Lookup<Document<Feature>>;
  featureBySlug(tenant: string, slug: string): Lookup<Document<Feature>>;
  plan(tenant: string, id: string): Lookup<Document<Plan>>;
  price(tenant: string, id: string): Lookup<Document<Price>>;
  /** A component by its own id, whatever price it stands in. */
  component(tenant: string, id: string): Lookup<ComponentOfPrice>;
  definition(tenant: string, id: string): Lookup<Document<CreditDefinition>>;
  customer(tenant: string, id: string): Lookup<Document<Customer>>;
  customerByExternalId(tenant: string, externalId: string): Lookup<Document<Customer>>;
  /** Settings of the environment; null: nobody has set any. */
  merchant(tenant: string): Lookup<Document<Merchant>>;
  /** An API key, of whatever tenant. */
  apiKey(id: string): Lookup<ApiKey>;
  /** The newest version of a plan. */
  newestPlan(tenant: string, stablePlanId: string): Promise<Document<Plan> | null>;
  /** The prices that count for a version of a plan: in each currency the latest of its own, else the one it goes on using. */
  pricesOf(tenant: string, plan: Document<Plan>): Promise<readonly Document<Price>[]>;
  /** The one of them in a currency. */
  priceOf(tenant: string, plan: Document<Plan>, currency: string): Promise<Document<Price> | null>;
  /** Active credit definitions of scope plan that name any version of this plan, oldest first. */
  definitionsOf(tenant: string, plan: Document<Plan>): Promise<readonly Document<CreditDefinition>[]>;
  /** Takes in what this process has just written, so that its next lookup sees it. */
  remember<State, Command, Event extends DomainEvent>(
    kind: StreamKind<State, Command, Event>,
    tenant: string,
    id: string,
    state: State,
    revision: number,
  ): void;
  /** Forgets of what it keeps that of which the log tells something newer. */
  learn(events: readonly RecordedEvent[]): void;
}

/**
 * What only an index can tell: ids in the order of creation, as of the end of the log. Each throws Problem
 * `read_model_behind` when that cannot be said in time.
 */
export interface CatalogIndex {
  /** Prices made for a version of a plan. */
  pricesOfPlan(tenant: string, planId: string): Promise<readonly string[]>;
  /** Versions of a plan. */
  versionsOfPlan(tenant: string, stablePlanId: string): Promise<readonly string[]>;
  /** Credit definitions that name any version of a plan. */
  definitionsOfPlan(tenant: string, stablePlanId: string): Promise<readonly string[]>;
}

/** Milliseconds that an answer may be behind another process. */
export const MAX_AGE = 1000;
/** Milliseconds after which a value in use is looked up again in the background, unless the log itself tells of what is new. */
const REFRESH_AFTER = MAX_AGE / 2;

interface Known {
  readonly state: unknown;
  readonly revision: number;
  /** Milliseconds of the monotonic clock at which the log was asked. */
  readonly readAt: number;
  /** Read, not remembered: had there been something newer when it was kept, it would have been learned. */
  readonly isRead: boolean;
}

interface Loading {
  readonly found: Promise<unknown>;
  /** Newest revision that was learned of meanwhile. */
  learned: number;
}

export interface CatalogReaderOptions {
  readonly writer: StreamWriter;
  readonly index: CatalogIndex;
  /** Milliseconds that only ever grow, from any start. */
  readonly monotonic: () => number;
  /** All that was recorded before this time (of `monotonic`) was learned. Default: nothing was. */
  readonly learnedUpTo?: () => number;
  /** Customers (and their external ids) kept in memory. */
  readonly maxCustomers?: number;
  /** Other objects kept in memory. */
  readonly maxOthers?: number;
}

export function createCatalogReader(options: CatalogReaderOptions): CatalogReader {
  const { writer, index, monotonic, maxCustomers = 200_000, maxOthers = 50_000 } = options;
  const learnedUpTo = options.learnedUpTo ?? (() => -Infinity);
  const customerCache = new LRUCache<string, Known>({ max: maxCustomers });
  const otherCache = new LRUCache<string, Known>({ max: maxOthers });
  const loading = new Map<string, Loading>();

  const isCustomer = (category: string, id: string): boolean =>
    category === customers.category || id.startsWith('externalCustomerId:');
  const cacheOf = (category: string, id: string): LRUCache<string, Known> =>
    isCustomer(category, id) ? customerCache : otherCache;

  function keep(category: string, key: string, id: string, known: Known): void {
    const cache = cacheOf(category, id);
    // what is free now may be taken in a moment
    if ((known.state as { readonly owner?: unknown } | null)?.owner === null) cache.delete(key);
    // nothing is kept of a stream that is not there, and a read that was under way during a write must not undo it
    else if (known.revision >= (cache.get(key)?.revision ?? 0)) cache.set(key, known);
  }

  function load<State, Command, Event extends DomainEvent>(
    kind: StreamKind<State, Command, Event>,
    tenant: string,
    id: string,
    key: string,
  ): Promise<State> {
    const running = loading.get(key);
    if (running) return running.found as Promise<State>;
    const readAt = monotonic();
    const found = writer
      .read(kind, tenant, id, 0)
      .then(({ state, revision }) => {
        if (revision >= own.learned) keep(kind.category, key, id, { state, revision, readAt, isRead: true });
        return state;
      })
      .finally(() => loading.delete(key));
    const own: Loading = { found, learned: -1 };
    loading.set(key, own);
    return found;
  }

  function look<State, Command, Event extends DomainEvent>(
    kind: StreamKind<State, Command, Event>,
    tenant: string,
    id: string,
  ): State | Promise<State> {
    const key = streamName(kind.category, tenant, id);
    const known = cacheOf(kind.category, id).get(key);
    if (!known) return load(kind, tenant, id, key);
    const age = monotonic() - (known.isRead ? Math.max(known.readAt, learnedUpTo()) : known.readAt);
    if (age >= MAX_AGE) return load(kind, tenant, id, key);
    // the next lookup that finds the value too old is told of a failure; this one need not wait for it
    if (age >= REFRESH_AFTER) load(kind, tenant, id, key).catch(() => undefined);
    return known.state as State;
  }

  const document =
    <A extends Attributes, Command, Event extends DomainEvent>(
      kind: StreamKind<Document<A> | null, Command, Event>,
    ) =>
    (tenant: string, id: string): Lookup<Document<A>> =>
      look(kind, tenant, id);

  const meter = document(meters);
  const feature = document(features);
  const price = document(prices);
  const customer = document(customers);
  const plan = document(plans);
  const definition = document(creditDefinitions);
  const storedUnit = document(units);
  const merchant = document(merchants);

  /** The owner of a claimed value, if it really holds it. */
  function owner<T>(
    what: ClaimedThing,
    tenant: string,
    value: string,
    find: (id: string) => Lookup<T>,
  ): Lookup<T> {
    return follow(look(claims, tenant, claimId(what, value)), (claim) =>
      claim.owner === null ? null : find(claim.owner),
    );
  }

  async function pricesOf(tenant: string, version: Document<Plan>): Promise<readonly Document<Price>[]> {
    const own = await index.pricesOfPlan(tenant, version.id);
    // what a version goes on using is older than anything made for it
    return latestPrices(
      await all([...(version.attributes.priceIds ?? []), ...own], (id) => price(tenant, id)),
    );
  }

  return {
    meter,
    feature,
    price,
    customer,
    plan,
    definition,
    merchant: (tenant) => merchant(tenant, MERCHANT),
    apiKey: (id) => look(apiKeys, SYSTEM_TENANT, id),
    unit: (tenant, code) => currencyUnit(code) ?? storedUnit(tenant, code),
    meterByEventName: (tenant, eventName) =>
      owner('eventName', tenant, eventName, (id) =>
        follow(meter(tenant, id), (found) => (found?.attributes.eventName === eventName ? found : null)),
      ),
    featureBySlug: (tenant, slug) =>
      owner('featureSlug', tenant, slug, (id) =>
        follow(feature(tenant, id), (found) => (found?.attributes.slug === slug ? found : null)),
      ),
    component: (tenant, id) =>
      owner('priceComponent', tenant, id, (priceId) =>
        follow(price(tenant, priceId), (found) => {
          const component = found?.attributes.pricingData.components.find((candidate) => candidate.id === id);
          return found && component ? { component, price: found } : null;
        }),
      ),
    customerByExternalId: (tenant, externalId) =>
      owner('externalCustomerId', tenant, externalId, (id) =>
        follow(customer(tenant, id), (found) =>
          found?.attributes.externalCustomerId === externalId ? found : null,
        ),
      ),
    newestPlan: async (tenant, stablePlanId) => {
      const versions = await all(await index.versionsOfPlan(tenant, stablePlanId), (id) => plan(tenant, id));
      return versions.toSorted((a, b) => versionOf(b).versionNumber - versionOf(a).versionNumber)[0] ?? null;
    },
    pricesOf,
    priceOf: async (tenant, version, currency) =>
      (await pricesOf(tenant, version)).find(({ attributes }) => attributes.currency === currency) ?? null,
    definitionsOf: async (tenant, version) => {
      const ids = await index.definitionsOfPlan(tenant, versionOf(version).stablePlanId);
      const found = await all(ids, (id) => definition(tenant, id));
      return found.filter(
        ({ attributes, archivedAt }) =>
          attributes.scope === 'plan' && attributes.isActive && archivedAt === null,
      );
    },
    remember: (kind, tenant, id, state, revision) =>
      keep(kind.category, streamName(kind.category, tenant, id), id, {
        state,
        revision,
        readAt: monotonic(),
        isRead: false,
      }),
    learn: (events) => {
      for (const { stream, revision } of events) {
        for (const cache of [customerCache, otherCache]) {
          const known = cache.peek(stream);
          if (known && known.revision < revision) cache.delete(stream);
        }
        const own = loading.get(stream);
        if (own && own.learned < revision) own.learned = revision;
      }
    },
  };
}

/** Those that exist, in the order of their ids. */
const all = async <T>(ids: readonly string[], find: (id: string) => Lookup<T>): Promise<readonly T[]> =>
  (await Promise.all(ids.map(async (id) => find(id)))).filter((found) => found !== null);
