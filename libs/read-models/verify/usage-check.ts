import { LRUCache } from 'lru-cache';
import {
  createUsageReader,
  ownerOf,
  timelineOf,
  usageCounter,
  type ChargeLine,
  type ChargesClosed,
  type InvoiceFinalized,
  type InvoiceLine,
  type LineSource,
  type Timeline,
  type UsageCounter,
  type UsageFact,
} from '#libs/billing';
import type { CreditEvent } from '#libs/credits';
import type { ChainVerifier, EventStore, RecordedEvent } from '#libs/event-store';
import { eventTypesOf, streamParts, UnknownEvent, upcast } from '#libs/event-types';
import { formatAmount, readAmount, readInstant, type Amount } from '#libs/kernel';
import type { SubscriptionEvent } from '#libs/subscriptions';
import type { Fault, LogCheck } from './log-check.js';

/** A line of an issued invoice that charges usage, and what the accounts have behind it. */
interface UsageLine {
  readonly at: Pick<Fault, 'stream' | 'revision' | 'position'>;
  readonly subscriptionId: string;
  readonly line: ChargeLine;
  /** What credits covered that the invoice shows, by grant. */
  readonly shown: ReadonlyMap<string, Amount>;
  readonly usage: Usage;
  measures: boolean;
}

/** In the metric: all of it, and what credits covered, by grant; what is owed in credits is covered by none. */
interface Usage {
  quantity: Amount;
  owed: Amount;
  readonly drawn: Map<string, Amount>;
}

/** The usage of one account behind a line. */
interface Claim {
  readonly of: UsageLine;
  readonly source: LineSource;
}

/** A subscription as far as it is charged. */
interface Charged {
  readonly stream: string;
  readonly createdPosition: bigint;
  /** Its last closing whose invoices are all issued, and the one that is being invoiced. */
  closed: ChargesClosed | null;
  open: ChargesClosed | null;
  readonly unfinished: Set<string>;
}

/** Timelines kept at once: the seats of an organisation look at the same one. */
const KEPT = 1000;
const ACCOUNT_TYPES = eventTypesOf('creditAccount');
const SUBSCRIPTION_TYPES = eventTypesOf('subscription');

/**
 * Each usage is on exactly one line of an issued invoice, covered by credits there or not, or still unbilled; and what lines say
 * of the usage behind them and of what covered it is what the accounts say. So the three add up to all usage. Reads every
 * account that subscriptions count once more, at the end; keeps the usage of one at a time, and what lines claim.
 */
