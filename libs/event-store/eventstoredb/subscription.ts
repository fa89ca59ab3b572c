import { excludeSystemEvents, START, type AllStreamSubscription } from '@eventstore/db-client';
import { backOff } from '#libs/kernel';
import {
  EventStoreUnavailable,
  type Checkpoint,
  type RecordedEvent,
  type SubscribeOptions,
  type Subscription,
} from '../event-store.js';
import type { Connection } from './connection.js';
import { isTransient, unavailable } from './errors.js';
import {
  assertReached,
  fromCheckpoint,
  isOwn,
  lastRecord,
  readingFailed,
  toCheckpoint,
  toRecorded,
  type LogPosition,
  type Stored,
} from './reading.js';
import type { Session } from './session.js';

const SLOWEST_RETRY_MS = 1000;
/** While catching up, how long a batch that is not full waits for more. */
const LINGER_MS = 50;
/** Records the server looks at before it says how far it is. */
const SEARCH_WINDOW = 1000;
/** What lies beyond every position: the server's positions are signed. */
const NOWHERE = 2n ** 63n;

interface Source {
  readonly connection: Connection;
  readonly patienceMs: number;
}

/** A subscription that lives on when the connection does not: it resumes behind what was last handed over. */
export function subscribeTo(
  { connection, patienceMs }: Source,
  after: Checkpoint | null,
  options: SubscribeOptions,
): Subscription {
  const limit = options.batchSize ?? 1000;
  const bell = createBell();
  let stopped = false;
  let at: LogPosition | null = null;
  let failures = 0;

  async function deliver(): Promise<void> {
    await Promise.resolve(); // nothing is handed over before subscribe has returned
    at = fromCheckpoint(after);
    while (!stopped) {
      try {
        const session = await Promise.race([open(), bell.whenStopped]);
        if (session && !stopped) await consume(session);
      } catch (error) {
        if (!(error instanceof EventStoreUnavailable)) throw error;
        if (stopped) return;
        bell.reset(); // what broke has rung it
        await bell.wait(backOff(failures++, 50, SLOWEST_RETRY_MS));
      }
    }
  }

  /** A session on which the log reaches as far as we have read. */
  const open = (): Promise<Session> =>
    connection.attempt(patienceMs, async (session) => {
      if (at !== null) assertReached(at, await lastRecord(session));
      return session;
    });

  /** Hands over what comes until the subscription is stopped; throws when it breaks. */
  async function consume(session: Session): Promise<void> {
    const inbox: { readonly event: RecordedEvent; readonly position: LogPosition }[] = [];
    let atEnd = false;
    let announced = false;
    let examined: LogPosition | undefined;
    let failure: { readonly error: unknown } | undefined;
    const fail = (error: unknown): void => {
      failure ??= { error };
      bell.ring();
    };
    const begun = at;
    const openedAt = performance.now();
    const subscription: AllStreamSubscription = session.client.subscribeToAll({
      fromPosition: at ?? START,
      requiresLeader: true,
      filter: excludeSystemEvents({
        maxSearchWindow: SEARCH_WINDOW,
        checkpointReached: (_, position) => {
          // before the first record that passes the filter the server says -1, which arrives as the largest uint64
          if (position.commit < NOWHERE) examined = position;
          return Promise.resolve();
        },
      }),
    });
    const lost = (): void => fail(new EventStoreUnavailable('the connection to EventStoreDB was given up'));
    session.lost.addEventListener('abort', lost);
    subscription.on('data', ({ event }) => {
      const stored = event as Stored;
      try {
        if (isOwn(stored)) inbox.push({ event: toRecorded(stored), position: stored.position });
      } catch (error) {
        return fail(error);
      }
      if (inbox.length >= 2 * limit) subscription.pause();
      if (atEnd || inbox.length === 1 || inbox.length === limit) bell.ring();
    });
    subscription.on('caughtUp', () => {
      atEnd = true;
      announced = false;
      bell.ring();
    });
    subscription.on('error', (error) => fail(readingFailed(begun, error)));
    subscription.on('close', () => fail(new EventStoreUnavailable('the subscription was closed')));

    try {
      for (let lingered = false; !stopped;) {
        if (failure) throw failure.error;
        bell.reset();
        if (inbox.length >= limit || (inbox.length > 0 && (atEnd || lingered))) {
          const batch = inbox.splice(0, limit);
          const { position } = batch.at(-1)!;
          const events = batch.map(({ event }) => event);
          await handOver({ events, checkpoint: toCheckpoint(position), position: position.commit });
          at = position;
          failures = 0;
          lingered = announced = false;
          if (inbox.length < limit) subscription.resume();
          continue;
        }
        if (inbox.length === 0 && subscription.readableLength === 0) {
          // everything before what the server has examined was handed over
          if (examined && examined.commit > (at?.commit ?? -1n)) at = examined;
          if (atEnd && !announced) {
            announced = true;
            failures = 0;
            options.onCaughtUp?.(openedAt); // the server does not say how old its word is
          }
        }
        if (stopped) return;
        const rung = await bell.wait(inbox.length > 0 ? LINGER_MS : undefined);
        lingered = !rung;
      }
    } catch (error) {
      if (error instanceof HandlerFailed || !isTransient(error)) throw error;
      connection.lose(session, error);
      throw unavailable(error);
    } finally {
      session.lost.removeEventListener('abort', lost);
      subscription.unsubscribe().catch(() => undefined); // it never came about
    }
  }

  /** Whatever the handler throws ends the subscription, even what looks like an outage. */
  async function handOver(slice: Parameters<SubscribeOptions['handle']>[0]): Promise<void> {
    try {
      await options.handle(slice);
    } catch (error) {
      throw new HandlerFailed(error);
    }
  }

  const done = deliver().catch((error: unknown) =>
    options.onError(error instanceof HandlerFailed ? error.reason : error),
  );
  return {
    stop: () => {
      stopped = true;
      bell.stop();
      return done;
    },
  };
}

class HandlerFailed extends Error {
  constructor(readonly reason: unknown) {
    super('the handler of a subscription failed');
  }
}

interface Bell {
  ring(): void;
  reset(): void;
  /** Until it rings, at once if it has rung since the last reset; at most `ms`. Tells whether it rang. */
  wait(ms?: number): Promise<boolean>;
  /** Rings for good. */
  stop(): void;
  readonly whenStopped: Promise<undefined>;
}

function createBell(): Bell {
  let rung = false;
  let stopped = false;
  let wake = (_: boolean): void => {};
  let tell = (_?: undefined): void => {};
  const whenStopped = new Promise<undefined>((resolve) => (tell = resolve));
  const ring = (): void => {
    rung = true;
    wake(true);
  };
  return {
    ring,
    reset: () => void (rung = stopped),
    wait: (ms) =>
      new Promise<boolean>((resolve) => {
        if (rung) return resolve(true);
        const timer = ms === undefined ? undefined : setTimeout(() => wake(false), ms);
        wake = (rang) => {
          clearTimeout(timer);
          wake = () => {};
          resolve(rang);
        };
      }),
    stop: () => {
      stopped = true;
      tell();
      ring();
    },
    whenStopped,
  };
}
