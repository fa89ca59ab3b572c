import { parseAmount, readAmount, readInstant, type Amount, type Instant } from '#libs/kernel';
import type { CreditEvent, StoredUsage } from './events.js';

/** Usage that a meter counted, whether it drew credit or not. */
export interface MeteredUsage {
  readonly usage: StoredUsage;
  /** What sums and counts add up; negative for a correction. */
  readonly quantity: Amount;
  readonly effectiveAt: Instant;
}

/** How a meter makes one number of its usage. */
export interface Measure {
  readonly aggregation: 'sum' | 'count' | 'max' | 'last' | 'unique_count' | 'avg';
  readonly valueProperty?: string | undefined;
}

/** The usage event that a fact took in; null: none, or one that was refused. What is given back later is usage all the same. */
export function meteredUsage({ type, data }: CreditEvent): MeteredUsage | null {
  if (type === 'CreditsConsumed' && data.usage)
    return {
      usage: data.usage,
      quantity: readAmount(data.rating?.quantity ?? data.requested),
      effectiveAt: readInstant(data.effectiveAt),
    };
  if (type === 'UsageRecorded')
    return {
      usage: data.usage,
      quantity: data.usage.value === undefined ? 0n : readAmount(data.usage.value),
      effectiveAt: readInstant(data.effectiveAt),
    };
  return null;
}

/** One number for usage in the order of the log; 0 where there is none. An average is cut off at the smallest decimal. */
export function measured({ aggregation, valueProperty }: Measure, usages: readonly MeteredUsage[]): Amount {
  const propertyOf = ({ properties }: StoredUsage): unknown =>
    valueProperty === undefined ? undefined : properties?.[valueProperty];
  const sum = (amounts: readonly Amount[]): Amount => amounts.reduce((total, amount) => total + amount, 0n);
  if (aggregation === 'sum' || aggregation === 'count') return sum(usages.map(({ quantity }) => quantity));
  if (aggregation === 'unique_count') {
    const seen = usages.map(({ usage }) => propertyOf(usage) ?? usage.text ?? usage.value);
    const distinct = new Set(seen.filter((one) => one !== undefined).map((one) => JSON.stringify(one)));
    return parseAmount(distinct.size) as Amount;
  }
  const values = usages.flatMap(({ usage, effectiveAt }) => {
    const value = parseAmount(usage.value ?? propertyOf(usage));
    return typeof value === 'bigint' ? [{ value, effectiveAt }] : [];
  });
  if (values.length === 0) return 0n;
  if (aggregation === 'avg') return sum(values.map(({ value }) => value)) / BigInt(values.length);
  if (aggregation === 'max')
    return values.reduce((most, { value }) => (value > most ? value : most), values[0]!.value);
  return values.reduce((last, one) => (one.effectiveAt >= last.effectiveAt ? one : last)).value;
}
