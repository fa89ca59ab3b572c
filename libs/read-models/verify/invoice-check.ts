import type { RecordedEvent } from '#libs/event-store';
import {
  formatNumber,
  isBalanceDraw,
  sumOf,
  wholeOf,
  type InvoiceFinalized,
  type NumbersTaken,
  type CreditNoteIssued,
  type PaymentRecorded,
} from '#libs/billing';
import type { CreditsConsumed } from '#libs/credits';
import { formatAmount, readAmount, type Amount } from '#libs/kernel';
import { streamParts } from '#libs/event-types';

/**
 * Invoices are the sum of their lines, their numbers are those of their series, without a gap, and what the balance paid of
 * one is what was drawn of it.
 */
export function invoiceCheck() {
  let checked = 0;
  const series = new Map<string, number>();
  const numbers = new Map<string, string>();
  // what was drawn of balances and is not known to have paid
  const drawn = new Map<string, Amount>();

  function taken(tenant: string, prefix: string, { first, ids }: NumbersTaken): string[] {
    const key = `${tenant}\n${prefix}`;
    const last = series.get(key) ?? 0;
    series.set(key, first + ids.length - 1);
    for (const [index, id] of ids.entries())
      numbers.set(`${tenant}\n${id}`, formatNumber(prefix, first + index));
    return first === last + 1 ? [] : [`number ${first} follows ${last}`];
  }

  function numbered(tenant: string, id: string, number: string): string[] {
    const key = `${tenant}\n${id}`;
    const own = numbers.get(key);
    numbers.delete(key);
    return own === number ? [] : [`${id} is ${number}, its series says ${own ?? 'nothing'}`];
  }

  function added({ lines, total, subtotal, credits, tax }: InvoiceFinalized): string[] {
    const sum = sumOf(lines);
    const parts = readAmount(subtotal) + readAmount(credits) + readAmount(tax);
    const reasons: string[] = [];
    if (sum !== readAmount(total))
      reasons.push(`the total is ${total}, its lines come to ${formatAmount(sum)}`);
    else if (parts !== sum) reasons.push(`the total is ${total}, its parts come to ${formatAmount(parts)}`);
    return reasons;
  }

  function paid(tenant: string, { provider, paymentId, amount }: PaymentRecorded): string[] {
    if (provider !== 'balance') return [];
    const key = `${tenant}\n${paymentId}`;
    const own = drawn.get(key) ?? 0n;
    drawn.delete(key);
    return own === readAmount(amount) ? [] : [`the balance paid ${amount}, it gave ${formatAmount(own)}`];
  }

  function draws(tenant: string, { consumptionId, consumed }: CreditsConsumed): void {
    // of another shape it stands among the payloads
    if (!isBalanceDraw(String(consumptionId))) return;
    const given = wholeOf(readAmount(consumed));
    if (given > 0n) drawn.set(`${tenant}\n${consumptionId}`, given);
  }

  return {
    name: 'invoices',
    of: 'events' as const,
    checked: () => checked,
    check({ stream, type, data }: RecordedEvent): readonly string[] {
      if (type !== 'CreditsConsumed' && !stream.startsWith('invoice')) return [];
      const { category, tenant, entityId } = streamParts(stream);
      if (type === 'CreditsConsumed') draws(tenant, data as unknown as CreditsConsumed);
      if (category === 'invoiceNumbers' && type === 'NumbersTaken') {
        checked++;
        return taken(tenant, entityId, data as unknown as NumbersTaken);
      }
      if (category !== 'invoice') return [];
      checked++;
      if (type === 'CreditNoteIssued') {
        const { creditNoteId, number } = data as unknown as CreditNoteIssued;
        return numbered(tenant, creditNoteId, number);
      }
      if (type === 'PaymentRecorded') return paid(tenant, data as unknown as PaymentRecorded);
      if (type !== 'InvoiceFinalized') return [];
      const final = data as unknown as InvoiceFinalized;
      return [...added(final), ...numbered(tenant, final.invoiceId, final.number)];
    },
  };
}
