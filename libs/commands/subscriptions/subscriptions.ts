import { DAY, issue, parseInstant, Problem, type Instant, type Json } from '#libs/kernel';
import { versionOf, withoutUnset, type Metadata } from '#libs/catalog';
import {
  decide,
  subscriptionAnswer,
  type PlanTerms,
  type SubscriptionAnswer,
  type SubscriptionCommand,
} from '#libs/subscriptions';
import { streamName } from '#libs/event-types';
import { claim } from '../catalog/catalog-writer.js';
import { unacceptable } from '../credits/amounts.js';
import type { Answered, Refused } from '../credits/answered.js';
import { resolveCustomer } from '../credits/deps.js';
import { fingerprintOf } from '../fingerprint.js';
import { chooseId } from '../ids.js';
import type { CommandContext } from '../stream-kind.js';
import { readSubscription, subscriptions, type SubscriptionsDeps } from './deps.js';
import { executeOn } from './execute.js';
import { planOf, termsOf, type PlanChoice } from './terms.js';

/** `POST /v1/subscriptions`, its shape checked. */
export interface SubscriptionRequest {
  readonly id?: string;
  readonly customerId: string;
  readonly planId: string;
  readonly priceId?: string;
  /** Another name of `priceId`. */
  readonly effectivePriceId?: string;
  readonly currency?: string;
  readonly quantity?: number;
  readonly trialDays?: number;
  readonly startDate?: string;
  readonly metadata?: Metadata;
  readonly dangerouslyAllowMultipleSubscriptions?: boolean;
}

/**
 * Makes a subscription, its grants included.
 * @throws Problem `subscription_exists`; `already_exists`; `validation_failed` for what it names and cannot have
 */
export async function createSubscription(
  deps: SubscriptionsDeps,
  context: CommandContext,
  request: SubscriptionRequest,
  external: boolean,
): Promise<Answered<SubscriptionAnswer> | Refused> {
  const { credits } = deps;
  const { tenant } = context;
  const operation = 'subscriptions.create';
  const customer = await resolveCustomer(credits, tenant, { id: request.customerId, external });
  const id = chooseId(credits.newId, 'sub', {
    given: request.id,
    tenant,
    operation,
    key: context.idempotencyKey,
  });
  const input = request as unknown as Readonly<Record<string, Json>>;
  const run = (
    command: (now: Instant) => SubscriptionCommand,
  ): Promise<Answered<SubscriptionAnswer> | Refused> =>
    executeOn(deps, context, id, operation, input, command, 201);
  const exists = async () => (await credits.writer.read(subscriptions, tenant, id)).state !== null;
  if (await exists()) return sameAgain(deps, context, id, input, run);

  const start = startOf(request, credits.now(tenant));
  const priceId = oneName(request);
  const choice: PlanChoice = withoutUnset({ planId: request.planId, priceId, currency: request.currency });
  const terms = await termsOf(deps, tenant, customer, choice, start);
  const plan = await planOf(deps, tenant, request.planId);
  const trialDays = request.trialDays ?? plan.attributes.trialDays;
  const parentId = plan.attributes.isTrialPlan === true ? plan.attributes.trialParentPlanId : undefined;
  const then =
    parentId === undefined
      ? undefined
      : await parentTerms(deps, tenant, customer, parentId, terms, start + (trialDays ?? 0) * DAY);
  const { quantity, metadata } = request;
  const commandAt = (now: Instant): SubscriptionCommand => ({
    type: 'Create',
    now,
    subscriptionId: id,
    customerId: customer.id,
    terms,
    ...(request.startDate === undefined ? {} : { start }),
    ...withoutUnset({ quantity, trialDays, metadata }),
    ...(then ? { then } : {}),
  });
  decide(commandAt(credits.now(tenant)), null); // what is refused claims nothing
  await claimCustomer(deps, context, customer.id, id, request.dangerouslyAllowMultipleSubscriptions === true);
  return run(commandAt);
}

/** What is there already is answered again to who sends the same, and under the same key. */
async function sameAgain(
  { credits }: SubscriptionsDeps,
  { tenant }: CommandContext,
  id: string,
  input: Readonly<Record<string, Json>>,
  run: (command: () => SubscriptionCommand) => Promise<Answered<SubscriptionAnswer> | Refused>,
): Promise<Answered<SubscriptionAnswer> | Refused> {
  const taken = new Problem('already_exists', `There is a subscription ${JSON.stringify(id)} already.`);
  try {
    return await run(() => {
      throw taken;
    });
  } catch (error) {
    if (error !== taken) throw error;
    for await (const { metadata } of credits.eventStore.readStream(
      streamName(subscriptions.category, tenant, id),
    ))
      if (metadata['fingerprint'] === fingerprintOf(input)) break;
      else throw error;
    const { state, position } = await credits.writer.read(subscriptions, tenant, id);
    return { body: subscriptionAnswer(state!), status: 200, position, replayed: false };
  }
}

const startOf = ({ startDate }: SubscriptionRequest, now: Instant): Instant =>
  startDate === undefined ? now : parseInstant(startDate)!;

/** @throws Problem when the two names of the price say different things */
export function oneName({
  priceId,
  effectivePriceId,
}: Pick<SubscriptionRequest, 'priceId' | 'effectivePriceId'>) {
  if (priceId !== undefined && effectivePriceId !== undefined && priceId !== effectivePriceId)
    throw unacceptable([issue('/priceId', 'exclusive', 'priceId is another name of effectivePriceId.')]);
  return priceId ?? effectivePriceId;
}

/** The newest version of the plan that a trial becomes, in the trial's currency where it has one. */
async function parentTerms(
  deps: SubscriptionsDeps,
  tenant: string,
  customer: Parameters<typeof termsOf>[2],
  parentId: string,
  { currency }: PlanTerms,
  start: Instant,
): Promise<PlanTerms> {
  const parent = await planOf(deps, tenant, parentId);
  const planId = (await deps.ports.reader.newestPlan(tenant, versionOf(parent).stablePlanId))?.id ?? parentId;
  return termsOf(deps, tenant, customer, withoutUnset({ planId, currency }), start);
}

/** A customer has one subscription that is not over, unless the caller allows more. */
async function claimCustomer(
  deps: SubscriptionsDeps,
  context: CommandContext,
  customerId: string,
  owner: string,
  allowed: boolean,
): Promise<void> {
  const { tenant } = context;
  const { writer } = deps.credits;
  const detail = `The customer ${JSON.stringify(customerId)} has a subscription already.`;
  const isOpen = async (id: string): Promise<boolean> => {
    const { state } = await writer.read(subscriptions, tenant, id);
    if (!state) return false;
    return (await readSubscription(deps, tenant, id)).subscription.status !== 'canceled';
  };
  // one that was allowed beside another holds no claim
  if (!allowed)
    for (const id of await deps.lookups.subscriptionsOf(tenant, customerId))
      if (id !== owner && (await isOpen(id))) throw new Problem('subscription_exists', detail);
  try {
    await claim(deps.ports, context, {
      what: 'customerSubscription',
      value: customerId,
      owner,
      taken: { code: 'subscription_exists', detail },
      holds: isOpen,
    });
  } catch (error) {
    if (!allowed || !(error instanceof Problem) || error.code !== 'subscription_exists') throw error;
  }
}
