import type {
  ClosingEvent,
  InvoiceEvent,
  InvoiceNumberEvent,
  PaymentMethodEvent,
  UnmatchedPaymentEvent,
} from '#libs/billing';
import type {
  ClaimEvent,
  CreditDefinition,
  Customer,
  DocumentEvent,
  EnrollmentRule,
  Feature,
  Merchant,
  Meter,
  Plan,
  Price,
  PricingTable,
  Unit,
} from '#libs/catalog';
import type { CreditEvent } from '#libs/credits';
import type { SubscriptionEvent } from '#libs/subscriptions';
import type { ApiKeyEvent, InstallationEvent, JobRunEvent, TestClockEvent } from './installation-events.js';

/** Every event the product writes, by category of its stream, in the newest shape. The schemas are generated from this. */
export interface StoredEvents {
  /** What a customer may draw on and has drawn, one stream per customer. */
  readonly creditAccount: CreditEvent;
  /** What an amount counts. */
  /** The event name of the meter that made it is its id, whatever text that is. */
  readonly unit: DocumentEvent<Unit, 'Unit', string>;
  /** What turns usage into amounts of a unit. */
  readonly meter: DocumentEvent<Meter, 'Meter'>;
  /** What a customer may use. */
  readonly feature: DocumentEvent<Feature, 'Feature'>;
  /** What is sold. */
  readonly plan: DocumentEvent<Plan, 'Plan'>;
  /** What a plan costs. */
  readonly price: DocumentEvent<Price, 'Price'>;
  /** Who buys. */
  readonly customer: DocumentEvent<Customer, 'Customer'>;
  /** Templates of grants. */
  readonly creditDefinition: DocumentEvent<CreditDefinition, 'CreditDefinition'>;
  /** Settings of an environment: tax, numbers, who sends invoices, how they are collected. */
  readonly merchant: DocumentEvent<Merchant, 'Merchant'>;
  /** An invoice from the moment its charges are fixed, with payments and credit notes. */
  readonly invoice: InvoiceEvent;
  /** How a customer pays, one stream per customer. */
  readonly paymentMethods: PaymentMethodEvent;
  /** Money that a provider told of and no invoice has, one stream per provider. */
  readonly unmatchedPayments: UnmatchedPaymentEvent;
  /** The numbers of invoices and of credit notes, one stream per prefix. */
  readonly invoiceNumbers: InvoiceNumberEvent;
  /** What a subscription has been charged, invoice by invoice; one stream per subscription. */
  readonly subscriptionBilling: ClosingEvent;
  /** Plans side by side, as a public page shows them. */
  readonly pricingTable: DocumentEvent<PricingTable, 'PricingTable'>;
  /** Who is given a plan by an e-mail address. */
  readonly enrollmentRule: DocumentEvent<EnrollmentRule, 'EnrollmentRule'>;
  /** What a customer has agreed to, and how it goes on; one stream per subscription. */
  readonly subscription: SubscriptionEvent;
  /** Who owns a value that is unique in a tenant, such as a slug; one stream per value. */
  readonly claim: ClaimEvent;
  /** Who may call the API; one stream per key, of the tenant `system`. */
  readonly apiKey: ApiKeyEvent;
  /** That the installation has begun. */
  readonly installation: InstallationEvent;
  /** Time in a test environment. */
  readonly testClock: TestClockEvent;
  /** Jobs that were started under an idempotency key, one stream per key. */
  readonly jobRun: JobRunEvent;
}
