import { formatInstant, issue, type Instant, type Issue } from '#libs/kernel';
import { recurrenceFault } from '#libs/calendar';
import {
  versionOf,
  type Customer,
  type Document,
  type Plan,
  type Price,
  type PriceComponent,
} from '#libs/catalog';
import { cycleOf, type PlanCredit, type PlanTerms, type SubscriptionFeature } from '#libs/subscriptions';
import { unknownReference } from '../catalog/catalog-writer.js';
import { unacceptable } from '../credits/amounts.js';
import type { SubscriptionsDeps } from './deps.js';

/** Which version of a plan, at which of its prices. */
export interface PlanChoice {
  readonly planId: string;
  readonly priceId?: string;
  /** Of the price, where none is named: default the customer's, else that of the plan's first price. */
  readonly currency?: string;
}

/** A version of a plan that is in use. @throws Problem `validation_failed` at `/planId` */
export async function planOf(
  { ports }: SubscriptionsDeps,
  tenant: string,
  planId: string,
): Promise<Document<Plan>> {
  const plan = await ports.reader.plan(tenant, planId);
  if (!plan) throw unacceptable([unknownReference('/planId', 'plan', planId)]);
  if (plan.archivedAt !== null)
    throw unacceptable([issue('/planId', 'unknown_reference', `The plan ${planId} is archived.`)]);
  return plan;
}

/**
 * Copies what a plan's version and one of its prices say.
 * @throws Problem `validation_failed` for the price and the currency, and for a price of which nothing recurs from `start` on
 */
export async function termsOf(
  deps: SubscriptionsDeps,
  tenant: string,
  customer: Document<Customer>,
  choice: PlanChoice,
  start: Instant,
): Promise<PlanTerms> {
  const plan = await planOf(deps, tenant, choice.planId);
  const price = await priceOf(deps, tenant, customer, plan, choice);
  const components = price?.attributes.pricingData.components ?? [];
  const zone = customer.attributes.timezone ?? 'UTC';
  const isOver = ({ recurrence_rule: rule, timezone = zone }: PriceComponent): boolean =>
    rule !== undefined && recurrenceFault({ rule, anchor: start, zone: timezone }) !== null;
  if (components.length > 0 && components.every(isOver))
    throw unacceptable([
      issue(
        choice.priceId === undefined ? '/planId' : '/priceId',
        'rrule_never_matches',
        `The price ${price!.id} charges nothing from ${formatInstant(start)} on.`,
      ),
    ]);
  const { stablePlanId, versionNumber } = versionOf(plan);
  return {
    planId: plan.id,
    stablePlanId,
    versionNumber,
    planName: plan.attributes.planName,
    ...(price ? { priceId: price.id, currency: price.attributes.currency } : {}),
    components,
    features: await featuresOf(deps, tenant, plan),
    credits: await creditsOf(deps, tenant, [...new Set([plan.id, stablePlanId])]),
    ...cycleOf(components, zone, start),
  };
}

/** The price that is named, else the latest in the currency. Null: the plan has none. */
async function priceOf(
  { ports }: SubscriptionsDeps,
  tenant: string,
  { attributes: { preferredCurrency } }: Document<Customer>,
  plan: Document<Plan>,
  { priceId, currency }: PlanChoice,
): Promise<Document<Price> | null> {
  const used = plan.attributes.priceIds ?? [];
  if (priceId !== undefined) {
    const price = await ports.reader.price(tenant, priceId);
    const issues: Issue[] = [];
    if (!price) issues.push(unknownReference('/priceId', 'price', priceId));
    else if (price.attributes.planId !== plan.id && !used.includes(price.id))
      issues.push(
        issue('/priceId', 'price_not_of_plan', `The price belongs to another plan than ${plan.id}.`),
      );
    else if (currency !== undefined && currency !== price.attributes.currency)
      issues.push(issue('/currency', 'exclusive', `The price is in ${price.attributes.currency}.`));
    if (issues.length > 0) throw unacceptable(issues);
    return price;
  }
  const prices = await ports.reader.pricesOf(tenant, plan);
  const latestIn = (wanted: string | undefined): Document<Price> | undefined =>
    prices.find(({ attributes }) => attributes.currency === wanted);
  const latest = latestIn(currency);
  if (currency !== undefined && !latest)
    throw unacceptable([issue('/currency', 'unknown_reference', `The plan has no price in ${currency}.`)]);
  return latest ?? latestIn(preferredCurrency) ?? prices[0] ?? null;
}

async function featuresOf(
  { ports }: SubscriptionsDeps,
  tenant: string,
  { attributes: { features = [] } }: Document<Plan>,
): Promise<readonly SubscriptionFeature[]> {
  const found = await Promise.all(
    features.map(async ({ featureId, value }): Promise<readonly SubscriptionFeature[]> => {
      const feature = await ports.reader.feature(tenant, featureId);
      if (!feature || feature.archivedAt !== null) return [];
      const { slug, featureType: type, meterId } = feature.attributes;
      return [{ featureId, slug, type, value, ...(meterId === undefined ? {} : { meterId }) }];
    }),
  );
  return found.flat();
}

/** A definition that names the plan's first version is every version's. */
async function creditsOf(
  { ports, lookups }: SubscriptionsDeps,
  tenant: string,
  planIds: readonly string[],
): Promise<readonly PlanCredit[]> {
  const ids = await lookups.definitionsOfPlans(tenant, planIds);
  const found = await Promise.all(
    ids.map(async (definitionId): Promise<readonly PlanCredit[]> => {
      const definition = await ports.reader.definition(tenant, definitionId);
      if (!definition?.attributes.isActive) return [];
      const { applicationType, seatCredits = 'per_seat' } = definition.attributes;
      return [{ definitionId, ...(applicationType === 'usage' ? { seats: seatCredits } : {}) }];
    }),
  );
  return found.flat();
}
