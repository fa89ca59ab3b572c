import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A consumption that leaves debt as it was has one row, in usage; the other movements are made anew from the log. */
export class ConsumptionsOnce1860000000000 implements MigrationInterface {
  readonly name = 'ConsumptionsOnce1860000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      delete from read_models.checkpoints where projection = 'transactions';
      truncate read_models.transactions;
      drop index read_models.usage_events_by_customer;
      create index usage_by_customer on read_models.usage (tenant, customer_id, position);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      delete from read_models.checkpoints where projection = 'transactions';
      truncate read_models.transactions;
      drop index read_models.usage_by_customer;
      create index usage_events_by_customer on read_models.usage (tenant, customer_id, position)
        where event_name is not null;
    `);
  }
}
