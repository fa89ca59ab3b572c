import { priceKind, readValueOf, versionOf } from '#libs/catalog';
import type { Changes, Document, Feature, Plan, PlanFeature, Price } from '#libs/catalog';
import { issue } from '#libs/kernel';
import type { Issue } from '#libs/kernel';
import { derivedId } from '../ids.js';
import { unknownReference } from './catalog-writer.js';
import type { CatalogPorts } from './catalog-writer.js';
import { readPrice } from './prices.js';
import type { ChargeInput } from './prices.js';

/** A feature of a plan by id or slug; without a value it has the feature's own. */
export type PlanFeatureInput = {
  readonly featureId?: string | undefined;
  readonly featureSlug?: string | undefined;
  readonly value?: boolean | number | string | undefined;
};

/** What a version is made of. */
export type TermsInput = Pick<Plan, 'isTrialPlan' | 'trialParentPlanId' | 'trialDays'> & {
  /** All features of the version. */
  readonly features?: readonly PlanFeatureInput[] | undefined;
  /** More of them, each with its own value. */
  readonly featureIds?: readonly string[] | undefined;
  /** Prices made with the version. */
  readonly prices?: readonly ChargeInput[] | undefined;
};

type Asked = TermsInput | Changes<TermsInput>;

/** The terms that are asked for; undefined where nothing is said. */
export async function readTerms(
  ports: CatalogPorts,
  tenant: string,
  input: Asked,
  issues: Issue[],
): Promise<Changes<Plan>> {
  const { isTrialPlan, trialParentPlanId, trialDays } = input;
  if (trialParentPlanId != null) {
    const parent = await ports.reader.plan(tenant, trialParentPlanId);
    if (!parent) issues.push(unknownReference('/trialParentPlanId', 'plan', trialParentPlanId));
    else if (parent.attributes.isTrialPlan)
      issues.push(issue('/trialParentPlanId', 'plan_is_trial', 'A trial does not become another trial.'));
  }
  const features = await readFeatures(ports, tenant, input, issues);
  return { features, isTrialPlan, trialParentPlanId, trialDays };
}

async function readFeatures(
  { reader }: CatalogPorts,
  tenant: string,
  { features, featureIds }: Asked,
  issues: Issue[],
): Promise<readonly PlanFeature[] | null | undefined> {
  if (features === undefined && featureIds === undefined) return undefined;
  const asked = [
    ...(features ?? []).map((one, index) => ({ ...one, at: `/features/${index}` })),
    ...(featureIds ?? []).map((featureId, index): PlanFeatureInput & { at: string } => ({
      featureId,
      at: `/featureIds/${index}`,
    })),
  ];
  const found: PlanFeature[] = [];
  for (const { at, featureId, featureSlug, value } of asked) {
    const feature =
      featureId == null
        ? featureSlug == null
          ? null
          : await reader.featureBySlug(tenant, featureSlug)
        : await reader.feature(tenant, featureId);
    const fault = faultOf(feature, { featureId, featureSlug }, at);
    const kept =
      feature &&
      (value == null ? feature.attributes.featureValue : readValueOf(feature.attributes.featureType, value));
    if (fault) issues.push(fault);
    else if (kept === null)
      issues.push(
        issue(
          `${at}/value`,
          'type',
          `The value of this feature must be a ${feature!.attributes.featureType}.`,
        ),
      );
    else if (found.some((one) => one.featureId === feature!.id))
      issues.push(issue(at, 'duplicate', `${JSON.stringify(feature!.attributes.slug)} stands twice.`));
    else found.push({ featureId: feature!.id, value: kept });
  }
  return found.length === 0 ? null : found;
}

function faultOf(
  feature: Document<Feature> | null,
  { featureId, featureSlug }: PlanFeatureInput,
  at: string,
): Issue | null {
  if (featureId == null && featureSlug == null)
    return issue(`${at}/featureId`, 'required', 'Name the feature by featureId or featureSlug.');
  if (feature?.archivedAt === null) {
    if (featureId != null && featureSlug != null && feature.attributes.slug !== featureSlug)
      return issue(`${at}/featureSlug`, 'exclusive', 'featureId and featureSlug name different features.');
    return null;
  }
  const pointer = at.startsWith('/featureIds')
    ? at
    : `${at}/${featureId == null ? 'featureSlug' : 'featureId'}`;
  return unknownReference(pointer, 'feature', featureId ?? featureSlug ?? '');
}
/** The id of a price that is made with a version. */
export const priceIdOf = (tenant: string, planId: string, price: ChargeInput, index: number): string =>
  price.id ?? derivedId('prc', tenant, 'plans.price', planId, String(index));

/** Everything wrong with the prices of a version, before anything of it is written. */
export async function checkPrices(
  ports: CatalogPorts,
  tenant: string,
  planId: string,
  inputs: readonly ChargeInput[],
): Promise<readonly Issue[]> {
  const found = inputs.map(async (input, index) => {
    const id = priceIdOf(tenant, planId, input, index);
    const { attributes, issues } = await readPrice(ports, tenant, id, { ...input, planId });
    return [
      ...priceKind.check(attributes),
      ...issues,
      ...(await checkFresh(ports, tenant, id, attributes)),
    ].map((one) => ({ ...one, pointer: `/prices/${index}${one.pointer}` }));
  });
  return (await Promise.all(found)).flat();
}

/** Ids that belong to another price already: told here, because the version would stand before the price is refused. */
async function checkFresh(
  { reader }: CatalogPorts,
  tenant: string,
  id: string,
  { planId, pricingData }: Price,
): Promise<readonly Issue[]> {
  const issues: Issue[] = [];
  const existing = await reader.price(tenant, id);
  if (existing && existing.attributes.planId !== planId)
    issues.push(issue('/id', 'duplicate', 'Another price has this id.'));
  const components: readonly unknown[] = Array.isArray(pricingData?.components) ? pricingData.components : [];
  for (const [index, component] of components.entries()) {
    const { id: componentId } = (component ?? {}) as { readonly id?: unknown };
    const taken = typeof componentId === 'string' ? await reader.component(tenant, componentId) : null;
    if (taken && taken.price.id !== id)
      issues.push(
        issue(
          `/pricingData/components/${index}/id`,
          'duplicate',
          'A component of another price has this id.',
        ),
      );
  }
  return issues;
}

/** The prices that a version goes on using: of the same plan, one in each currency. */
export async function keptPrices(
  { reader }: CatalogPorts,
  tenant: string,
  stablePlanId: string,
  ids: readonly string[],
  issues: Issue[],
): Promise<readonly Document<Price>[]> {
  const kept: Document<Price>[] = [];
  for (const [index, id] of ids.entries()) {
    const pointer = `/priceIds/${index}`;
    const price = await reader.price(tenant, id);
    const plan = price && (await reader.plan(tenant, price.attributes.planId));
    if (!price) issues.push(unknownReference(pointer, 'price', id));
    else if (plan && versionOf(plan).stablePlanId !== stablePlanId)
      issues.push(issue(pointer, 'price_not_of_plan', 'The price belongs to another plan.'));
    else if (kept.some(({ attributes: { currency } }) => currency === price.attributes.currency))
      issues.push(issue(pointer, 'duplicate', `Another of these prices is in ${price.attributes.currency}.`));
    else kept.push(price);
  }
  return kept;
}
