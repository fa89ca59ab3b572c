import { Column, Entity, Index } from '../entity.js';
import { LIVE } from '../table.js';

/** An object of the catalogue other than a customer, or an API key, with its document as its stream folds it. */
@Entity({ name: 'catalog', schema: LIVE })
@Index('catalog_by_stream', ['stream'], { unique: true })
@Index('catalog_in_order', ['tenant', 'kind', 'createdPosition'])
@Index('catalog_by_slug', ['tenant', 'kind', 'slug'], { where: 'slug is not null' })
@Index('catalog_by_plan', ['tenant', 'kind', 'planId', 'createdPosition'], { where: 'plan_id is not null' })
@Index('catalog_by_version', ['tenant', 'stablePlanId', 'versionNumber'], {
  where: 'stable_plan_id is not null',
})
export class CatalogRow {
  @Column({ type: 'text', primary: true })
  tenant!: string;

  /** Category of its stream. */
  @Column({ type: 'text', primary: true })
  kind!: string;

  @Column({ type: 'text', primary: true })
  id!: string;

  @Column({ type: 'text' })
  stream!: string;

  /** A feature's or pricing table's slug, a meter's event name, an API key's prefix. */
  @Column({ type: 'text', nullable: true })
  slug!: string | null;

  @Column({ name: 'plan_id', type: 'text', nullable: true })
  planId!: string | null;

  /** Of a plan: what its versions share. */
  @Column({ name: 'stable_plan_id', type: 'text', nullable: true })
  stablePlanId!: string | null;

  /** Of a plan. */
  @Column({ name: 'version_number', type: 'integer', nullable: true })
  versionNumber!: number | null;

  @Column({ type: 'text', nullable: true })
  scope!: string | null;

  @Column({ name: 'application_type', type: 'text', nullable: true })
  applicationType!: string | null;

  /** A unit's own kind: usage, monetary or custom. */
  @Column({ name: 'unit_kind', type: 'text', nullable: true })
  unitKind!: string | null;

  /** The document: attributes, what it was created with, times. */
  @Column({ type: 'json' })
  body!: string;

  @Column({ name: 'created_position', type: 'bigint' })
  createdPosition!: bigint;

  /** Of the last event. */
  @Column({ type: 'bigint' })
  position!: bigint;
}
