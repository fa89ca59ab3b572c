import {
  answerOf,
  creditNotePrefix,
  evolveInvoice,
  initialInvoice,
  type InvoiceAnswer,
  type InvoiceCommand,
  type InvoiceEvent,
  type InvoiceState,
  type RefusalCode,
  type RequestedMethod,
} from '#libs/billing';
import { latest } from '#libs/event-store';
import { streamName, upcast } from '#libs/event-types';
import { issue, parseAmount, Problem, type Amount, type Instant, type Issue, type Json } from '#libs/kernel';
import { unacceptable } from '../credits/amounts.js';
import { refusalIn, type Answered, type Refused } from '../credits/answered.js';
import { derivedId } from '../ids.js';
import { requestableMethods } from '../payments/payment-methods.js';
import type { CommandContext } from '../stream-kind.js';
import { collectInvoice } from './collecting.js';
import { invoices, type InvoicesDeps } from './deps.js';
import { driveInvoice } from './driving.js';
import { finishInvoices, numberAll } from './finishing.js';

/** What may be done to an invoice, its shape checked. */
export type InvoiceOperation =
  | { readonly action: 'finalize'; readonly request: object }
  | { readonly action: 'void' | 'mark-uncollectible'; readonly request: { readonly reason: string } }
  | { readonly action: 'mark-paid'; readonly request: { readonly reference?: string } }
  | {
      readonly action: 'mark-unpaid';
      readonly request: {
        readonly reason: string;
        readonly reference?: string;
        readonly providerReference?: string;
      };
    }
  | { readonly action: 'credit-note'; readonly request: CreditNoteBody };

export interface CreditNoteBody {
  readonly reason: string;
  /** Absent: all that is left. */
  readonly lines?: readonly { readonly lineId: string; readonly amount: string | number }[];
}

const REFUSALS: readonly RefusalCode[] = ['invoice_not_open', 'credit_note_exceeded'];

/**
 * Does something to an invoice and tells the account what follows. Under a key it is answered the same for ever, also where it
 * was refused.
 * @throws Problem `not_found`; `validation_failed`; without a key also `invoice_not_open` and `credit_note_exceeded`
 */
export async function operateInvoice(
  deps: InvoicesDeps,
  context: CommandContext,
  invoiceId: string,
  { action, request }: InvoiceOperation,
): Promise<Answered<InvoiceAnswer> | Refused> {
  const { writer, newId } = deps.credits;
  const { tenant, idempotencyKey } = context;
  const { state: before } = await writer.read(invoices, tenant, invoiceId);
  if (!before.sealed) throw noInvoice(invoiceId);
  const own = { ...context, idempotencyKey: undefined };
  await collectInvoice(deps, own, invoiceId);
  if (action === 'finalize') await finishInvoices(deps, own, [invoiceId]);
  const idOf = (prefix: string): string =>
    idempotencyKey === undefined
      ? newId(prefix)
      : derivedId(prefix, tenant, invoiceId, action, idempotencyKey);
  const methods = await requestableMethods(deps.credits, tenant, before.sealed.customerId);
  const written = await writer.execute(invoices, invoiceId, {
    context,
    operation: `invoices.${action}`,
    input: { invoiceId, ...(request as Readonly<Record<string, Json>>) },
    command: commandOf(invoiceId, action, request as never, methods, idOf),
    refusals: REFUSALS,
  });
  const refusal = refusalIn(written, `/v1/invoices/${invoiceId}`);
  if (refusal) return refusal;
  await numberNotes(deps, own, invoiceId);
  const driven = await driveInvoice(deps, own, invoiceId);
  const { position } = await writer.read(invoices, tenant, invoiceId);
  const [fact] = written.events;
  const state =
    fact?.type === 'CreditNoteOpened'
      ? await stateWithNote(deps, tenant, invoiceId, fact.data.creditNoteId)
      : await written.stateAfter();
  return {
    body: answerOf(state),
    status: action === 'credit-note' ? 201 : 200,
    position: latest([position, driven]),
    replayed: written.replayed,
  };
}

