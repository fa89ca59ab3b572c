import { issue, parseInstant, Problem, type Instant, type Json } from '#libs/kernel';
import { withoutUnset, type Customer, type Document, type Metadata } from '#libs/catalog';
import { recordedAtOf, streamName, upcast } from '#libs/event-types';
import {
  activeSeats,
  componentsOf,
  decide,
  settled,
  subscriptionAnswer,
  type Subscription,
  type SubscriptionAnswer,
  type SubscriptionCommand,
} from '#libs/subscriptions';
import { withoutKey } from '../catalog/catalog-writer.js';
import { createCustomer, updateCustomer } from '../catalog/customers.handlers.js';
import { unacceptable } from '../credits/amounts.js';
import type { Answered, Refused } from '../credits/answered.js';
import { isAcceptable } from '../credits/grants.js';
import { derivedId } from '../ids.js';
import type { CommandContext } from '../stream-kind.js';
import { readSubscription, subscriptions, type SubscriptionsDeps } from './deps.js';
import { executeOn } from './execute.js';

/** `POST /v1/seats/add`, its shape checked: external ids, names as the caller has them. */
export interface AddSeatRequest {
  /** The organisation, or the user who is billed for it: one of the two. */
  readonly organization_id?: string;
  readonly user_id?: string;
  readonly created_user_id: string;
  readonly created_user_info?: { readonly name?: string; readonly email?: string };
  readonly metadata?: Metadata;
  readonly timestamp?: string;
}

/** `POST /v1/seats/remove`, its shape checked. */
export interface RemoveSeatRequest extends Pick<AddSeatRequest, 'organization_id' | 'user_id' | 'timestamp'> {
  readonly removed_user_id: string;
}

export interface SeatChanged {
  readonly organization: Document<Customer>;
  readonly subscriptionId: string;
}

/**
 * Gives a user a seat: makes or links the user's customer, and issues its grants.
 * @throws Problem `customer_not_found` for the organisation; `subscription_not_active`; `seat_taken`; `validation_failed`
 */
export async function addSeat(
  deps: SubscriptionsDeps,
  context: CommandContext,
  request: AddSeatRequest,
): Promise<Answered<SeatChanged> | Refused> {
  const { tenant } = context;
  const organization = await organizationOf(deps, tenant, request);
  const subscriptionId = await subscriptionWithSeats(deps, tenant, organization);
  const { customerId, ensure } = await seatCustomer(deps, context, organization, request);
  const at = timeOf(request);
  const command = (now: Instant): SubscriptionCommand => ({
    type: 'AddSeat',
    now,
    customerId,
    externalCustomerId: request.created_user_id,
    ...withoutUnset({ metadata: request.metadata, at }),
  });
  const { subscription } = await readSubscription(deps, tenant, subscriptionId);
  // what will be refused makes no customer; under its key it may have been answered before
  if (isAcceptable(() => decide(command(deps.credits.now(tenant)), subscription))) await ensure();
  return changeSeat(deps, context, organization, subscriptionId, 'add', { ...request }, command);
}

/**
 * Takes a user's seat away: its grants are revoked. Its customer stays a member, so that a seat can be given again.
 * @throws Problem as `addSeat` does; `seat_not_found`
 */
export async function removeSeat(
  deps: SubscriptionsDeps,
  context: CommandContext,
  request: RemoveSeatRequest,
): Promise<Answered<SeatChanged> | Refused> {
  const { tenant } = context;
  const organization = await organizationOf(deps, tenant, request);
  const user = await findCustomer(deps, tenant, request.removed_user_id);
  const customerId = user?.id ?? request.removed_user_id;
  const at = timeOf(request);
  const subscriptionId = await subscriptionWithSeats(deps, tenant, organization);
  return changeSeat(deps, context, organization, subscriptionId, 'remove', { ...request }, (now) => ({
    type: 'RemoveSeat',
    now,
    customerId,
    ...withoutUnset({ at }),
  }));
}

async function changeSeat(
  deps: SubscriptionsDeps,
  context: CommandContext,
  organization: Document<Customer>,
  subscriptionId: string,
  action: 'add' | 'remove',
  input: Readonly<Record<string, Json>>,
  command: (now: Instant) => SubscriptionCommand,
): Promise<Answered<SeatChanged> | Refused> {
  const operation = `seats.${action}`;
  const outcome = await executeOn(deps, context, subscriptionId, operation, input, command, 200);
  if ('problem' in outcome) return outcome;
  const { position, replayed } = outcome;
  return { body: { organization, subscriptionId }, status: 200, position, replayed };
}

/** By the caller's own id, else by ours. */
const findCustomer = async ({ ports }: SubscriptionsDeps, tenant: string, id: string) =>
  (await ports.reader.customerByExternalId(tenant, id)) ?? ports.reader.customer(tenant, id);

async function organizationOf(
  deps: SubscriptionsDeps,
  tenant: string,
  { organization_id, user_id }: Pick<AddSeatRequest, 'organization_id' | 'user_id'>,
): Promise<Document<Customer>> {
  const id = organization_id ?? user_id;
  if (id === undefined)
    throw unacceptable([issue('/organization_id', 'required', 'organization_id or user_id is needed.')]);
  const found = await findCustomer(deps, tenant, id);
  if (!found) throw new Problem('customer_not_found', `There is no organisation ${JSON.stringify(id)}.`);
  return found;
}

/** The oldest subscription of the organisation that is not over. */
async function subscriptionWithSeats(
  deps: SubscriptionsDeps,
  tenant: string,
  { id }: Document<Customer>,
): Promise<string> {
  const open = await openSubscriptions(deps, tenant, id);
  if (!open[0]) throw new Problem('subscription_not_active', `The organisation ${id} has no subscription.`);
  return open[0].id;
}

