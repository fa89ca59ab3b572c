import type { LogSlice, Position, RecordedEvent } from '#libs/event-store';
import {
  categoryOf,
  type CategoryTypes,
  type EventTypes,
  type StreamName,
  streamParts,
  UnknownEvent,
  upcast,
} from '#libs/event-types';
import { projectedEvent, type ProjectedEvent, type Projection, type Sink } from '../projection.js';
import { DatabaseUnavailable } from '../sink.js';

/** An event made a projection fail. */
export class ProjectionFailed extends Error {
  override readonly name = 'ProjectionFailed';
  constructor(
    readonly projection: string,
    /** Position of the event, where it is known. */
    readonly position: Position | null,
    cause: unknown,
  ) {
    const at = position === null ? '' : ` at position ${position}`;
    super(`Read model ${projection} cannot go on${at}: ${reasonOf(cause)}`, { cause });
  }
}

function reasonOf(cause: unknown): string {
  if (cause instanceof UnknownEvent) return cause.detail;
  return cause instanceof Error ? cause.message : String(cause);
}

/** One of the product's own events in a slice. */
export interface SliceEvent {
  readonly position: Position;
  readonly stored: RecordedEvent;
  readonly stream: StreamParts;
  /** In its newest shape, once somebody has asked for it. */
  projected: ProjectedEvent | null;
}

interface StreamParts {
  readonly types: CategoryTypes;
  /** Taken apart once somebody folds one of its events. */
  name: StreamName | null;
}

/** A slice of the log as projections take it in. */
export interface PreparedSlice {
  readonly slice: LogSlice;
  /** The product's own events behind a position; streams of categories it does not know are somebody else's. */
  after(position: Position): readonly SliceEvent[];
  /**
   * Those of the events that a projection folds, in their newest shape.
   * @throws UnknownEvent for any of them, also for one that it would not have folded: whatever wrote it knows more than
   *   this version does, so nothing goes past it; Error for a stream's name that is none of ours
   */
  of(projection: Projection, events: readonly SliceEvent[]): readonly ProjectedEvent[];
}

function newest({ stored, stream }: SliceEvent): ProjectedEvent {
  stream.name ??= streamParts(stored.stream);
  return projectedEvent(upcast(stored, stream.types), stream.name);
}

/** Each event is looked up, and each stream's name taken apart, once for all projections. */
export function prepareSlice(slice: LogSlice, types: EventTypes): PreparedSlice {
  const streams = new Map<string, StreamParts | null>();
  const own: SliceEvent[] = [];
  for (const stored of slice.events) {
    let stream = streams.get(stored.stream);
    if (stream === undefined) {
      const known = types.get(categoryOf(stored.stream));
      stream = known === undefined ? null : { types: known, name: null };
      streams.set(stored.stream, stream);
    }
    if (stream !== null) own.push({ position: stored.position, stored, stream, projected: null });
  }
  return {
    slice,
    after: (position) =>
      own.length > 0 && own[0]!.position > position ? own : own.filter((event) => event.position > position),
    of: ({ categories }, events) => {
      const projected: ProjectedEvent[] = [];
      for (const event of events) {
        event.projected ??= newest(event);
        if (categories.has(event.projected.category)) projected.push(event.projected);
      }
      return projected;
    },
  };
}

/** @throws ProjectionFailed; DatabaseUnavailable when nothing is wrong with the events */
export async function projectEvents(
  projection: Projection,
  eventsOf: () => readonly ProjectedEvent[],
  sink: Sink,
): Promise<void> {
  let only: Position | null = null;
  try {
    const events = eventsOf();
    if (events.length === 1) only = events[0]!.position;
    if (events.length > 0) await projection.project(events, sink);
  } catch (error) {
    if (error instanceof DatabaseUnavailable) throw error;
    throw new ProjectionFailed(projection.name, error instanceof UnknownEvent ? error.position : only, error);
  }
}

/** SQLSTATE of every statement behind one that failed in the same transaction. */
const TRANSACTION_FAILED = '25P02';

/**
 * Runs projections over one connection, in one transaction, so that one folds while another writes.
 * @throws of several errors the one that made the others
 */
export async function allTogether(projecting: readonly Promise<void>[]): Promise<void> {
  const errors = (await Promise.allSettled(projecting)).flatMap((outcome) =>
    outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
  );
  if (errors.length === 0) return;
  throw errors.find((error) => !isConsequence(error)) ?? errors[0];
}

const isConsequence = (error: unknown): boolean =>
  error instanceof ProjectionFailed &&
  (error.cause as { readonly code?: unknown } | undefined)?.code === TRANSACTION_FAILED;
