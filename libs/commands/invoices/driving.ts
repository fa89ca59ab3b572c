import {
  BALANCE_PAYS,
  type AccountWork,
  type CreditReturn,
  type InvoiceCommand,
  type Overpaid,
} from '#libs/billing';
import type { CreditCommand } from '#libs/credits';
import { Problem, readAmount } from '#libs/kernel';
import { lookingAgain, recordedConsumption } from '../credits/reversals.js';
import type { CommandContext } from '../stream-kind.js';
import { invoices, type InvoicesDeps } from './deps.js';

/** Milliseconds for which it is enough to know what this process has written: others go on with what they wrote. */
export const OWN = 1000;

/**
 * Tells the customer's account what follows from an invoice's facts: credits that come back, and money that nobody owes. Ids
 * and keys follow from the facts, so doing it twice changes nothing. @returns the last position
 */
export async function driveInvoice(
  deps: InvoicesDeps,
  context: CommandContext,
  invoiceId: string,
): Promise<bigint> {
  const { writer } = deps.credits;
  const own = { ...context, idempotencyKey: undefined };
  for (;;) {
    const { state, position } = await writer.read(invoices, context.tenant, invoiceId, OWN);
    if (state.toDrive.length === 0) return position;
    const { customerId, currency } = state.final!;
    for (const work of state.toDrive) await tellAccount(deps, own, customerId, currency, invoiceId, work);
    const throughRevision = state.toDrive.at(-1)!.revision;
    await writer.execute(invoices, invoiceId, {
      context: own,
      operation: 'invoices.driven',
      input: {},
      command: (): InvoiceCommand => ({ type: 'RecordDriven', throughRevision }),
    });
  }
}

async function tellAccount(
  deps: InvoicesDeps,
  context: CommandContext,
  customerId: string,
  currency: string,
  invoiceId: string,
  { returns, grant, received }: AccountWork,
): Promise<void> {
  for (const one of returns) await giveBack(deps, context, customerId, one);
  if (grant) await grantOverpaid(deps, context, customerId, currency, invoiceId, grant, received);
}

async function giveBack(
  deps: InvoicesDeps,
  context: CommandContext,
  customerId: string,
  { reversalId, consumptionId, amount }: CreditReturn,
): Promise<void> {
  const { credits } = deps;
  const found = await credits.locateConsumption(context.tenant, consumptionId);
  if (!found) throw new Error(`the consumption ${consumptionId} is missing`);
  await lookingAgain(credits, context, customerId, async () => {
    const consumption = (await recordedConsumption(credits, context.tenant, customerId, found.revision))!;
    return credits.writer.execute(credits.account, customerId, {
      context: { ...context, idempotencyKey: reversalId },
      operation: 'invoices.return',
      input: { consumptionId },
      command: (now): CreditCommand => ({
        type: 'ReverseConsumption',
        now,
        reversalId,
        consumption,
        amount: readAmount(amount),
        reason: 'The invoice was taken back.',
      }),
    });
  });
}

async function grantOverpaid(
  { credits }: InvoicesDeps,
  context: CommandContext,
  customerId: string,
  currency: string,
  invoiceId: string,
  { amount, grantId }: Overpaid,
  received: boolean,
): Promise<void> {
  try {
    await credits.writer.execute(credits.account, customerId, {
      context: { ...context, idempotencyKey: grantId },
      operation: 'invoices.overpaid',
      input: { invoiceId },
      command: (now): CreditCommand => ({
        type: 'IssueGrants',
        now,
        grants: [
          {
            grantId,
            unit: currency,
            amount: readAmount(amount),
            effectiveAt: now,
            priority: 50,
            category: 'paid',
            source: 'refund',
            kind: 'prepaid',
            scope: 'merchant',
            costBasis: '1',
            applicationType: 'monetary',
            ...(received ? { applicability: { components: [BALANCE_PAYS] } } : {}),
            name: 'Credit balance',
            billingVisible: true,
            referenceCode: invoiceId,
          },
        ],
      }),
    });
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'already_exists') throw error;
  }
}
