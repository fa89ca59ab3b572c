import {
  closingOf,
  componentBeyond,
  createUsageReader,
  measuredQuantity,
  ownerOf,
  placeUsage,
  recurringCharges,
  timelineOf,
  usageCounter,
  type AccountBound,
  type Charge,
  type ChargesClosed,
  type ClosedAccount,
  type Closing,
  type ClosingEvent,
  type Due,
  type LineSource,
  type PastClosing,
  type PlacedUsage,
  type Timeline,
  type UsageCharge,
  type UsageDraw,
  type UsageFact,
  type UsageGroup,
} from '#libs/billing';
import { draws, type Meter } from '#libs/catalog';
import { findGrant, type AccountState, type GrantIssued } from '#libs/credits';
import { latest } from '#libs/event-store';
import { streamName, upcast } from '#libs/event-types';
import { formatAmount, readInstant, type Amount, type Instant } from '#libs/kernel';
import type { SubscriptionEvent } from '#libs/subscriptions';
import { factAt, factsOf } from '../credits/account-facts.js';
import { subscriptions } from '../subscriptions/deps.js';
import { subscriptionBilling, type InvoicesDeps } from './deps.js';

/** What is due between two closings. */
export interface DueCharges {
  /** By currency, in the order of time. */
  readonly byCurrency: ReadonlyMap<string, readonly Charge[]>;
  readonly accounts: readonly ClosedAccount[];
  /** Who pays. */
  readonly customerId: string;
  /** The closing before, or the subscription's start; of what was over before, the closing itself. */
  readonly from: Instant;
}

/** A subscription's facts, up to an inclusive revision. */
export async function subscriptionFacts(
  { credits }: Pick<InvoicesDeps, 'credits'>,
  tenant: string,
  id: string,
  through = Infinity,
): Promise<readonly SubscriptionEvent[]> {
  const facts: SubscriptionEvent[] = [];
  for await (const event of credits.eventStore.readStream(streamName(subscriptions.category, tenant, id))) {
    if (event.revision > through) break;
    facts.push(upcast(event, subscriptions.eventTypes) as unknown as SubscriptionEvent);
  }
  return facts;
}

/**
 * What is due by `closing` and was not by `closed`, from the log alone. Usage is in the first closing that its period has
 * ended by and it was recorded for; where its period was closed before, it is charged as what comes on top of that.
 */
export async function chargesBetween(
  deps: InvoicesDeps,
  tenant: string,
  timeline: Timeline,
  closed: PastClosing | null,
  closing: Closing,
): Promise<DueCharges> {
  const { id } = timeline.state;
  const usageFrom = async (openFrom: ReadonlyMap<string, number> | undefined): Promise<PlacedUsage> => {
    const read = await Promise.all(
      closing.accounts.map((account) =>
        readUsage(deps, tenant, timeline, account, openFrom?.get(account.customerId) ?? 0),
      ),
    );
    const facts = read.flat();
    const belongs = await ownUsage(deps, tenant, timeline, facts);
    return placeUsage(facts, timeline, belongs, closed, closing);
  };
  let found = await usageFrom(closed?.openFrom);
  if (closed) {
    // what comes on top of what was charged needs all of its period
    const late = found.groups.filter(({ period }) => period.end <= closed.bound.at);
    const earliest = Math.min(...late.map(({ period }) => period.end));
    if (late.length > 0) found = await usageFrom(await openBefore(deps, tenant, id, closed, earliest));
  }
  const describe = createGrantLookup(deps, tenant);
  const due: Due[] = [...recurringCharges(timeline, id, closed?.bound ?? null, closing.bound)];
  for (const group of found.groups) {
    const charge = await usageCharge(deps, tenant, id, group, closing, describe);
    if (charge) due.push({ dueAt: group.period.end, charge });
  }
  const currencies = new Map(timeline.stretches.map(({ priceId, currency }) => [priceId, currency]));
  const byCurrency = new Map<string, Charge[]>();
  for (const { charge } of due.sort((a, b) => a.dueAt - b.dueAt)) {
    const currency = currencies.get(charge.priceId)!;
    const known = byCurrency.get(currency);
    if (known) known.push(charge);
    else byCurrency.set(currency, [charge]);
  }
  const accounts = closing.accounts.map(({ customerId, throughRevision }) => ({
    customerId,
    throughRevision,
    openFrom: found.openFrom.get(customerId) ?? throughRevision + 1,
  }));
  const { customerId, startedAt } = timeline.state;
  const wasOver = closed?.bound.revision === closing.bound.revision;
  const from = wasOver ? closing.bound.at : (closed?.bound.at ?? startedAt);
  return { byCurrency, accounts, customerId, from };
}

