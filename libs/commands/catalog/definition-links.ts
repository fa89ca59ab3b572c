import { draws, usageComponents, versionOf } from '#libs/catalog';
import type { CreditDefinition, Document, Feature, Meter, Price, PriceComponent, Unit } from '#libs/catalog';
import { parseAmount } from '#libs/kernel';
import type { Issue } from '#libs/kernel';
import type { CatalogReader } from './catalog-reader.js';
import { unknownReference } from './catalog-writer.js';

type Link = 'planId' | 'featureId' | 'featureSlug' | 'priceId' | 'priceComponentId';

/** What a definition points at, and what its amounts are counted in. */
export type DefinitionLinks = Pick<CreditDefinition, Link | 'applicationType' | 'currency'>;

export interface ResolvedLinks {
  readonly issues: readonly Issue[];
  /** The links completed: id and slug of the feature, price of the component. */
  readonly links: Pick<CreditDefinition, Link>;
  readonly linkedMeters: readonly string[];
  /** Null when the issues leave it open. */
  readonly unit: Document<Unit> | null;
}

/** Looks up everything a definition names and derives its unit. Lists every issue. */
export async function resolveLinks(
  reader: CatalogReader,
  tenant: string,
  given: DefinitionLinks,
): Promise<ResolvedLinks> {
  const issues: Issue[] = [];
  const { planId, applicationType, currency } = given;
  const plan = planId === undefined ? null : await reader.plan(tenant, planId);
  if (planId !== undefined && !plan) issues.push(unknownReference('/planId', 'plan', planId));
  const feature = await findFeature(reader, tenant, given, issues);
  const { price, component } = await findPrice(reader, tenant, given, issues);
  const pricedPlan = price && (await reader.plan(tenant, price.attributes.planId));
  // versions of one plan go on using each other's prices
  if (price && plan && pricedPlan && versionOf(pricedPlan).stablePlanId !== versionOf(plan).stablePlanId)
    issues.push({
      pointer: '/priceId',
      code: 'price_not_of_plan',
      message: `The price belongs to the plan ${JSON.stringify(price.attributes.planId)}.`,
    });
  const links = {
    planId,
    featureId: feature?.id ?? given.featureId,
    featureSlug: feature?.attributes.slug ?? given.featureSlug,
    priceId: price?.id ?? given.priceId,
    priceComponentId: given.priceComponentId,
  };
  if (applicationType === 'monetary')
    return {
      issues,
      links,
      linkedMeters: [],
      unit: currency === undefined ? null : await reader.unit(tenant, currency),
    };
  const found = linkedMeterIds(feature, price, component, issues);
  const meters = await Promise.all(found.map(async ({ meterId }) => reader.meter(tenant, meterId)));
  const unit = oneUnit(
    found.map(({ pointer }, index) => ({ pointer, meter: meters[index] ?? null })),
    issues,
  );
  const linkedMeters = [...new Set(found.map(({ meterId }) => meterId))];
  return { issues, links, linkedMeters, unit: unit === null ? null : await reader.unit(tenant, unit) };
}

async function findFeature(
  reader: CatalogReader,
  tenant: string,
  { featureId, featureSlug }: DefinitionLinks,
  issues: Issue[],
): Promise<Document<Feature> | null> {
  const byId = featureId === undefined ? null : await reader.feature(tenant, featureId);
  const bySlug = featureSlug === undefined ? null : await reader.featureBySlug(tenant, featureSlug);
  if (featureId !== undefined && !byId) issues.push(unknownReference('/featureId', 'feature', featureId));
  if (featureSlug !== undefined && !bySlug)
    issues.push(unknownReference('/featureSlug', 'feature', featureSlug));
  if (byId && bySlug && byId.id !== bySlug.id)
    issues.push({
      pointer: '/featureSlug',
      code: 'exclusive',
      message: 'featureId and featureSlug name different features.',
    });
  return byId ?? bySlug;
}

async function findPrice(
  reader: CatalogReader,
  tenant: string,
  { priceId, priceComponentId }: DefinitionLinks,
  issues: Issue[],
): Promise<{ readonly price: Document<Price> | null; readonly component: PriceComponent | null }> {
  const price = priceId === undefined ? null : await reader.price(tenant, priceId);
  if (priceId !== undefined && !price) issues.push(unknownReference('/priceId', 'price', priceId));
  if (priceComponentId === undefined) return { price, component: null };
  const found = await reader.component(tenant, priceComponentId);
  if (!found) issues.push(unknownReference('/priceComponentId', 'price component', priceComponentId));
  else if (price && found.price.id !== price.id)
    issues.push({
      pointer: '/priceComponentId',
      code: 'component_not_of_price',
      message: `The component belongs to the price ${JSON.stringify(found.price.id)}.`,
    });
  return { price: price ?? found?.price ?? null, component: found?.component ?? null };
}

interface MeterLink {
  readonly pointer: string;
  readonly meterId: string;
}

function linkedMeterIds(
  feature: Document<Feature> | null,
  price: Document<Price> | null,
  component: PriceComponent | null,
  issues: Issue[],
): readonly MeterLink[] {
  const found: MeterLink[] = [];
  if (feature) {
    const { meterId } = feature.attributes;
    if (meterId !== undefined) found.push({ pointer: '/featureSlug', meterId });
    else
      issues.push({
        pointer: '/featureSlug',
        code: 'feature_has_no_meter',
        message: 'The feature counts no usage.',
      });
  }
  if (component) {
    if (component.metric_id !== undefined)
      found.push({ pointer: '/priceComponentId', meterId: component.metric_id });
    else
      issues.push({
        pointer: '/priceComponentId',
        code: 'component_has_no_meter',
        message: 'The component charges no usage.',
      });
  } else if (price) {
    const [first, ...more] = usageComponents(price.attributes);
    if (first && more.length === 0) found.push({ pointer: '/priceId', meterId: first.metric_id });
    else if (!feature)
      issues.push(
        first
          ? {
              pointer: '/priceComponentId',
              code: 'required',
              message: 'The price has several usage components: name one.',
            }
          : { pointer: '/priceId', code: 'price_has_no_usage', message: 'The price has no usage component.' },
      );
  }
  return found;
}

function oneUnit(
  meters: readonly { readonly pointer: string; readonly meter: Document<Meter> | null }[],
  issues: Issue[],
): string | null {
  let unit: string | null = null;
  for (const { pointer, meter } of meters) {
    if (!meter) continue;
    if (!draws(meter.attributes))
      issues.push({
        pointer,
        code: 'meter_does_not_draw',
        message: `Its ${meter.attributes.aggregation} meter draws no credit.`,
      });
    if (unit !== null && unit !== meter.attributes.unit)
      issues.push({
        pointer,
        code: 'unit_mismatch',
        message: `It counts ${meter.attributes.unit}, the other link ${unit}.`,
      });
    unit ??= meter.attributes.unit;
  }
  return unit;
}

/** Amounts with more decimals than the unit keeps are refused, never rounded. */
export const checkPrecision = (
  amounts: { readonly [member: string]: string | undefined },
  scale: number,
): readonly Issue[] =>
  Object.entries(amounts)
    .filter(([, text]) => text !== undefined && parseAmount(text, scale) === 'amount_too_precise')
    .map(([member]) => ({
      pointer: `/${member}`,
      code: 'amount_too_precise',
      message: `The unit keeps ${scale} decimals.`,
    }));