async function openSubscriptions(
  { credits, lookups }: SubscriptionsDeps,
  tenant: string,
  customerId: string,
): Promise<readonly Subscription[]> {
  const now = credits.now(tenant);
  const ids = await lookups.subscriptionsOf(tenant, customerId);
  const found = await Promise.all(ids.map((id) => credits.writer.read(subscriptions, tenant, id)));
  return found.map(({ state }) => settled(state!, now)).filter(({ status }) => status !== 'canceled');
}

/** The user's customer, and what makes it one: one that exists becomes a member, one that does not is made. */
async function seatCustomer(
  deps: SubscriptionsDeps,
  context: CommandContext,
  organization: Document<Customer>,
  { created_user_id: external, created_user_info: { name = external, email } = {} }: AddSeatRequest,
): Promise<{ readonly customerId: string; readonly ensure: () => Promise<unknown> }> {
  const { tenant } = context;
  const { ports } = deps;
  const membership = { orgRole: 'member', customerOrganizationId: organization.id } as const;
  const known = await findCustomer(deps, tenant, external);
  if (!known) {
    const id = derivedId('cus', tenant, 'seats.customer', organization.id, external);
    const input = withoutUnset({ id, name, email, externalCustomerId: external, ...membership });
    return { customerId: id, ensure: () => createCustomer(ports, withoutKey(context), input) };
  }
  if (known.id === organization.id)
    throw unacceptable([issue('/created_user_id', 'exclusive', 'The organisation itself takes no seat.')]);
  const { customerOrganizationId } = known.attributes;
  if (customerOrganizationId !== undefined && customerOrganizationId !== organization.id)
    throw new Problem('conflict', `${JSON.stringify(external)} belongs to another organisation.`);
  const link = () => updateCustomer(ports, withoutKey(context), known.id, membership);
  return {
    customerId: known.id,
    ensure: customerOrganizationId === undefined ? link : () => Promise.resolve(),
  };
}

const timeOf = ({ timestamp }: { readonly timestamp?: string }): Instant | undefined =>
  timestamp === undefined ? undefined : parseInstant(timestamp)!;

/** `GET /v1/seats/usage/{customerId}` */
export interface SeatUsage {
  readonly seatUsages: readonly {
    readonly subscriptionId: string;
    readonly componentId: string;
    readonly componentName: string;
    readonly unitLabel: string | null;
    readonly metricId: string | null;
    readonly unitAmountCents: string;
    /** Seats that are taken. */
    readonly currentUsage: number;
    /** Seats removed in the current period: counted until it ends. */
    readonly pendingRemovals: number;
    readonly minimumSeats: number;
    /** What the current period is charged for. */
    readonly chargedSeats: number;
  }[];
  readonly subscriptionDetails: readonly SubscriptionAnswer[];
  readonly priceComponents: SubscriptionAnswer['priceComponents'];
  readonly seats: readonly {
    readonly subscriptionId: string;
    readonly customerId: string;
    readonly externalCustomerId: string;
    readonly addedAt: Instant;
  }[];
}

export async function seatUsage(
  deps: SubscriptionsDeps,
  tenant: string,
  customerId: string,
): Promise<SeatUsage> {
  const open = await openSubscriptions(deps, tenant, customerId);
  return {
    seatUsages: open.flatMap((subscription) => {
      const currentUsage = activeSeats(subscription).length;
      const pendingRemovals = subscription.seats.length - currentUsage;
      return componentsOf(subscription)
        .filter(({ type }) => type === 'per_unit')
        .map(({ id, label, unit_label, metric_id, unit_amount_cents = '0', minimum_seats = 0 }) => ({
          subscriptionId: subscription.id,
          componentId: id,
          componentName: label,
          unitLabel: unit_label ?? null,
          metricId: metric_id ?? null,
          unitAmountCents: unit_amount_cents,
          currentUsage,
          pendingRemovals,
          minimumSeats: minimum_seats,
          chargedSeats: Math.max(subscription.seats.length, minimum_seats, subscription.quantity ?? 0),
        }));
    }),
    subscriptionDetails: open.map(subscriptionAnswer),
    priceComponents: open.flatMap(componentsOf),
    seats: open.flatMap((subscription) =>
      activeSeats(subscription).map(({ customerId: seat, externalCustomerId, addedAt }) => ({
        subscriptionId: subscription.id,
        customerId: seat,
        externalCustomerId,
        addedAt,
      })),
    ),
  };
}

export interface SeatMovement {
  readonly subscriptionId: string;
  readonly type: 'seat_added' | 'seat_removed';
  readonly customerId: string;
  readonly externalCustomerId: string;
  readonly timestamp: string;
  readonly recordedAt: Instant;
}

/** Every seat that was given or taken in the customer's subscriptions that are not over, the oldest first; from the log. */
export async function seatHistory(
  deps: SubscriptionsDeps,
  tenant: string,
  customerId: string,
): Promise<readonly SeatMovement[]> {
  const { eventStore } = deps.credits;
  const movements: SeatMovement[] = [];
  for (const { id: subscriptionId } of await openSubscriptions(deps, tenant, customerId))
    for await (const recorded of eventStore.readStream(
      streamName(subscriptions.category, tenant, subscriptionId),
    )) {
      const { type, data } = upcast(recorded, subscriptions.eventTypes);
      if (type !== 'SeatAdded' && type !== 'SeatRemoved') continue;
      movements.push({
        subscriptionId,
        type: type === 'SeatAdded' ? 'seat_added' : 'seat_removed',
        customerId: String(data['customerId']),
        externalCustomerId: String(data['externalCustomerId']),
        timestamp: String(data['at']),
        recordedAt: recordedAtOf(recorded),
      });
    }
  return movements;
}
