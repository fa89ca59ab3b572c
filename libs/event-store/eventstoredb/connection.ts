import { EventStoreDBClient } from '@eventstore/db-client';
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { setImmediate, setTimeout as pause } from 'node:timers/promises';
import { backOff } from '#libs/kernel';
import { EventStoreUnavailable } from '../event-store.js';
import { isTransient, unavailable } from './errors.js';
import { identify, watchOver } from './identity.js';
import type { Session } from './session.js';

/** Told of what becomes of the connection in the background. */
export interface ConnectionNews {
  readonly onError: (error: unknown) => void;
  /** There is one, again or for the first time. */
  readonly onConnected: () => void;
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
  /** Gives a session up because of an error, which is reported: the next call gets another one. */
  lose(session: Session, error: unknown): void;
  close(): Promise<void>;
}

const SLOWEST_RETRY_MS = 500;
/** For streams to say farewell. Cancelling needs no answer, so this is plenty. */
const FAREWELL_MS = 1000;
/** The least that the client accepts without a warning. */
const KEEP_ALIVE_MS = 10_000;

/** Until the streams of every client so far are gone. */
let farewell: Promise<unknown> = Promise.resolve();

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
  { onError, onConnected }: ConnectionNews,
): Connection {
  const candidate = randomUUID();
  let identity: string | undefined;
  let current: Promise<Session> | undefined;
  let opened = 0;
  const closing = new AbortController();
  setMaxListeners(0, closing.signal);
  const closed = new Promise<never>((_, reject) =>
    closing.signal.addEventListener('abort', () => reject(closedError())),
  );
  closed.catch(() => undefined); // for when nobody waits
  const controllers = new WeakMap<Session, AbortController>();

  function session(): Promise<Session> {
    if (closing.signal.aborted) return Promise.reject(closedError());
    if (current) return current;
    const opening = open();
    current = opening;
    opening.catch((error: unknown) => {
      if (current === opening) current = undefined;
      if (!closing.signal.aborted) onError(isTransient(error) ? unavailable(error) : error);
    });
    return opening;
  }

  async function open(): Promise<Session> {
    await farewell;
    const client = EventStoreDBClient.connectionString(freshAddress(connectionString, opened++));
    const lost = new AbortController();
    const next: Session = { client, lost: lost.signal };
    setMaxListeners(0, lost.signal);
    controllers.set(next, lost);
    try {
      // asked now, so that an append later on finds the answer and waits for nothing but its own
      const { capabilities } = client as unknown as { readonly capabilities: Promise<unknown> };
      await within(patienceMs, Promise.race([capabilities, closed]));
      const found = await within(
        patienceMs,
        Promise.race([identify(next, identity === undefined ? candidate : undefined), closed]),
      );
      identity ??= found;
      if (found !== identity)
        throw new Error(`the log is another one now: ${found} stands where ${identity} was opened`);
      watchOver(next, (error) => lose(next, error));
      onConnected();
      return next;
    } catch (error) {
      giveUp(next);
      throw error;
    }
  }

  /** Gives up and tells why. */
  function lose(given: Session, error: unknown): void {
    if (given.lost.aborted) return;
    onError(unavailable(error));
    giveUp(given);
  }

  function giveUp(given: Session): void {
    if (given.lost.aborted) return;
    controllers.get(given)!.abort();
    current = undefined;
    const leave = async (): Promise<void> => {
      await setImmediate(); // appends begun just now enter the client's map, so that they are rejected with the rest
      await within(FAREWELL_MS, given.client.dispose()).catch(onError);
    };
    farewell = Promise.all([farewell, leave()]);
  }

  async function attempt<T>(ms: number, work: (session: Session) => Promise<T>): Promise<T> {
    const bound = Math.max(1, Math.min(ms, patienceMs));
    let used: Session | undefined;
    let late = false;
    const begin = async (): Promise<T> => {
      const opened = await session();
      if (late) throw closedError(); // nobody waits any more: it must not be sent behind everybody's back
      return work((used = opened));
    };
    try {
      return await within(bound, begin());
    } catch (error) {
      late = true;
      if (!isTransient(error)) throw error;
      if (used) lose(used, error);
      throw unavailable(error);
    }
  }

  return {
    identity: () => identity!,
    attempt,
    lose,

    run: async (deadline, work) => {
      for (let failures = 0; ; failures++) {
        try {
          return await attempt(deadline - performance.now(), work);
        } catch (error) {
          if (closing.signal.aborted) throw closedError();
          if (!isTransient(error)) throw error;
          const wait = backOff(failures, 20, SLOWEST_RETRY_MS);
          if (performance.now() + wait >= deadline) throw error;
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
    timer = setTimeout(
      () => reject(new EventStoreUnavailable(`EventStoreDB did not answer within ${Math.round(ms)} ms`)),
      ms,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

const CHOSEN_HERE = new Set(['keepaliveinterval', 'nodepreference', 'throwonappendfailure']);

/** Connections are shared between clients whose settings are alike: another keep-alive makes a new one. */
function freshAddress(connectionString: string, opened: number): string {
  const [address, query = ''] = connectionString.split('?', 2) as [string, string?];
  const kept = query.split('&').filter((option) => {
    const name = option.split('=')[0]!.toLowerCase().replace(/[_-]/g, '');
    return name !== '' && !CHOSEN_HERE.has(name);
  });
  // only the leader has everything that was appended, and only there an append need not be passed on
  const chosen = [`keepAliveInterval=${KEEP_ALIVE_MS + (opened % 1000)}`, 'nodePreference=leader'];
  return `${address}?${[...kept, ...chosen].join('&')}`;
}
