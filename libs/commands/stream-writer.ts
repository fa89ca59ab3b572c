import { Problem, type Instant } from '#libs/kernel';
import {
  EventStoreUnavailable,
  type AppendResult,
  type EventStore,
  type RecordedEvent,
} from '#libs/event-store';
import { streamName, tenantOfStream } from '#libs/event-types';
import { appendUntilKnown } from './append-until-known.js';
import { fingerprintOf } from './fingerprint.js';
import { createLastWritten } from './last-written.js';
import { createRecentKeys } from './recent-keys.js';
import { replayCommand } from './replay.js';
import { createSnapshotter } from './snapshotter.js';
import { stage, type StagedOutcome, type StagedStream } from './stage.js';
import { createStreamCache } from './stream-cache.js';
import { createStreamLoader } from './stream-loader.js';
import {
  entryFromSnapshot,
  type AnyKind,
  type AnyWritten,
  type PendingCommand,
  type StreamEntry,
} from './stream-entry.js';
import type { StreamWriter, Written } from './stream-kind.js';
import { noWriteCache, type WriteCache } from './write-cache.js';

export interface StreamWriterOptions {
  readonly eventStore: EventStore;
  /** The environment's now. */
  readonly clock: (tenant: string) => Instant;
  readonly writeCache?: WriteCache;
  /** Bound of what is kept in memory: about one unit for a grant or a receipt, 4 for a stream. Default 1,000,000. */
  readonly maxWeight?: number;
  /** Commands waiting at once before new ones are turned away. Default 20,000. */
  readonly maxWaiting?: number;
  /** Told of failures that no caller waits for, such as a snapshot that could not be stored. */
  readonly onError?: (error: unknown) => void;
}

/** Counts since the start. */
export interface WriterStats {
  commands: number;
  appends: number;
  events: number;
  conflicts: number;
  replays: number;
}

export type ClosableStreamWriter = StreamWriter & {
  readonly stats: Readonly<WriterStats>;
  /** Takes in what the log holds, as it comes: what other processes have recorded need not refuse an append to be noticed. */
  learn(events: readonly RecordedEvent[]): void;
  /** Turns new commands away, finishes those that wait. */
  close(): Promise<void>;
};

/** Commands decided before one append. */
const MAX_COMMANDS_PER_APPEND = 1000;
/** Appends in flight at once: while the store works on one, the next is decided. */
const MAX_APPENDING = 2;
/** Streams that must be ready before an append goes out beside another one: small appends cost the store more. */
const WORTH_AN_APPEND = 32;
/** Times a command is decided anew because somebody else wrote to its stream first. */
const MAX_ATTEMPTS = 30;

/**
 * The write side of every stream: a mailbox per stream, one flush loop per process.
 *
 * Commands that arrive while an append is in flight wait and go out together in the next one, across streams.
 * Loading what they need (snapshots, receipts, tails) runs beside the append. Whatever is answered without an append is
 * first checked against the end of its stream, so an answer never comes from a state that another process has left behind.
 */
