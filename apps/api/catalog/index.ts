import { CustomersController } from './customers.controller.js';
import { DefinitionsController } from './definitions.controller.js';
import { MetersController, UnitsController } from './meters.controller.js';
import { FeaturesController, PlansController, PricesController } from './plans.controller.js';

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
];
