import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Keys begin with what differs from row to row, so that finding a place in them compares one column and not two.
 * The usage of a meter in the order of the log is found among that of its customer.
 */
export class KeysThatDifferFirst1870000000000 implements MigrationInterface {
  readonly name = 'KeysThatDifferFirst1870000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table read_models.balances drop constraint balances_pkey,
        add constraint balances_pkey primary key (customer_id, tenant, unit);
      alter table read_models.grants drop constraint grants_pkey,
        add constraint grants_pkey primary key (grant_id, tenant);
      alter table read_models.usage drop constraint usage_pkey, add constraint usage_pkey primary key (id, tenant);
      alter table read_models.usage_days drop constraint usage_days_pkey,
        add constraint usage_days_pkey primary key (customer_id, tenant, meter_id, day);
      drop index read_models.usage_by_customer, read_models.usage_by_meter, read_models.usage_by_meter_and_time;
      create index usage_by_customer on read_models.usage (customer_id, tenant, position, meter_id);
      create index usage_by_meter_and_time on read_models.usage (customer_id, tenant, meter_id, effective_at)
        where meter_id is not null;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table read_models.balances drop constraint balances_pkey,
        add constraint balances_pkey primary key (tenant, customer_id, unit);
      alter table read_models.grants drop constraint grants_pkey,
        add constraint grants_pkey primary key (tenant, grant_id);
      alter table read_models.usage drop constraint usage_pkey, add constraint usage_pkey primary key (tenant, id);
      alter table read_models.usage_days drop constraint usage_days_pkey,
        add constraint usage_days_pkey primary key (tenant, customer_id, meter_id, day);
      drop index read_models.usage_by_customer, read_models.usage_by_meter_and_time;
      create index usage_by_customer on read_models.usage (tenant, customer_id, position);
      create index usage_by_meter on read_models.usage (tenant, customer_id, meter_id, position)
        where meter_id is not null and status is not null;
      create index usage_by_meter_and_time on read_models.usage (tenant, customer_id, meter_id, effective_at)
        where meter_id is not null;
    `);
  }
}
