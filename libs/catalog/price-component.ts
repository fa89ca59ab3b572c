import type { StoredAmount, StoredId } from '#libs/kernel';

export const COMPONENT_TYPES = ['fixed', 'per_unit', 'usage'] as const;
export const TIER_MODES = ['graduated', 'volume'] as const;

/** One line of a price. Cents are minor units of the price's currency, as canonical decimal strings; fractions are kept. */
export type PriceComponent = {
  /** Unique in the tenant: a component can be named without its price. */
  readonly id: StoredId;
  readonly type: (typeof COMPONENT_TYPES)[number];
  readonly label: string;
  /** Canonical RFC 5545 rule without time zone; absent: charged once. */
  readonly recurrence_rule?: string | undefined;
  /** IANA name of the zone in which the rule's wall clocks are; absent: the subscription's. */
  readonly timezone?: string | undefined;
  /** fixed: the charge. */
  readonly amount_cents?: StoredAmount | undefined;
  /** per_unit: the charge of one seat. */
  readonly unit_amount_cents?: StoredAmount | undefined;
  /** per_unit: seats that are charged at least. */
  readonly minimum_seats?: number | undefined;
  /** per_unit: whether an added seat is charged at once. */
  readonly bill_immediately?: boolean | undefined;
  /** usage: the charge of one unit of the metric, beyond what is free; instead of tiers. */
  readonly unit_cost_cents?: StoredAmount | undefined;
  /** usage: charges by quantity, beyond what is free; instead of one unit cost. */
  readonly tiers?: PriceTiers | undefined;
  /** usage: units of each of the component's periods that cost nothing. */
  readonly free_units?: StoredAmount | undefined;
  /** What a seat or a unit of the metric is called. */
  readonly unit_label?: string | undefined;
  /** usage, per_unit: the meter; it counts the usage, or the seats. */
  readonly metric_id?: StoredId | undefined;
};

export type PriceTiers = {
  /** graduated: each unit at the price of its own tier; volume: every unit at the price of the tier the quantity ends in. */
  readonly mode: (typeof TIER_MODES)[number];
  /** Ascending; the last one, and no other, is open. */
  readonly tiers: readonly PriceTier[];
};

export type PriceTier = {
  /** Largest quantity in the tier, itself included; null: there is none. */
  readonly upTo: StoredAmount | null;
  readonly unit_cost_cents: StoredAmount;
  /** Charged once when the tier is reached (graduated) or is the one that counts (volume). */
  readonly flat_cents?: StoredAmount | undefined;
};

export type PricingData = { readonly dsl_version: 1; readonly components: readonly PriceComponent[] };
