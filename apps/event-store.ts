import type { EventStore } from '#libs/event-store';
import type { EventStoreDbOptions } from '#libs/event-store/eventstoredb';
import { createMemoryEventStore } from '#libs/event-store/memory';
import { openPostgresEventStore } from '#libs/event-store/postgres';
import type { Config } from '#libs/platform';

/** Milliseconds for an EventStoreDB to answer, what is sent again included; for its first question as well. */
const EVENT_STORE_TIMEOUT = 5_000;

/**
 * Opens the log where the configuration says it is.
 * @param news told of what becomes of the connection in the background; of one that is there again by an EventStoreDB alone
 * @throws EventStoreUnavailable when it does not answer
 */
export async function openEventStore(
  { eventStore }: Pick<Config, 'eventStore'>,
  databaseUrl: string,
  news: Pick<EventStoreDbOptions, 'onError' | 'onConnected'> = {},
): Promise<EventStore> {
  if (eventStore === 'memory') return createMemoryEventStore();
  if (eventStore === 'postgres') return openPostgresEventStore({ connectionString: databaseUrl, ...news });
  // its client takes a while to load, and most start without it
  const { openEventStoreDb } = await import('#libs/event-store/eventstoredb');
  return openEventStoreDb({
    connectionString: eventStore,
    timeoutMs: EVENT_STORE_TIMEOUT,
    openTimeoutMs: EVENT_STORE_TIMEOUT,
    ...news,
  });
}

/** Whether an error is the absence of the event store, whatever was tried then. Of an error in a thread, its name alone comes over. */
export const isAway = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'EventStoreUnavailable' || isAway(error.cause));
