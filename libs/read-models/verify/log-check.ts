import type { Position, RecordedEvent } from '#libs/event-store';

/** One thing that the log itself is checked for, event by event. */
export interface LogCheck {
  readonly name: string;
  /** What is counted. */
  readonly of: 'events' | 'accounts' | 'usages';
  checked(): number;
  /** What is wrong with the next event of the log. */
  check(event: RecordedEvent): readonly string[];
  /** What shows at the end only. @param head where the store says that the log ends */
  end?(last: Position, head: Position): Iterable<Fault> | AsyncIterable<Fault>;
}

/** Something wrong in the log itself. */
export interface Fault {
  readonly stream: string;
  readonly revision: number;
  readonly position: Position;
  readonly reason: string;
}
