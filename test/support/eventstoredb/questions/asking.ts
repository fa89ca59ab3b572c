import * as esdb from '@eventstore/db-client';
import generated from '@eventstore/db-client/generated/streams_grpc_pb.js';
import { randomUUID } from 'node:crypto';
import { until } from '../../wait.js';

/** What a set of questions is given to ask with. */
export interface Asking {
  readonly url: string;
  readonly client: esdb.EventStoreDBClient;
  /** Different in every run, so that a server can be asked more than once. */
  readonly run: string;
  /** A name not used yet. It begins with a digit: the ledger takes no notice of such streams. */
  stream(prefix?: string): string;
  /** Notes the answer under the question's name: what `question` returns, or the error it throws. */
  ask(name: string, question: () => Promise<unknown>, timeoutMs?: number): Promise<void>;
  /** Calls of the client on the wire since this was last asked. */
  calls(): { readonly append: number; readonly batchAppend: number };
}

export const PER_CALL_CREDENTIALS = { credentials: { username: 'admin', password: 'changeit' } };

/** An event; the same id is the same event. */
export const event = (
  type = 'T',
  data: unknown = { a: 1 },
  id: string = randomUUID(),
  metadata?: Record<string, unknown>,
): esdb.EventData =>
  esdb.jsonEvent({ id, type, data: data as esdb.JSONType, ...(metadata === undefined ? {} : { metadata }) });

export const events = (count: number): esdb.EventData[] => Array.from({ length: count }, () => event());

export const append = (
  { client }: Asking,
  stream: string,
  what: esdb.EventData | esdb.EventData[],
  expectedRevision?: esdb.AppendExpectedRevision | number,
  options: esdb.AppendToStreamOptions = {},
): Promise<esdb.AppendResult> =>
  client.appendToStream(stream, what, {
    ...(expectedRevision === undefined
      ? {}
      : { expectedRevision: expectedRevision as esdb.AppendExpectedRevision }),
    ...options,
  });

/** The answer to an append, without what differs from run to run. */
export const shape = ({ success, nextExpectedRevision, position, ...rest }: esdb.AppendResult) => ({
  success,
  next: nextExpectedRevision,
  keys: Object.keys({ success, nextExpectedRevision, position, ...rest }).join(),
  pos: position ? (position.commit === position.prepare ? 'commit=prepare' : 'commit!=prepare') : 'none',
});

/** How an append ends: its shape, or the error. */
export const ending = (appending: Promise<esdb.AppendResult>): Promise<any> =>
  appending.then(shape, describeError);

export const caught = (promise: Promise<unknown>): Promise<any> =>
  promise.then(
    (ok) => ({ ok }),
    (error: unknown) => ({ error: describeError(error) }),
  );

export function describeError(error: any): Record<string, unknown> {
  const left = ['type', 'code', 'message', '_raw', 'metadata', 'stack', 'details'];
  return {
    class: error?.constructor?.name,
    type: error?.type,
    code: error?.code,
    message: String(error?.message).slice(0, 220),
    ...Object.fromEntries(Object.entries(error ?? {}).filter(([key]) => !left.includes(key))),
    isError: error instanceof Error,
  };
}

export async function collect(items: AsyncIterable<any>): Promise<any[]> {
  const collected: any[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

export const revisions = (read: readonly any[]): number[] => read.map((one) => Number(one.event.revision));

export const within = <T>(promise: Promise<T>, ms: number): Promise<T | string> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(`PENDING after ${ms} ms`), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });

/** A few round trips: what was on its way before them has arrived after them. */
export async function roundTrips({ client }: Pick<Asking, 'client'>): Promise<void> {
  for (let i = 0; i < 10; i++)
    await collect(client.readAll({ maxCount: 1, direction: esdb.BACKWARDS, fromPosition: esdb.END }));
}

/** A subscription and its story: the names of its signals in order, a run of events as one `data`. */
export interface Watched<Subscription> {
  readonly subscription: Subscription;
  readonly log: string[];
  readonly events: any[];
  /** Unsubscribes and waits for the farewell. */
  end(): Promise<void>;
}

/** Follows a subscription until `enough`, or until the time is up. */
export async function watch<
  Subscription extends { on: any; unsubscribe(): Promise<void>; destroyed: boolean },
>(
  begin: () => Subscription,
  enough: (events: readonly any[], log: readonly string[]) => boolean,
  timeoutMs = 4000,
): Promise<Watched<Subscription>> {
  const subscription = begin();
  const log: string[] = [];
  const received: any[] = [];
  subscription.on('error', (error: any) =>
    log.push(`error:${error.constructor.name}:${error.type}:${error.code}`),
  );
  for (const signal of ['confirmation', 'caughtUp', 'fellBehind', 'end', 'close', 'finish'])
    subscription.on(signal, () => log.push(signal));
  subscription.on('data', (one: any) => {
    received.push(one);
    if (log.at(-1) !== 'data') log.push('data');
  });
  await until(() => enough(received, log), { timeoutMs }).catch(() => undefined);
  return {
    subscription,
    log,
    events: received,
    end: async () => {
      await subscription.unsubscribe();
      await until(() => log.includes('close'), { timeoutMs: 1000 }).catch(() => undefined);
    },
  };
}

export const caughtUp = (_: readonly any[], log: readonly string[]): boolean => log.includes('caughtUp');

/** Counts what the client sends. */
export function countCalls(): Asking['calls'] {
  const counts = { append: 0, batchAppend: 0 };
  const prototype = generated.StreamsClient.prototype as any;
  for (const method of ['append', 'batchAppend'] as const) {
    const original = prototype[method];
    prototype[method] = function (this: unknown, ...given: unknown[]) {
      counts[method]++;
      return original.apply(this, given);
    };
  }
  return () => {
    const now = { ...counts };
    counts.append = counts.batchAppend = 0;
    return now;
  };
}
