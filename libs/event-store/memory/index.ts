import { randomUUID } from 'node:crypto';
import {
  checkBatches,
  NoSuchPosition,
  NO_STREAM,
  type AppendBatch,
  type AppendResult,
  type Checkpoint,
  type EventStore,
  type LogSlice,
  type NewEvent,
  type RecordedEvent,
  type Subscription,
} from '../event-store.js';

/**
 * The log in memory, for unit tests and simulation: everything the port promises except that it outlives the process.
 * @param options.identity default: another one each time
 */
export function createMemoryEventStore(options: { readonly identity?: string } = {}): EventStore {
  const log: RecordedEvent[] = [];
  const streams = new Map<string, RecordedEvent[]>();
  const wakeUps = new Set<() => void>();
  const running = new Set<Subscription>();
  let closed = false;

  const open = () => {
    if (closed) throw new Error('the event store is closed');
  };

  function appendOne(
    { stream, expectedRevision }: AppendBatch,
    events: readonly ParsedEvent[],
  ): AppendResult {
    const standing = streams.get(stream) ?? [];
    const currentRevision = standing.length - 1;
    const revision = expectedRevision + events.length;
    if (expectedRevision !== currentRevision) {
      const again = standing.slice(expectedRevision + 1, revision + 1);
      return again.length === events.length && again.every((event, i) => event.id === events[i]!.id)
        ? { outcome: 'appended', revision, positions: again.map((event) => event.position) }
        : { outcome: 'conflict', currentRevision };
    }
    const added = events.map((event, i): RecordedEvent =>
      Object.freeze({
        ...event,
        stream,
        revision: expectedRevision + 1 + i,
        position: BigInt(log.length + 1 + i),
      }),
    );
    log.push(...added);
    if (expectedRevision === NO_STREAM) streams.set(stream, added);
    else standing.push(...added);
    return { outcome: 'appended', revision, positions: added.map((event) => event.position) };
  }

  function slice(after: Checkpoint | null, limit: number): LogSlice {
    if (after !== null && !/^\d{1,15}$/.test(after))
      throw new Error(`${JSON.stringify(after)} is no checkpoint of this log`);
    if (!Number.isSafeInteger(limit) || limit < 1) throw new Error(`bad limit ${limit}`);
    const start = Number(after ?? 0);
    if (start > log.length)
      throw new Error(
        `checkpoint ${start} lies beyond the end of the log, ${log.length}: it belongs to another log`,
      );
    const events = log.slice(start, start + limit);
    const end = start + events.length;
    return { events, checkpoint: events.length > 0 ? String(end) : after, position: BigInt(end) };
  }

  return {
    identity: options.identity ?? `memory:${randomUUID()}`,
    dense: true,

    append: async (batches) => {
      open();
      checkBatches(batches);
      // parsed before anything is written, like a database would
      const parsed = batches.map(({ events }) => events.map(parse));
      const results = batches.map((batch, n) => appendOne(batch, parsed[n]!));
      wakeUps.forEach((wake) => wake());
      return results;
    },

    async *readStream(stream, from = 0) {
      open();
      if (!Number.isSafeInteger(from) || from < 0) throw new Error(`bad revision ${from}`);
      const events = streams.get(stream) ?? [];
      for (let revision = from; revision < events.length; revision++) yield events[revision]!;
    },

    readAll: async (after, limit) => {
      open();
      return slice(after, limit);
    },

    checkpointBefore: async (position) => {
      open();
      if (position < 1n || position > BigInt(log.length)) throw new NoSuchPosition(position);
      return position === 1n ? null : String(position - 1n);
    },

    subscribe: (after, { batchSize = 1000, handle, onCaughtUp, onError }) => {
      open();
      let stopped = false;
      let wake = () => {};

      async function deliver(): Promise<void> {
        let checkpoint = after;
        await Promise.resolve(); // nothing is handed over before subscribe has returned
        while (!stopped) {
          const next = slice(checkpoint, batchSize);
          if (next.events.length > 0) {
            await handle(next);
            checkpoint = next.checkpoint;
            continue;
          }
          onCaughtUp?.(performance.now());
          // no event slips in between: nothing was awaited since the read
          if (!stopped) await new Promise<void>((resolve) => wakeUps.add((wake = resolve)));
          wakeUps.delete(wake);
        }
      }

      const done = deliver()
        .catch(onError)
        .finally(() => running.delete(subscription));
      const subscription: Subscription = {
        stop: () => {
          stopped = true;
          wake();
          return done;
        },
      };
      running.add(subscription);
      return subscription;
    },

    head: async () => {
      open();
      return BigInt(log.length);
    },

    close: async () => {
      closed = true;
      await Promise.all([...running].map((subscription) => subscription.stop()));
    },
  };
}

type ParsedEvent = Pick<RecordedEvent, 'id' | 'type' | 'data' | 'dataText' | 'metadata'>;

/** Once for all readers, and frozen: nobody can change what another one reads. */
const parse = ({ id, type, data, metadata }: NewEvent): ParsedEvent => ({
  id,
  type,
  data: frozen(JSON.parse(data) as RecordedEvent['data']),
  dataText: data,
  metadata: frozen(JSON.parse(metadata) as RecordedEvent['metadata']),
});

function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  Object.values(value).forEach(frozen);
  return Object.freeze(value);
}
