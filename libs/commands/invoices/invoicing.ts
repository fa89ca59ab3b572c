import {
  chargeLines,
  closingOf,
  lastMoment,
  momentAfter,
  timelineOf,
  type AccountBound,
  type ChargesClosed,
  type Closing,
  type InvoiceCommand,
  type Moment,
  type PastClosing,
  type Timeline,
} from '#libs/billing';
import { streamName, upcast } from '#libs/event-types';
import { formatInstant, type Instant } from '#libs/kernel';
import type { SubscriptionEvent } from '#libs/subscriptions';
import { eachDue } from '../each-due.js';
import { derivedId } from '../ids.js';
import type { CommandContext } from '../stream-kind.js';
import { chargesBetween, subscriptionFacts, type DueCharges } from './charges.js';
import { invoices, subscriptionBilling, type InvoicesDeps } from './deps.js';
import { finishInvoices, isFinished } from './finishing.js';
import { invoiceTerms } from './invoice-terms.js';

/** Subscriptions invoiced at once. */
const AT_ONCE = 200;

/** What a run of the job did. */
export interface InvoicedCounts {
  /** Invoices that were finished. */
  invoices: number;
  /** Subscriptions that were charged. */
  subscriptions: number;
}

/** Invoices every subscription of the tenant of which a period has ended by now, or terms have changed. Again does nothing. */
export async function processInvoices(deps: InvoicesDeps, context: CommandContext): Promise<InvoicedCounts> {
  const counts: InvoicedCounts = { invoices: 0, subscriptions: 0 };
  const endedBy = deps.credits.now(context.tenant) - deps.credits.maxEventAge;
  const together = (ids: readonly string[]) => invoiceSubscriptions(deps, context, ids);
  await eachDue(
    async (after) =>
      (await deps.lookups.subscriptionsToBill(context.tenant, endedBy, after)).slice(0, AT_ONCE),
    (id) => together([id]),
    (made) => {
      counts.invoices += made.invoices;
      counts.subscriptions += made.subscriptions;
    },
    together,
  );
  return counts;
}

/**
 * Invoices some subscriptions, period by period, together: their numbers are taken in one fact. Whoever goes on after a crash
 * makes the same invoices: each step looks at what the log says is done.
 */
export async function invoiceSubscriptions(
  deps: InvoicesDeps,
  context: CommandContext,
  subscriptionIds: readonly string[],
): Promise<InvoicedCounts & { readonly position: bigint }> {
  const own: CommandContext = { ...context, idempotencyKey: undefined };
  const charged = new Set<string>();
  let made = 0;
  let position = 0n;
  for (let open = subscriptionIds; open.length > 0;) {
    const closings = await Promise.all(open.map((id) => nextClosing(deps, own, id)));
    const sealed = await Promise.all(
      closings.flatMap((closing) => (closing ? sealInvoices(deps, own, closing) : [])),
    );
    const ids = sealed.flat();
    const done = await finishInvoices(deps, own, ids);
    made += ids.length;
    if (done > position) position = done;
    open = closings.flatMap((closing) => {
      if (closing) charged.add(closing.subscriptionId);
      return closing?.more ? [closing.subscriptionId] : [];
    });
  }
  return { invoices: made, subscriptions: charged.size, position };
}

interface OpenClosing {
  readonly subscriptionId: string;
  readonly closing: ChargesClosed;
  /** What it charges, where it was closed just now; else the log says it. */
  readonly due: DueCharges | null;
  /** Whether there may be another one after it. */
  readonly more: boolean;
}

/** The closing whose invoices are not finished yet, else the next one; null: nothing is to be charged. */
async function nextClosing(
  deps: InvoicesDeps,
  context: CommandContext,
  subscriptionId: string,
): Promise<OpenClosing | null> {
  const { tenant } = context;
  const { writer } = deps.credits;
  for (;;) {
    const { state: closed } = await writer.read(subscriptionBilling, tenant, subscriptionId);
    if (closed && (await anyUnfinished(deps, tenant, closed)))
      return { subscriptionId, closing: closed, due: null, more: true };
    const facts = await subscriptionFacts(deps, tenant, subscriptionId);
    if (facts.length === 0) return null;
    const before = closed && closingOf(closed);
    const next = await closingAfter(deps, tenant, facts, before, deps.credits.now(tenant));
    if (!next) return null;
    const { bound, due, more } = next;
    const number = (closed?.number ?? 0) + 1;
    const closing: ChargesClosed = {
      number,
      at: formatInstant(bound.at),
      subscriptionRevision: bound.revision,
      accounts: due.accounts,
      invoices: [...due.byCurrency.keys()].map((currency) => ({
        invoiceId: derivedId('inv', tenant, subscriptionId, String(number), currency),
        currency,
      })),
    };
    const { events } = await writer.execute(subscriptionBilling, subscriptionId, {
      context,
      operation: 'invoices.close',
      input: {},
      command: () => ({ type: 'CloseCharges', closing }),
    });
    // who loses looks again at what the other has closed
    if (events.length > 0) return { subscriptionId, closing, due, more };
  }
}

