import { Problem } from '#libs/kernel';
import {
  enrollmentPlan,
  inDisplayOrder,
  isFreePlan,
  versionOf,
  withoutUnset,
  type Customer,
  type Document,
  type EnrollmentRule,
  type Plan,
  type PricingTable,
} from '#libs/catalog';
import type { SubscriptionAnswer } from '#libs/subscriptions';
import { createCustomer, type CustomerInput } from '../catalog/customers.handlers.js';
import type { Answered, Refused } from '../credits/answered.js';
import { derivedId } from '../ids.js';
import type { CommandContext } from '../stream-kind.js';
import { readSubscription, subscriptions, type SubscriptionsDeps } from './deps.js';
import { createSubscription } from './subscriptions.js';

/** `POST /v1/enrollment/enroll`, its shape checked. */
export interface EnrollmentRequest extends Omit<
  CustomerInput,
  'id' | 'externalCustomerId' | 'name' | 'email' | 'orgRole' | 'customerOrganizationId'
> {
  /** The caller's own id of the user; the customer's external id. */
  readonly userId: string;
  readonly customerEmail: string;
  readonly customerName: string;
  readonly planId?: string;
}

/** What a plan may be chosen from, as of the end of the log. */
export interface EnrollmentOffers {
  /** In force, the oldest first. */
  readonly rules: readonly EnrollmentRule[];
  /** Pricing tables that are active, the oldest first. */
  readonly tables: readonly PricingTable[];
}

/**
 * Makes the user's customer, where there is none, and its subscription to a free plan: the one asked for, else that of the
 * first rule the address matches, else the first free one of a pricing table; of the latter two the newest version.
 * @throws Problem `subscription_exists` naming it; `plan_not_free`; `not_found` where there is no such plan, or none to choose
 */
export async function enroll(
  deps: SubscriptionsDeps,
  context: CommandContext,
  request: EnrollmentRequest,
  offers: EnrollmentOffers,
): Promise<Answered<SubscriptionAnswer> | Refused> {
  const { tenant } = context;
  const { userId } = request;
  const existing = await deps.ports.reader.customerByExternalId(tenant, userId);
  const id = await nextId(deps, tenant, userId);
  const again = existing && (await replayed(deps, context, existing, id.last));
  if (again) return again;
  if (existing) await refuseSecond(deps, tenant, existing, id.last);
  const plan = await chosenPlan(deps, tenant, request, offers);
  const customer = existing ?? (await newCustomer(deps, context, request));
  return createSubscription(deps, context, { id: id.next, customerId: customer.id, planId: plan.id }, false);
}

/** Who enrols again after a cancellation has another subscription; the ids follow from the user, so that two calls make one. */
async function nextId({ credits }: SubscriptionsDeps, tenant: string, userId: string) {
  for (let last: string | null = null, n = 1; ; n++) {
    const next = derivedId('sub', tenant, 'enrollment', userId, String(n));
    const { state } = await credits.writer.read(subscriptions, tenant, next);
    if (!state) return { last, next };
    last = next;
  }
}

/** The first answer again, to who sends the same key again. */
async function replayed(
  deps: SubscriptionsDeps,
  context: CommandContext,
  customer: Document<Customer>,
  id: string | null,
): Promise<Answered<SubscriptionAnswer> | Refused | null> {
  if (context.idempotencyKey === undefined || id === null) return null;
  const { subscription } = await readSubscription(deps, context.tenant, id);
  const planId = subscription.terms.planId;
  const answer = await createSubscription(
    deps,
    context,
    { id, customerId: customer.id, planId },
    false,
  ).catch((error: unknown) => {
    if (error instanceof Problem && error.status < 500) return null;
    throw error;
  });
  return answer?.replayed ? answer : null;
}

async function refuseSecond(
  deps: SubscriptionsDeps,
  tenant: string,
  customer: Document<Customer>,
  enrolled: string | null,
): Promise<void> {
  const known = await deps.lookups.subscriptionsOf(tenant, customer.id);
  for (const id of new Set([...(enrolled === null ? [] : [enrolled]), ...known])) {
    const { subscription } = await readSubscription(deps, tenant, id);
    if (subscription.status !== 'canceled')
      throw new Problem(
        'subscription_exists',
        `The user ${JSON.stringify(customer.attributes.externalCustomerId)} has the subscription ${id} already.`,
      );
  }
}

async function chosenPlan(
  { ports: { reader } }: SubscriptionsDeps,
  tenant: string,
  { customerEmail, planId }: EnrollmentRequest,
  { rules, tables }: EnrollmentOffers,
): Promise<Document<Plan>> {
  const newest = async (id: string): Promise<Document<Plan> | null> => {
    const plan = await reader.plan(tenant, id);
    return plan && reader.newestPlan(tenant, versionOf(plan).stablePlanId);
  };
  const isFree = async (plan: Document<Plan> | null): Promise<boolean> =>
    plan?.archivedAt === null &&
    isFreePlan((await reader.pricesOf(tenant, plan)).map((price) => price.attributes));
  const shown = tables.flatMap((table) => inDisplayOrder(table).map((config) => config.planId));
  // only who names no plan and matches no rule takes what is offered
  const byRule = enrollmentPlan(withoutUnset({ email: customerEmail, planId, rules, offered: [] }));
  const offered =
    byRule === null
      ? await Promise.all(shown.map(async (id) => ({ planId: id, isFree: await isFree(await newest(id)) })))
      : [];
  const choice = byRule ?? enrollmentPlan({ email: customerEmail, rules, offered });
  if (!choice) throw new Problem('not_found', 'No rule matches and no free plan is offered.');
  const plan = await (choice.because === 'asked'
    ? reader.plan(tenant, choice.planId)
    : newest(choice.planId));
  if (!plan || plan.archivedAt !== null)
    throw new Problem('not_found', `There is no plan ${JSON.stringify(choice.planId)}.`);
  if (!(await isFree(plan)))
    throw new Problem('plan_not_free', `The plan ${JSON.stringify(plan.id)} charges something.`);
  return plan;
}

async function newCustomer(
  { ports }: SubscriptionsDeps,
  context: CommandContext,
  { userId, customerEmail, customerName, planId: _, ...billing }: EnrollmentRequest,
): Promise<Document<Customer>> {
  const { document } = await createCustomer(
    ports,
    { ...context, idempotencyKey: undefined },
    {
      ...billing,
      id: derivedId('cus', context.tenant, 'enrollment', userId),
      externalCustomerId: userId,
      name: customerName,
      email: customerEmail,
    },
  );
  return document;
}