/** The invoice as the issue of a credit note left it, however often it is asked for. */
async function stateWithNote(
  { credits: { eventStore } }: InvoicesDeps,
  tenant: string,
  invoiceId: string,
  creditNoteId: string,
): Promise<InvoiceState> {
  let state = initialInvoice;
  let issued = false;
  for await (const recorded of eventStore.readStream(streamName(invoices.category, tenant, invoiceId))) {
    const event = upcast(recorded, invoices.eventTypes) as unknown as InvoiceEvent;
    // what the note pays off is paid by it
    if (issued && event.type !== 'InvoicePaid') break;
    state = evolveInvoice(state, event);
    issued ||= event.type === 'CreditNoteIssued' && event.data.creditNoteId === creditNoteId;
  }
  return state;
}

export const noInvoice = (id: string): Problem =>
  new Problem(
    'not_found',
    `There is no invoice ${JSON.stringify(id)}. One that is upcoming is issued when its period ends.`,
  );

function commandOf(
  invoiceId: string,
  action: InvoiceOperation['action'],
  request: {
    readonly reason: string;
    readonly reference?: string;
    readonly providerReference?: string;
  } & CreditNoteBody,
  methods: readonly RequestedMethod[],
  idOf: (prefix: string) => string,
): (now: Instant) => InvoiceCommand {
  const { reason, reference, providerReference: methodReference } = request;
  switch (action) {
    case 'finalize':
      return () => ({ type: 'ConfirmFinalized' });
    case 'void':
      return (now) => ({ type: 'VoidInvoice', reason, now });
    case 'mark-uncollectible':
      return (now) => ({ type: 'MarkUncollectible', reason, now });
    case 'mark-unpaid': {
      const failure = { provider: 'manual', reference, methodReference, reason, methods } as const;
      return (now) => ({ type: 'RecordFailure', ...failure, now });
    }
    case 'mark-paid': {
      const [paymentId, creditGrantId] = [idOf('pay'), idOf('grant')];
      return (now) => ({ type: 'MarkPaid', paymentId, reference, creditGrantId, now });
    }
    case 'credit-note': {
      // its invoice is found by its id
      const creditNoteId = `${invoiceId}.${idOf('cn')}`;
      const lines = request.lines === undefined ? undefined : amountsOf(request.lines);
      return (now) => ({ type: 'OpenCreditNote', creditNoteId, reason, lines, now });
    }
  }
}

function amountsOf(
  lines: NonNullable<CreditNoteBody['lines']>,
): readonly { readonly lineId: string; readonly amount: Amount }[] {
  const issues: Issue[] = [];
  const read = lines.map(({ lineId, amount: text }, index) => {
    const amount = parseAmount(text, 0);
    if (typeof amount !== 'bigint')
      issues.push(issue(`/lines/${index}/amount`, amount, 'must be whole minor units'));
    return { lineId, amount: typeof amount === 'bigint' ? amount : 0n };
  });
  if (issues.length > 0) throw unacceptable(issues);
  return read;
}

const invoiceOf = (creditNoteId: string): string => creditNoteId.slice(0, creditNoteId.indexOf('.'));

/** Gives an invoice's credit notes their numbers, of a series of their own. */
async function numberNotes(deps: InvoicesDeps, context: CommandContext, invoiceId: string): Promise<void> {
  const { writer } = deps.credits;
  const read = async (id: string): Promise<InvoiceState> =>
    (await writer.read(invoices, context.tenant, id)).state;
  const state = await read(invoiceId);
  const open = [...state.creditNotes].filter(([, { number }]) => number === null).map(([id]) => id);
  if (open.length === 0) return;
  await numberAll(deps, context, creditNotePrefix(state.sealed!.numberPrefix), open, {
    isFinished: async (id) => (await read(invoiceOf(id))).creditNotes.get(id)?.number != null,
    finish: (creditNoteId, number) =>
      writer.execute(invoices, invoiceOf(creditNoteId), {
        context,
        operation: 'invoices.issue-note',
        input: {},
        command: (now): InvoiceCommand => ({
          type: 'IssueCreditNote',
          creditNoteId,
          number,
          creditGrantId: derivedId('grant', context.tenant, creditNoteId),
          now,
        }),
      }),
  });
  for (const id of new Set(open.map(invoiceOf))) await driveInvoice(deps, context, id);
}
