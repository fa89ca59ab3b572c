import type { Feature } from '#libs/catalog';
import { resolveCustomer } from '#libs/commands/credits';
import type { CatalogReader } from '#libs/commands/catalog';
import { admits, measured, type Measure } from '#libs/credits';
import { latest } from '#libs/event-store';
import type { Amount, Instant } from '#libs/kernel';
import type { EntitlementFacts } from '#libs/read-models';
import {
  entitlementOf,
  entitles,
  activeSeats,
  usageWindow,
  type Entitlement,
  type FeatureDefault,
  type Subscription,
} from '#libs/subscriptions';
import type { Runtime } from '../../runtime.js';

/** What is asked: about some customers, some features or all there are, as of now or of a time before. */
export interface EntitlementQuestion {
  readonly tenant: string;
  readonly customerIds: readonly string[];
  /** Null: every feature of the catalogue, and what subscriptions have beside. */
  readonly slugs: readonly string[] | null;
  readonly at?: Instant | undefined;
  /** Position that the caller knows of, which the read models have reached or never will in time. */
  readonly atLeast?: bigint;
}

/** Answers of the customers in the order they were asked about. */
export interface EntitlementAnswers {
  readonly customers: readonly (readonly Entitlement[])[];
  readonly position: bigint;
}

/** A feature with its meter, as the catalogue has it. */
interface Checked {
  readonly slug: string;
  readonly default: FeatureDefault | null;
  readonly meter: (Measure & { readonly id: string; readonly unit: string }) | null;
}

type Parts = Pick<Runtime, 'catalog' | 'clocks' | 'readModels' | 'suppose'>;

/**
 * Answered by one query where nothing has fallen due that is not recorded yet. Beyond that, and for a time before, it is
 * answered from the streams, settled in memory by the code that records; either way one pure function decides.
 * @throws Problem `customer_not_found`
 */
export async function checkEntitlements(
  runtime: Parts,
  question: EntitlementQuestion,
): Promise<EntitlementAnswers> {
  const { catalog, clocks, readModels } = runtime;
  const { tenant, customerIds, slugs, at, atLeast = 0n } = question;
  const named = slugs ?? (await readModels.featureSlugs(tenant));
  const features = await featuresOf(catalog, tenant, named);
  const found = await readModels.entitlementFacts(
    tenant,
    customerIds,
    clocks.now(tenant),
    addingOf(features),
    { atLeast },
  );
  // now, and not before: what was recorded while they were read is in the facts
  const now = clocks.now(tenant);
  const all = slugs === null;
  const answers = await Promise.all(
    found.map(async (facts) => {
      const { customerId, known, position, subscriptionIds, exactUntil, subscriptions, grants } = facts;
      // what was made a moment ago is not missing
      if (!known) await resolveCustomer(runtime, tenant, { id: customerId, external: false });
      const asked = { tenant, customerId, subscriptionIds, named, all };
      if (at !== undefined) return supposed(runtime, asked, at, at);
      if (now >= exactUntil) return { ...(await supposed(runtime, asked, now)), position };
      const more = all ? besides(facts, named) : [];
      if (more.length > 0) {
        const again = { tenant, customerIds: [customerId], slugs: [...named, ...more], atLeast };
        return { entitlements: (await checkEntitlements(runtime, again)).customers[0]!, position };
      }
      const usage = await withMeasured(facts.usage, features, async (meter) => {
        const window = usageWindow(subscriptions, now);
        return measured(meter, await readModels.meteredUsages(tenant, customerId, meter.id, window));
      });
      return {
        entitlements: features.map((feature) => decided(feature, { subscriptions, grants, usage }, now)),
        position,
      };
    }),
  );
  return {
    customers: answers.map(({ entitlements }) => entitlements),
    position: latest(answers.map(({ position }) => position)),
  };
}

interface Asked {
  readonly tenant: string;
  readonly customerId: string;
  readonly subscriptionIds: readonly string[];
  readonly named: readonly string[];
  /** Whether every feature is asked for. */
  readonly all: boolean;
}

