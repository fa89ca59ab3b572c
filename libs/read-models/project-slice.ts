import type { LogSlice, Position, RecordedEvent } from '#libs/event-store';
import { UnknownEvent, upcast, type EventTypes } from '#libs/event-types';
import { categoryOf, projectedEvent, type ProjectedEvent, type Projection, type Sink } from './projection.js';
import { DatabaseUnavailable } from './sink.js';

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

/** A slice of the log as projections take it in. */
export interface PreparedSlice {
  readonly slice: LogSlice;
  /** The product's own events behind a position, as stored; streams of categories it does not know are somebody else's. */
  after(position: Position): readonly RecordedEvent[];
  /**
   * Those of the events that a projection folds, in their newest shape.
   * @throws UnknownEvent for any of them, also for one that it would not have folded: whatever wrote it knows more than
   *   this version does, so nothing goes past it; Error for a stream's name that is none of ours
   */
  of(projection: Projection, events: readonly RecordedEvent[]): readonly ProjectedEvent[];
}

/** Each event is looked up, and its stream's name taken apart, once for all projections. */
export function prepareSlice(slice: LogSlice, types: EventTypes): PreparedSlice {
  const own = slice.events.filter(({ stream }) => types.has(categoryOf(stream)));
  const projected = new Map<RecordedEvent, ProjectedEvent>();
  const project = (event: RecordedEvent): ProjectedEvent => {
    let one = projected.get(event);
    if (one === undefined) {
      one = projectedEvent(upcast(event, types.get(categoryOf(event.stream))!));
      projected.set(event, one);
    }
    return one;
  };
  return {
    slice,
    after: (position) => own.filter((event) => event.position > position),
    of: ({ categories }, events) => events.map(project).filter(({ category }) => categories.has(category)),
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
