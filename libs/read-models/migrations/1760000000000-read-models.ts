import type { MigrationInterface, QueryRunner } from 'typeorm';

/** All read models. Rows that change often have room for their next versions on their own page. */
export class ReadModels1760000000000 implements MigrationInterface {
  readonly name = 'ReadModels1760000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table read_models.checkpoints (
        projection text not null, checkpoint text, position bigint not null, log text not null, stopped_reason text,
        constraint checkpoints_pkey primary key (projection)
      ) with (fillfactor = 50);

      create table read_models.balances (
        tenant text not null, customer_id text not null, unit text not null,
        balance numeric not null, debt numeric not null, position bigint not null,
        constraint balances_pkey primary key (tenant, customer_id, unit)
      ) with (fillfactor = 70);

      create table read_models.grants (
        tenant text not null, grant_id text not null, customer_id text not null, parent_id text, unit text not null,
        data json not null, application_type text, remaining numeric not null, held numeric not null, ended_as text,
        void_notes text, activated boolean not null, effective_at timestamptz not null, expires_at timestamptz,
        priority numeric not null, position bigint not null,
        constraint grants_pkey primary key (tenant, grant_id)
      ) with (fillfactor = 70);
      create index grants_by_customer on read_models.grants (tenant, customer_id, position);
      create index grants_open_by_customer on read_models.grants (tenant, customer_id, position) where ended_as is null;
      create index grants_by_parent on read_models.grants (tenant, parent_id, position) where parent_id is not null;
      create index grants_open_by_expiry on read_models.grants (tenant, expires_at, customer_id) where ended_as is null;
      create index grants_waiting_by_start on read_models.grants (tenant, effective_at, customer_id)
        where ended_as is null and not activated;

      create table read_models.transactions (
        tenant text not null, customer_id text not null, position bigint not null, index integer not null,
        type text not null, grant_id text, unit text not null, amount numeric not null, grant_balance_after numeric,
        balance_after numeric not null, debt_after numeric not null, event_name text, event_timestamp timestamptz not null,
        recorded_at timestamptz not null, reference text, description text, consumption_id text,
        constraint transactions_pkey primary key (tenant, customer_id, position, index)
      );
      create index transactions_by_grant on read_models.transactions (tenant, grant_id, position, index)
        where grant_id is not null;
      create index transactions_but_consumption on read_models.transactions (tenant, customer_id, type, position, index)
        where type <> 'consumption';

      create table read_models.usage (
        tenant text not null, id text not null, customer_id text not null, event_name text, meter_id text, value numeric,
        effective_at timestamptz not null, idempotency_key text, status text, recorded_at timestamptz not null,
        position bigint not null, stream text not null, revision bigint not null, type text not null, data json not null,
        constraint usage_pkey primary key (tenant, id)
      );
      create index usage_events on read_models.usage (tenant, position) where event_name is not null;
      create index usage_events_by_customer on read_models.usage (tenant, customer_id, position)
        where event_name is not null;
      create index usage_events_by_name on read_models.usage (tenant, event_name, position) where event_name is not null;

      create table read_models.customers (
        tenant text not null, id text not null, stream text not null, external_id text, name text not null, email text,
        body json not null, created_position bigint not null, position bigint not null,
        constraint customers_pkey primary key (tenant, id)
      );
      create unique index customers_by_stream on read_models.customers (stream);
      create index customers_in_order on read_models.customers (tenant, created_position);
      create index customers_by_external_id on read_models.customers (tenant, external_id) where external_id is not null;

      create table read_models.catalog (
        tenant text not null, kind text not null, id text not null, stream text not null, slug text, plan_id text,
        scope text, application_type text, unit_kind text, body json not null, created_position bigint not null,
        position bigint not null,
        constraint catalog_pkey primary key (tenant, kind, id)
      );
      create unique index catalog_by_stream on read_models.catalog (stream);
      create index catalog_in_order on read_models.catalog (tenant, kind, created_position);
      create index catalog_by_slug on read_models.catalog (tenant, kind, slug) where slug is not null;
      create index catalog_by_plan on read_models.catalog (tenant, kind, plan_id, created_position)
        where plan_id is not null;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop table read_models.checkpoints, read_models.balances, read_models.grants, read_models.transactions,
        read_models.usage, read_models.customers, read_models.catalog
    `);
  }
}
