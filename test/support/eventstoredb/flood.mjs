// A process that appends more than a frozen server takes: node flood.mjs <connection string> <appends>
// Says when it is about to begin; sends again whatever is unknown until everything is settled; then ends by itself.
import { randomUUID } from 'node:crypto';
import { register } from 'node:module';

register('../typescript-loader.mjs', import.meta.url);
const { openEventStoreDb } = await import('../../../libs/event-store/eventstoredb/index.ts');

const [connectionString, appends] = process.argv.slice(2);
const store = await openEventStoreDb({ connectionString, timeoutMs: 1000 });
const subscription = store.subscribe(null, { handle: async () => {}, onError: () => {} });
const sent = Array.from({ length: Number(appends) }, () => ({
  stream: `account-t1_${randomUUID()}`,
  expectedRevision: -1,
  events: [{ id: randomUUID(), type: 'Rained', data: `{"a":"${'x'.repeat(100_000)}"}`, metadata: '{}' }],
}));
await new Promise((resolve) => {
  process.once('message', resolve);
  process.send('ready');
});

let unknown = 0;
async function settle(batch) {
  for (;;) {
    try {
      return (await store.append([batch]))[0];
    } catch (error) {
      if (error.name !== 'EventStoreUnavailable') throw error;
      if (unknown++ === 0) process.send('stuck');
    }
  }
}
const results = await Promise.all(sent.map(settle));
await subscription.stop();
await store.close();
const streams = results.filter(({ outcome, revision }) => outcome === 'appended' && revision === 0).length;
process.send({ streams, unknown }, () => process.disconnect());
