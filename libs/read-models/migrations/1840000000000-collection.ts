import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When time makes something due of an invoice. Invoices are made anew from the log, so that it stands with all of them. */
export class Collection1840000000000 implements MigrationInterface {
  readonly name = 'Collection1840000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ${FROM_THE_START}
      alter table read_models.invoices add due_at timestamptz, add undriven boolean not null;
      create index invoices_due on read_models.invoices (tenant, due_at, id) where due_at is not null;
      create index invoices_undriven on read_models.invoices (tenant, id) where undriven;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ${FROM_THE_START}
      drop index read_models.invoices_due;
      drop index read_models.invoices_undriven;
      alter table read_models.invoices drop due_at, drop undriven;
    `);
  }
}

const FROM_THE_START = `
  delete from read_models.checkpoints where projection = 'invoices';
  truncate read_models.invoices, read_models.invoice_sources, read_models.subscription_billing;
`;
