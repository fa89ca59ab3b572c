import { balancesProjection } from './balances/balances.projection.js';
import { catalogProjection } from './catalog/catalog.projection.js';
import { customersProjection } from './customers/customers.projection.js';
import { entitlementsProjection } from './entitlements/entitlements.projection.js';
import { grantsProjection } from './grants/grants.projection.js';
import { holdsProjection } from './holds/holds.projection.js';
import { invoicesProjection } from './invoices/invoices.projection.js';
import type { Projection } from './projection.js';
import { renewalsProjection } from './renewals/renewals.projection.js';
import { schedulesProjection } from './schedules/schedules.projection.js';
import { subscriptionsProjection } from './subscriptions/subscriptions.projection.js';
import { transactionsProjection } from './transactions/transactions.projection.js';
import { usageProjection } from './usage/usage.projection.js';

/** Every read model there is. */
export const PROJECTIONS: readonly Projection[] = [
  balancesProjection,
  catalogProjection,
  customersProjection,
  entitlementsProjection,
  grantsProjection,
  holdsProjection,
  invoicesProjection,
  renewalsProjection,
  schedulesProjection,
  subscriptionsProjection,
  transactionsProjection,
  usageProjection,
];

/** Their names: what a rebuild can be asked for. */
export const READ_MODEL_NAMES: readonly string[] = PROJECTIONS.map(({ name }) => name);
