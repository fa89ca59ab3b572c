import {
  freeUnits,
  type Charge,
  type ClosedAccount,
  type LineSource,
  type UsageCharge,
  type UsageDraw,
} from '#libs/billing';
import { draws, type Meter, type PriceComponent } from '#libs/catalog';
import { findGrant, type AccountState, type GrantIssued } from '#libs/credits';
import { upcast } from '#libs/event-types';
import { formatAmount, readAmount, readInstant, type Amount, type Instant } from '#libs/kernel';
import type { SubscriptionEvent } from '#libs/subscriptions';
import { factAt, factsOf } from '../credits/account-facts.js';
import { subscriptions } from '../subscriptions/deps.js';
import { streamName } from '../stream-kind.js';
import type { InvoicesDeps } from './deps.js';
import {
  endedPeriods,
  isDueNow,
  recurringCharges,
  usagePeriod,
  usageSpans,
  type Due,
  type Bound,
  type UsageSpan,
} from './due-charges.js';
import { timelineOf, type Timeline } from './timeline.js';
import { createUsageReader, measuredQuantity, type UsageFact } from './usage-facts.js';

/** An account and the inclusive revision up to which its usage is looked at. */
export interface AccountBound {
  readonly customerId: string;
  readonly throughRevision: number;
}

/** Up to where charges were closed, or are to be. */
export interface Closing {
  readonly bound: Bound;
  readonly accounts: readonly AccountBound[];
}

