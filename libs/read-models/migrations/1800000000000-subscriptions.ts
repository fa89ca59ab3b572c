import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Subscriptions. Nothing of them stands in a log that was projected before. */
export class Subscriptions1800000000000 implements MigrationInterface {
  readonly name = 'Subscriptions1800000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table read_models.subscriptions (
        tenant text not null, id text not null, customer_id text not null, plan_id text not null, status text not null,
        due_at timestamptz, undriven boolean not null, state json not null,
        created_position bigint not null, position bigint not null,
        constraint subscriptions_pkey primary key (tenant, id)
      );
      create index subscriptions_in_order on read_models.subscriptions (tenant, created_position);
      create index subscriptions_by_customer on read_models.subscriptions (tenant, customer_id, created_position);
      create index subscriptions_by_plan on read_models.subscriptions (tenant, plan_id, id);
      create index subscriptions_by_time on read_models.subscriptions (tenant, due_at, id) where due_at is not null;
      create index subscriptions_undriven on read_models.subscriptions (tenant, id) where undriven;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop table read_models.subscriptions;
      delete from read_models.checkpoints where projection = 'subscriptions';
    `);
  }
}
