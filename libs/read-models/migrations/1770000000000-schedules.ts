import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Due work in a table of its own, instead of two indexes on the grants. */
export class Schedules1770000000000 implements MigrationInterface {
  readonly name = 'Schedules1770000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table read_models.schedules (
        tenant text not null, kind text not null, id text not null, customer_id text not null,
        due_at timestamptz not null, position bigint not null,
        constraint schedules_pkey primary key (tenant, kind, id)
      );
      create index schedules_by_time on read_models.schedules (tenant, due_at, customer_id);
      drop index read_models.grants_open_by_expiry;
      drop index read_models.grants_waiting_by_start;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop table read_models.schedules;
      create index grants_open_by_expiry on read_models.grants (tenant, expires_at, customer_id) where ended_as is null;
      create index grants_waiting_by_start on read_models.grants (tenant, effective_at, customer_id)
        where ended_as is null and not activated;
    `);
  }
}
