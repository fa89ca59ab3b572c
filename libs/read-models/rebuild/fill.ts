import type pg from 'pg';
import type { Checkpoint, EventStore, LogSlice, Position, RecordedEvent } from '#libs/event-store';
import { earliest, type Standing } from '../checkpoints/checkpoints.js';
import { createProgress, type Progress } from '../progress.js';
import { EVENT_TYPES } from '#libs/event-types';
import { allTogether, prepareSlice, projectEvents } from '../projecting/project-slice.js';
import type { Projection } from '../projection.js';
import { createSink } from '../sink.js';

export interface FillOptions {
  readonly eventStore: Pick<EventStore, 'identity' | 'readAll' | 'head'>;
  /** Connections to write over, the read models spread over them. */
  readonly clients: readonly [pg.ClientBase, ...pg.ClientBase[]];
  /** Where the tables are that are filled. */
  readonly schema: string;
  readonly projections: readonly Projection[];
  /** Which events of a slice are folded; each slice is asked for as often as it is read. Default: all. */
  readonly choose?: (events: readonly RecordedEvent[]) => readonly RecordedEvent[];
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Most events folded at once. */
  readonly batchSize: number;
}

/** Fills tables of one schema from the log, each read model to a position of its own. */
export function createFill({
  eventStore,
  clients,
  schema,
  projections,
  choose = (events) => events,
  onProgress,
  signal,
  batchSize,
}: FillOptions) {
  let sinks = clients.map((client) => createSink(client, schema));
  const progress = createProgress(eventStore, onProgress);
  const none: Standing = { checkpoint: null, position: 0n, stopped: null, log: eventStore.identity };
  const standings = new Map(projections.map(({ name }) => [name, none]));
  const standing = (name: string): Standing => standings.get(name)!;
  let reached = 0n;
  let ahead: { readonly from: Checkpoint | null; readonly slice: Promise<LogSlice> } | undefined;

  /** The next slice, while the one after it is being read. */
  async function read(from: Checkpoint | null): Promise<LogSlice> {
    const waiting = ahead?.from === from ? await ahead.slice : undefined;
    ahead = undefined;
    // an empty one met the end of a log that may have grown since
    const slice = waiting?.events.length ? waiting : await eventStore.readAll(from, batchSize);
    if (slice.events.length === batchSize) {
      ahead = { from: slice.checkpoint, slice: eventStore.readAll(slice.checkpoint, batchSize) };
      ahead.slice.catch(() => undefined); // whoever asks for it is told
    }
    return slice;
  }

  return {
    progress,
    standings: standings as ReadonlyMap<string, Standing>,
    /** Position up to which the log was read. */
    reached: (): Position => reached,

    /** From now on everything is written over the first connection. */
    useOne(): void {
      sinks = sinks.slice(0, 1);
    },

    /** For rows that went back to where they were. */
    goBack(to: ReadonlyMap<string, Standing>): void {
      for (const [name, was] of to) standings.set(name, was);
    },

    /** Brings the tables exactly to the targets, as far as the log goes. */
    async advance(targets: ReadonlyMap<string, Position>): Promise<void> {
      /** Of each read model the slice in hand. One folds the next slice as soon as its own rows of this one are written. */
      const folding = new Map<string, Promise<void>>();
      let writing: Promise<void> = Promise.resolve();
      try {
        for (;;) {
          signal?.throwIfAborted();
          const behind = projections.filter(({ name }) => standing(name).position < targets.get(name)!);
          if (behind.length === 0) return;
          const slice = await read(earliest(behind.map(({ name }) => standing(name))));
          if (slice.events.length === 0) return;
          const prepared = prepareSlice({ ...slice, events: choose(slice.events) }, EVENT_TYPES);
          const late = behind.filter(({ name }) => standing(name).position < slice.position);
          const written = allTogether(
            late.map((projection) => {
              const { name } = projection;
              const upTo = targets.get(name)!;
              const events = prepared
                .after(standing(name).position)
                .filter(({ position }) => position <= upTo);
              const sink = sinks[projections.indexOf(projection) % sinks.length]!;
              const fold = Promise.resolve(folding.get(name)).then(() =>
                projectEvents(projection, () => prepared.of(projection, events), sink),
              );
              folding.set(name, fold);
              return fold;
            }),
          );
          written.catch(() => undefined); // whoever awaits it is told
          await writing;
          writing = written;
          for (const { name } of late) {
            // a checkpoint stands at the end of a slice only; inside, the position says what is in
            const now = standing(name);
            const target = targets.get(name)!;
            const { checkpoint, position } = slice;
            standings.set(
              name,
              position <= target ? { ...now, checkpoint, position } : { ...now, position: target },
            );
          }
          await progress.read(
            slice.events.filter(({ position }) => position > reached).length,
            slice.position,
          );
          if (slice.position > reached) reached = slice.position;
        }
      } finally {
        await Promise.allSettled(folding.values()); // none is left behind at work
        await writing;
      }
    },
  };
}
