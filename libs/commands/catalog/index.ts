import { productHandlers } from './catalog.handlers.js';
import { customerHandlers } from './customers.handlers.js';
import { definitionHandlers } from './definitions.handlers.js';
import { offerHandlers } from './offers.handlers.js';

export {
  claims,
  creditDefinitions,
  customers,
  enrollmentRules,
  features,
  merchants,
  meters,
  plans,
  prices,
  pricingTables,
  units,
} from './catalog-kinds.js';
export type { CatalogKind } from './catalog-kinds.js';
export { createCatalogReader } from './catalog-reader.js';
export type {
  CatalogIndex,
  CatalogReader,
  CatalogReaderOptions,
  ComponentOfPrice,
} from './catalog-reader.js';
export { CATALOG_PORTS } from './catalog-writer.js';
export type { CatalogPorts, DocumentWritten } from './catalog-writer.js';
export * from './catalog.handlers.js';
export * from './customers.handlers.js';
export * from './definitions.handlers.js';
export type { FeatureChanges, FeatureInput } from './features.js';
export type { MeterChanges, MeterInput } from './meters.js';
export type { PlanFeatureInput } from './plan-terms.js';
export type { PlanChanges, PlanInput } from './plans.js';
export * from './offers.handlers.js';
export * from './merchant.js';
export { BILLING_INTERVALS, SIMPLE_PRICING_MODELS } from './prices.js';
export type { ChargeInput, PriceInput } from './prices.js';
export type { UnitInput } from './units.js';

/** Every command handler of the catalogue. They need CATALOG_PORTS. */
export const catalogHandlers = [
  ...productHandlers,
  ...customerHandlers,
  ...definitionHandlers,
  ...offerHandlers,
];
