import type { Database } from './connection.js';

/** At most one announcement in so many milliseconds: it tells of all that was appended before it. */
const APART_MS = 5;

/** A wake-up, never the data; nobody waits for the disk for its sake. */
const ANNOUNCE = {
  name: 'event-store-announce',
  text: `select set_config('synchronous_commit', 'off', true), pg_notify('event_store', '')`,
};

export interface Announcer {
  /** Tells whoever listens that there may be something new in the log: at once, or soon when it was told just now. */
  announce(): void;
  /** Tells what is still to be told. */
  close(): Promise<void>;
}

/** Whoever misses an announcement looks at the log by itself after a while. */
export function createAnnouncer(query: Database['query']): Announcer {
  let timer: NodeJS.Timeout | undefined;
  let due = false;
  let telling: Promise<unknown> = Promise.resolve();

  function tell(): void {
    due = false;
    timer = setTimeout(() => {
      timer = undefined;
      if (due) tell();
    }, APART_MS);
    telling = query(ANNOUNCE).catch(() => undefined);
  }

  return {
    announce: () => {
      due = true;
      if (timer === undefined) tell();
    },
    close: async () => {
      if (due) tell();
      clearTimeout(timer);
      await telling;
    },
  };
}
