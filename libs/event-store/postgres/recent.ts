import type { AppendBatch, Position, RecordedEvent } from '../event-store.js';

/** Events kept at most: what a subscription may lag behind and still be served from memory. */
const MAX_EVENTS = 16_384;

/** What this process appended last, so that its own subscriptions need not ask the database for it. */
export interface RecentAppends {
  /** Position of the last event that was noted; 0 when there is none. */
  readonly last: Position;
  /** Notes batches that were appended as a whole, right behind `base`. */
  note(base: Position, batches: readonly AppendBatch[]): void;
  /** The events right behind `position`, without a gap, at most about `limit`; none when they are not here. */
  after(position: Position, limit: number): readonly RecordedEvent[];
}

export function createRecentAppends(): RecentAppends {
  /** Runs of positions without a gap, by the position they follow, in the order in which they were noted. */
  const runs = new Map<Position, readonly AppendBatch[]>();
  let count = 0;
  let last = 0n;

  function forget(base: Position): void {
    count -= lengthOf(runs.get(base)!);
    runs.delete(base);
  }

  return {
    get last() {
      return last;
    },
    note(base, batches) {
      const length = lengthOf(batches);
      runs.set(base, batches);
      count += length;
      const end = base + BigInt(length);
      if (end > last) last = end;
      for (const oldest of runs.keys()) {
        if (count <= MAX_EVENTS) break;
        forget(oldest);
      }
    },
    after(position, limit) {
      const events: RecordedEvent[] = [];
      for (let at = position; events.length < limit; at = events.at(-1)!.position) {
        const run = runs.get(at);
        // a run that would go beyond the limit waits for the next time; one that is longer than it is read from the database
        if (!run || events.length + lengthOf(run) > limit) break;
        recorded(at, run, events);
      }
      return events;
    },
  };
}

const lengthOf = (batches: readonly AppendBatch[]): number =>
  batches.reduce((sum, { events }) => sum + events.length, 0);

function recorded(base: Position, batches: readonly AppendBatch[], into: RecordedEvent[]): void {
  let position = base;
  for (const { stream, expectedRevision, events } of batches)
    for (const [index, { id, type, data, metadata }] of events.entries())
      into.push({
        id,
        stream,
        revision: expectedRevision + 1 + index,
        position: (position += 1n),
        type,
        data: JSON.parse(data) as RecordedEvent['data'],
        dataText: data,
        metadata: JSON.parse(metadata) as RecordedEvent['metadata'],
      });
}
