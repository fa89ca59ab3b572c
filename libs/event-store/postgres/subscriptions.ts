import pg from 'pg';
import {
  EventStoreUnavailable,
  type Checkpoint,
  type EventStore,
  type LogSlice,
  type SubscribeOptions,
  type Subscription,
} from '../event-store.js';
import { atMost } from './connection.js';

/** How long a notification may be missed before the log is looked at anyway. */
const POLL_MS = 1000;
const SLOWEST_RETRY_MS = 5000;
/** For a connection to come about, and to say farewell. */
const PATIENCE_MS = 5000;

interface Source {
  readonly connectionString: string;
  readAll(after: Checkpoint | null, limit: number): Promise<LogSlice>;
  onError(error: unknown): void;
}

/** The subscriptions of one store. They read for themselves; one shared connection only listens for when. */
export function createSubscriptions({
  connectionString,
  readAll,
  onError,
}: Source): Pick<EventStore, 'subscribe' | 'close'> {
  const bells = new Set<Bell>();
  const running = new Set<Subscription>();
  const closing = createBell();
  let closed = false;
  let listening: Promise<void> | undefined;

  /** Holds the listening connection until the store is closed, with a new one whenever it is lost. */
  async function listen(): Promise<void> {
    for (let attempt = 0; !closed; attempt++) {
      const client = new pg.Client({
        connectionString,
        application_name: 'event-store',
        keepAlive: true,
        connectionTimeoutMillis: PATIENCE_MS,
      });
      const lost = new Promise<unknown>((resolve) =>
        client.on('error', resolve).on('end', () => resolve(new Error('the listening connection has ended'))),
      );
      client.on('notification', () => bells.forEach((bell) => bell.ring()));
      try {
        await client.connect();
        await client.query('listen event_store');
        attempt = 0;
        bells.forEach((bell) => bell.ring()); // for what was said while nobody listened
        const error = await Promise.race([lost, closing.wait()]);
        if (!closed) onError(error);
      } catch (error) {
        if (!closed) onError(error);
      }
      await atMost(PATIENCE_MS, client.end()).catch(() => {});
      if (!closed) await closing.wait(retryAfter(attempt));
    }
  }

  function subscribe(after: Checkpoint | null, options: SubscribeOptions): Subscription {
    if (closed) throw new Error('the event store is closed');
    listening ??= listen();
    const bell = createBell();
    bells.add(bell);
    let stopped = false;

    async function deliver(): Promise<void> {
      const limit = options.batchSize ?? 1000;
      let checkpoint = after;
      let failures = 0;
      while (!stopped) {
        bell.reset(); // before the read: what is appended during it must ring
        let slice: LogSlice;
        try {
          slice = await readAll(checkpoint, limit);
          failures = 0;
        } catch (error) {
          if (!(error instanceof EventStoreUnavailable)) throw error;
          onError(error);
          if (!stopped) await bell.wait(retryAfter(failures++));
          continue;
        }
        if (stopped) return;
        if (slice.events.length > 0) {
          assertDense(checkpoint, slice);
          await options.handle(slice);
          checkpoint = slice.checkpoint;
        }
        if (slice.events.length === limit || stopped) continue;
        options.onCaughtUp?.();
        await bell.wait(POLL_MS);
      }
    }

    const done = deliver()
      .catch((error: unknown) => options.onError(error))
      .finally(() => {
        bells.delete(bell);
        running.delete(subscription);
      });
    const subscription: Subscription = {
      stop: () => {
        stopped = true;
        bell.ring();
        return done;
      },
    };
    running.add(subscription);
    return subscription;
  }

  return {
    subscribe,
    close: async () => {
      closed = true;
      closing.ring();
      await Promise.all([...running].map((subscription) => subscription.stop()));
      await listening;
    },
  };
}

/** A hole means that an event was lost or the rows were tampered with: reading on would make every read model wrong. */
function assertDense(after: Checkpoint | null, { events }: LogSlice): void {
  let last = BigInt(after ?? 0);
  for (const { position } of events) {
    if (position !== last + 1n) throw new Error(`the log has a hole: position ${position} follows ${last}`);
    last = position;
  }
}

const retryAfter = (failures: number): number => Math.min(SLOWEST_RETRY_MS, 50 * 2 ** Math.min(failures, 10));

interface Bell {
  ring(): void;
  reset(): void;
  /** Until it rings, at once if it has rung since the last reset; at most `ms`. */
  wait(ms?: number): Promise<void>;
}

function createBell(): Bell {
  let rung = false;
  const waiting = new Set<() => void>();
  return {
    ring: () => {
      rung = true;
      waiting.forEach((wake) => wake());
    },
    reset: () => {
      rung = false;
    },
    wait: (ms) =>
      new Promise<void>((resolve) => {
        if (rung) return resolve();
        const wake = () => {
          clearTimeout(timer);
          waiting.delete(wake);
          resolve();
        };
        const timer = ms === undefined ? undefined : setTimeout(wake, ms);
        waiting.add(wake);
      }),
  };
}
