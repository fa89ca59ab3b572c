import type { RecordedEvent } from '#libs/event-store';
import {
  formatNumber,
  sumOf,
  type InvoiceFinalized,
  type NumbersTaken,
  type CreditNoteIssued,
} from '#libs/billing';
import { formatAmount, readAmount } from '#libs/kernel';
import { streamParts } from '#libs/event-types';

/** Invoices are the sum of their lines, and their numbers are those of their series, without a gap. */
export function invoiceCheck() {
  let checked = 0;
  const series = new Map<string, number>();
  const numbers = new Map<string, string>();

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

  return {
    name: 'invoices',
    of: 'events' as const,
    checked: () => checked,
    check({ stream, type, data }: RecordedEvent): readonly string[] {
      if (!stream.startsWith('invoice')) return [];
      const { category, tenant, entityId } = streamParts(stream);
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
      if (type !== 'InvoiceFinalized') return [];
      const final = data as unknown as InvoiceFinalized;
      return [...added(final), ...numbered(tenant, final.invoiceId, final.number)];
    },
  };
}
