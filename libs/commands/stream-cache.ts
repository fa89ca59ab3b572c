import { LRUCache } from 'lru-cache';
import type { EventStore, RecordedEvent } from '#libs/event-store';
import { foldRecorded, type StreamEntry } from './stream-entry.js';

/** The streams in memory: those with commands in hand for as long as they have them, the others as long as there is room. */
export interface StreamCache {
  get(name: string): StreamEntry | undefined;
  /** Holds on to a stream, whatever room it takes. */
  hold(entry: StreamEntry): void;
  /** Lets a stream be forgotten when others need the room; how much it takes itself is counted now. */
  release(entry: StreamEntry): void;
  /** Forgets a stream whose state may be wrong. */
  drop(entry: StreamEntry): void;
  /** Folds in what the log holds behind the entry. @returns whether there was anything */
  readTail(entry: StreamEntry): Promise<boolean>;
  /**
   * Folds in what was recorded elsewhere, where the stream is in memory, stands right before it and is not being written to.
   * @returns false when it was known already, or what is being written there will tell
   */
  learn(event: RecordedEvent): boolean;
}

/** Units by which a stream may have grown or shrunk before it is counted anew. */
const COUNTED_WITHIN = 16;
/** Receipts of others' commands after which a stream that only they use is forgotten here. */
const MOST_LEARNED = 1000;

/** @param maxWeight about one unit for a grant or a receipt, 4 for a stream */
export function createStreamCache(eventStore: EventStore, maxWeight: number): StreamCache {
  const released = new LRUCache<string, StreamEntry>({ maxSize: maxWeight });
  /** These must not be loaded twice. */
  const held = new Map<string, StreamEntry>();
  return {
    get: (name) => held.get(name) ?? released.get(name),
    hold: (entry) => void held.set(entry.name, entry),
    release(entry) {
      held.delete(entry.name);
      const size = 4 + entry.receipts.size + (entry.kind.weight?.(entry.head.state) ?? 1);
      // what is set again keeps the size it had: counted anew where that is far off
      if (Math.abs(size - entry.counted) >= COUNTED_WITHIN) {
        released.delete(entry.name);
        entry.counted = size;
      }
      released.set(entry.name, entry, { size });
    },
    drop(entry) {
      held.delete(entry.name);
      released.delete(entry.name);
    },
    async readTail(entry) {
      const before = entry.head.revision;
      const askedAt = performance.now();
      for await (const event of eventStore.readStream(entry.name, before + 1)) foldRecorded(entry, event);
      entry.freshAt = Math.max(entry.freshAt, askedAt);
      return entry.head.revision > before;
    },
    learn(event) {
      const entry = held.get(event.stream) ?? released.peek(event.stream);
      if (entry && (entry.staged || event.revision <= entry.head.revision)) return false;
      if (!entry || event.revision !== entry.head.revision + 1) return true;
      try {
        foldRecorded(entry, event);
      } catch {
        // whoever uses the stream next reads the event again, and is told
        released.delete(entry.name);
      }
      if (entry.receipts.size > MOST_LEARNED) released.delete(entry.name);
      return true;
    },
  };
}