export function usageCheck(
  eventStore: Pick<EventStore, 'readStream'>,
  { heads }: Pick<ChainVerifier, 'heads'>,
): LogCheck {
  let checked = 0;
  // by tenant and id
  const subscriptions = new Map<string, Charged>();
  const invoiced = new Map<string, { readonly id: string; readonly subscription: Charged }>();
  const counted = new Map<string, Set<string>>();
  const claims = new Map<string, Claim[]>();
  const lines: UsageLine[] = [];
  const timelines = new LRUCache<string, Promise<Timeline>>({ max: KEPT });

  function count(tenant: string, customerId: unknown, subscriptionId: string): void {
    const key = `${tenant}\n${String(customerId)}`;
    counted.set(key, (counted.get(key) ?? new Set()).add(`${tenant}\n${subscriptionId}`));
  }

  function take(event: RecordedEvent): void {
    const { stream, position, type, data } = event;
    const { category, tenant, entityId } = streamParts(stream);
    if (type === 'SubscriptionCreated') {
      const none = { closed: null, open: null, unfinished: new Set<string>() };
      subscriptions.set(`${tenant}\n${entityId}`, { stream, createdPosition: position, ...none });
      count(tenant, data['customerId'], entityId);
    }
    if (type === 'SeatAdded') count(tenant, data['customerId'], entityId);
    if (category === 'subscriptionBilling') {
      const closing = data as unknown as ChargesClosed;
      const subscription = subscriptions.get(`${tenant}\n${entityId}`)!;
      subscription.open = closing;
      for (const { invoiceId } of closing.invoices) {
        subscription.unfinished.add(invoiceId);
        invoiced.set(`${tenant}\n${invoiceId}`, { id: entityId, subscription });
      }
      finish(subscription);
    }
    if (type === 'InvoiceFinalized') finalize(event, tenant, data as unknown as InvoiceFinalized);
  }

  function finish(subscription: Charged): void {
    if (subscription.unfinished.size === 0) subscription.closed = subscription.open;
  }

  function finalize(event: RecordedEvent, tenant: string, final: InvoiceFinalized): void {
    const made = invoiced.get(`${tenant}\n${final.invoiceId}`);
    if (!made) return;
    made.subscription.unfinished.delete(final.invoiceId);
    finish(made.subscription);
    const { stream, revision, position } = event;
    for (const line of final.lines) {
      if (line.type !== 'usage' || line.metricId === undefined || !line.period) continue;
      const of: UsageLine = {
        at: { stream, revision, position },
        subscriptionId: made.id,
        line,
        shown: shownOf(line, final.lines),
        usage: { quantity: 0n, owed: 0n, drawn: new Map() },
        measures: false,
      };
      lines.push(of);
      for (const source of line.sources ?? []) {
        const account = `${tenant}\n${source.customerId}`;
        claims.set(account, [...(claims.get(account) ?? []), { of, source }]);
      }
    }
  }

  function timelineAt(key: string): Promise<Timeline> {
    let found = timelines.get(key);
    if (!found) timelines.set(key, (found = readTimeline(subscriptions.get(key)!)));
    return found;
  }

  async function readTimeline({ stream }: Charged): Promise<Timeline> {
    const facts: SubscriptionEvent[] = [];
    for await (const event of eventStore.readStream(stream)) {
      if (event.revision > heads.get(stream)!.revision) break;
      facts.push(upcast(event, SUBSCRIPTION_TYPES) as unknown as SubscriptionEvent);
    }
    return timelineOf(facts);
  }

  /** Holds the usage of one account against the lines that claim it. */
  async function* examine(stream: string, customerId: string, account: string): AsyncIterable<Fault> {
    const keys = [...(counted.get(account) ?? [])];
    const all = await Promise.all(keys.map(timelineAt));
    const counters = all.map((timeline, index) =>
      usageCounter(timeline, subscriptions.get(keys[index]!)!.createdPosition),
    );
    const reader = createUsageReader(
      customerId,
      all.flatMap(({ state }) => state.terms.features),
    );
    const open = [...(claims.get(account) ?? [])].sort(
      (a, b) => a.source.throughRevision - b.source.throughRevision,
    );
    const on = new Map<number, ChargeLine>();
    for await (const event of eventStore.readStream(stream)) {
      if (event.revision > heads.get(stream)!.revision) break;
      while (open[0] && open[0].source.throughRevision < event.revision)
        yield* claim(open.shift()!, reader, counters, on);
      const { type, data } = upcast(event, ACCOUNT_TYPES);
      const { revision, position } = event;
      reader.read({ ...({ type, data } as unknown as CreditEvent), revision, position });
    }
    for (const one of open) yield* claim(one, reader, counters, on);
    for (const fact of reader.facts()) {
      checked++;
      const owner = ownerOf(counters, fact);
      const closed = owner && subscriptions.get(`${account.split('\n')[0]}\n${owner.id}`)!.closed;
      if (!on.has(fact.revision) && isLost(fact, closed))
        yield faultOf(stream, fact, 'was closed and is on no line');
    }
  }

  function* claim(
    { of, source }: Claim,
    reader: ReturnType<typeof createUsageReader>,
    counters: readonly UsageCounter[],
    on: Map<number, ChargeLine>,
  ): Iterable<Fault> {
    const { line, subscriptionId, at, usage } = of;
    const [start, end] = [readInstant(line.period!.start), readInstant(line.period!.end)];
    const own = reader
      .facts(source.fromRevision)
      .filter((fact) => fact.meterId === line.metricId && start <= fact.at && fact.at < end)
      .filter((fact) => ownerOf(counters, fact)?.id === subscriptionId);
    let quantity = 0n;
    for (const fact of own) {
      quantity += fact.quantity;
      usage.owed += fact.owed;
      for (const draw of fact.draws)
        usage.drawn.set(draw.grantId, (usage.drawn.get(draw.grantId) ?? 0n) + draw.quantity);
      of.measures ||= fact.measured !== null;
      if (on.has(fact.revision))
        yield { ...at, reason: `line ${line.lineId} charges the usage ${fact.id} again` };
      on.set(fact.revision, line);
    }
    usage.quantity += quantity;
    const found = `${own.length} of ${formatAmount(quantity)}`;
    if (own.length !== source.events || formatAmount(quantity) !== source.quantity)
      yield {
        ...at,
        reason: `line ${line.lineId} has ${source.events} of ${source.quantity} by ${source.customerId}, the account ${found}`,
      };
  }

  return {
    name: 'usage',
    of: 'usages',
    checked: () => checked,
    check(event) {
      const isOurs = /^(subscription|invoice)/.test(event.stream);
      if (isOurs) take(event);
      return [];
    },
    async *end() {
      for (const [stream] of heads) {
        if (!stream.startsWith('creditAccount-')) continue;
        const { tenant, entityId } = streamParts(stream);
        const account = `${tenant}\n${entityId}`;
        if (!counted.has(account) && !claims.has(account)) continue;
        try {
          yield* examine(stream, entityId, account);
        } catch (error) {
          if (error instanceof UnknownEvent) continue; // it stands among the payloads
          const reason = `its usage cannot be told: ${error instanceof Error ? error.message : String(error)}`;
          yield { stream, revision: heads.get(stream)!.revision, position: 0n, reason };
        }
      }
      for (const { at, line, shown, usage, measures } of lines) {
        const reason = reasonOf(line, shown, usage, measures);
        if (reason !== null) yield { ...at, reason: `line ${line.lineId} ${reason}` };
      }
    },
  };
}

