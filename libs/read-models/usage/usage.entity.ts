import { Column, Entity, Index } from '../entity.js';
import type { ConsumptionStatus } from '#libs/credits';
import { LIVE } from '../table.js';

const EVENTS = 'event_name is not null';

/** One usage: what drew credit, was refused it, or was only measured. */
@Entity({ name: 'usage', schema: LIVE })
@Index('usage_events', ['tenant', 'position'], { where: EVENTS })
@Index('usage_by_customer', ['customerId', 'tenant', 'position', 'meterId'])
@Index('usage_by_meter_and_time', ['customerId', 'tenant', 'meterId', 'effectiveAt'], {
  where: 'meter_id is not null',
})
@Index('usage_events_by_name', ['tenant', 'eventName', 'position'], { where: EVENTS })
export class UsageRow {
  /** Of the consumption; of the usage event where nothing draws. */
  @Column({ type: 'text', primary: true })
  id!: string;

  @Column({ type: 'text', primary: true })
  tenant!: string;

  @Column({ name: 'customer_id', type: 'text' })
  customerId!: string;

  /** Null for a consumption that no usage event made. */
  @Column({ name: 'event_name', type: 'text', nullable: true })
  eventName!: string | null;

  @Column({ name: 'meter_id', type: 'text', nullable: true })
  meterId!: string | null;

  @Column({ type: 'numeric', nullable: true })
  value!: string | null;

  @Column({ name: 'effective_at', type: 'timestamp with time zone' })
  effectiveAt!: string;

  @Column({ name: 'idempotency_key', type: 'text', nullable: true })
  idempotencyKey!: string | null;

  /** Null where nothing draws. */
  @Column({ type: 'text', nullable: true })
  status!: ConsumptionStatus | null;

  /** Sum of what was taken back of the consumption. */
  @Column({ type: 'numeric', default: 0 })
  reversed!: string;

  @Column({ name: 'recorded_at', type: 'timestamp with time zone' })
  recordedAt!: string;

  @Column({ type: 'bigint' })
  position!: bigint;

  @Column({ type: 'text' })
  stream!: string;

  @Column({ type: 'bigint' })
  revision!: number;

  /** Type and data of the event as stored: answers are given from them. */
  @Column({ type: 'text' })
  type!: string;

  @Column({ type: 'json' })
  data!: string;
}
