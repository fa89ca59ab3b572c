import type { AppendBatch, Position, RecordedEvent } from '../event-store.js';
import { TextEvent } from './text-event.js';

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
  /** Nobody asks for what lies at or before `position` any more. */
  forget(position: Position): void;
}

/** Batches that follow a position without a gap. */
interface Run {
  readonly batches: readonly AppendBatch[];
  readonly end: Position;
  /** Made when first asked for, once for all who ask. */
  events: readonly RecordedEvent[] | null;
}

export function createRecentAppends(): RecentAppends {
  /** By the position they follow, in the order in which they were noted. */
  const runs = new Map<Position, Run>();
  let count = 0;
  let last = 0n;

  function drop(base: Position, end: Position): void {
    runs.delete(base);
    count -= Number(end - base);
  }

  return {
    get last() {
      return last;
    },
    note(base, batches) {
      const length = batches.reduce((sum, { events }) => sum + events.length, 0);
      const end = base + BigInt(length);
      runs.set(base, { batches, end, events: null });
      count += length;
      if (end > last) last = end;
      for (const [oldest, run] of runs) {
        if (count <= MAX_EVENTS) break;
        drop(oldest, run.end);
      }
    },
    after(position, limit) {
      const events: RecordedEvent[] = [];
      for (let at = position; events.length < limit;) {
        const run = runs.get(at);
        // a run that would go beyond the limit waits for the next time; one that is longer than it is read from the database
        if (!run || events.length + Number(run.end - at) > limit) break;
        run.events ??= recorded(at, run.batches);
        for (const event of run.events) events.push(event);
        at = run.end;
      }
      return events;
    },
    forget(position) {
      for (const [base, { end }] of runs) if (end <= position) drop(base, end);
    },
  };
}

function recorded(base: Position, batches: readonly AppendBatch[]): RecordedEvent[] {
  let position = base;
  return batches.flatMap(({ stream, expectedRevision, events }) =>
    events.map(
      (event, index) => new TextEvent(stream, expectedRevision + 1 + index, (position += 1n), event),
    ),
  );
}
