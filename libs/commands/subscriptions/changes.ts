import { issue, parseInstant, Problem, type Instant, type Json } from '#libs/kernel';
import { canonicalPricingData, priceKind, readFeatureValue, versionOf, withoutUnset } from '#libs/catalog';
import type { Proration, Subscription, SubscriptionAnswer, SubscriptionCommand } from '#libs/subscriptions';
import { unknownReference } from '../catalog/catalog-writer.js';
import { unacceptable } from '../credits/amounts.js';
import type { Answered, Refused } from '../credits/answered.js';
import { resolveCustomer } from '../credits/deps.js';
import { derivedId } from '../ids.js';
import type { CommandContext } from '../stream-kind.js';
import { readSubscription, type SubscriptionsDeps } from './deps.js';
import { executeOn } from './execute.js';
import { oneName } from './subscriptions.js';
import { planOf, termsOf, type PlanChoice } from './terms.js';

/** `POST /v1/subscriptions/{id}/<action>`, its shape checked. */
export interface SubscriptionChanges {
  readonly pause: { readonly reason?: string };
  readonly resume: { readonly reason?: string };
  readonly cancel: { readonly atPeriodEnd?: boolean; readonly reason?: string };
  readonly uncancel: Readonly<Record<string, never>>;
  readonly change: {
    readonly planId?: string;
    readonly priceId?: string;
    readonly effectivePriceId?: string;
    readonly quantity?: number;
    readonly proration?: Proration;
    readonly when?: 'now' | 'next_cycle';
  };
  /** To a version of the same plan, by default the newest. */
  readonly migrate: {
    readonly planId?: string;
    readonly proration?: Proration;
    readonly when?: 'now' | 'next_cycle';
  };
  readonly overrideFeature: {
    readonly featureSlug: string;
    readonly value: boolean | number | string;
    readonly reason?: string;
    readonly effectiveFrom?: string;
    readonly effectiveUntil?: string;
  };
  readonly revokeFeatureOverride: { readonly featureSlug: string };
  readonly overridePrice: {
    readonly components: readonly object[];
    readonly expiresAfterBillingCycles: number;
    readonly reason?: string;
  };
}

export type SubscriptionChange = {
  readonly [Action in keyof SubscriptionChanges]: {
    readonly action: Action;
    readonly request: SubscriptionChanges[Action];
  };
}[keyof SubscriptionChanges];

/**
 * Changes a subscription and tells the accounts. Under a key it is answered the same for ever, also where it was refused.
 * @throws Problem `not_found`; `validation_failed`; without a key also `subscription_not_active`
 */
export async function changeSubscription(
  deps: SubscriptionsDeps,
  context: CommandContext,
  id: string,
  change: SubscriptionChange,
): Promise<Answered<SubscriptionAnswer> | Refused> {
  const { subscription } = await readSubscription(deps, context.tenant, id);
  const command = await commandOf(deps, context.tenant, subscription, change).catch(
    // under its key the request may have been answered before
    (error: unknown) => () => {
      throw error;
    },
  );
  const input = { subscriptionId: id, ...(change.request as Readonly<Record<string, Json>>) };
  return executeOn(deps, context, id, `subscriptions.${change.action}`, input, command, 200);
}

async function commandOf(
  deps: SubscriptionsDeps,
  tenant: string,
  subscription: Subscription,
  change: SubscriptionChange,
): Promise<(now: Instant) => SubscriptionCommand> {
  switch (change.action) {
    case 'pause':
      return (now) => ({ type: 'Pause', now, ...change.request });
    case 'resume':
      return (now) => ({ type: 'Resume', now, ...change.request });
    case 'cancel': {
      const { atPeriodEnd = false, ...rest } = change.request;
      return (now) => ({ type: 'Cancel', now, atPeriodEnd, ...rest });
    }
    case 'uncancel':
      return (now) => ({ type: 'Uncancel', now });
    case 'change':
      return changeOfPlan(deps, tenant, subscription, change.request);
    case 'migrate':
      return migration(deps, tenant, subscription, change.request);
    case 'overrideFeature':
      return featureOverride(deps, tenant, change.request);
    case 'revokeFeatureOverride':
      return (now) => ({ type: 'RevokeFeatureOverride', now, slug: change.request.featureSlug });
    case 'overridePrice':
      return priceOverride(tenant, subscription, change.request);
  }
}

async function changeOfPlan(
  deps: SubscriptionsDeps,
  tenant: string,
  { customerId, terms }: Subscription,
  request: SubscriptionChanges['change'],
): Promise<(now: Instant) => SubscriptionCommand> {
  const { planId = terms.planId, quantity, proration = 'immediate', when = 'now' } = request;
  const priceId = oneName(request);
  if (request.planId === undefined && priceId === undefined && quantity === undefined)
    throw unacceptable([issue('/planId', 'required', 'planId, priceId or quantity is needed.')]);
  const isOther = planId !== terms.planId || priceId !== undefined;
  const customer = await resolveCustomer(deps.credits, tenant, { id: customerId, external: false });
  const { currency } = terms;
  const choice: PlanChoice = withoutUnset({
    planId,
    priceId,
    // the price in the same currency, where there is one
    currency: priceId === undefined && isOther ? await currencyIn(deps, tenant, planId, currency) : undefined,
  });
  const next = isOther ? await termsOf(deps, tenant, customer, choice, deps.credits.now(tenant)) : terms;
  return (now) => ({ type: 'Change', now, terms: next, proration, when, ...withoutUnset({ quantity }) });
}

/** The currency, where the plan has a price in it. */
async function currencyIn(
  deps: SubscriptionsDeps,
  tenant: string,
  planId: string,
  currency: string | undefined,
): Promise<string | undefined> {
  const plan = await planOf(deps, tenant, planId);
  return currency !== undefined && (await deps.ports.reader.priceOf(tenant, plan, currency))
    ? currency
    : undefined;
}

