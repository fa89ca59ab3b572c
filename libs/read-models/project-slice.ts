import type { LogSlice, Position } from '#libs/event-store';
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
    super(
      `Read model ${projection} cannot go on${at}: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        cause,
      },
    );
  }
}

/** A slice of the log as projections take it in. */
export interface PreparedSlice {
  readonly slice: LogSlice;
  /** The events that a projection folds and that lie behind a position. @throws Error for a stream's name that is none of ours */
  of(projection: Projection, after: Position): readonly ProjectedEvent[];
}

/** Each stream's name is taken apart once for all projections. */
export function prepareSlice(slice: LogSlice): PreparedSlice {
  const { events } = slice;
  const categories = events.map(({ stream }) => categoryOf(stream));
  const projected: ProjectedEvent[] = [];
  return {
    slice,
    of: (projection, after) => {
      const own: ProjectedEvent[] = [];
      for (const [index, event] of events.entries())
        if (projection.categories.has(categories[index]!) && event.position > after)
          own.push((projected[index] ??= projectedEvent(event)));
      return own;
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
    throw new ProjectionFailed(projection.name, only, error);
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
