import { Column, Entity, Index } from '../entity.js';
import type { HoldStatus } from '#libs/credits';
import { LIVE } from '../table.js';

/** One hold, and how it ended if that is recorded. */
@Entity({ name: 'holds', schema: LIVE })
@Index('holds_by_customer', ['tenant', 'customerId', 'position'])
export class HoldRow {
  @Column({ type: 'text', primary: true })
  tenant!: string;

  @Column({ type: 'text', primary: true })
  id!: string;

  @Column({ name: 'customer_id', type: 'text' })
  customerId!: string;

  @Column({ type: 'text' })
  unit!: string;

  /** By recorded facts alone. */
  @Column({ type: 'text' })
  status!: HoldStatus;

  /** Null: until somebody ends it. */
  @Column({ name: 'expires_at', type: 'timestamp with time zone', nullable: true })
  expiresAt!: string | null;

  /** The HoldPlaced as it is stored. */
  @Column({ type: 'json' })
  placed!: string;

  /** Type and data of the event that ended it; null while it is open. */
  @Column({ type: 'json', nullable: true })
  ended!: string | null;

  /** Revision and position of its HoldPlaced. */
  @Column({ type: 'bigint' })
  revision!: number;

  @Column({ type: 'bigint' })
  position!: bigint;
}
