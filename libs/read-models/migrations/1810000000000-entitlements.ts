import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What entitlements are answered from. A log that was projected before is folded again for it. */
export class Entitlements1810000000000 implements MigrationInterface {
  readonly name = 'Entitlements1810000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table read_models.entitlement_terms (
        tenant text not null, customer_id text not null, subscription_id text not null, entitles boolean not null,
        period_start timestamptz not null, period_end timestamptz not null, exact_until timestamptz,
        undriven boolean not null, features json not null, overrides json not null, state json,
        created_position bigint not null, position bigint not null,
        constraint entitlement_terms_pkey primary key (tenant, customer_id, subscription_id)
      );
      create index entitlement_terms_by_subscription on read_models.entitlement_terms (tenant, subscription_id)
        where state is not null;
      create table read_models.usage_totals (
        tenant text not null, customer_id text not null, meter_id text not null, span integer not null,
        start timestamptz not null, quantity numeric not null, position bigint not null,
        constraint usage_totals_pkey primary key (tenant, customer_id, meter_id, span, start)
      );
      create index usage_by_meter_and_time on read_models.usage (tenant, customer_id, meter_id, effective_at)
        where meter_id is not null;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop index read_models.usage_by_meter_and_time;
      drop table read_models.usage_totals;
      drop table read_models.entitlement_terms;
      delete from read_models.checkpoints where projection = 'entitlements';
    `);
  }
}
