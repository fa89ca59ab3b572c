import { Column, Entity } from '../entity.js';
import { LIVE } from '../table.js';

/** What a customer has in a unit, by recorded facts alone. */
@Entity({ name: 'balances', schema: LIVE })
export class BalanceRow {
  @Column({ name: 'customer_id', type: 'text', primary: true })
  customerId!: string;

  @Column({ type: 'text', primary: true })
  tenant!: string;

  @Column({ type: 'text', primary: true })
  unit!: string;

  /** Sum of what remains on all open grants, scheduled ones included. */
  @Column({ type: 'numeric' })
  balance!: string;

  /** What is owed; never negative. */
  @Column({ type: 'numeric' })
  debt!: string;

  /** Sum of the parts of open holds; not in the balance. */
  @Column({ type: 'numeric', default: 0 })
  held!: string;

  /** Position of the last event that moved it. */
  @Column({ type: 'bigint' })
  position!: bigint;
}
