import {
  timelineOf,
  type ChargeLine,
  type InvoiceFinalized,
  type InvoiceLine,
  type UsageFact,
} from '#libs/billing';
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
  readonly line: InvoiceLine;
  /** A page of it; nothing behind lines that no usage made. */
  readonly usage: readonly TracedUsage[];
  /** Key of the next page: account and revision; null: this was the last. */
  readonly nextKey: string | null;
}

/**
 * The usage that a line charges, or that its grant covered, in the order of its accounts and the log, read from the log again.
 * @throws Problem `not_found` for the invoice, and for the line
 */
export async function traceLine(
  deps: InvoicesDeps,
  tenant: string,
  invoiceId: string,
  lineId: string,
  { limit, after }: { readonly limit: number; readonly after: number },
): Promise<LineTrace> {
  const { state } = await deps.credits.writer.read(invoices, tenant, invoiceId);
  const lines = state.final?.lines ?? [];
  const line = lines.find((one) => one.lineId === lineId);
  if (!line) throw new Problem('not_found', `The invoice has no line ${JSON.stringify(lineId)}.`);
  const usage = await behind(deps, tenant, state.final!, line);
  const page = usage.slice(after, after + limit);
  return {
    line,
    usage: page.map(traced),
    nextKey: after + limit < usage.length ? String(after + limit) : null,
  };
}

async function behind(
  deps: InvoicesDeps,
  tenant: string,
  final: InvoiceFinalized,
  line: InvoiceLine,
): Promise<readonly UsageFact[]> {
  if (line.type === 'usage') return usageOf(deps, tenant, final, line);
  if (line.type !== 'usage_credit') return [];
  const charge = final.lines.find((one): one is ChargeLine => one.lineId === line.appliesTo)!;
  const usage = await usageOf(deps, tenant, final, charge);
  return usage.flatMap((fact) => {
    const draws = fact.draws.filter(({ grantId }) => grantId === line.grantId);
    return draws.length > 0 ? [{ ...fact, draws }] : [];
  });
}

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
