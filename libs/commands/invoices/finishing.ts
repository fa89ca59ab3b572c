import {
  BALANCE_PAYS,
  balanceDrawId,
  formatNumber,
  MAX_NUMBERS,
  nextNumberStep,
  payables,
  toPay,
  wholeOf,
  type FinalizeInvoice,
  type InvoiceCommand,
  type InvoiceSealed,
  type InvoiceState,
  type MonetaryDraw,
  type Payable,
} from '#libs/billing';
import type { AccountState, CreditCommand, CreditsConsumed, Grant, UsageContext } from '#libs/credits';
import { readAmount, readInstant, type Amount } from '#libs/kernel';
import { derivedId } from '../ids.js';
import type { CommandContext } from '../stream-kind.js';
import { createGrantLookup } from './charges.js';
import { invoiceNumbers, invoices, type InvoicesDeps } from './deps.js';
import { driveInvoice, OWN } from './driving.js';

/** Whether it has its number. */
export const isFinished = ({ status }: InvoiceState): boolean => status !== 'none' && status !== 'sealed';

/** Gives sealed invoices their credits and their numbers, and issues them. @returns the last position */
export async function finishInvoices(
  deps: InvoicesDeps,
  context: CommandContext,
  invoiceIds: readonly string[],
): Promise<bigint> {
  const { writer } = deps.credits;
  const byPrefix = new Map<string, string[]>();
  const drawn = new Map<string, Drawn>();
  await Promise.all(
    invoiceIds.map(async (id) => {
      const { state } = await writer.read(invoices, context.tenant, id, OWN);
      if (isFinished(state)) return;
      drawn.set(id, await drawCredit(deps, context, state.sealed!));
      const prefix = state.sealed!.numberPrefix;
      byPrefix.set(prefix, [...(byPrefix.get(prefix) ?? []), id]);
    }),
  );
  let position = 0n;
  for (const [prefix, ids] of byPrefix)
    for (let first = 0; first < ids.length; first += MAX_NUMBERS)
      await numberAll(deps, context, prefix, ids.slice(first, first + MAX_NUMBERS).sort(), {
        isFinished: async (id) => isFinished((await writer.read(invoices, context.tenant, id)).state),
        finish: (id, number) => finalize(deps, context, id, number, drawn.get(id)),
      });
  await Promise.all(
    invoiceIds.map(async (id) => {
      const driven = await driveInvoice(deps, context, id);
      if (driven > position) position = driven;
    }),
  );
  return position;
}

/** What takes numbers of one series: an invoice, or a credit note. */
interface Numbered {
  /** Whether it has its number. */
  readonly isFinished: (id: string) => Promise<boolean>;
  readonly finish: (id: string, number: string) => Promise<unknown>;
}

/** Numbers of one series, without a gap: whose number is taken and not written down yet comes first, whoever took it. */
export async function numberAll(
  { credits: { writer } }: InvoicesDeps,
  context: CommandContext,
  prefix: string,
  ids: readonly string[],
  { isFinished: isDone, finish }: Numbered,
): Promise<void> {
  for (let open = ids; open.length > 0;) {
    const { state: series } = await writer.read(invoiceNumbers, context.tenant, prefix);
    const looked = [...new Set([...series.pending, ...open])];
    const done = await Promise.all(looked.map(isDone));
    const unfinished = new Set(looked.filter((_, index) => !done[index]));
    open = open.filter((id) => unfinished.has(id));
    const [next] = open;
    if (next === undefined) return;
    const step = nextNumberStep(series, next, (id) => !unfinished.has(id));
    const finishAll = (numbered: readonly string[], first: number): Promise<unknown> =>
      Promise.all(
        numbered.flatMap((id, index) =>
          unfinished.has(id) ? [finish(id, formatNumber(prefix, first + index))] : [],
        ),
      );
    if (step.do !== 'take') {
      await finishAll(series.pending, series.last - series.pending.length + 1);
      continue;
    }
    const { events } = await writer.execute(invoiceNumbers, prefix, {
      context,
      operation: 'invoices.number',
      input: {},
      command: () => ({ type: 'TakeNumbers', ids: open, after: step.after }),
    });
    if (events.length === 0) continue; // the series moved on
    await finishAll(open, step.after + 1);
    return;
  }
}

