export default async function globalTeardown() {
  await globalThis.drawdownMigrated?.drop();
  await globalThis.drawdownTestServer?.stop();
}
