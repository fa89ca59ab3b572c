import {
  nextStep,
  paymentsAnswer,
  settledInvoice,
  type InvoiceCommand,
  type InvoiceState,
  type PaymentsAnswer,
} from '#libs/billing';
import { Problem, type Instant } from '#libs/kernel';
import { eachDue } from '../each-due.js';
import { requestableMethods } from '../payments/payment-methods.js';
import type { CommandContext } from '../stream-kind.js';
import { changeSubscription } from '../subscriptions/changes.js';
import { invoices, type InvoicesDeps } from './deps.js';
import { driveInvoice } from './driving.js';

/** What a run of the job recorded. */
export interface CollectedCounts {
  /** Invoices of which something was due. */
  invoices: number;
  /** Payments that were asked for. */
  requests: number;
  /** Invoices that were given up. */
  givenUp: number;
}

/** Records what time had made due at `at` of the tenant's invoices, and tells accounts and subscriptions. Again records nothing. */
export async function collectPayments(
  deps: InvoicesDeps,
  context: CommandContext,
  at: Instant,
): Promise<CollectedCounts> {
  const counts: CollectedCounts = { invoices: 0, requests: 0, givenUp: 0 };
  await eachDue(
    (after) => deps.lookups.invoicesDue(context.tenant, at, after),
    (id) => collectInvoice(deps, context, id, at),
    ({ types }) => {
      if (types.length > 0) counts.invoices++;
      counts.requests += types.filter((type) => type === 'PaymentRequested').length;
      counts.givenUp += types.filter((type) => type === 'InvoiceUncollectible').length;
    },
  );
  return counts;
}

/**
 * The same of one invoice, as of now where no time is given. Every other command on an invoice comes after this, so that it
 * decides on what time has made of it.
 */
export async function collectInvoice(
  deps: InvoicesDeps,
  context: CommandContext,
  invoiceId: string,
  at?: Instant,
): Promise<{ readonly types: readonly string[]; readonly position: bigint }> {
  const { credits } = deps;
  const own: CommandContext = { ...context, idempotencyKey: undefined };
  const { state } = await credits.writer.read(invoices, context.tenant, invoiceId);
  const upTo = Math.min(at ?? Infinity, credits.now(context.tenant));
  const types: string[] = [];
  if ((nextStep(state)?.at ?? Infinity) <= upTo) {
    const methods = await requestableMethods(credits, context.tenant, state.final!.customerId);
    const { events } = await credits.writer.execute(invoices, invoiceId, {
      context: own,
      operation: 'invoices.collect',
      input: {},
      command: (): InvoiceCommand => ({ type: 'SettleDue', methods, upTo }),
    });
    types.push(...events.map(({ type }) => type));
  }
  await driveSubscription(deps, own, invoiceId);
  return { types, position: await driveInvoice(deps, own, invoiceId) };
}

/**
 * How an invoice is collected, as time has made it by now.
 * @throws Problem `not_found` for one that is not issued
 */
export async function readPayments(
  { credits }: InvoicesDeps,
  tenant: string,
  invoiceId: string,
): Promise<PaymentsAnswer> {
  const { state } = await credits.writer.read(invoices, tenant, invoiceId);
  if (!state.final) throw new Problem('not_found', `There is no invoice ${JSON.stringify(invoiceId)}.`);
  const methods = await requestableMethods(credits, tenant, state.final.customerId);
  return paymentsAnswer(settledInvoice(state, credits.now(tenant), methods));
}

/** Tells the subscription that its invoice was given up. The key follows from the invoice, so doing it twice changes nothing. */
async function driveSubscription(
  deps: InvoicesDeps,
  context: CommandContext,
  invoiceId: string,
): Promise<void> {
  const { writer } = deps.credits;
  const { state } = await writer.read(invoices, context.tenant, invoiceId);
  const { subscription } = state;
  if (subscription === null) return;
  await tellSubscription(deps, { ...context, idempotencyKey: `dunning:${invoiceId}` }, state);
  await writer.execute(invoices, invoiceId, {
    context,
    operation: 'invoices.subscription-driven',
    input: {},
    command: (): InvoiceCommand => ({
      type: 'RecordSubscriptionDriven',
      throughRevision: subscription.revision,
    }),
  });
}

async function tellSubscription(
  { subscriptions }: InvoicesDeps,
  context: CommandContext,
  { subscription, final }: InvoiceState,
): Promise<void> {
  const request = { reason: `The invoice ${final!.number} was not paid.` };
  const { action } = subscription!;
  // one that is over, or has yet to begin, cannot be paused: it refuses, and that is that
  await changeSubscription(subscriptions, context, final!.subscriptionId!, { action, request });
}