async function finalize(
  deps: InvoicesDeps,
  context: CommandContext,
  invoiceId: string,
  number: string,
  known: Drawn | undefined,
): Promise<void> {
  const { writer } = deps.credits;
  const drawn = known ?? (await drawsOf(deps, context, invoiceId));
  await writer.execute(invoices, invoiceId, {
    context,
    operation: 'invoices.finalize',
    input: {},
    command: (now): InvoiceCommand => ({
      type: 'FinalizeInvoice',
      number,
      ...drawn,
      creditGrantId: derivedId('grant', context.tenant, invoiceId, 'over'),
      now,
    }),
  });
}

/** What was drawn, or is to be, for an invoice that somebody else began. */
async function drawsOf(deps: InvoicesDeps, context: CommandContext, invoiceId: string): Promise<Drawn> {
  const { state } = await deps.credits.writer.read(invoices, context.tenant, invoiceId);
  return drawCredit(deps, context, state.sealed!);
}

/** What the account gave for an invoice. */
type Drawn = Pick<FinalizeInvoice, 'draws' | 'balance'>;

/**
 * Draws monetary credit for the lines, one after the other, and the balance for what is then to be paid; what was drawn
 * before a crash is answered again.
 */
async function drawCredit(
  deps: InvoicesDeps,
  context: CommandContext,
  sealed: InvoiceSealed,
): Promise<Drawn> {
  const { writer, account } = deps.credits;
  const { customerId, currency } = sealed;
  const { state } = await writer.read(account, context.tenant, customerId, OWN);
  // an account that never had this currency has nothing to give: no fact says so
  if (!state.units.has(currency)) return { draws: [] };
  const draws = await drawForLines(deps, context, sealed);
  const open = toPay(sealed, draws);
  if (open <= 0n || !hadBalance(state, currency)) return { draws };
  const drawId = balanceDrawId(sealed.invoiceId);
  const given = await draw(deps, context, sealed, drawId, open, { componentId: BALANCE_PAYS });
  const amount = wholeOf(given.reduce((sum, one) => sum + readAmount(one.amount), 0n));
  return { draws, balance: { drawId, amount } };
}

/** Whether money of the customer was ever kept in a currency: what was drawn of it before a crash is to be found again. */
function hadBalance({ units, ended }: AccountState, currency: string): boolean {
  const isBalance = (grant: Grant | undefined): boolean =>
    grant?.unit === currency && grant.applicability?.components?.includes(BALANCE_PAYS) === true;
  return (
    units.get(currency)!.grants.some(isBalance) || [...ended.values()].some(({ grant }) => isBalance(grant))
  );
}

async function drawForLines(
  deps: InvoicesDeps,
  context: CommandContext,
  sealed: InvoiceSealed,
): Promise<readonly MonetaryDraw[]> {
  const { invoiceId, customerId } = sealed;
  const describe = createGrantLookup(deps, context.tenant);
  const draws: MonetaryDraw[] = [];
  for (const payable of payables(sealed.lines)) {
    const { lineId } = payable.line;
    const consumptionId = `${invoiceId}~${lineId}`;
    const given = await draw(deps, context, sealed, consumptionId, payable.amount, contextOf(payable));
    for (const { grantId, amount } of given)
      draws.push({
        lineId,
        grantId,
        description: (await describe(customerId, grantId)).description,
        amount: readAmount(amount),
        consumptionId,
      });
  }
  return draws;
}

/** Draws for an invoice what the account has of an amount, once. */
async function draw(
  { credits }: InvoicesDeps,
  context: CommandContext,
  { invoiceId, customerId, currency, sealedAt }: InvoiceSealed,
  consumptionId: string,
  amount: Amount,
  usage: UsageContext,
): Promise<CreditsConsumed['allocations']> {
  const { events } = await credits.writer.execute(credits.account, customerId, {
    context: { ...context, idempotencyKey: consumptionId },
    operation: 'invoices.draw',
    input: { invoiceId, lineId: consumptionId.slice(invoiceId.length + 1) },
    command: (now): CreditCommand => ({
      type: 'Consume',
      now,
      consumptionId,
      unit: currency,
      amount,
      onShortage: 'partial',
      effectiveAt: readInstant(sealedAt),
      context: usage,
      reference: invoiceId,
    }),
  });
  return events.flatMap((event) => (event.type === 'CreditsConsumed' ? event.data.allocations : []));
}

/** What a line says of itself to grants that pay for some lines only. */
export const contextOf = ({ line: { componentId, priceId, subscriptionId } }: Payable): UsageContext => ({
  componentId,
  priceId,
  ...(subscriptionId === undefined ? {} : { subscriptionId }),
});