export function createStreamWriter(options: StreamWriterOptions): ClosableStreamWriter {
  const {
    eventStore,
    clock,
    writeCache = noWriteCache,
    maxWeight = 1_000_000,
    maxWaiting = 20_000,
  } = options;
  const onError = options.onError ?? (() => undefined);
  const cache = createStreamCache(eventStore, maxWeight);
  const ready = new Set<StreamEntry>();
  const recentKeys = createRecentKeys();
  const lastWritten = createLastWritten();
  const snapshot = createSnapshotter(writeCache, onError);
  const stats: WriterStats = { commands: 0, appends: 0, events: 0, conflicts: 0, replays: 0 };
  let waiting = 0;
  let scheduled = false;
  let appending = 0;
  let closed = false;
  let idle: (() => void) | null = null;

  // ---- arrival -------------------------------------------------------------------------------------------------

  const admit = createStreamLoader({
    cache,
    writeCache,
    arrived: enqueue,
    failed: (pending, error) => settle(pending, () => pending.reject(unavailable(error))),
  });

  function enqueue(entry: StreamEntry, pending: PendingCommand): void {
    cache.hold(entry);
    entry.queue.push(pending);
    if (!entry.staged) ready.add(entry);
    scheduleFlush();
  }

  function scheduleFlush(): void {
    if (scheduled) return;
    scheduled = true;
    queueMicrotask(flush);
  }

  // ---- deciding and appending ----------------------------------------------------------------------------------

  /** A second append goes out beside the first only when it is worth it: what waits for the next one travels cheaper. */
  function flush(): void {
    scheduled = false;
    while (
      ready.size > 0 &&
      (appending === 0 || (appending < MAX_APPENDING && ready.size >= WORTH_AN_APPEND))
    ) {
      appending++;
      void commit(stageReady()).finally(() => {
        appending--;
        if (ready.size > 0) scheduleFlush();
      });
    }
  }

  function stageReady(): StagedStream[] {
    const staged: StagedStream[] = [];
    // two halves: while the store works on one, the other is decided
    let room = ready.size < 2 * WORTH_AN_APPEND ? MAX_COMMANDS_PER_APPEND : Math.ceil(ready.size / 2);
    for (const entry of ready) {
      if (room <= 0) break;
      const commands = entry.queue.splice(0, room);
      room -= commands.length;
      ready.delete(entry);
      try {
        recentKeys.recall(entry.name, commands);
        const stream = stage(entry, commands, clock(tenantOf(commands)));
        recentKeys.note(stream);
        entry.queue.unshift(...stream.rest);
        entry.staged = true;
        staged.push(stream);
      } catch (error) {
        for (const pending of commands) settle(pending, () => pending.reject(error));
        done(entry);
      }
    }
    return staged;
  }

  async function commit(staged: readonly StagedStream[]): Promise<void> {
    const writing = staged.filter(
      ({ outcomes, settling }) => settling || outcomes.some(({ did }) => did === 'write'),
    );
    try {
      const results = writing.length === 0 ? [] : await append(writing);
      const looking: Promise<void>[] = [];
      let next = 0;
      for (const stream of staged) {
        const result = stream === writing[next] ? results[next++] : undefined;
        if (result?.outcome === 'appended') finish(stream, result);
        else looking.push(look(stream, result).catch((error: unknown) => fail(stream, error)));
      }
      await Promise.all(looking);
    } catch (error) {
      for (const stream of staged) fail(stream, error);
    }
  }

  function finish(stream: StagedStream, result: AppendResult & { outcome: 'appended' }): void {
    try {
      appended(stream, result);
      done(stream.entry);
    } catch (error) {
      fail(stream, error);
    }
  }

  /** For what was not appended: whether others wrote to the stream. */
  async function look(stream: StagedStream, result: AppendResult | undefined): Promise<void> {
    const { entry, outcomes } = stream;
    if (result?.outcome === 'conflict') {
      stats.conflicts++;
      await cache.readTail(entry);
      again(stream);
    } else if (outcomes.every(({ did }) => did === 'replay' || did === 'look up')) answer(stream);
    // a decision that writes nothing holds only if nobody else wrote meanwhile
    else if (await cache.readTail(entry)) again(stream);
    else answer(stream);
    done(entry);
  }

  /** The stream is free for its next commands, or to be forgotten. */
  function done(entry: StreamEntry): void {
    entry.staged = false;
    if (entry.queue.length > 0) ready.add(entry);
    else cache.release(entry);
  }

  /** What is known of the stream may be wrong now: it is forgotten, and later commands load it anew. */
  function fail(stream: StagedStream, error: unknown): void {
    const { entry, outcomes, rest, settling } = stream;
    cache.drop(entry);
    recentKeys.forget(stream);
    entry.staged = false;
    // those that wait for what is due cannot go before it
    for (const pending of [...outcomes.map((outcome) => outcome.pending), ...(settling ? rest : [])])
      settle(pending, () => pending.reject(unavailable(error)));
    for (const pending of entry.queue.splice(0)) if (!pending.settled) admit(pending);
  }

  function append(streams: readonly StagedStream[]): Promise<readonly AppendResult[]> {
    const batches = streams.map(({ entry, expectedRevision, newEvents }) => ({
      stream: entry.name,
      expectedRevision,
      events: newEvents,
    }));
    stats.appends++;
    return appendUntilKnown(eventStore, batches);
  }

  function appended(stream: StagedStream, result: AppendResult & { outcome: 'appended' }): void {
    const { entry, head, newEvents, expectedRevision } = stream;
    stats.events += newEvents.length;
    const position = result.positions.at(-1)!;
    const { state, revision, hash, recordedAt } = head;
    if (entry.head.revision < revision) entry.head = { state, revision, position, hash, recordedAt };
    lastWritten.note(tenantOfStream(entry.name), entry.kind.category, position);
    for (const outcome of stream.outcomes)
      if (outcome.did === 'write' && outcome.pending.commandId !== null)
        entry.receipts.set(outcome.pending.commandId, {
          revision: outcome.first,
          events: outcome.events.length,
          fingerprint: outcome.pending.fingerprint,
        });
    answer(stream, (at) => result.positions[at - expectedRevision - 1] ?? position);
    snapshot(entry);
  }

  function answer(stream: StagedStream, positionAt?: (revision: number) => bigint): void {
    const { entry } = stream;
    const written = stream.outcomes.length > 1 ? new Map<PendingCommand, AnyWritten>() : null;
    for (const outcome of stream.outcomes) {
      const { pending } = outcome;
      switch (outcome.did) {
        case 'write':
        case 'nothing': {
          const done = writtenNow(outcome, positionAt?.(outcome.after.revision) ?? entry.head.position);
          written?.set(pending, done);
          settle(pending, () => pending.resolve(done));
          break;
        }
        case 'repeat': {
          stats.replays++;
          const first = written!.get(outcome.of)!;
          settle(pending, () => pending.resolve({ ...first, replayed: true }));
          break;
        }
        case 'replay':
          stats.replays++;
          replayCommand(eventStore, entry.name, entry.kind, outcome.receipt).then(
            (done) => settle(pending, () => pending.resolve(done)),
            (error: unknown) => settle(pending, () => pending.reject(unavailable(error))),
          );
          break;
        case 'refuse':
          settle(pending, () => pending.reject(outcome.problem));
          break;
        case 'look up':
          admit(pending);
          break;
      }
    }
  }

  /** Decides again, in the same order and in front of what came later. */
  function again(stream: StagedStream): void {
    const { entry, outcomes } = stream;
    recentKeys.forget(stream);
    const retried: PendingCommand[] = [];
    for (const { pending } of outcomes) {
      if (++pending.attempts < MAX_ATTEMPTS) retried.push(pending);
      else
        settle(pending, () =>
          pending.reject(new Problem('write_conflict', `Others kept writing to ${pending.stream}.`)),
        );
    }
    entry.queue.unshift(...retried);
  }

  // ---- the port ------------------------------------------------------------------------------------------------

  function settle(pending: PendingCommand, tell: () => void): void {
    if (pending.settled) return;
    pending.settled = true;
    waiting--;
    tell();
    if (waiting === 0) idle?.();
  }

  return {
    stats,

    execute: (kind, id, request) =>
      new Promise<AnyWritten>((resolve, reject) => {
        if (closed) return reject(new Problem('shutting_down', 'The server is stopping.'));
        if (waiting >= maxWaiting)
          return reject(new Problem('overloaded', `${waiting} commands are waiting.`));
        waiting++;
        stats.commands++;
        const { context, operation, input } = request;
        admit({
          stream: streamName(kind.category, context.tenant, id),
          kind: kind as unknown as AnyKind,
          request,
          commandId: context.idempotencyKey === undefined ? null : `${operation}:${context.idempotencyKey}`,
          fingerprint: fingerprintOf(input),
          known: [],
          lookedUpTo: Infinity,
          elsewhere: null,
          attempts: 0,
          settled: false,
          resolve,
          reject,
        });
      }) as Promise<Written<never, never>>,

    async read(kind, tenant, id, maxAgeMs = 0) {
      const name = streamName(kind.category, tenant, id);
      let entry = cache.get(name);
      if (!entry) {
        const anyKind = kind as unknown as AnyKind;
        const { snapshots } = await writeCache.load(kind.snapshots ? [name] : [], []);
        entry = entryFromSnapshot(name, anyKind, snapshots.get(name));
        await cache.readTail(entry);
        const loadedMeanwhile = cache.get(name);
        if (loadedMeanwhile) await cache.readTail((entry = loadedMeanwhile));
        else if (entry.head.revision >= 0) cache.release(entry);
      } else if (entry.head.revision < 0 || performance.now() - entry.freshAt > maxAgeMs)
        await cache.readTail(entry);
      const { state, revision, position } = entry.head;
      return { state: state as never, revision, position };
    },

    learn: (events) => {
      for (const event of events) if (cache.learn(event)) recentKeys.learn(event);
    },

    lastWritten: lastWritten.of,

    knownPosition: (category, tenant, id) => cache.get(streamName(category, tenant, id))?.head.position ?? 0n,

    async close() {
      closed = true;
      if (waiting > 0) await new Promise<void>((resolve) => (idle = resolve));
    },
  };
}

/** All commands of one stream belong to one tenant. */
const tenantOf = (commands: readonly PendingCommand[]): string => commands[0]?.request.context.tenant ?? '';

const writtenNow = (outcome: StagedOutcome & { did: 'write' | 'nothing' }, position: bigint): AnyWritten => ({
  events: outcome.did === 'write' ? outcome.events : [],
  revision: outcome.after.revision,
  position,
  recordedAt: outcome.after.recordedAt,
  replayed: false,
  stateAfter: () => Promise.resolve(outcome.after.state),
});

const unavailable = (error: unknown): unknown =>
  error instanceof EventStoreUnavailable
    ? Object.assign(
        new Problem(
          'store_unavailable',
          'The event store does not answer; whether the command took effect is unknown.',
        ),
        { cause: error },
      )
    : error;
