import { BalanceRow } from './balances/balances.entity.js';
import { CatalogRow } from './catalog/catalog.entity.js';
import { CheckpointRow } from './checkpoints/checkpoint.entity.js';
import { CustomerRow } from './customers/customers.entity.js';
import { EntitlementTermsRow, UsageDayRow } from './entitlements/entitlements.entity.js';
import { GrantRow } from './grants/grants.entity.js';
import { HoldRow } from './holds/holds.entity.js';
import { InvoiceRow, InvoiceSourceRow, SubscriptionBillingRow } from './invoices/invoices.entity.js';
import { RenewalRow } from './renewals/renewals.entity.js';
import { ScheduleRow } from './schedules/schedules.entity.js';
import { SubscriptionRow } from './subscriptions/subscriptions.entity.js';
import { TransactionRow } from './transactions/transactions.entity.js';
import { UsageRow } from './usage/usage.entity.js';

/** Everything in schema `read_models`. */
export const ENTITIES = [
  BalanceRow,
  CatalogRow,
  CheckpointRow,
  CustomerRow,
  EntitlementTermsRow,
  GrantRow,
  HoldRow,
  InvoiceRow,
  InvoiceSourceRow,
  RenewalRow,
  ScheduleRow,
  SubscriptionBillingRow,
  SubscriptionRow,
  TransactionRow,
  UsageDayRow,
  UsageRow,
];
