import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A customer's subscriptions are looked for once for each that is invoiced. */
export class ChargedCustomers1890000000000 implements MigrationInterface {
  readonly name = 'ChargedCustomers1890000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      'create index subscription_billing_by_customer on read_models.subscription_billing (customer_id, tenant)',
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index read_models.subscription_billing_by_customer');
  }
}
