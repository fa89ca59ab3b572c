import { Column, Entity, Index } from '../entity.js';
import { LIVE } from '../table.js';

/** A customer, with its document as its stream folds it. */
@Entity({ name: 'customers', schema: LIVE })
@Index('customers_by_stream', ['stream'], { unique: true })
@Index('customers_in_order', ['tenant', 'createdPosition'])
@Index('customers_by_external_id', ['tenant', 'externalId'], { where: 'external_id is not null' })
@Index('customers_by_email', ['tenant', 'email'], { where: 'email is not null' })
@Index('customers_by_organization', ['tenant', 'organizationId', 'createdPosition'], {
  where: 'organization_id is not null',
})
export class CustomerRow {
  @Column({ type: 'text', primary: true })
  tenant!: string;

  @Column({ type: 'text', primary: true })
  id!: string;

  @Column({ type: 'text' })
  stream!: string;

  @Column({ name: 'external_id', type: 'text', nullable: true })
  externalId!: string | null;

  @Column({ type: 'text' })
  name!: string;

  /** In small letters. */
  @Column({ type: 'text', nullable: true })
  email!: string | null;

  /** Of a member: the primary customer of its organisation. */
  @Column({ name: 'organization_id', type: 'text', nullable: true })
  organizationId!: string | null;

  /** The document: attributes, what it was created with, times. */
  @Column({ type: 'json' })
  body!: string;

  @Column({ name: 'created_position', type: 'bigint' })
  createdPosition!: bigint;

  /** Of the last event. */
  @Column({ type: 'bigint' })
  position!: bigint;
}
