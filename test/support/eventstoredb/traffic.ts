import { expect } from '@jest/globals';
import {
  EventStoreUnavailable,
  NO_STREAM,
  type AppendBatch,
  type AppendResult,
  type Checkpoint,
  type EventStore,
} from '#libs/event-store';
import { all, batch, newStream } from '../../contract/event-store.contract.js';

/** Readers and writers to be disturbed, and what must hold when they were. */

/** Keeps what a subscription hands over. */
export function follow(store: EventStore, after: Checkpoint | null = null) {
  const seen: { readonly id: string; readonly position: bigint }[] = [];
  const errors: unknown[] = [];
  const subscription = store.subscribe(after, {
    batchSize: 20,
    handle: async ({ events }) => void seen.push(...events.map(({ id, position }) => ({ id, position }))),
    onError: (error) => errors.push(error),
  });
  return { seen, errors, stop: () => subscription.stop() };
}

/** Sends until the outcome is known. */
export async function settle(
  store: EventStore,
  sent: AppendBatch,
  unknown: unknown[] = [],
): Promise<AppendResult> {
  for (;;) {
    try {
      return (await store.append([sent]))[0]!;
    } catch (error) {
      if (!(error instanceof EventStoreUnavailable)) throw error;
      unknown.push(error);
    }
  }
}

/** Writers that append until they are told to stop; everything acknowledged, with its position. */
export function write(store: EventStore, writers: number) {
  const sent = new Map<string, bigint>();
  const unknown: unknown[] = [];
  let writing = true;
  const streams = Array.from({ length: writers }, newStream);
  const done = Promise.all(
    streams.map(async (stream) => {
      for (let revision = NO_STREAM; writing;) {
        const next = batch(stream, revision, 1 + (sent.size % 3));
        const result = await settle(store, next, unknown);
        // nobody else writes here: a conflict would mean that our own event stands twice, or not where it should
        if (result.outcome === 'conflict') throw new Error(`conflict at ${revision} of ${stream}`);
        next.events.forEach(({ id }, i) => sent.set(id, result.positions[i]!));
        revision = result.revision;
      }
    }),
  );
  const stop = async (): Promise<void> => {
    writing = false;
    await done;
  };
  return { sent, unknown, streams, stop };
}

export async function expectEverythingOnce(
  store: EventStore,
  { sent, streams }: Pick<ReturnType<typeof write>, 'sent' | 'streams'>,
  seen: ReturnType<typeof follow>['seen'],
): Promise<void> {
  const stored = (await Promise.all(streams.map((stream) => all(store.readStream(stream))))).flat();
  expect(stored).toHaveLength(sent.size);
  for (const { id, position } of stored) expect(sent.get(id)).toBe(position);
  const inOrder = [...sent].sort(([, a], [, b]) => (a < b ? -1 : 1));
  expect(seen).toEqual(inOrder.map(([id, position]) => ({ id, position })));
}
