import type { EventStoreDBClient } from '@eventstore/db-client';

/** One client and what hangs on it. When anything happens to its connection, all of it is replaced. */
export interface Session {
  readonly client: EventStoreDBClient;
  /** Aborted when the client is given up. What still ends without an error then has been cut off. */
  readonly lost: AbortSignal;
}
