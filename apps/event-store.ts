import type { EventStore } from '#libs/event-store';
import { createMemoryEventStore } from '#libs/event-store/memory';
import { openPostgresEventStore } from '#libs/event-store/postgres';
import type { Config } from '#libs/platform';

/** Milliseconds for an EventStoreDB to answer, what is sent again included; for its first question as well. */
const EVENT_STORE_TIMEOUT = 5_000;

/**
 * Opens the log where the configuration says it is.
 * @throws EventStoreUnavailable when it does not answer
 */
export async function openEventStore(
  { eventStore }: Pick<Config, 'eventStore'>,
  databaseUrl: string,
  onError?: (error: unknown) => void,
): Promise<EventStore> {
  if (eventStore === 'memory') return createMemoryEventStore();
  const onErrors = onError ? { onError } : {};
  if (eventStore === 'postgres')
    return openPostgresEventStore({ connectionString: databaseUrl, ...onErrors });
  // its client takes a while to load, and most start without it
  const { openEventStoreDb } = await import('#libs/event-store/eventstoredb');
  return openEventStoreDb({
    connectionString: eventStore,
    timeoutMs: EVENT_STORE_TIMEOUT,
    openTimeoutMs: EVENT_STORE_TIMEOUT,
    ...onErrors,
  });
}
