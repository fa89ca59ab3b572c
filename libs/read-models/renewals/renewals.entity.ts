import { Column, Entity, Index } from '../entity.js';
import type { SeriesProgress } from '#libs/credits';
import { LIVE } from '../table.js';

/** One series of grants that renews, as it goes on now. */
@Entity({ name: 'renewals', schema: LIVE })
@Index('renewals_by_customer', ['tenant', 'customerId', 'position'])
export class RenewalRow {
  @Column({ type: 'text', primary: true })
  tenant!: string;

  @Column({ type: 'text', primary: true })
  id!: string;

  @Column({ name: 'customer_id', type: 'text' })
  customerId!: string;

  @Column({ type: 'text' })
  unit!: string;

  @Column({ type: 'text' })
  status!: SeriesProgress['status'];

  /** Null: renewed by billing. */
  @Column({ type: 'text', nullable: true })
  rule!: string | null;

  /** Number of the last occurrence. */
  @Column({ type: 'integer' })
  occurrence!: number;

  /** Its instant. */
  @Column({ name: 'last_at', type: 'timestamp with time zone' })
  lastAt!: string;

  /** Null: never, or when billing says. */
  @Column({ name: 'next_at', type: 'timestamp with time zone', nullable: true })
  nextAt!: string | null;

  /** From where the rule counts now. */
  @Column({ type: 'timestamp with time zone' })
  anchor!: string;

  /** The RenewalBegun as it is stored. */
  @Column({ type: 'json' })
  begun!: string;

  /** Lifetime, rollover and template as they hold now. */
  @Column({ type: 'json' })
  terms!: string;

  /** Whether what is left goes on at a renewal. */
  @Column({ type: 'boolean' })
  carries!: boolean;

  /** Revision and position of its RenewalBegun. */
  @Column({ type: 'bigint' })
  revision!: number;

  @Column({ type: 'bigint' })
  position!: bigint;
}
