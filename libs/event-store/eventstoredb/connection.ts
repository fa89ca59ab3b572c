import { EventStoreDBClient } from '@eventstore/db-client';
import { randomUUID } from 'node:crypto';
import { setImmediate, setTimeout as pause } from 'node:timers/promises';
import { EventStoreUnavailable } from '../event-store.js';
import { isTransient, unavailable } from './errors.js';
import { identify } from './identity.js';

/** One client and what hangs on it. When anything happens to its connection, all of it is replaced. */
export interface Session {
  readonly client: EventStoreDBClient;
  /** Aborted when the client is given up. What still ends without an error then has been cut off. */
  readonly lost: AbortSignal;
}

export interface Connection {
  /** The log's own name, known once the first call has gone through. */
  identity(): string;
  /**
   * Runs `work`, again when it fails for a transient reason, until the deadline.
   * @param deadline by `performance.now()`
   * @throws EventStoreUnavailable after it; what is wrong with the request as it is
   */
  run<T>(deadline: number, work: (session: Session) => Promise<T>): Promise<T>;
  /** Runs `work` once, bounded like an attempt of `run`; `EventStoreUnavailable` for every transient reason. */
  attempt<T>(ms: number, work: (session: Session) => Promise<T>): Promise<T>;
  /** Gives a session up: the next call gets another one. */
  giveUp(session: Session): void;
  close(): Promise<void>;
}

const SLOWEST_RETRY_MS = 500;
/** For streams to say farewell. Cancelling needs no answer, so this is plenty. */
const FAREWELL_MS = 1000;
/** The least that the client accepts without a warning. */
const KEEP_ALIVE_MS = 10_000;

/**
 * The connection of this process, through one client at a time.
 *
 * The client keeps the appends of all its instances in one map, and when a connection breaks it rejects them all; an
 * answer that comes later, through another connection, ends the process. So a client is replaced as a whole: nothing is
 * begun on the next one before every stream of the last one has been cancelled.
 *
 * @param patienceMs how long one attempt may take, of whatever kind
 */
export function createConnection(
  connectionString: string,
  patienceMs: number,
  onError: (error: unknown) => void,
): Connection {
  const candidate = randomUUID();
  let identity: string | undefined;
  let current: Promise<Session> | undefined;
  let farewell: Promise<void> = Promise.resolve();
  let opened = 0;
  const closing = new AbortController();
  const controllers = new WeakMap<Session, AbortController>();

  function session(): Promise<Session> {
    if (closing.signal.aborted) return Promise.reject(closedError());
    if (current) return current;
    const opening = open();
    current = opening;
    opening.catch(() => {
      if (current === opening) current = undefined;
    });
    return opening;
  }

  async function open(): Promise<Session> {
    await farewell;
    const client = EventStoreDBClient.connectionString(freshAddress(connectionString, opened++));
    const lost = new AbortController();
    const next: Session = { client, lost: lost.signal };
    controllers.set(next, lost);
    try {
      // asked now, so that an append later on finds the answer and waits for nothing but its own
      await within(patienceMs, (client as unknown as { capabilities: Promise<unknown> }).capabilities);
      const found = await within(patienceMs, identify(next, candidate));
      identity ??= found;
      if (found !== identity)
        throw new Error(`the log is another one now: ${found} stands where ${identity} was opened`);
      return next;
    } catch (error) {
      giveUp(next);
      throw error;
    }
  }

  function giveUp(given: Session): void {
    if (given.lost.aborted) return;
    controllers.get(given)!.abort();
    current = undefined;
    farewell = Promise.all([
      farewell,
      (async () => {
        await setImmediate(); // appends begun just now enter the client's map, so that they are rejected with the rest
        await within(FAREWELL_MS, given.client.dispose()).catch(onError);
      })(),
    ]).then(() => undefined);
  }

  async function attempt<T>(ms: number, work: (session: Session) => Promise<T>): Promise<T> {
    const bound = Math.max(1, Math.min(ms, patienceMs));
    let used: Session | undefined;
    try {
      return await within(
        bound,
        session().then((opened) => work((used = opened))),
      );
    } catch (error) {
      if (!isTransient(error)) throw error;
      if (used) giveUp(used);
      throw unavailable(error);
    }
  }

  return {
    identity: () => identity!,
    attempt,
    giveUp,

    run: async (deadline, work) => {
      for (let failures = 0; ; failures++) {
        try {
          return await attempt(deadline - performance.now(), work);
        } catch (error) {
          if (closing.signal.aborted) throw closedError();
          if (!isTransient(error)) throw error;
          const wait = Math.min(SLOWEST_RETRY_MS, 20 * 2 ** Math.min(failures, 10));
          if (performance.now() + wait >= deadline) throw error;
          onError(error);
          await pause(wait, undefined, { signal: closing.signal }).catch(() => undefined);
        }
      }
    },

    close: async () => {
      closing.abort();
      const last = await current?.catch(() => undefined);
      if (last) giveUp(last);
      await farewell;
    },
  };
}

export const closedError = (): Error => new Error('the event store is closed');

/** @throws EventStoreUnavailable when the time is up; what is still under way is left to itself */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new EventStoreUnavailable(`EventStoreDB did not answer within ${Math.round(ms)} ms`);
    timer = setTimeout(() => reject(error), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Connections are shared between clients whose settings are alike: another keep-alive makes a new one. */
function freshAddress(connectionString: string, opened: number): string {
  const [address, query = ''] = connectionString.split('?', 2) as [string, string?];
  const kept = query.split('&').filter((option) => {
    const name = option.split('=')[0]!.toLowerCase().replace(/[_-]/g, '');
    return name !== '' && name !== 'keepaliveinterval' && name !== 'throwonappendfailure';
  });
  return `${address}?${[...kept, `keepAliveInterval=${KEEP_ALIVE_MS + (opened % 1000)}`].join('&')}`;
}
