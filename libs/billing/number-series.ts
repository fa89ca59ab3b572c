import type { Decider } from '#libs/kernel';
import type { InvoiceNumberEvent } from './invoice-events.js';

/**
 * The numbers of the invoices, or credit notes, with one prefix. A number is taken in this stream and stands on the invoice in
 * another, so there is a moment in between; nobody else gets a number before it is over. It needs no memory of all
 * invoices: only the last ones may be without the number that is theirs.
 */
export interface NumberSeries {
  /** The last number taken; 0 before the first. */
  readonly last: number;
  /** Whose the last ones are, in their order. */
  readonly pending: readonly string[];
}

export interface TakeNumbers {
  readonly type: 'TakeNumbers';
  /** Sealed, each with no number yet. */
  readonly ids: readonly string[];
  /** The last number as it was when all that had one, up to it, were seen to be finished, and these not to be. */
  readonly after: number;
}

/** Numbers that one fact gives at most. */
export const MAX_NUMBERS = 200;

/**
 * A series of numbers without gaps. Decides nothing where the series has moved on: whoever asked looks again at
 * {@link nextNumberStep}.
 */
export const numberSeries: Decider<NumberSeries, TakeNumbers, InvoiceNumberEvent> = {
  initialState: { last: 0, pending: [] },
  decide: ({ ids, after }, { last }) => {
    if (ids.length < 1 || ids.length > MAX_NUMBERS || new Set(ids).size < ids.length)
      throw new Error(`1 to ${MAX_NUMBERS} different ids take numbers at once`);
    return after === last ? [{ type: 'NumbersTaken', data: { first: last + 1, ids } }] : [];
  },
  evolve: ({ last }, { data: { first, ids } }) => {
    if (first !== last + 1) throw new Error(`history contradicts itself: ${first} after ${last}`);
    return { last: last + ids.length, pending: ids };
  },
};

/** The number that belongs to an id; null where it has none yet, or has had it for long. */
export function numberOf({ last, pending }: NumberSeries, id: string): number | null {
  const index = pending.indexOf(id);
  return index < 0 ? null : last - pending.length + index + 1;
}

/** What whoever wants a number does next. */
export type NumberStep =
  | { readonly do: 'use'; readonly number: number }
  /** These have a number and are not finished: they come first. */
  | { readonly do: 'finish'; readonly ids: readonly string[] }
  | { readonly do: 'take'; readonly after: number };

/**
 * The next step towards a number for an invoice that has none.
 * @param isFinished whether one that has a number carries it already; to be looked up after the series was read
 */
export function nextNumberStep(
  series: NumberSeries,
  id: string,
  isFinished: (pending: string) => boolean,
): NumberStep {
  const number = numberOf(series, id);
  if (number !== null) return { do: 'use', number };
  const ids = series.pending.filter((pending) => !isFinished(pending));
  return ids.length > 0 ? { do: 'finish', ids } : { do: 'take', after: series.last };
}

/** `ACME-007`: at least three digits. */
export const formatNumber = (prefix: string, number: number): string =>
  `${prefix}-${String(number).padStart(3, '0')}`;

/** Prefix of the series of credit notes. */
export const creditNotePrefix = (prefix: string): string => `${prefix}-CN`;
