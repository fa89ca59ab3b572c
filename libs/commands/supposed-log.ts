import type { Instant } from '#libs/kernel';
import { type AppendBatch, type AppendResult, type EventStore, type RecordedEvent } from '#libs/event-store';
import { recordedAtOf } from '#libs/event-types';

/**
 * A log that begins as the real one does, or did at `until` (inclusive, by the time of recording), and keeps what is appended to itself:
 * what a writer on it records is what the writer on the real one would record. For one question; only streams can be read.
 */
export function supposedLog(eventStore: EventStore, until: Instant = Infinity): EventStore {
  const appended = new Map<string, { readonly from: number; readonly events: RecordedEvent[] }>();
  let position = 2n ** 62n; // after whatever is real
  const notHere = (): never => {
    throw new Error('a supposed log has streams only');
  };

  function append({ stream, expectedRevision, events }: AppendBatch): AppendResult {
    const own = appended.get(stream) ?? { from: expectedRevision + 1, events: [] };
    const currentRevision = own.from + own.events.length - 1;
    if (expectedRevision !== currentRevision) return { outcome: 'conflict', currentRevision };
    appended.set(stream, own);
    const positions = events.map(({ id, type, data, metadata }) => {
      own.events.push({
        id,
        stream,
        revision: own.from + own.events.length,
        position: ++position,
        type,
        data: JSON.parse(data) as RecordedEvent['data'],
        metadata: JSON.parse(metadata) as RecordedEvent['metadata'],
      });
      return position;
    });
    return { outcome: 'appended', revision: own.from + own.events.length - 1, positions };
  }

  return {
    identity: eventStore.identity,
    dense: eventStore.dense,
    append: (batches) => Promise.resolve(batches.map(append)),
    async *readStream(stream, from = 0) {
      const own = appended.get(stream);
      for await (const event of eventStore.readStream(stream, from)) {
        if (own && event.revision >= own.from) break;
        if (recordedAtOf(event) > until) break;
        yield event;
      }
      if (own) yield* own.events.slice(Math.max(0, from - own.from));
    },
    head: () => eventStore.head(),
    readAll: notHere,
    checkpointBefore: notHere,
    subscribe: notHere,
    close: () => Promise.resolve(),
  };
}
