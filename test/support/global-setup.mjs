import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { register } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

register('./typescript-loader.mjs', import.meta.url);

const root = fileURLToPath(new URL('../..', import.meta.url));

/** One build and one Postgres for the whole run, unless TEST_DATABASE_URL names one, and one run of the migrations. */
export default async function globalSetup() {
  build();
  if (!process.env.TEST_DATABASE_URL) {
    const { startTestServer } = await import('./test-server.ts');
    const server = await startTestServer();
    process.env.TEST_DATABASE_URL = server.url;
    globalThis.drawdownTestServer = server;
  }
  const [{ createTestDatabase }, { migrateReadModels }] = await Promise.all([
    import('./postgres.ts'),
    import('../../libs/read-models/migrate.ts'),
  ]);
  const migrated = await createTestDatabase();
  globalThis.drawdownMigrated = migrated;
  await migrateReadModels(migrated.url);
  process.env.TEST_DATABASE_MIGRATED = migrated.url;
}

/** What the end-to-end tests start must be what the sources say. */
function build() {
  const builtAt = ['api', 'cli']
    .map((app) => statSync(join(root, `dist/apps/${app}/main.js`), { throwIfNoEntry: false })?.mtimeMs ?? 0)
    .reduce((least, time) => Math.min(least, time));
  const changed = ['apps', 'libs'].some((folder) =>
    readdirSync(join(root, folder), { recursive: true }).some(
      (file) => /\.(ts|json)$/.test(file) && statSync(join(root, folder, file)).mtimeMs > builtAt,
    ),
  );
  if (changed)
    execFileSync(process.execPath, [join(root, 'node_modules/@nestjs/cli/bin/nest.js'), 'build'], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
}
