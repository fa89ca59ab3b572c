import { Column, Entity, Index } from '../entity.js';
import { LIVE } from '../table.js';

/** An invoice, from the moment its charges are closed. */
@Entity({ name: 'invoices', schema: LIVE })
@Index('invoices_in_order', ['tenant', 'createdPosition'])
@Index('invoices_by_customer', ['tenant', 'customerId', 'createdPosition'])
@Index('invoices_unfinished', ['tenant', 'subscriptionId'], { where: 'number is null' })
@Index('invoices_due', ['tenant', 'dueAt', 'id'], { where: 'due_at is not null' })
@Index('invoices_undriven', ['tenant', 'id'], { where: 'undriven' })
export class InvoiceRow {
  @Column({ type: 'text', primary: true })
  tenant!: string;

  @Column({ type: 'text', primary: true })
  id!: string;

  @Column({ name: 'customer_id', type: 'text', nullable: true })
  customerId!: string | null;

  @Column({ name: 'subscription_id', type: 'text', nullable: true })
  subscriptionId!: string | null;

  /** Null until it is issued. */
  @Column({ type: 'text', nullable: true })
  number!: string | null;

  @Column({ type: 'text' })
  status!: string;

  @Column({ name: 'issued_at', type: 'timestamp with time zone', nullable: true })
  issuedAt!: string | null;

  /** When time changes something of its collection; null: never. */
  @Column({ name: 'due_at', type: 'timestamp with time zone', nullable: true })
  dueAt!: string | null;

  /** Whether an account, or the subscription, is to be told something. */
  @Column({ type: 'boolean' })
  undriven!: boolean;

  /** The facts of its stream. */
  @Column({ type: 'json' })
  facts!: string;

  @Column({ name: 'created_position', type: 'bigint' })
  createdPosition!: bigint;

  /** Of the last event. */
  @Column({ type: 'bigint' })
  position!: bigint;
}

/** The usage behind a line: facts of one account, for one metric and period. */
@Entity({ name: 'invoice_sources', schema: LIVE })
@Index('invoice_sources_by_account', ['tenant', 'customerId', 'metricId', 'throughRevision'])
export class InvoiceSourceRow {
  @Column({ type: 'text', primary: true })
  tenant!: string;

  @Column({ name: 'invoice_id', type: 'text', primary: true })
  invoiceId!: string;

  @Column({ name: 'line_id', type: 'text', primary: true })
  lineId!: string;

  /** Whose account it is. */
  @Column({ name: 'customer_id', type: 'text', primary: true })
  customerId!: string;

  @Column({ name: 'metric_id', type: 'text' })
  metricId!: string;

  @Column({ name: 'period_start', type: 'timestamp with time zone' })
  periodStart!: string;

  @Column({ name: 'period_end', type: 'timestamp with time zone' })
  periodEnd!: string;

  @Column({ name: 'from_revision', type: 'bigint' })
  fromRevision!: bigint;

  @Column({ name: 'through_revision', type: 'bigint' })
  throughRevision!: bigint;
}

/** How far a subscription is charged. */
@Entity({ name: 'subscription_billing', schema: LIVE })
@Index('subscription_billing_open', ['tenant', 'id'], { where: 'moment > closed' })
@Index('subscription_billing_by_customer', ['customerId', 'tenant'])
@Index('subscription_billing_ended', ['tenant', 'endedAt', 'id'], { where: 'ended_at is not null' })
export class SubscriptionBillingRow {
  @Column({ type: 'text', primary: true })
  tenant!: string;

  @Column({ type: 'text', primary: true })
  id!: string;

  @Column({ name: 'customer_id', type: 'text' })
  customerId!: string;

  /** Revision of the last fact that may be charged; -1: none. */
  @Column({ type: 'bigint' })
  moment!: bigint;

  /** Revision up to which charges are closed; -1: none. */
  @Column({ type: 'bigint' })
  closed!: bigint;

  /** Whether seats that are added are charged at once. */
  @Column({ name: 'seats_at_once', type: 'boolean' })
  seatsAtOnce!: boolean;

  /** Whether it is in a trial. */
  @Column({ type: 'boolean' })
  trial!: boolean;

  /** When it ended, until what came late is closed too; null: it goes on, or that is done. */
  @Column({ name: 'ended_at', type: 'timestamp with time zone', nullable: true })
  endedAt!: string | null;

  @Column({ name: 'created_position', type: 'bigint' })
  createdPosition!: bigint;
}
