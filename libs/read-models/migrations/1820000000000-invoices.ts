import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Invoices. Subscriptions in the log are read again, to know how far they are charged: the read model begins at the start. */
export class Invoices1820000000000 implements MigrationInterface {
  readonly name = 'Invoices1820000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table read_models.invoices (
        tenant text not null, id text not null, customer_id text, subscription_id text, number text, status text not null,
        issued_at timestamptz, facts json not null, created_position bigint not null, position bigint not null,
        constraint invoices_pkey primary key (tenant, id)
      );
      create index invoices_in_order on read_models.invoices (tenant, created_position);
      create index invoices_by_customer on read_models.invoices (tenant, customer_id, created_position);
      create index invoices_unfinished on read_models.invoices (tenant, subscription_id) where number is null;
      create table read_models.invoice_sources (
        tenant text not null, invoice_id text not null, line_id text not null, customer_id text not null,
        metric_id text not null, period_start timestamptz not null, period_end timestamptz not null,
        from_revision bigint not null, through_revision bigint not null,
        constraint invoice_sources_pkey primary key (tenant, invoice_id, line_id, customer_id)
      );
      create index invoice_sources_by_account
        on read_models.invoice_sources (tenant, customer_id, metric_id, through_revision);
      create table read_models.subscription_billing (
        tenant text not null, id text not null, customer_id text not null, moment bigint not null, closed bigint not null,
        seats_at_once boolean not null, trial boolean not null, created_position bigint not null,
        constraint subscription_billing_pkey primary key (tenant, id)
      );
      create index subscription_billing_open on read_models.subscription_billing (tenant, id) where moment > closed;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop table read_models.invoices;
      drop table read_models.invoice_sources;
      drop table read_models.subscription_billing;
      delete from read_models.checkpoints where projection = 'invoices';
    `);
  }
}
