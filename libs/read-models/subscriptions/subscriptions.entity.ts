import { Column, Entity, Index } from '../entity.js';
import { LIVE } from '../table.js';

/** A subscription as its stream folds it. */
@Entity({ name: 'subscriptions', schema: LIVE })
@Index('subscriptions_in_order', ['tenant', 'createdPosition'])
@Index('subscriptions_by_customer', ['tenant', 'customerId', 'createdPosition'])
@Index('subscriptions_by_plan', ['tenant', 'planId', 'id'])
@Index('subscriptions_by_time', ['tenant', 'dueAt', 'id'], { where: 'due_at is not null' })
@Index('subscriptions_undriven', ['tenant', 'id'], { where: 'undriven' })
export class SubscriptionRow {
  @Column({ type: 'text', primary: true })
  tenant!: string;

  @Column({ type: 'text', primary: true })
  id!: string;

  @Column({ name: 'customer_id', type: 'text' })
  customerId!: string;

  /** The version of the plan. */
  @Column({ name: 'plan_id', type: 'text' })
  planId!: string;

  @Column({ type: 'text' })
  status!: string;

  /** When time next makes something due; null: never. */
  @Column({ name: 'due_at', type: 'timestamp with time zone', nullable: true })
  dueAt!: string | null;

  /** Whether accounts have not been told everything yet. */
  @Column({ type: 'boolean' })
  undriven!: boolean;

  /** The folded state. */
  @Column({ type: 'json' })
  state!: string;

  @Column({ name: 'created_position', type: 'bigint' })
  createdPosition!: bigint;

  /** Of the last event. */
  @Column({ type: 'bigint' })
  position!: bigint;
}