/** A closing that may be made. */
export interface NextClosing {
  readonly bound: Closing['bound'];
  readonly due: DueCharges;
  /** Whether there may be another one after it. */
  readonly more: boolean;
}

/** The closing that comes after one, by a subscription's facts and by `until`; null: there is none. */
export async function closingAfter(
  deps: InvoicesDeps,
  tenant: string,
  facts: readonly SubscriptionEvent[],
  before: PastClosing | null,
  until: Instant,
): Promise<NextClosing | null> {
  const all = timelineOf(facts);
  const after = (closed: Closing['bound'] | null): Moment | undefined => {
    const moment = momentAfter(all, closed?.revision ?? -1);
    if (moment) return moment;
    const last = lastMoment(all, closed, deps.credits.maxEventAge);
    return last && last.at <= until ? last : undefined;
  };
  const moment = after(before?.bound ?? null);
  if (!moment) return null;
  const timeline = timelineOf(facts.slice(0, moment.revision + 1));
  const bound = { at: Math.max(moment.at, before?.bound.at ?? moment.at), revision: moment.revision };
  const accounts = await accountHeads(deps, tenant, timeline);
  const due = await chargesBetween(deps, tenant, timeline, before, { bound, accounts });
  return { bound, due, more: after(bound) !== undefined };
}

async function anyUnfinished(
  { credits }: InvoicesDeps,
  tenant: string,
  closing: ChargesClosed,
): Promise<boolean> {
  const finished = async (id: string, maxAgeMs: number): Promise<boolean> => {
    const { state } = await credits.writer.read(invoices, tenant, id, maxAgeMs);
    return isFinished(state) && state.toDrive.length === 0;
  };
  for (const { invoiceId } of closing.invoices)
    // what was finished once stays so, however long ago that was seen
    if (!(await finished(invoiceId, Infinity)) && !(await finished(invoiceId, 0))) return true;
  return false;
}

/** Where the accounts stand whose usage the subscription is charged for. */
export async function accountHeads(
  { credits }: InvoicesDeps,
  tenant: string,
  { members }: Timeline,
): Promise<readonly AccountBound[]> {
  const ids = [...new Set(members.map(({ customerId }) => customerId))];
  return Promise.all(
    ids.map(async (customerId) => {
      const { revision } = await credits.writer.read(credits.account, tenant, customerId);
      return { customerId, throughRevision: revision };
    }),
  );
}

/** Seals what a closing charges: from then on the lines stand. */
async function sealInvoices(
  deps: InvoicesDeps,
  context: CommandContext,
  { subscriptionId, closing, due }: OpenClosing,
): Promise<readonly string[]> {
  const { tenant } = context;
  const ids = closing.invoices.map(({ invoiceId }) => invoiceId);
  if (due === null) {
    const states = await Promise.all(ids.map((id) => deps.credits.writer.read(invoices, tenant, id)));
    if (states.every(({ state }) => state.status !== 'none')) return ids;
  }
  const { bound } = closingOf(closing);
  const { byCurrency, customerId, from } = due ?? (await dueAgain(deps, tenant, subscriptionId, closing));
  const customer = (await deps.credits.catalog.customer(tenant, customerId))!;
  const { taxation, ...terms } = invoiceTerms(customer, await deps.credits.catalog.merchant(tenant));
  for (const { invoiceId, currency } of closing.invoices)
    await deps.credits.writer.execute(invoices, invoiceId, {
      context,
      operation: 'invoices.seal',
      input: {},
      command: (now): InvoiceCommand => ({
        type: 'SealInvoice',
        invoiceId,
        customerId: customer.id,
        subscriptionId,
        ...terms,
        ...(from < bound.at ? { period: { start: formatInstant(from), end: formatInstant(bound.at) } } : {}),
        charges: {
          currency,
          lines: chargeLines(byCurrency.get(currency) ?? []),
          taxation,
        },
        now,
      }),
    });
  return ids;
}

/** What a closing charges, from the log alone. */
async function dueAgain(
  deps: InvoicesDeps,
  tenant: string,
  subscriptionId: string,
  closing: ChargesClosed,
): Promise<DueCharges> {
  const facts = await subscriptionFacts(deps, tenant, subscriptionId, closing.subscriptionRevision);
  const before = await closingBefore(deps, tenant, subscriptionId, closing.number);
  return chargesBetween(deps, tenant, timelineOf(facts), before && closingOf(before), closingOf(closing));
}

/** The closing before one, read back from the log. */
async function closingBefore(
  { credits }: InvoicesDeps,
  tenant: string,
  subscriptionId: string,
  number: number,
): Promise<ChargesClosed | null> {
  if (number === 1) return null;
  const stream = streamName(subscriptionBilling.category, tenant, subscriptionId);
  for await (const event of credits.eventStore.readStream(stream, number - 2))
    return upcast(event, subscriptionBilling.eventTypes).data as unknown as ChargesClosed;
  throw new Error(`closing ${number - 1} of ${subscriptionId} is missing`);
}
