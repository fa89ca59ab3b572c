import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Holds, reversals and renewals. Nothing of them stands in a log that was projected before, so other rows stay as they are;
 * due work is made anew from the log, because rows are kept now for grants that may open again.
 */
export class HoldsAndRenewals1780000000000 implements MigrationInterface {
  readonly name = 'HoldsAndRenewals1780000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table read_models.holds (
        tenant text not null, id text not null, customer_id text not null, unit text not null, status text not null,
        expires_at timestamptz, placed json not null, ended json, revision bigint not null, position bigint not null,
        constraint holds_pkey primary key (tenant, id)
      );
      create index holds_by_customer on read_models.holds (tenant, customer_id, position);

      create table read_models.renewals (
        tenant text not null, id text not null, customer_id text not null, unit text not null, status text not null,
        rule text, occurrence integer not null, last_at timestamptz not null, next_at timestamptz,
        anchor timestamptz not null, begun json not null, terms json not null, carries boolean not null,
        revision bigint not null, position bigint not null,
        constraint renewals_pkey primary key (tenant, id)
      );
      create index renewals_by_customer on read_models.renewals (tenant, customer_id, position);

      alter table read_models.balances add held numeric not null default 0;
      alter table read_models.transactions add hold_id text;
      alter table read_models.usage add reversed numeric not null default 0;
      create index usage_by_meter on read_models.usage (tenant, customer_id, meter_id, position)
        where meter_id is not null and status is not null;

      delete from read_models.checkpoints where projection = 'schedules';
      truncate read_models.schedules;
      drop index read_models.schedules_by_time;
      alter table read_models.schedules alter due_at drop not null, add open boolean not null, add held boolean not null;
      create index schedules_by_time on read_models.schedules (tenant, due_at, customer_id) where open;
      create index schedules_timers_by_customer on read_models.schedules (tenant, customer_id, due_at)
        where kind in ('hold', 'renewal');
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop table read_models.holds, read_models.renewals;
      alter table read_models.balances drop held;
      alter table read_models.transactions drop hold_id;
      drop index read_models.usage_by_meter;
      alter table read_models.usage drop reversed;
      delete from read_models.checkpoints where projection in ('holds', 'renewals', 'schedules');
      truncate read_models.schedules;
      drop index read_models.schedules_by_time, read_models.schedules_timers_by_customer;
      alter table read_models.schedules alter due_at set not null, drop open, drop held;
      create index schedules_by_time on read_models.schedules (tenant, due_at, customer_id);
    `);
  }
}