/** What is due between two closings. */
export interface DueCharges {
  /** By currency, in the order of time. */
  readonly byCurrency: ReadonlyMap<string, readonly Charge[]>;
  readonly accounts: readonly ClosedAccount[];
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
  closed: (Closing & { readonly openFrom: ReadonlyMap<string, number> }) | null,
  closing: Closing,
): Promise<DueCharges> {
  const { id } = timeline.state;
  const spans = usageSpans(timeline);
  const belongs = await ownUsage(deps, tenant, timeline, closing);
  const read = (from: (customerId: string) => number): Promise<readonly UsageFact[]> =>
    readUsage(deps, tenant, timeline, closing.accounts, from);
  let facts = await read((customerId) => closed?.openFrom.get(customerId) ?? 0);
  let found = placeUsage(facts, spans, belongs, closed, closing);
  // what comes on top of what was charged needs all of it
  if (closed && found.groups.some(({ period }) => period.end <= closed.bound.at)) {
    facts = await read(() => 0);
    found = placeUsage(facts, spans, belongs, closed, closing);
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
  return { byCurrency, accounts };
}

async function readUsage(
  { credits }: InvoicesDeps,
  tenant: string,
  { state, stretches }: Timeline,
  accounts: readonly AccountBound[],
  from: (customerId: string) => number,
): Promise<readonly UsageFact[]> {
  if (stretches.every(({ components }) => components.every(({ type }) => type !== 'usage'))) return [];
  const meters = new Map(
    state.terms.features.flatMap(({ slug, meterId }) => (meterId === undefined ? [] : [[slug, meterId]])),
  );
  const read = await Promise.all(
    accounts.map(async ({ customerId, throughRevision }) => {
      const reader = createUsageReader(customerId, meters);
      if (throughRevision < 0) return [];
      for await (const fact of factsOf(credits, tenant, customerId, from(customerId))) {
        if (fact.revision > throughRevision) break;
        reader.read(fact.revision, fact);
      }
      return reader.facts();
    }),
  );
  return read.flat();
}

/** Whether usage is this subscription's: it counts its user then, and no other subscription that comes first does. */
async function ownUsage(
  deps: InvoicesDeps,
  tenant: string,
  { state, members }: Timeline,
  { accounts }: Closing,
): Promise<(fact: UsageFact) => boolean> {
  const others = await deps.lookups.subscriptionsOfAll(
    tenant,
    accounts.map(({ customerId }) => customerId),
  );
  const own = others.findIndex(({ id }) => id === state.id);
  const first = others.filter(
    ({ id, customerId }, index) => id !== state.id && (customerId !== state.customerId || index < own),
  );
  const taken = await Promise.all(
    first.map(async ({ id, customerId }) => ({
      customerId,
      spans: usageSpans(timelineOf(await subscriptionFacts(deps, tenant, id))),
    })),
  );
  return ({ customerId, at, meterId }) =>
    members.some((one) => one.customerId === customerId && one.from <= at && at < one.to) &&
    !taken.some((other) => other.customerId === customerId && spanOf(other.spans, meterId, at));
}

const spanOf = (spans: readonly UsageSpan[], meterId: string, at: Instant): UsageSpan | undefined =>
  spans.find(({ component, from, to }) => component.metric_id === meterId && from <= at && at < to);

/** The usage of one period that one line charges. */
interface UsageGroup {
  readonly span: UsageSpan;
  readonly period: { readonly start: Instant; readonly end: Instant };
  readonly facts: UsageFact[];
  /** Of the same period, charged before. */
  readonly before: UsageFact[];
}

function placeUsage(
  facts: readonly UsageFact[],
  spans: readonly UsageSpan[],
  belongs: (fact: UsageFact) => boolean,
  closed: Closing | null,
  closing: Closing,
): { readonly groups: readonly UsageGroup[]; readonly openFrom: ReadonlyMap<string, number> } {
  const groups = new Map<UsageSpan, Map<Instant, UsageGroup>>(spans.map((span) => [span, new Map()]));
  const groupOf = (span: UsageSpan, period: UsageGroup['period']): UsageGroup => {
    const known = groups.get(span)!;
    let group = known.get(period.start);
    if (!group) known.set(period.start, (group = { span, period, facts: [], before: [] }));
    return group;
  };
  for (const span of spans)
    for (const period of endedPeriods(span, closed?.bound ?? null, closing.bound)) groupOf(span, period);

  const closedThrough = new Map(closed?.accounts.map((one) => [one.customerId, one.throughRevision]));
  const openFrom = new Map<string, number>();
  const periods = new Map<UsageSpan, UsageGroup['period']>();
  for (const fact of facts) {
    const { customerId, revision, at, meterId } = fact;
    const span = spanOf(spans, meterId, at);
    if (!span || !belongs(fact)) continue;
    let period: UsageGroup['period'] | null | undefined = periods.get(span);
    if (!period || at < period.start || at >= period.end) period = usagePeriod(span, at);
    if (!period) continue;
    periods.set(span, period);
    if (period.end > closing.bound.at)
      openFrom.set(customerId, Math.min(revision, openFrom.get(customerId) ?? revision));
    else {
      const bound = closed && {
        at: closed.bound.at,
        revision: closedThrough.get(customerId) ?? -1,
      };
      const isNew = isDueNow(period.end, revision, bound, { at: closing.bound.at, revision: Infinity });
      groupOf(span, period)[isNew ? 'facts' : 'before'].push(fact);
    }
  }
  const isEnding = ({ period }: UsageGroup): boolean => closed === null || period.end > closed.bound.at;
  return {
    groups: [...groups.values()]
      .flatMap((byStart) => [...byStart.values()])
      .filter((group) => group.facts.length > 0 || isEnding(group)),
    openFrom,
  };
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

/** The component for usage that comes on top: what was free or in lower tiers is used up by what was charged before. */
function componentBeyond(component: PriceComponent, before: Amount): PriceComponent {
  if (before <= 0n) return component;
  const free = freeUnits(component);
  const isFree = before < free ? before : free;
  const paid = before - isFree;
  const { tiers } = component;
  return {
    ...component,
    ...(free === 0n ? {} : { free_units: formatAmount(free - isFree) }),
    ...(tiers?.mode === 'graduated' && paid > 0n
      ? { tiers: { ...tiers, tiers: tiersBeyond(tiers.tiers, paid) } }
      : {}),
  };
}

function tiersBeyond(
  tiers: NonNullable<PriceComponent['tiers']>['tiers'],
  paid: Amount,
): NonNullable<PriceComponent['tiers']>['tiers'] {
  let below = 0n;
  return tiers.flatMap((tier, index) => {
    const upTo = tier.upTo === null || index === tiers.length - 1 ? null : readAmount(tier.upTo);
    const wasReached = paid > below;
    below = upTo ?? below;
    if (upTo !== null && upTo <= paid) return [];
    const { flat_cents: _, ...rest } = tier;
    return [{ ...(wasReached ? rest : tier), upTo: upTo === null ? null : formatAmount(upTo - paid) }];
  });
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

/** A closing as it stands in the log. */
export const closingOf = (closed: {
  readonly at: string;
  readonly subscriptionRevision: number;
  readonly accounts: readonly ClosedAccount[];
}): Closing & { readonly openFrom: ReadonlyMap<string, number> } => ({
  bound: { at: readInstant(closed.at), revision: closed.subscriptionRevision },
  accounts: closed.accounts,
  openFrom: new Map(closed.accounts.map(({ customerId, openFrom }) => [customerId, openFrom])),
});
