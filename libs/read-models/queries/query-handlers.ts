import { CustomerBalancesHandler } from '../balances/balances.query.js';
import { FindCatalogHandler, ListCatalogHandler } from '../catalog/catalog.query.js';
import { FindCustomerHandler, ListCustomersHandler } from '../customers/customers.query.js';
import { CustomerGrantsHandler, FindGrantHandler } from '../grants/grants.query.js';
import { CustomerHoldsHandler, FindHoldHandler } from '../holds/holds.query.js';
import {
  FindInvoiceHandler,
  FindInvoiceLineHandler,
  ListInvoicesHandler,
} from '../invoices/invoices.query.js';
import { CustomerRenewalsHandler, FindSeriesHandler } from '../renewals/renewals.query.js';
import { FindSubscriptionHandler, ListSubscriptionsHandler } from '../subscriptions/subscriptions.query.js';
import { CustomerTransactionsHandler } from '../transactions/transactions.query.js';
import { FindConsumptionHandler, ListUsageHandler } from '../usage/usage.query.js';

/** Providers of every query; they need READ_MODELS_POOL. */
export const readModelQueries = [
  CustomerBalancesHandler,
  CustomerGrantsHandler,
  CustomerHoldsHandler,
  CustomerRenewalsHandler,
  CustomerTransactionsHandler,
  FindCatalogHandler,
  FindConsumptionHandler,
  FindCustomerHandler,
  FindGrantHandler,
  FindHoldHandler,
  FindInvoiceHandler,
  FindInvoiceLineHandler,
  FindSeriesHandler,
  FindSubscriptionHandler,
  ListCatalogHandler,
  ListCustomersHandler,
  ListInvoicesHandler,
  ListSubscriptionsHandler,
  ListUsageHandler,
];
