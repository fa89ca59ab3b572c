export default async function globalTeardown() {
  await globalThis.drawdownTestServer?.stop();
}
