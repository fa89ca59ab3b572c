import type { StoredAmount, StoredId, StoredInstant, StoredSignedAmount } from '#libs/kernel';

/**
 * The lines of an invoice, as they are stored. Amounts of money are whole minor units of the invoice's currency; a line's
 * amount is rounded once, half away from zero, and the total is the sum of the lines.
 */
export type InvoiceLine = ChargeLine | UsageCreditLine | MonetaryCreditLine | TaxLine;

interface Line {
  /** Its number on the invoice. */
  readonly lineId: StoredId;
  readonly description: string;
  /** Whole minor units; below zero where it is in the customer's favour. */
  readonly amount: StoredSignedAmount;
  readonly rounding: 'half_away_from_zero';
}

/** `[start, end)`. */
export interface StoredPeriod {
  readonly start: StoredInstant;
  readonly end: StoredInstant;
}

/** What a component of a price charges. */
export interface ChargeLine extends Line {
  readonly type: 'fixed' | 'per_unit' | 'usage';
  readonly componentId: StoredId;
  readonly priceId: StoredId;
  readonly planId?: StoredId;
  readonly subscriptionId?: StoredId;
  /** usage: the meter. */
  readonly metricId?: StoredId;
  /** What is charged for; of usage, when it was used. Absent: charged once. */
  readonly period?: StoredPeriod;
  /** 1; seats; or units of the metric. */
  readonly quantity: StoredAmount;
  /** Minor units for one, fractions kept. Absent where tiers decide. */
  readonly unitAmount?: StoredAmount;
  /** How the quantity was priced, where tiers decide: what is free belongs to none. */
  readonly tiers?: readonly PricedTier[];
  /** usage: how much of the quantity was free. */
  readonly freeQuantity?: StoredAmount;
  /** usage: what credits covered that the invoice does not show; it is not part of the quantity. */
  readonly coveredQuantity?: StoredAmount;
  /** The amount is so many days of a whole; `unused` is given back. */
  readonly proration?: { readonly part: 'unused' | 'rest'; readonly days: number; readonly of: number };
  /** usage: the facts behind it. */
  readonly sources?: readonly LineSource[];
}

/** The part of a quantity that is priced alike. */
export interface PricedTier {
  readonly quantity: StoredAmount;
  readonly unitAmount: StoredAmount;
  /** Charged once for the tier. */
  readonly flatAmount?: StoredAmount;
}

/** What usage credits of one grant paid of a usage line: exactly the quantity drawn, at the component's price. */
export interface UsageCreditLine extends Line {
  readonly type: 'usage_credit';
  /** The line whose usage it covers. */
  readonly appliesTo: StoredId;
  readonly grantId: StoredId;
  /** Units of the metric. */
  readonly quantity: StoredAmount;
  /** Absent where tiers decide. */
  readonly unitAmount?: StoredAmount;
  /** The consumptions that drew on the grant. */
  readonly allocations: readonly LineSource[];
}

/** What monetary credit of one grant paid of a line. */
export interface MonetaryCreditLine extends Line {
  readonly type: 'monetary_credit';
  /** The line that it pays. */
  readonly appliesTo: StoredId;
  readonly grantId: StoredId;
  /** What was drawn, exactly; the line's amount is this, rounded. */
  readonly drawn: StoredAmount;
  /** The consumption on the customer's account; absent while nothing was drawn yet. */
  readonly consumptionId?: StoredId;
}

export interface TaxLine extends Line {
  readonly type: 'tax';
  /**
   * A fraction: 0.19 is 19 %.
   */
  readonly rate: StoredAmount;
  /** What it is taken of. */
  readonly taxable: StoredAmount;
}

/**
 * Facts of one account, named by where they stand: of those from one revision to another, the ones that count for the
 * line's metric, period and, where it has one, grant.
 */
export interface LineSource {
  readonly customerId: StoredId;
  readonly fromRevision: number;
  readonly throughRevision: number;
  /** How many of them count. */
  readonly events: number;
  /** What they add up to, in the metric. */
  readonly quantity: StoredAmount;
}
