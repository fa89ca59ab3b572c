import { Column, Entity, Index } from '../entity.js';
import type { EndedAs } from '#libs/credits';
import { LIVE } from '../table.js';

const OPEN = 'ended_as is null';

/** One grant: what it was issued with, and how far it has come by recorded facts. */
@Entity({ name: 'grants', schema: LIVE })
@Index('grants_by_customer', ['tenant', 'customerId', 'position'])
@Index('grants_open_by_customer', ['tenant', 'customerId', 'position'], { where: OPEN })
@Index('grants_by_parent', ['tenant', 'parentId', 'position'], { where: 'parent_id is not null' })
export class GrantRow {
  @Column({ name: 'grant_id', type: 'text', primary: true })
  grantId!: string;

  @Column({ type: 'text', primary: true })
  tenant!: string;

  @Column({ name: 'customer_id', type: 'text' })
  customerId!: string;

  @Column({ name: 'parent_id', type: 'text', nullable: true })
  parentId!: string | null;

  @Column({ type: 'text' })
  unit!: string;

  /** The GrantIssued as it is stored, with what was amended or edited since. */
  @Column({ type: 'json' })
  data!: string;

  @Column({ name: 'application_type', type: 'text', nullable: true })
  applicationType!: string | null;

  @Column({ type: 'numeric' })
  remaining!: string;

  /** Set aside by holds: out of `remaining`, not yet drawn. */
  @Column({ type: 'numeric' })
  held!: string;

  /** Null while the grant is open. */
  @Column({ name: 'ended_as', type: 'text', nullable: true })
  endedAs!: EndedAs | null;

  /** What was noted when it was voided or expired by hand. */
  @Column({ name: 'void_notes', type: 'text', nullable: true })
  voidNotes!: string | null;

  /** Whether becoming effective is a recorded fact. */
  @Column({ type: 'boolean' })
  activated!: boolean;

  @Column({ name: 'effective_at', type: 'timestamp with time zone' })
  effectiveAt!: string;

  /** Null: never. */
  @Column({ name: 'expires_at', type: 'timestamp with time zone', nullable: true })
  expiresAt!: string | null;

  @Column({ type: 'numeric' })
  priority!: number;

  /** Position of its GrantIssued. */
  @Column({ type: 'bigint' })
  position!: bigint;
}
