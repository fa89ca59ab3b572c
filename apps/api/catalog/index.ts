import { CustomersController } from './customers.controller.js';
import { DefinitionsController } from './definitions.controller.js';
import { MetersController, UnitsController } from './meters.controller.js';
import { FeaturesController } from './features.controller.js';
import { EnrollmentRulesController, PricingTablesController } from './offers.controller.js';
import { PlansController, PricesController } from './plans.controller.js';
import { PublicPricingTablesController } from './public-pricing-tables.controller.js';

export { customerIdOf } from './customers.controller.js';
export { CATALOG_QUERIES } from './catalog-queries.js';
export type { CatalogCategory, CatalogPage, CatalogQueries, CatalogQueryOptions } from './catalog-queries.js';

export const catalogControllers = [
  UnitsController,
  MetersController,
  FeaturesController,
  PlansController,
  PricesController,
  CustomersController,
  DefinitionsController,
  PricingTablesController,
  PublicPricingTablesController,
  EnrollmentRulesController,
];
