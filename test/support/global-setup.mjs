import { register } from 'node:module';

register('./typescript-loader.mjs', import.meta.url);

/** One Postgres for the whole run, unless TEST_DATABASE_URL names one. */
export default async function globalSetup() {
  if (process.env.TEST_DATABASE_URL) return;
  const { startTestServer } = await import('./test-server.ts');
  const server = await startTestServer();
  process.env.TEST_DATABASE_URL = server.url;
  globalThis.drawdownTestServer = server;
}
