// One process of a storm of writers: node append-storm.mjs <database url> <name> <writers> <rounds>
// Each writer appends to streams it shares with everybody and to one of its own. Prints what it was told it has won.
import { randomUUID } from 'node:crypto';
import { register } from 'node:module';

register('./typescript-loader.mjs', import.meta.url);
const { openPostgresEventStore } = await import('../../libs/event-store/postgres/index.ts');

const [url, name, writers, rounds] = process.argv.slice(2);
const SHARED = 6;
const store = await openPostgresEventStore({ connectionString: url });
const won = [];

async function write(writer) {
  const known = new Map();
  for (let round = 0; round < Number(rounds); round++) {
    const streams = [
      `own-${name}_${writer}`,
      `shared-${round % SHARED}`,
      `shared-${(round + writer + 1) % SHARED}`,
    ];
    const batches = [...new Set(streams)].map((stream) => ({
      stream,
      expectedRevision: known.get(stream) ?? -1,
      events: Array.from({ length: 1 + (round % 3) }, () => ({
        id: randomUUID(),
        type: 'Blew',
        data: '{}',
        metadata: '{}',
      })),
    }));
    const results = await store.append(batches);
    for (const [i, result] of results.entries()) {
      const { stream, events } = batches[i];
      known.set(stream, result.outcome === 'appended' ? result.revision : result.currentRevision);
      if (result.outcome === 'conflict') continue;
      for (const [j, { id }] of events.entries())
        won.push({
          stream,
          revision: result.revision - events.length + 1 + j,
          position: String(result.positions[j]),
          id,
        });
    }
  }
}

await Promise.all(Array.from({ length: Number(writers) }, (_, writer) => write(writer)));
await store.close();
process.stdout.write(JSON.stringify(won));
