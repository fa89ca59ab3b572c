import { Problem, type DomainEvent, type ErrorCode } from '#libs/kernel';
import type { Written } from '../stream-kind.js';

export interface Answered<Body> {
  readonly body: Body;
  readonly status: number;
  readonly position: bigint;
  readonly replayed: boolean;
}

/** A refusal that the log remembers: it has a position and can be a replay. */
export type Refused = Omit<Answered<never>, 'body' | 'status'> & { readonly problem: Problem };

/**
 * The refusal that a request wanted remembered (`CommandRequest.refusals`), now or when its key was first used; undefined where
 * it was done.
 * @param instance URI of what the request was about
 */
export function refusalIn(
  { events, position, replayed }: Written<unknown, DomainEvent>,
  instance: string,
): Refused | undefined {
  const [fact] = events;
  if (fact?.type !== 'CommandRefused') return undefined;
  const { code, detail } = fact.data as { readonly code: ErrorCode; readonly detail: string };
  return { problem: new Problem(code, detail, undefined, instance), position, replayed };
}
