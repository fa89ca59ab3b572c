import pg from 'pg';
import { backOff } from '#libs/kernel';
import {
  EventStoreUnavailable,
  type AppendBatch,
  type Checkpoint,
  type EventStore,
  type LogSlice,
  type Position,
  type SubscribeOptions,
  type Subscription,
} from '../event-store.js';
import { atMost } from './connection.js';
import { createRecentAppends } from './recent.js';

/** How long a notification may be missed before the log is looked at anyway. */
const POLL_MS = 400;
const FIRST_RETRY_MS = 50;
const SLOWEST_RETRY_MS = 5000;
/** For a connection to come about, and to say farewell. */
const PATIENCE_MS = 5000;

interface Source {
  readonly connectionString: string;
  /** Whether a process of the server works for this store: what it tells of is known already. */
  isOwn(serverProcess: number): boolean;
  readAll(after: Checkpoint | null, limit: number): Promise<LogSlice>;
  onError(error: unknown): void;
}

export interface Subscriptions extends Pick<EventStore, 'subscribe' | 'close'> {
  /** This store appended these batches, as a whole, right behind `base`. */
  appended(base: Position, batches: readonly AppendBatch[]): void;
  /** There may be something new in the log. */
  look(): void;
}

/**
 * The subscriptions of one store. What it appended itself they have from memory, everything else they read for themselves;
 * one shared connection only listens for when.
 */
export function createSubscriptions({ connectionString, isOwn, readAll, onError }: Source): Subscriptions {
  const bells = new Set<Bell>();
  const recent = createRecentAppends();
  const running = new Set<Subscription>();
  /** Where each of them stands. */
  const reached = new Map<Bell, Position>();
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
      client.on('notification', ({ processId }) => {
        if (!isOwn(processId)) look();
      });
      try {
        await client.connect();
        await client.query('listen event_store');
        attempt = 0;
        look(); // for what was said while nobody listened
        const error = await Promise.race([lost, closing.wait()]);
        if (!closed) onError(error);
      } catch (error) {
        if (!closed) onError(error);
      }
      await atMost(PATIENCE_MS, client.end()).catch(() => {});
      if (!closed) await closing.wait(backOff(attempt, FIRST_RETRY_MS, SLOWEST_RETRY_MS));
    }
  }

  /** What every subscription has taken. */
  function takenByAll(): Position {
    let taken = recent.last;
    for (const position of reached.values()) if (position < taken) taken = position;
    return taken;
  }

  function look(): void {
    for (const bell of bells) bell.ring('look');
  }

  function subscribe(after: Checkpoint | null, options: SubscribeOptions): Subscription {
    if (closed) throw new Error('the event store is closed');
    listening ??= listen();
    const bell = createBell();
    bells.add(bell);
    reached.set(bell, 0n);
    let stopped = false;

    async function deliver(): Promise<void> {
      const limit = options.batchSize ?? 1000;
      let checkpoint = after;
      let failures = 0;
      let mustLook = true;
      let lookedAt = -Infinity;

      /** The next events: from memory where they are there, else from the log where it may hold any. */
      async function next(): Promise<LogSlice> {
        const position = BigInt(checkpoint ?? 0);
        const events = recent.after(position, limit);
        const last = events.at(-1);
        if (last) return { events, checkpoint: last.position.toString(), position: last.position };
        if (!mustLook && recent.last <= position) return { events, checkpoint, position };
        mustLook = false;
        lookedAt = performance.now();
        const slice = await readAll(checkpoint, limit);
        if (slice.events.length === limit) mustLook = true;
        return slice;
      }

      while (!stopped) {
        // before the read: what is appended during it must ring
        if (bell.reset() === 'look' || performance.now() - lookedAt >= POLL_MS) mustLook = true;
        let slice: LogSlice;
        try {
          slice = await next();
          failures = 0;
        } catch (error) {
          if (!(error instanceof EventStoreUnavailable)) throw error;
          onError(error);
          mustLook = true;
          if (!stopped) await bell.wait(backOff(failures++, FIRST_RETRY_MS, SLOWEST_RETRY_MS));
          continue;
        }
        if (stopped) return;
        if (slice.events.length > 0) {
          assertDense(checkpoint, slice);
          await options.handle(slice);
          checkpoint = slice.checkpoint;
          reached.set(bell, slice.position);
          recent.forget(takenByAll());
          continue;
        }
        options.onCaughtUp?.(lookedAt);
        await bell.wait(Math.max(0, lookedAt + POLL_MS - performance.now()));
      }
    }

    const done = deliver()
      .catch((error: unknown) => options.onError(error))
      .finally(() => {
        bells.delete(bell);
        reached.delete(bell);
        running.delete(subscription);
      });
    const subscription: Subscription = {
      stop: () => {
        stopped = true;
        bell.ring('look');
        return done;
      },
    };
    running.add(subscription);
    return subscription;
  }

  return {
    subscribe,
    look,
    appended: (base, batches) => {
      if (bells.size === 0) return;
      recent.note(base, batches);
      for (const bell of bells) bell.ring('appended');
    },
    close: async () => {
      closed = true;
      closing.ring('look');
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

/** Why it rings: something was appended by this store, which is in memory; or anything may have happened. */
type Ring = 'appended' | 'look';

interface Bell {
  ring(why: Ring): void;
  /** @returns the gravest reason for which it rang since the last time */
  reset(): Ring | null;
  /** Until it rings, at once if it has rung since the last reset; at most `ms`. @returns whether it rang */
  wait(ms?: number): Promise<boolean>;
}

function createBell(): Bell {
  let rung: Ring | null = null;
  const waiting = new Set<() => void>();
  return {
    ring: (why) => {
      if (rung !== 'look') rung = why;
      waiting.forEach((wake) => wake());
    },
    reset: () => {
      const why = rung;
      rung = null;
      return why;
    },
    wait: (ms) =>
      new Promise<boolean>((resolve) => {
        if (rung !== null) return resolve(true);
        const wake = () => {
          clearTimeout(timer);
          waiting.delete(wake);
          resolve(rung !== null);
        };
        const timer = ms === undefined ? undefined : setTimeout(wake, ms);
        waiting.add(wake);
      }),
  };
}
