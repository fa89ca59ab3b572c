import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Versions of plans, members of organisations. What was projected before is the first version, and no member. */
export class VersionsAndOrganizations1790000000000 implements MigrationInterface {
  readonly name = 'VersionsAndOrganizations1790000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table read_models.catalog add stable_plan_id text, add version_number integer;
      update read_models.catalog set stable_plan_id = id, version_number = 1 where kind = 'plan';
      create index catalog_by_version on read_models.catalog (tenant, stable_plan_id, version_number)
        where stable_plan_id is not null;

      alter table read_models.customers add organization_id text;
      update read_models.customers set email = lower(email) where email <> lower(email);
      create index customers_by_email on read_models.customers (tenant, email) where email is not null;
      create index customers_by_organization on read_models.customers (tenant, organization_id, created_position)
        where organization_id is not null;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop index read_models.catalog_by_version, read_models.customers_by_email, read_models.customers_by_organization;
      alter table read_models.catalog drop stable_plan_id, drop version_number;
      alter table read_models.customers drop organization_id;
    `);
  }
}
