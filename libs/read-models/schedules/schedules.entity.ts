import { Column, Entity, Index } from 'typeorm';
import { LIVE } from '../table.js';

/** What time will make due on an account. */
export type ScheduleKind = 'start' | 'expiry';

/** One instant at which time makes something due; gone once that is a recorded fact, or cannot be any more. */
@Entity({ name: 'schedules', schema: LIVE })
@Index('schedules_by_time', ['tenant', 'dueAt', 'customerId'])
export class ScheduleRow {
  @Column({ type: 'text', primary: true })
  tenant!: string;

  @Column({ type: 'text', primary: true })
  kind!: ScheduleKind;

  /** Of the grant. */
  @Column({ type: 'text', primary: true })
  id!: string;

  @Column({ name: 'customer_id', type: 'text' })
  customerId!: string;

  @Column({ name: 'due_at', type: 'timestamp with time zone' })
  dueAt!: string;

  /** Of the event that said so. */
  @Column({ type: 'bigint' })
  position!: bigint;
}
