import { timelineOf, type ChargeLine, type InvoiceFinalized, type UsageFact } from '#libs/billing';
import { formatAmount, formatInstant, Problem, readInstant } from '#libs/kernel';
import { ownUsage, readUsage, subscriptionFacts } from './charges.js';
import { invoices, type InvoicesDeps } from './deps.js';

/** One usage behind a line, and what covered it. */
export interface TracedUsage {
  readonly customerId: string;
  /** Of the account's stream. */
  readonly revision: number;
  readonly eventId: string;
  readonly effectiveAt: string;
  readonly quantity: string;
  readonly allocations: readonly { readonly grantId: string; readonly quantity: string }[];
}

export interface LineTrace {
  readonly line: ChargeLine;
  /** A page of it. */
  readonly usage: readonly TracedUsage[];
  /** Key of the next page: account and revision; null: this was the last. */
  readonly nextKey: string | null;
}

/**
 * The usage that a line charges, in the order of its accounts and the log, read from the log again.
 * @throws Problem `not_found` for the invoice, and for a line that charges nothing
 */
export async function traceLine(
  deps: InvoicesDeps,
  tenant: string,
  invoiceId: string,
  lineId: string,
  { limit, after }: { readonly limit: number; readonly after: number },
): Promise<LineTrace> {
  const { state } = await deps.credits.writer.read(invoices, tenant, invoiceId);
  const line = state.final?.lines.find((one): one is ChargeLine => one.lineId === lineId && isCharge(one));
  if (!line) throw new Problem('not_found', `The invoice has no charge ${JSON.stringify(lineId)}.`);
  const usage = await usageOf(deps, tenant, state.final!, line);
  const page = usage.slice(after, after + limit);
  return {
    line,
    usage: page.map(traced),
    nextKey: after + limit < usage.length ? String(after + limit) : null,
  };
}

const isCharge = ({ type }: { readonly type: string }): boolean =>
  type === 'usage' || type === 'fixed' || type === 'per_unit';

async function usageOf(
  deps: InvoicesDeps,
  tenant: string,
  { subscriptionId }: InvoiceFinalized,
  { sources = [], metricId, period }: ChargeLine,
): Promise<readonly UsageFact[]> {
  if (metricId === undefined || period === undefined || subscriptionId === undefined) return [];
  const timeline = timelineOf(await subscriptionFacts(deps, tenant, subscriptionId));
  const [start, end] = [readInstant(period.start), readInstant(period.end)];
  const found: UsageFact[] = [];
  for (const source of sources) {
    const facts = await readUsage(deps, tenant, timeline, source, source.fromRevision);
    const within = facts.filter(({ meterId, at }) => meterId === metricId && start <= at && at < end);
    found.push(...within.filter(await ownUsage(deps, tenant, timeline, within)));
  }
  return found;
}

const traced = ({ customerId, revision, id, at, quantity, draws }: UsageFact): TracedUsage => ({
  customerId,
  revision,
  eventId: id,
  effectiveAt: formatInstant(at),
  quantity: formatAmount(quantity),
  allocations: draws.map((draw) => ({ grantId: draw.grantId, quantity: formatAmount(draw.quantity) })),
});