/** Usage of an account from one revision on through another, both included, as it stood at the latter. */
export async function readUsage(
  { credits }: InvoicesDeps,
  tenant: string,
  { state }: Timeline,
  { customerId, throughRevision }: AccountBound,
  fromRevision: number,
): Promise<readonly UsageFact[]> {
  if (fromRevision > throughRevision) return [];
  const reader = createUsageReader(customerId, state.terms.features);
  for await (const fact of factsOf(credits, tenant, customerId, fromRevision)) {
    if (fact.revision > throughRevision) break;
    reader.read(fact);
  }
  return reader.facts();
}

/** Whether usage, some of these facts, is this subscription's and no other's of the same users or their organisation. */
export async function ownUsage(
  deps: InvoicesDeps,
  tenant: string,
  timeline: Timeline,
  facts: readonly UsageFact[],
): Promise<(used: UsageFact) => boolean> {
  if (facts.length === 0) return () => false;
  const { id: own, customerId } = timeline.state;
  const customer = await deps.credits.catalog.customer(tenant, customerId);
  const organization = customer?.attributes.customerOrganizationId;
  const customerIds = new Set([customerId, ...facts.map((fact) => fact.customerId)]);
  if (organization !== undefined) customerIds.add(organization);
  // one that was made after all of the usage takes none of it
  let all = await deps.lookups.subscriptionsOfAll(
    tenant,
    [...customerIds],
    latest(facts.map(({ position }) => position)),
  );
  if (all.every(({ id }) => id !== own))
    all = await deps.lookups.subscriptionsOfAll(
      tenant,
      [...customerIds],
      await deps.credits.eventStore.head(),
    );
  const counters = await Promise.all(
    all.map(async ({ id, createdPosition }) =>
      usageCounter(
        id === own ? timeline : timelineOf(await subscriptionFacts(deps, tenant, id)),
        createdPosition,
      ),
    ),
  );
  return (used) => ownerOf(counters, used)?.id === own;
}

/**
 * By customer, from where on all usage stands of the periods that end at `end` or later: the last closing before that left
 * it open. So late usage costs a look at its own period, however long the account is.
 */
async function openBefore(
  { credits }: InvoicesDeps,
  tenant: string,
  subscriptionId: string,
  closed: PastClosing,
  end: Instant,
): Promise<ReadonlyMap<string, number> | undefined> {
  const stream = streamName(subscriptionBilling.category, tenant, subscriptionId);
  for (let page = 4, until = closed.number; until > 0; page *= 2) {
    const from = Math.max(0, until - page);
    let last: ChargesClosed | undefined;
    for await (const event of credits.eventStore.readStream(stream, from)) {
      const { data } = upcast(event, subscriptionBilling.eventTypes) as unknown as ClosingEvent;
      if (event.revision >= until || readInstant(data.at) >= end) break;
      last = data;
    }
    if (last) return closingOf(last).openFrom;
    until = from;
  }
  return undefined;
}

type GrantLookup = ReturnType<typeof createGrantLookup>;

async function usageCharge(
  { credits }: InvoicesDeps,
  tenant: string,
  subscriptionId: string,
  { span, period, facts, before }: UsageGroup,
  closing: Closing,
  describe: GrantLookup,
): Promise<UsageCharge | null> {
  const { component, priceId, planId } = span;
  const meter = await credits.catalog.meter(tenant, component.metric_id!);
  const measures = meter !== null && !draws(meter.attributes);
  const counted = facts.filter(({ measured }) => (measured !== null) === measures);
  const earlier = before.filter(({ measured }) => (measured !== null) === measures);
  const quantity = measures
    ? onTop(meter.attributes, earlier, counted)
    : counted.reduce((sum, one) => sum + one.quantity, 0n);
  if (before.length > 0 && quantity === 0n) return null;
  const throughOf = (customerId: string): number =>
    closing.accounts.find((one) => one.customerId === customerId)!.throughRevision;
  const charge: UsageCharge = {
    type: 'usage',
    component: componentBeyond(
      component,
      earlier.reduce((sum, one) => sum + one.quantity - coveredOf(one), 0n),
    ),
    priceId,
    planId,
    subscriptionId,
    period,
    quantity,
    draws: await drawsOf(counted, throughOf, describe),
    sources: sourcesOf(counted, throughOf, (one) => one.quantity),
  };
  return charge;
}

