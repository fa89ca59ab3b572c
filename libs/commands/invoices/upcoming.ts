import {
  chargeLines,
  closingOf,
  completeInvoice,
  drawCredits,
  pastClosing,
  payables,
  timelineOf,
  type BillTo,
  type InvoiceContent,
  type MonetaryCredit,
  type PastClosing,
  type Payable,
} from '#libs/billing';
import { admits, unitOf } from '#libs/credits';
import { formatInstant, Problem, type Instant } from '#libs/kernel';
import { dueFacts, evolve, nextDue, type SubscriptionEvent } from '#libs/subscriptions';
import { settledAccount } from '../credits/account-facts.js';
import { derivedId } from '../ids.js';
import { chargesBetween, createGrantLookup, subscriptionFacts, type DueCharges } from './charges.js';
import { subscriptionBilling, type InvoicesDeps } from './deps.js';
import { contextOf } from './finishing.js';
import { invoiceTerms } from './invoice-terms.js';
import { accountHeads, closingAfter } from './invoicing.js';

/** An invoice that is not made yet, as it would be if what it waits for came now: made from the log, written nowhere. */
export interface UpcomingInvoice extends InvoiceContent {
  /** The one that it is going to have. */
  readonly invoiceId: string;
  readonly customerId: string;
  readonly subscriptionId: string;
  readonly billTo: BillTo;
  /** When it will be made. */
  readonly closesAt: string;
}

/** The next invoices of a subscription, one for each currency; none where nothing will be charged. @throws Problem `not_found` */
export async function upcomingInvoices(
  deps: InvoicesDeps,
  tenant: string,
  subscriptionId: string,
): Promise<readonly UpcomingInvoice[]> {
  const { credits } = deps;
  const recorded = await subscriptionFacts(deps, tenant, subscriptionId);
  if (recorded.length === 0)
    throw new Problem('not_found', `There is no subscription ${JSON.stringify(subscriptionId)}.`);
  let state = recorded.reduce(evolve, null as never);
  const facts = [...recorded];
  const now = credits.now(tenant);
  for (let due = nextDue(state); due !== null; due = nextDue(state)) {
    // all that is over, then the end of the current period
    const made = dueFacts(state, due);
    facts.push(...made);
    state = made.reduce(evolve, state);
    if (due > now) break;
  }
  const { state: closed } = await credits.writer.read(subscriptionBilling, tenant, subscriptionId);
  const { number, at, byCurrency } = await nextCharges(deps, tenant, facts, closed && closingOf(closed));
  const customer = (await credits.catalog.customer(tenant, state.customerId))!;
  const { taxation, billTo } = invoiceTerms(customer, await credits.catalog.merchant(tenant));
  return Promise.all(
    [...byCurrency].map(async ([currency, charges]): Promise<UpcomingInvoice> => {
      const lines = chargeLines(charges);
      const open = payables(lines);
      const available = await monetaryCredits(deps, tenant, customer.id, currency, open);
      return {
        invoiceId: derivedId('inv', tenant, subscriptionId, String(number), currency),
        customerId: customer.id,
        subscriptionId,
        billTo,
        closesAt: formatInstant(at),
        ...completeInvoice({ currency, lines, taxation }, drawCredits(open, available)),
      };
    }),
  );
}

/** What the next closing will charge of those that charge anything; else what has come since the last one. */
async function nextCharges(
  deps: InvoicesDeps,
  tenant: string,
  facts: readonly SubscriptionEvent[],
  closed: PastClosing | null,
): Promise<Pick<DueCharges, 'byCurrency'> & { readonly number: number; readonly at: Instant }> {
  for (let before = closed; ;) {
    const number = (before?.number ?? 0) + 1;
    const next = await closingAfter(deps, tenant, facts, before, Infinity);
    if (next) {
      const { bound, due } = next;
      if (due.byCurrency.size > 0) return { number, at: bound.at, byCurrency: due.byCurrency };
      before = pastClosing(number, bound, due.accounts);
      continue;
    }
    const timeline = timelineOf(facts);
    const at = before?.bound.at ?? deps.credits.now(tenant);
    const accounts = await accountHeads(deps, tenant, timeline);
    const bound = { at, revision: facts.length };
    const { byCurrency } = await chargesBetween(deps, tenant, timeline, before, { bound, accounts });
    return { number, at, byCurrency };
  }
}

/** The account's grants of a currency that may be drawn on now, in the order of drawdown. */
async function monetaryCredits(
  deps: InvoicesDeps,
  tenant: string,
  customerId: string,
  currency: string,
  lines: readonly Payable[],
): Promise<readonly MonetaryCredit[]> {
  const { state, now } = await settledAccount(deps.credits, tenant, customerId);
  const describe = createGrantLookup(deps, tenant);
  const grants = unitOf(state, currency).grants.filter(
    ({ remaining, effectiveAt, expiresAt }) => remaining > 0n && effectiveAt <= now && now < expiresAt,
  );
  return Promise.all(
    grants.map(async ({ id, remaining, applicability }) => ({
      grantId: id,
      description: (await describe(customerId, id)).description,
      available: remaining,
      admits: lines.filter((line) => admits(applicability, contextOf(line))).map(({ line }) => line.lineId),
    })),
  );
}