const shownOf = ({ lineId }: ChargeLine, lines: readonly InvoiceLine[]): ReadonlyMap<string, Amount> =>
  new Map(
    lines.flatMap((line) =>
      line.type === 'usage_credit' && line.appliesTo === lineId
        ? [[line.grantId, readAmount(line.quantity)]]
        : [],
    ),
  );

/** Whether nothing will charge it any more. What is measured only may add nothing to its period. */
const isLost = (
  { customerId, revision, quantity }: UsageFact,
  closed: ChargesClosed | null | undefined,
): boolean => {
  const account = closed?.accounts.find((one) => one.customerId === customerId);
  return (
    account !== undefined &&
    revision < account.openFrom &&
    revision <= account.throughRevision &&
    quantity > 0n
  );
};

/** What a line says otherwise than the accounts behind it. */
function reasonOf(
  { quantity, coveredQuantity = '0' }: ChargeLine,
  shown: ReadonlyMap<string, Amount>,
  usage: Usage,
  measures: boolean,
): string | null {
  for (const [grantId, amount] of shown)
    if (amount !== usage.drawn.get(grantId))
      return `has ${formatAmount(amount)} covered by ${grantId}, the accounts ${formatAmount(usage.drawn.get(grantId) ?? 0n)}`;
  let hidden = usage.owed;
  for (const [grantId, amount] of usage.drawn) if (!shown.has(grantId)) hidden += amount;
  if (readAmount(coveredQuantity) !== hidden)
    return `has ${coveredQuantity} covered and not shown, the accounts ${formatAmount(hidden)}`;
  const all = readAmount(quantity) + hidden;
  return measures || all === usage.quantity
    ? null
    : `charges ${formatAmount(all)}, the accounts have ${formatAmount(usage.quantity)}`;
}

const faultOf = (stream: string, { id, revision, position }: UsageFact, what: string): Fault => ({
  ...{ stream, revision, position },
  reason: `the usage ${id} ${what}`,
});