/** @param known what was recorded by then; absent: everything */
async function supposed(
  { suppose, readModels }: Parts,
  { tenant, customerId, subscriptionIds, named, all }: Asked,
  at: Instant,
  known?: Instant,
): Promise<{ readonly entitlements: readonly Entitlement[]; readonly position: bigint }> {
  const { subscriptions, account, catalog, usages, position } = await suppose(
    tenant,
    customerId,
    subscriptionIds,
    at,
    known,
  );
  const mine = subscriptions.filter((one) => entitles(one) && isHolder(one, customerId));
  const facts = {
    subscriptions: mine.map(({ terms, overrides, period }) => ({
      features: terms.features,
      overrides,
      period,
    })),
    grants: [...account.units.values()].flatMap(({ grants }) => grants),
    usage: new Map<string, Amount>(),
  };
  const found = await featuresOf(catalog, tenant, all ? [...named, ...besides(facts, named)] : named);
  const has = (slug: string): boolean =>
    facts.subscriptions.some((one) => one.features.some((f) => f.slug === slug));
  const features = all ? found.filter((one) => one.default !== null || has(one.slug)) : found;
  const window = usageWindow(facts.subscriptions, at);
  const adding = addingOf(features);
  if (known === undefined) {
    const [read] = await readModels.entitlementFacts(tenant, [customerId], at, adding, { window });
    facts.usage = new Map(read!.usage);
  } else
    for (const id of adding) facts.usage.set(id, measured({ aggregation: 'sum' }, await usages(id, window)));
  const usage = await withMeasured(facts.usage, features, async (meter) =>
    measured(
      meter,
      known === undefined
        ? await readModels.meteredUsages(tenant, customerId, meter.id, window)
        : await usages(meter.id, window),
    ),
  );
  return { entitlements: features.map((feature) => decided(feature, { ...facts, usage }, at)), position };
}

/** Who has it, or a seat of it. */
const isHolder = (subscription: Subscription, customerId: string): boolean =>
  subscription.customerId === customerId ||
  activeSeats(subscription).some((seat) => seat.customerId === customerId);

function decided(
  { slug, default: fallback, meter }: Checked,
  facts: Pick<EntitlementFacts, 'subscriptions' | 'grants' | 'usage'>,
  at: Instant,
): Entitlement {
  const context = meter && { featureSlug: slug, meterId: meter.id };
  return entitlementOf(
    {
      slug,
      subscriptions: facts.subscriptions,
      default: fallback,
      credits: context
        ? facts.grants.filter(
            ({ unit, applicability }) => unit === meter.unit && admits(applicability, context),
          )
        : [],
      usage: meter && { meterId: meter.id, value: facts.usage.get(meter.id) ?? 0n },
    },
    at,
  );
}

/** Features of subscriptions that are not among those named. */
const besides = ({ subscriptions }: Pick<EntitlementFacts, 'subscriptions'>, named: readonly string[]) => [
  ...new Set(
    subscriptions
      .flatMap(({ features }) => features.map(({ slug }) => slug))
      .filter((slug) => !named.includes(slug)),
  ),
];

const adds = ({ aggregation }: Measure): boolean => aggregation === 'sum' || aggregation === 'count';

/** The meters of which the read model keeps totals. */
const addingOf = (features: readonly Checked[]): readonly string[] => [
  ...new Set(features.flatMap(({ meter }) => (meter && adds(meter) ? [meter.id] : []))),
];

async function withMeasured(
  usage: ReadonlyMap<string, Amount>,
  features: readonly Checked[],
  measure: (meter: NonNullable<Checked['meter']>) => Promise<Amount>,
): Promise<ReadonlyMap<string, Amount>> {
  const others = features.flatMap(({ meter }) => (meter && !adds(meter) ? [meter] : []));
  if (others.length === 0) return usage;
  const more = await Promise.all(others.map(async (meter) => [meter.id, await measure(meter)] as const));
  return new Map([...usage, ...more]);
}

const featuresOf = (
  catalog: CatalogReader,
  tenant: string,
  slugs: readonly string[],
): Promise<readonly Checked[]> => Promise.all(slugs.map((slug) => featureOf(catalog, tenant, slug)));

async function featureOf(catalog: CatalogReader, tenant: string, slug: string): Promise<Checked> {
  const feature = await catalog.featureBySlug(tenant, slug);
  if (!feature) return { slug, default: null, meter: null };
  const { meterId } = feature.attributes;
  const meter = meterId === undefined ? null : await catalog.meter(tenant, meterId);
  return {
    slug,
    default: feature.archivedAt === null ? defaultOf(feature.attributes) : null,
    meter: meter && { id: meter.id, ...meter.attributes },
  };
}

const defaultOf = ({ featureType, featureValue }: Feature): FeatureDefault => ({
  type: featureType,
  value: featureValue,
});