/** What a metric grows by with more reports; never less than nothing. */
function onTop(meter: Meter, before: readonly UsageFact[], facts: readonly UsageFact[]): Amount {
  const more = measuredQuantity(meter, [...before, ...facts]) - measuredQuantity(meter, before);
  return more > 0n ? more : 0n;
}

const coveredOf = ({ draws: given, owed }: UsageFact): Amount =>
  given.reduce((sum, { quantity }) => sum + quantity, owed);

async function drawsOf(
  facts: readonly UsageFact[],
  throughOf: (customerId: string) => number,
  describe: GrantLookup,
): Promise<readonly UsageDraw[]> {
  const byGrant = new Map<string, { facts: UsageFact[]; quantity: Amount }>();
  const owing = facts.filter(({ owed }) => owed > 0n);
  for (const fact of facts)
    for (const { grantId, quantity } of fact.draws) {
      let own = byGrant.get(grantId);
      if (!own) byGrant.set(grantId, (own = { facts: [], quantity: 0n }));
      own.facts.push(fact);
      own.quantity += quantity;
    }
  const given = await Promise.all(
    [...byGrant].map(async ([grantId, { facts: drawn, quantity }]): Promise<UsageDraw> => ({
      grantId,
      ...(await describe(drawn[0]!.customerId, grantId)),
      quantity,
      allocations: sourcesOf(drawn, throughOf, (one) =>
        one.draws.reduce((sum, draw) => (draw.grantId === grantId ? sum + draw.quantity : sum), 0n),
      ),
    })),
  );
  if (owing.length === 0) return given;
  // owed in credits: later grants pay it, so the invoice does not
  const owed: UsageDraw = {
    grantId: 'debt',
    description: 'Owed in credits',
    billingVisible: false,
    quantity: owing.reduce((sum, one) => sum + one.owed, 0n),
    allocations: [],
  };
  return [...given, owed];
}

function sourcesOf(
  facts: readonly UsageFact[],
  throughOf: (customerId: string) => number,
  quantityOf: (fact: UsageFact) => Amount,
): readonly LineSource[] {
  const byAccount = new Map<string, UsageFact[]>();
  for (const fact of facts) {
    const known = byAccount.get(fact.customerId);
    if (known) known.push(fact);
    else byAccount.set(fact.customerId, [fact]);
  }
  return [...byAccount].map(([customerId, own]) => ({
    customerId,
    fromRevision: own[0]!.revision,
    throughRevision: throughOf(customerId),
    events: own.length,
    quantity: formatAmount(own.reduce((sum, fact) => sum + quantityOf(fact), 0n)),
  }));
}

/** What an invoice says of a grant, from the fact that issued it. */
export function createGrantLookup({ credits }: InvoicesDeps, tenant: string) {
  const known = new Map<
    string,
    Promise<{ readonly description: string; readonly billingVisible: boolean }>
  >();
  return (customerId: string, grantId: string) => {
    let found = known.get(grantId);
    if (!found) known.set(grantId, (found = look(customerId, grantId)));
    return found;
  };
  async function look(customerId: string, grantId: string) {
    const { state } = await credits.writer.read(credits.account, tenant, customerId, Infinity);
    const revision = issuedAt(state, grantId);
    const fact = revision === undefined ? null : await factAt(credits, tenant, customerId, revision);
    const {
      name,
      description,
      billingVisible = false,
    } = fact?.type === 'GrantIssued' ? fact.data : ({} as Partial<GrantIssued>);
    return { description: description ?? name ?? `Credit ${grantId}`, billingVisible };
  }
}

const issuedAt = (state: AccountState, grantId: string): number | undefined =>
  findGrant(state, grantId)?.issued ?? state.ended.get(grantId)?.issued;
