import { formatAmount, issue, minAmount, Problem, readAmount, type Amount, type Issue } from '#libs/kernel';
import type { CreditNoteContent, CreditNoteLine, CreditReturn, InvoiceFinalized } from './invoice-events.js';
import type { InvoiceState } from './invoice.js';
import type { InvoiceLine, MonetaryCreditLine } from './lines.js';
import { ONE } from './rating.js';
import { taxOn } from './tax.js';
import { payables } from './waterfall.js';

export interface CreditNoteRequest {
  readonly creditNoteId: string;
  readonly reason: string;
  /** Absent: all that is left of the invoice. */
  readonly lines?: readonly { readonly lineId: string; readonly amount: Amount }[] | undefined;
}

/** What one charge line can still give back, and how it was paid. */
interface Creditable {
  readonly lineId: string;
  /** All of it, less what notes took back. */
  readonly left: Amount;
  /** The part that was not paid by credits. */
  readonly moneyLeft: Amount;
  readonly draws: readonly MonetaryCreditLine[];
  /** Minor units that went back to grants. */
  readonly returned: Amount;
}

/**
 * What a credit note takes back of an invoice, other notes counted, issued or not. Of each line first what was left to pay,
 * then what credits paid, the way reversals go. Tax by what all notes take back together, so that notes for all of it
 * take back all tax.
 * @throws Problem `validation_failed` for lines that charge nothing; `credit_note_exceeded`
 */
export function creditNoteContent(request: CreditNoteRequest, state: InvoiceState): CreditNoteContent {
  const { creditNoteId, reason } = request;
  const final = state.final!;
  const notes = [...state.creditNotes.values()].map(({ content }) => content);
  const creditable = creditableLines(final, notes);
  const asked = request.lines ?? creditable.map(({ lineId, left }) => ({ lineId, amount: left }));
  refuseLines(asked, creditable);
  const lines: CreditNoteLine[] = [];
  const returns: CreditReturn[] = [];
  let net = 0n;
  for (const { lineId, amount } of asked) {
    const line = creditable.find((one) => one.lineId === lineId)!;
    const money = minAmount(amount, line.moneyLeft);
    net += money;
    lines.push({ lineId, amount: formatAmount(amount), returned: formatAmount(amount - money) });
    returns.push(...returnOf(line, amount - money, `${creditNoteId}~${lineId}`, notes));
  }
  const before = sum(notes.map((note) => note.net));
  const tax = taxOn(final.taxation, before + net) - sum(notes.map((note) => note.tax));
  return {
    creditNoteId,
    reason,
    lines,
    net: formatAmount(net),
    tax: formatAmount(tax),
    total: formatAmount(net + tax),
    returns,
  };
}

/** Everything that credits paid, line by line. */
export const returnsOfAll = ({ lines }: InvoiceFinalized): readonly CreditReturn[] => {
  const drawn = new Map<string, Amount>();
  for (const line of lines)
    if (line.type === 'monetary_credit')
      drawn.set(line.consumptionId!, (drawn.get(line.consumptionId!) ?? 0n) + readAmount(line.drawn));
  return [...drawn].map(([consumptionId, amount]) => ({
    reversalId: `${consumptionId}~0`,
    consumptionId,
    amount: formatAmount(amount),
  }));
};

function creditableLines(
  { lines }: InvoiceFinalized,
  notes: readonly CreditNoteContent[],
): readonly Creditable[] {
  const charges = [...payables(lines.filter(isCharge))].sort(
    (a, b) => Number(a.line.lineId) - Number(b.line.lineId),
  );
  return charges.map(({ line: { lineId }, amount }) => {
    const draws = lines.filter(
      (one): one is MonetaryCreditLine => one.type === 'monetary_credit' && one.appliesTo === lineId,
    );
    const before = notes.flatMap((note) => note.lines.filter((one) => one.lineId === lineId));
    const taken = sum(before.map((one) => one.amount));
    const returned = sum(before.map((one) => one.returned));
    const paidByCredits = -sum(draws.map((one) => one.amount));
    return {
      lineId,
      left: amount - taken,
      moneyLeft: amount - paidByCredits - (taken - returned),
      draws,
      returned,
    };
  });
}

const isCharge = (
  line: InvoiceLine,
): line is Exclude<InvoiceLine, { readonly type: 'monetary_credit' | 'tax' }> =>
  line.type !== 'monetary_credit' && line.type !== 'tax';

/** What goes back of a line's draws: the last minor units take all that is left, parts of one included. */
function returnOf(
  { draws, returned }: Creditable,
  amount: Amount,
  reversalId: string,
  notes: readonly CreditNoteContent[],
): readonly CreditReturn[] {
  if (amount === 0n) return [];
  const consumptionId = draws[0]!.consumptionId!;
  const before = notes.flatMap((note) => note.returns.filter((one) => one.consumptionId === consumptionId));
  const left = sum(draws.map((one) => one.drawn)) - sum(before.map((one) => one.amount));
  const last = returned + amount === -sum(draws.map((one) => one.amount));
  const back = last ? left : minAmount(amount, left);
  return back === 0n ? [] : [{ reversalId, consumptionId, amount: formatAmount(back) }];
}

function refuseLines(
  asked: NonNullable<CreditNoteRequest['lines']>,
  creditable: readonly Creditable[],
): void {
  const issues: Issue[] = [];
  for (const [index, { lineId, amount }] of asked.entries()) {
    const at = `/lines/${index}`;
    const line = creditable.find((one) => one.lineId === lineId);
    if (!line)
      issues.push(issue(`${at}/lineId`, 'unknown_reference', 'No charge of the invoice has this id.'));
    if (asked.findIndex((one) => one.lineId === lineId) < index)
      issues.push(issue(`${at}/lineId`, 'duplicate', 'The line stands twice.'));
    if (amount < 0n || (amount === 0n && line?.left !== 0n))
      issues.push(issue(`${at}/amount`, 'amount_not_positive', 'amount must be above zero.'));
    if (amount % ONE !== 0n)
      issues.push(issue(`${at}/amount`, 'amount_too_precise', 'amount must be whole minor units.'));
  }
  if (issues.length > 0)
    throw new Problem(
      'validation_failed',
      `The credit note is not acceptable: ${issues[0]!.message}`,
      issues,
    );
  const over = asked.find(
    ({ lineId, amount }) => amount > creditable.find((one) => one.lineId === lineId)!.left,
  );
  if (over || sum(asked.map(({ amount }) => formatAmount(amount))) === 0n)
    throw new Problem('credit_note_exceeded', 'Less of the invoice is left to be taken back.');
}

const sum = (amounts: readonly string[]): Amount =>
  amounts.reduce((all, amount) => all + readAmount(amount), 0n);
