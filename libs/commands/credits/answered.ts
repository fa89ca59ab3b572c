import type { Problem } from '#libs/kernel';

export interface Answered<Body> {
  readonly body: Body;
  readonly status: number;
  readonly position: bigint;
  readonly replayed: boolean;
}

/** A refusal that the log remembers: it has a position and can be a replay. */
export type Refused = Omit<Answered<never>, 'body' | 'status'> & { readonly problem: Problem };
