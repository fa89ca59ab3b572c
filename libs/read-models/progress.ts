import type { EventStore, Position } from '#libs/event-store';

export interface Progress {
  readonly position: Position;
  /** End of the log, as last looked up. */
  readonly head: Position;
  readonly eventsPerSecond: number;
  readonly secondsLeft: number;
}

/** Milliseconds between two reports. */
const REPORT_AFTER = 200;

/** Counts events and reports now and then how far it is. Time left supposes that events stand evenly in the log. */
export function createProgress(
  eventStore: Pick<EventStore, 'head'>,
  onProgress: ((progress: Progress) => void) | undefined,
) {
  const begun = performance.now();
  let reported = -Infinity;
  let events = 0;
  const seconds = (): number => (performance.now() - begun) / 1000;

  return {
    get events() {
      return events;
    },
    seconds,
    /** @param last whether to report whatever the time */
    async read(count: number, position: Position, last = false): Promise<void> {
      events += count;
      const now = performance.now();
      if (!onProgress || (!last && now - reported < REPORT_AFTER)) return;
      reported = now;
      const head = await eventStore.head();
      const eventsPerSecond = events / Math.max(seconds(), 0.001);
      onProgress({
        position,
        head,
        eventsPerSecond,
        // by share of the way: there may be gaps between positions
        secondsLeft:
          head > position && position > 0n ? (seconds() * Number(head - position)) / Number(position) : 0,
      });
    },
  };
}
