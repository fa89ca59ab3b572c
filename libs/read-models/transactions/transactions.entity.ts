import { Column, Entity, Index } from '../entity.js';
import { LIVE } from '../table.js';

/** The vocabulary of the API. */
export type MovementType =
  | 'grant'
  | 'consumption'
  | 'expiration'
  | 'void'
  | 'adjustment'
  | 'rollover'
  | 'reversal'
  | 'hold'
  | 'capture'
  | 'release'
  | 'debt'
  | 'settlement';

/**
 * One movement of a customer's credit. Several of one event are numbered from 0. Consumptions that leave debt as it was
 * stand in `usage` alone.
 */
@Entity({ name: 'transactions', schema: LIVE })
@Index('transactions_by_grant', ['tenant', 'grantId', 'position', 'index'], { where: 'grant_id is not null' })
@Index('transactions_of_debt', ['tenant', 'customerId', 'unit', 'position', 'index'], {
  where: 'debt_after is not null',
})
@Index('transactions_but_consumption', ['tenant', 'customerId', 'type', 'position', 'index'], {
  where: `type <> 'consumption'`,
})
export class TransactionRow {
  @Column({ type: 'text', primary: true })
  tenant!: string;

  @Column({ name: 'customer_id', type: 'text', primary: true })
  customerId!: string;

  /** Of the event. */
  @Column({ type: 'bigint', primary: true })
  position!: bigint;

  /** Place among the event's movements. */
  @Column({ type: 'integer', primary: true })
  index!: number;

  @Column({ type: 'text' })
  type!: MovementType;

  /** Null where only debt moves. */
  @Column({ name: 'grant_id', type: 'text', nullable: true })
  grantId!: string | null;

  @Column({ type: 'text' })
  unit!: string;

  /** Signed. Those that name a grant add up to the balance. */
  @Column({ type: 'numeric' })
  amount!: string;

  @Column({ name: 'grant_balance_after', type: 'numeric', nullable: true })
  grantBalanceAfter!: string | null;

  @Column({ name: 'balance_after', type: 'numeric' })
  balanceAfter!: string;

  /** Null where the event leaves the unit's debt as it was. */
  @Column({ name: 'debt_after', type: 'numeric', nullable: true })
  debtAfter!: string | null;

  @Column({ name: 'event_name', type: 'text', nullable: true })
  eventName!: string | null;

  @Column({ name: 'event_timestamp', type: 'timestamp with time zone' })
  eventTimestamp!: string;

  @Column({ name: 'recorded_at', type: 'timestamp with time zone' })
  recordedAt!: string;

  @Column({ type: 'text', nullable: true })
  reference!: string | null;

  @Column({ type: 'text', nullable: true })
  description!: string | null;

  @Column({ name: 'consumption_id', type: 'text', nullable: true })
  consumptionId!: string | null;

  @Column({ name: 'hold_id', type: 'text', nullable: true })
  holdId!: string | null;
}
