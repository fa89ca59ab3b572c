import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Debt stands with the movements that change it, and is carried on when it is read; movements are made anew from the log. */
export class DebtWhereItChanges1785000000000 implements MigrationInterface {
  readonly name = 'DebtWhereItChanges1785000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      delete from read_models.checkpoints where projection = 'transactions';
      truncate read_models.transactions;
      alter table read_models.transactions alter debt_after drop not null;
      create index transactions_of_debt on read_models.transactions (tenant, customer_id, unit, position, index)
        where debt_after is not null;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      delete from read_models.checkpoints where projection = 'transactions';
      truncate read_models.transactions;
      alter table read_models.transactions alter debt_after set not null;
      drop index read_models.transactions_of_debt;
    `);
  }
}
