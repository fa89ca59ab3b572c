import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { migrateReadModels, readModelsDataSource } from '#libs/read-models';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

describe('the schema read_models', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  test('is made once by processes that start together', async () => {
    await Promise.all([1, 2, 3, 4].map(() => migrateReadModels(database.url)));
    await migrateReadModels(database.url);
    const dataSource = await readModelsDataSource(database.url);
    const made = await dataSource.query<{ name: string }[]>(
      'select name from read_models.migrations order by id',
    );
    expect(made.map(({ name }) => name)).toEqual(dataSource.migrations.map(({ name }) => name));
    await dataSource.destroy();
  });

  test('is what the entities declare', async () => {
    const dataSource = await readModelsDataSource(database.url);
    const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
    await dataSource.destroy();
    expect(upQueries.map(({ query }) => query)).toEqual([]);
  });

  test('makes a plan from before there were versions the first of its own, and reads addresses in small letters', async () => {
    const dataSource = await readModelsDataSource(database.url);
    const names = async (): Promise<readonly string[]> =>
      (await dataSource.query<{ name: string }[]>('select name from read_models.migrations')).map(
        ({ name }) => name,
      );
    while ((await names()).includes('VersionsAndOrganizations1790000000000'))
      await dataSource.undoLastMigration();
    await dataSource.query(`
      insert into read_models.catalog (tenant, kind, id, stream, body, created_position, position)
        values ('t', 'plan', 'pro', 'plan-t_pro', '{}', 1, 1), ('t', 'meter', 'm', 'meter-t_m', '{}', 2, 2);
      insert into read_models.customers (tenant, id, stream, name, email, body, created_position, position)
        values ('t', 'c', 'customer-t_c', 'Ada', 'Ada@Acme.example', '{}', 3, 3)`);
    await migrateReadModels(database.url);
    expect(
      await dataSource.query(
        'select id, stable_plan_id, version_number from read_models.catalog order by position',
      ),
    ).toEqual([
      { id: 'pro', stable_plan_id: 'pro', version_number: 1 },
      { id: 'm', stable_plan_id: null, version_number: null },
    ]);
    expect(await dataSource.query('select email, organization_id from read_models.customers')).toEqual([
      { email: 'ada@acme.example', organization_id: null },
    ]);
    await dataSource.destroy();
  });
});
