import { issue, type StoredId } from '#libs/kernel';
import { isCurrency } from './currency.js';
import type { Document, DocumentKind } from './document.js';
import type { PriceComponent, PricingData } from './price-component.js';
import { checkPricingData } from './pricing-data.js';

export type Price = {
  /** The version of the plan that it was made for. */
  readonly planId: StoredId;
  /** ISO 4217. */
  readonly currency: string;
  readonly pricingData: PricingData;
};

export const priceKind: DocumentKind<Price, 'Price'> = {
  category: 'price',
  name: 'Price',
  immutable: ['planId', 'currency', 'pricingData'],
  missing: 'not_found',
  check: ({ currency, pricingData }) => [
    ...(isCurrency(currency)
      ? []
      : [issue('/currency', 'currency_unknown', 'currency must be an ISO 4217 code.')]),
    ...checkPricingData(pricingData, '/pricingData'),
  ],
};

/** The components that charge usage; each names a meter. */
export const usageComponents = (price: Price): readonly (PriceComponent & { readonly metric_id: string })[] =>
  price.pricingData.components.filter(
    (component): component is PriceComponent & { readonly metric_id: string } =>
      component.type === 'usage' && component.metric_id !== undefined,
  );

/** Whether nothing is ever charged by it: no amount above zero anywhere, whatever is used. */
export const isFreePrice = ({ pricingData: { components } }: Pick<Price, 'pricingData'>): boolean =>
  components.every(({ amount_cents, unit_amount_cents, unit_cost_cents, tiers }) =>
    [
      amount_cents,
      unit_amount_cents,
      unit_cost_cents,
      ...(tiers?.tiers ?? []).flatMap((tier) => [tier.unit_cost_cents, tier.flat_cents]),
    ].every((cents) => cents === undefined || cents === '0'),
  );

/** Whether a plan is free: it has a price, and each that counts charges nothing. */
export const isFreePlan = (latest: readonly Pick<Price, 'pricingData'>[]): boolean =>
  latest.length > 0 && latest.every(isFreePrice);

/** The prices that count: of each currency the last one. @param prices in the order of their creation */
export const latestPrices = <P extends Pick<Document<Price>, 'attributes'>>(
  prices: readonly P[],
): readonly P[] => [...new Map(prices.map((price) => [price.attributes.currency, price])).values()];
