import { Column, Entity, Index } from '../entity.js';
import { LIVE } from '../table.js';

/** What time will make due on an account: the start and the end of a grant, a hold's time-out, a series' next renewal. */
export type ScheduleKind = 'start' | 'expiry' | 'hold' | 'renewal';

/** One instant at which time makes something due; gone once that is a recorded fact, or cannot be any more. */
@Entity({ name: 'schedules', schema: LIVE })
@Index('schedules_by_time', ['tenant', 'dueAt', 'customerId'], { where: 'open' })
@Index('schedules_timers_by_customer', ['tenant', 'customerId', 'dueAt'], {
  where: `kind in ('hold', 'renewal')`,
})
export class ScheduleRow {
  @Column({ type: 'text', primary: true })
  tenant!: string;

  @Column({ type: 'text', primary: true })
  kind!: ScheduleKind;

  /** Of the grant, the hold or the series. */
  @Column({ type: 'text', primary: true })
  id!: string;

  @Column({ name: 'customer_id', type: 'text' })
  customerId!: string;

  /** Null: never. A grant that may still be given an end has its row. */
  @Column({ name: 'due_at', type: 'timestamp with time zone', nullable: true })
  dueAt!: string | null;

  /** False while a grant is depleted: nothing would be recorded then. It may open again. */
  @Column({ type: 'boolean' })
  open!: boolean;

  /** Whether something of the grant is held, which keeps it open when nothing else is left. */
  @Column({ type: 'boolean' })
  held!: boolean;

  /** Of the event that said when. */
  @Column({ type: 'bigint' })
  position!: bigint;
}
