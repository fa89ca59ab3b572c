import { Column, Entity, Index } from '../entity.js';
import { LIVE } from '../table.js';

/** What a subscription says of features, to the customer who has it and to each who has, or had, a seat. */
@Entity({ name: 'entitlement_terms', schema: LIVE })
@Index('entitlement_terms_by_subscription', ['tenant', 'subscriptionId'], { where: 'state is not null' })
export class EntitlementTermsRow {
  @Column({ type: 'text', primary: true })
  tenant!: string;

  @Column({ name: 'customer_id', type: 'text', primary: true })
  customerId!: string;

  @Column({ name: 'subscription_id', type: 'text', primary: true })
  subscriptionId!: string;

  /** False: the subscription is paused or over, or the seat was removed. */
  @Column({ type: 'boolean' })
  entitles!: boolean;

  @Column({ name: 'period_start', type: 'timestamp with time zone' })
  periodStart!: string;

  @Column({ name: 'period_end', type: 'timestamp with time zone' })
  periodEnd!: string;

  /** Until when the row is exact; null: as long as nothing is recorded. */
  @Column({ name: 'exact_until', type: 'timestamp with time zone', nullable: true })
  exactUntil!: string | null;

  /** Whether accounts have not been told everything yet. */
  @Column({ type: 'boolean' })
  undriven!: boolean;

  @Column({ type: 'json' })
  features!: string;

  @Column({ type: 'json' })
  overrides!: string;

  /** The folded subscription, on the row of the customer who has it. */
  @Column({ type: 'json', nullable: true })
  state!: string | null;

  @Column({ name: 'created_position', type: 'bigint' })
  createdPosition!: bigint;

  /** Of the last event that changed the row. */
  @Column({ type: 'bigint' })
  position!: bigint;
}

/** What a customer used of a meter on a day in UTC, by the usage's own time. */
@Entity({ name: 'usage_days', schema: LIVE })
export class UsageDayRow {
  @Column({ name: 'customer_id', type: 'text', primary: true })
  customerId!: string;

  @Column({ type: 'text', primary: true })
  tenant!: string;

  @Column({ name: 'meter_id', type: 'text', primary: true })
  meterId!: string;

  /** When it begins. */
  @Column({ type: 'timestamp with time zone', primary: true })
  day!: string;

  @Column({ type: 'numeric' })
  quantity!: string;

  /** `[quantity, position]` by the hour of the day, those with usage; the position is that of the last event counted. */
  @Column({ type: 'json' })
  hours!: string;

  /** Of the last event counted. */
  @Column({ type: 'bigint' })
  position!: bigint;
}
