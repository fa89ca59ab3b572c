import { isFreePlan, latestPrices } from '#libs/catalog';
import type { Attributes, PlanFeature, Price } from '#libs/catalog';
import type {
  CatalogCategory,
  CatalogFilters,
  CatalogQueries,
  CatalogQueryOptions,
} from './catalog-queries.js';

/** A plan as the read side presents it. */
export interface PlanRow extends Attributes {
  readonly id: string;
  readonly stablePlanId: string;
  /** Without a value: the feature's own. */
  readonly features?: readonly (Pick<PlanFeature, 'featureId'> & Partial<PlanFeature>)[] | undefined;
  readonly priceIds?: readonly string[] | undefined;
}

type Row = Attributes & { readonly id: string };
type PriceRow = Row & Price;

/** What is written out with a plan; each is looked up in any case as far as the answer depends on it. */
export interface PlanIncludes {
  readonly features?: boolean;
  readonly prices?: boolean;
  readonly trials?: boolean;
}

/** All rows that the filters admit, oldest first. */
export async function allOf<R extends Attributes = Row>(
  queries: CatalogQueries,
  tenant: string,
  kind: CatalogCategory,
  filters: CatalogFilters,
  options: CatalogQueryOptions = {},
): Promise<readonly R[]> {
  const found: Attributes[] = [];
  for (let cursor: string | null = null; ;) {
    const page = await queries.list(tenant, kind, filters, { limit: 1000, cursor, ...options });
    found.push(...page.data);
    if (page.nextCursor === null) return found as readonly Attributes[] as readonly R[];
    cursor = page.nextCursor;
  }
}

/** Plans as they are answered: without features that were deleted, with `isFree`, and with what is to be included. */
export async function answerPlans(
  queries: CatalogQueries,
  tenant: string,
  plans: readonly PlanRow[],
  includes: PlanIncludes,
): Promise<readonly Attributes[]> {
  if (plans.length === 0) return [];
  const [features, prices, trials] = await Promise.all([
    featuresOf(queries, tenant, plans),
    pricesOf(queries, tenant, plans),
    includes.trials ? trialsOf(queries, tenant, plans) : null,
  ]);
  return plans.map((plan) => {
    const kept = (plan.features ?? []).filter(({ featureId }) => features.has(featureId));
    const latest = prices(plan);
    const shown = includes.features
      ? kept.map(({ featureId, value }) => {
          const feature = features.get(featureId)!;
          return { ...describe(feature), featureId, value: value ?? feature['featureValue'] };
        })
      : kept;
    return {
      ...plan,
      ...(plan.features ? { features: shown } : {}),
      isFree: isFreePlan(latest),
      ...(includes.prices ? { prices: latest } : {}),
      ...(trials ? { trials: trials(plan) } : {}),
    };
  });
}

const describe = ({ slug, displayName, featureType }: Attributes): Attributes => ({
  slug,
  displayName,
  featureType,
});

/** Those of the plans' features that are in use, by id. */
async function featuresOf(
  queries: CatalogQueries,
  tenant: string,
  plans: readonly PlanRow[],
): Promise<ReadonlyMap<string, Attributes>> {
  const ids = plans.flatMap(({ features = [] }) => features.map(({ featureId }) => featureId));
  if (ids.length === 0) return new Map();
  const found = await allOf(queries, tenant, 'feature', { id: [...new Set(ids)], archived: 'false' });
  return new Map(found.map((feature) => [feature.id, feature]));
}

async function pricesOf(
  queries: CatalogQueries,
  tenant: string,
  plans: readonly PlanRow[],
): Promise<(plan: PlanRow) => readonly PriceRow[]> {
  const shared = plans.flatMap(({ priceIds = [] }) => priceIds);
  const own = await allOf<PriceRow>(queries, tenant, 'price', { planId: plans.map(({ id }) => id) });
  const others = shared.length === 0 ? [] : await allOf<PriceRow>(queries, tenant, 'price', { id: shared });
  return ({ id, priceIds = [] }) =>
    latestPrices(
      // what a version goes on using is older than anything made for it
      [
        ...others.filter((price) => priceIds.includes(price.id)),
        ...own.filter(({ planId }) => planId === id),
      ].map((attributes) => ({ attributes })),
    ).map(({ attributes }) => attributes);
}

/** The newest version of each trial that becomes a plan, whatever version of the plan it names. */
async function trialsOf(
  queries: CatalogQueries,
  tenant: string,
  plans: readonly PlanRow[],
): Promise<(plan: PlanRow) => readonly Attributes[]> {
  const stablePlanId = [...new Set(plans.map((plan) => plan.stablePlanId))];
  const versions = await allOf<PlanRow>(queries, tenant, 'plan', { stablePlanId });
  const planOf = new Map(versions.map((version) => [version.id, version.stablePlanId]));
  const trials = await allOf<PlanRow>(queries, tenant, 'plan', {
    trialParentPlanId: [...planOf.keys()],
    newest: 'true',
  });
  return (plan) =>
    trials
      .filter(({ trialParentPlanId }) => planOf.get(trialParentPlanId as string) === plan.stablePlanId)
      .map(({ id, planName, trialDays }) => ({ planId: id, planName, trialDays }));
}
