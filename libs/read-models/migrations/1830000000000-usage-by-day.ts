import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Usage of a day and of its hours stands in one row. Entitlements are made anew from the log. */
export class UsageByDay1830000000000 implements MigrationInterface {
  readonly name = 'UsageByDay1830000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      delete from read_models.checkpoints where projection = 'entitlements';
      truncate read_models.entitlement_terms;
      drop table read_models.usage_totals;
      create table read_models.usage_days (
        tenant text not null, customer_id text not null, meter_id text not null, day timestamptz not null,
        quantity numeric not null, hours json not null, position bigint not null,
        constraint usage_days_pkey primary key (tenant, customer_id, meter_id, day)
      ) with (fillfactor = 70);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      delete from read_models.checkpoints where projection = 'entitlements';
      truncate read_models.entitlement_terms;
      drop table read_models.usage_days;
      create table read_models.usage_totals (
        tenant text not null, customer_id text not null, meter_id text not null, span integer not null,
        start timestamptz not null, quantity numeric not null, position bigint not null,
        constraint usage_totals_pkey primary key (tenant, customer_id, meter_id, span, start)
      );
    `);
  }
}
