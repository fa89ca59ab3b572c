import { parseAmount } from '#libs/kernel';
import type { Issue, StoredAmount } from '#libs/kernel';
import type { DocumentKind } from './document.js';

export const AGGREGATIONS = ['sum', 'count', 'max', 'last', 'unique_count', 'avg'] as const;
export const SHORTAGE_POLICIES = ['refuse', 'partial', 'overage', 'pending'] as const;

export type Aggregation = (typeof AGGREGATIONS)[number];
export type ShortagePolicy = (typeof SHORTAGE_POLICIES)[number];

export type Meter = {
  /** Unique in the tenant; 1 to 128 characters. */
  readonly eventName: string;
  readonly name?: string | undefined;
  readonly aggregation: Aggregation;
  /** Property of the event that `unique_count` and the like look at. */
  readonly valueProperty?: string | undefined;
  /** Code of the unit that is drawn; the event name when the meter has its own. */
  readonly unit: string;
  /** Units drawn per event value; above zero. */
  readonly rate: StoredAmount;
  /** What happens when credit is short, unless the call says otherwise. */
  readonly onShortage: ShortagePolicy;
  /** Bound of the account's whole debt in the unit; absent: none. */
  readonly debtLimit?: StoredAmount | undefined;
};

/** A meter loses no usage unless told to. */
export const METER_DEFAULTS = {
  aggregation: 'sum',
  rate: '1',
  onShortage: 'overage',
} as const satisfies Partial<Meter>;

export const meterKind: DocumentKind<Meter, 'Meter'> = {
  category: 'meter',
  name: 'Meter',
  immutable: ['eventName', 'aggregation', 'unit'],
  missing: 'not_found',
  check({ rate }) {
    const issues: Issue[] = [];
    const value = parseAmount(rate);
    if (typeof value !== 'bigint' || value <= 0n)
      issues.push({ pointer: '/rate', code: 'amount_not_positive', message: 'rate must be above zero.' });
    return issues;
  },
  present: ({ archivedAt }) => ({ status: archivedAt === null ? 'active' : 'archived' }),
};

/** Only sums and counts draw credit; the others measure. */
export const draws = ({ aggregation }: Pick<Meter, 'aggregation'>): boolean =>
  aggregation === 'sum' || aggregation === 'count';