async function migration(
  deps: SubscriptionsDeps,
  tenant: string,
  subscription: Subscription,
  { planId: wanted, proration = 'next_cycle', when = 'next_cycle' }: SubscriptionChanges['migrate'],
): Promise<(now: Instant) => SubscriptionCommand> {
  const { stablePlanId } = subscription.terms;
  const plan =
    wanted === undefined
      ? await deps.ports.reader.newestPlan(tenant, stablePlanId)
      : await planOf(deps, tenant, wanted);
  if (!plan || versionOf(plan).stablePlanId !== stablePlanId)
    throw unacceptable([
      issue('/planId', 'unknown_reference', `It is no version of the plan ${stablePlanId}.`),
    ]);
  return changeOfPlan(deps, tenant, subscription, { planId: plan.id, proration, when });
}

async function featureOverride(
  { ports }: SubscriptionsDeps,
  tenant: string,
  request: SubscriptionChanges['overrideFeature'],
): Promise<(now: Instant) => SubscriptionCommand> {
  const { featureSlug: slug, reason, effectiveFrom, effectiveUntil } = request;
  const feature = await ports.reader.featureBySlug(tenant, slug);
  if (!feature) throw unacceptable([unknownReference('/featureSlug', 'feature', slug)]);
  const { featureType } = feature.attributes;
  // any text is a text, also one that looks like a number
  const read =
    featureType === 'string' && typeof request.value === 'string'
      ? { featureType, featureValue: request.value }
      : readFeatureValue(request.value);
  if (read?.featureType !== featureType)
    throw unacceptable([issue('/value', 'type', `The feature is a ${featureType}.`)]);
  const from = effectiveFrom === undefined ? undefined : parseInstant(effectiveFrom)!;
  const until = effectiveUntil === undefined ? undefined : parseInstant(effectiveUntil)!;
  return (now) => ({
    type: 'OverrideFeature',
    now,
    slug,
    value: read.featureValue,
    ...withoutUnset({ reason, from, until }),
  });
}

/** Components as a price has them; one without an id gets one of its own. */
function priceOverride(
  tenant: string,
  { id, revision, terms: { planId, currency } }: Subscription,
  { components, expiresAfterBillingCycles: cycles, reason }: SubscriptionChanges['overridePrice'],
): (now: Instant) => SubscriptionCommand {
  if (currency === undefined)
    throw unacceptable([issue('/components', 'not_applicable', 'The subscription has no price.')]);
  const pricingData = canonicalPricingData(
    { dsl_version: 1, components: components as unknown as Json },
    (index) => derivedId('cmp', tenant, 'subscriptions.component', id, String(revision), String(index)),
  );
  const issues = priceKind
    .check({ planId, currency, pricingData })
    .map((one) => ({ ...one, pointer: one.pointer.replace(/^\/pricingData/, '') }));
  if (issues.length > 0) throw unacceptable(issues);
  return (now) => ({
    type: 'OverridePrice',
    now,
    components: pricingData.components,
    cycles,
    ...withoutUnset({ reason }),
  });
}

/** Most subscriptions that one migration of many changes. */
export const MOST_MIGRATED = 1000;
/** Subscriptions changed at once. */
const AT_ONCE = 100;

export interface MigrationRequest {
  readonly fromPlanId: string;
  readonly toPlanId: string;
  readonly when?: 'now' | 'next_cycle';
  readonly proration?: Proration;
  /** 1 to {@link MOST_MIGRATED}, its default. */
  readonly limit?: number;
  /** `nextCursor` of the answer before. */
  readonly cursor?: string;
}

/** What became of a migration of many. */
export interface MigrationCounts {
  readonly migrated: number;
  readonly failed: readonly { readonly subscriptionId: string; readonly code: string }[];
  /** There are more: behind this one. Null: that were all. */
  readonly nextCursor: string | null;
}

/** Changes subscriptions of one version of a plan to another; again finds only those that were not changed, or planned to be, yet. */
export async function migrateSubscriptions(
  deps: SubscriptionsDeps,
  context: CommandContext,
  { fromPlanId, toPlanId, cursor, ...terms }: MigrationRequest,
): Promise<MigrationCounts> {
  const { when = 'next_cycle', proration = 'next_cycle', limit = MOST_MIGRATED } = terms;
  const { tenant } = context;
  for (const [member, planId] of Object.entries({ fromPlanId, toPlanId }))
    if (!(await deps.ports.reader.plan(tenant, planId)))
      throw unacceptable([unknownReference(`/${member}`, 'plan', planId)]);
  const found = await deps.lookups.subscriptionsOn(tenant, fromPlanId, {
    after: cursor ?? null,
    limit: limit + 1,
    plannedTo: when === 'now' ? null : toPlanId,
  });
  const ids = found.slice(0, limit);
  const keyless = { ...context, idempotencyKey: undefined };
  const failed: { subscriptionId: string; code: string }[] = [];
  const migrate = (subscriptionId: string): Promise<unknown> =>
    changeSubscription(deps, keyless, subscriptionId, {
      action: 'change',
      request: { planId: toPlanId, when, proration },
    }).catch((error: unknown) => {
      if (!(error instanceof Problem) || error.status >= 500) throw error;
      failed.push({ subscriptionId, code: error.code });
    });
  for (let first = 0; first < ids.length; first += AT_ONCE)
    await Promise.all(ids.slice(first, first + AT_ONCE).map(migrate));
  return {
    migrated: ids.length - failed.length,
    failed,
    nextCursor: found.length > limit ? ids.at(-1)! : null,
  };
}
