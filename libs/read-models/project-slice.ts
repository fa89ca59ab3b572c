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

/** A slice of the log, each stream's name taken apart once for all projections. */
export interface PreparedSlice {
  readonly slice: LogSlice;
  of(projection: Projection, after: Position): readonly ProjectedEvent[];
}

/** @param handled categories that any projection folds; events of others are not looked at */
export function prepareSlice(slice: LogSlice, handled: ReadonlySet<string>): PreparedSlice {
  const events = slice.events.filter(({ stream }) => handled.has(categoryOf(stream))).map(projectedEvent);
  const first = slice.events[0]?.position ?? 0n;
  return {
    slice,
    of: ({ categories }, after) =>
      events.filter(
        ({ category, position }) => categories.has(category) && (after < first || position > after),
      ),
  };
}

/** All categories that these projections fold. */
export const handledBy = (projections: readonly Projection[]): ReadonlySet<string> =>
  new Set(projections.flatMap(({ categories }) => [...categories]));

/** @throws ProjectionFailed; DatabaseUnavailable when nothing is wrong with the events */
export async function projectEvents(
  projection: Projection,
  events: readonly ProjectedEvent[],
  sink: Sink,
): Promise<void> {
  if (events.length === 0) return;
  try {
    await projection.project(events, sink);
  } catch (error) {
    if (error instanceof DatabaseUnavailable) throw error;
    throw new ProjectionFailed(projection.name, events.length === 1 ? events[0]!.position : null, error);
  }
}
