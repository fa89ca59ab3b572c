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
    const dataSource = await readModelsDataSource(database.url).initialize();
    expect(await dataSource.query('select name from read_models.migrations')).toHaveLength(7);
    await dataSource.destroy();
  });

  test('is what the entities declare', async () => {
    const dataSource = await readModelsDataSource(database.url).initialize();
    const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
    await dataSource.destroy();
    expect(upQueries.map(({ query }) => query)).toEqual([]);
  });
});
