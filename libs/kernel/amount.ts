/**
 * Exact amounts. An `Amount` is a whole number of 10^-12 of a unit, in memory always at this one scale, so that
 * replaying history never needs a unit's configuration; how many decimals a unit keeps is checked at the edge.
 * On the wire and in events an amount is a decimal string in canonical form (rules.md, "Numbers and time").
 */
export type Amount = bigint;

/** Decimals that every amount carries in memory, and the most a unit may declare. */
export const MAX_SCALE = 12;
/** Digits allowed before the decimal point. */
export const MAX_INTEGER_DIGITS = 24;

const ONE = 10n ** BigInt(MAX_SCALE);
const GRAMMAR = /^(-?)(\d+)(?:\.(\d+))?$/;
/** What most stored amounts look like. */
const SHORT_WHOLE = /^\d{1,15}$/;

export type AmountFault =
  'amount_invalid' | 'amount_out_of_range' | 'amount_too_precise' | 'amount_not_whole_number';

/**
 * Reads an amount a caller wrote: a decimal string, or a whole JSON number.
 * @param scale decimals the unit keeps, 0 to 12; one decimal more is `amount_too_precise`, never rounded
 * @returns the amount, or the name of the fault. A minus sign is read; whether it is allowed is the caller's rule.
 */
export function parseAmount(input: unknown, scale: number = MAX_SCALE): Amount | AmountFault {
  if (typeof input === 'number') {
    if (!Number.isFinite(input) || Object.is(input, -0)) return 'amount_invalid';
    if (!Number.isInteger(input)) return 'amount_not_whole_number';
    if (!Number.isSafeInteger(input)) return 'amount_out_of_range';
    return BigInt(input) * ONE;
  }
  return typeof input === 'string' ? parseDecimal(input, scale, MAX_INTEGER_DIGITS) : 'amount_invalid';
}

function parseDecimal(text: string, scale: number, digits: number): Amount | AmountFault {
  const match = GRAMMAR.exec(text);
  if (!match) return 'amount_invalid';
  const [, sign = '', whole = '', fraction = ''] = match;
  if (whole.length > digits) return 'amount_out_of_range';
  if (fraction.length > scale) return 'amount_too_precise';
  const value = BigInt(whole + fraction.padEnd(MAX_SCALE, '0'));
  if (sign === '-' && value === 0n) return 'amount_invalid';
  return sign === '-' ? -value : value;
}

/** The canonical decimal string: no exponent, no plus, no trailing zero, `-0` never. Inverse of {@link readAmount}. */
export function formatAmount(amount: Amount): string {
  if (amount < 0n) return `-${formatAmount(-amount)}`;
  const whole = amount / ONE;
  const fraction = amount - whole * ONE;
  if (fraction === 0n) return whole.toString();
  return `${whole}.${fraction.toString().padStart(MAX_SCALE, '0').replace(/0+$/, '')}`;
}

/**
 * Reads a canonical amount out of what is stored. What was added up or priced may have more digits than callers may write.
 * @throws Error when history holds something that is no amount: replay stops, it never guesses
 */
export function readAmount(stored: string): Amount {
  if (SHORT_WHOLE.test(stored)) return BigInt(stored) * ONE;
  const value = parseDecimal(stored, MAX_SCALE, Infinity);
  if (typeof value !== 'bigint')
    throw new Error(`stored amount ${JSON.stringify(stored)} is not an amount: ${value}`);
  return value;
}

export const minAmount = (a: Amount, b: Amount): Amount => (a < b ? a : b);

/** Whether the amount is within the declared range: at most 24 digits before the point. */
export const withinRange = (amount: Amount): boolean =>
  (amount < 0n ? -amount : amount) < 10n ** BigInt(MAX_INTEGER_DIGITS) * ONE;

/**
 * value x rate, rounded half up (away from zero) to the unit's scale.
 * The only rounding of what is drawn (invoices round their lines as well); `rounded` says whether anything was lost, and the event records it.
 */
export function multiplyAmounts(
  value: Amount,
  rate: Amount,
  scale: number,
): { readonly amount: Amount; readonly rounded: boolean } {
  const step = ONE * 10n ** BigInt(MAX_SCALE - scale);
  const exact = value * rate;
  const magnitude = exact < 0n ? -exact : exact;
  const steps = (magnitude * 2n + step) / (step * 2n);
  const amount = steps * 10n ** BigInt(MAX_SCALE - scale);
  return { amount: exact < 0n ? -amount : amount, rounded: steps * step !== magnitude };
}
