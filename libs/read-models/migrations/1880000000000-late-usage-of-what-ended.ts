import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Since when a subscription is over whose late usage is still to be charged: made anew from the log, with its closings. */
export class LateUsageOfWhatEnded1880000000000 implements MigrationInterface {
  readonly name = 'LateUsageOfWhatEnded1880000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ${FROM_THE_START}
      alter table read_models.subscription_billing add ended_at timestamptz;
      create index subscription_billing_ended on read_models.subscription_billing (tenant, ended_at, id)
        where ended_at is not null;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ${FROM_THE_START}
      drop index read_models.subscription_billing_ended;
      alter table read_models.subscription_billing drop ended_at;
    `);
  }
}

const FROM_THE_START = `
  delete from read_models.checkpoints where projection = 'invoices';
  truncate read_models.invoices, read_models.invoice_sources, read_models.subscription_billing;
`;
