import { formatInstant, Problem, readInstant, SECOND } from '#libs/kernel';
import type { Decider, DomainEvent, ErrorCode, Instant, StoredInstant } from '#libs/kernel';

/**
 * Uniqueness across streams: whoever stands in the stream of a value owns the value.
 * A claim is made before the object it is for, so after a crash in between its owner may not exist.
 */
export interface ClaimState {
  /** Id of the object that holds the value; null when it is free. */
  readonly owner: string | null;
  /** When the owner claimed it; null when it is free. */
  readonly at: string | null;
}

export type ClaimEvent = DomainEvent<'Claimed', Claimed> | DomainEvent<'Released', Released>;

/** The value that the stream is named by belongs to an object. */
export interface Claimed {
  /** Id of the object. */
  readonly owner: string;
  readonly at: StoredInstant;
}

/** The value is free again. */
export interface Released {
  /** Id of the object that had it. */
  readonly owner: string;
  readonly at: StoredInstant;
}

export type ClaimCommand =
  | {
      readonly type: 'Claim';
      readonly owner: string;
      readonly now: Instant;
      /** What another owner is answered with. */
      readonly taken: { readonly code: ErrorCode; readonly detail: string };
      /** An owner that was looked up and does not hold the value: it loses a claim older than {@link CLAIM_LEASE}. */
      readonly mayReplace?: string | undefined;
    }
  | { readonly type: 'Release'; readonly owner: string; readonly now: Instant };

/** How long a claim stands without its object: longer than any create can take between the two. */
export const CLAIM_LEASE = 60 * SECOND;

/** Category of the streams of claims. */
export const CLAIM = 'claim';

/** What can be unique per tenant. */
export type ClaimedThing =
  | 'externalCustomerId'
  | 'eventName'
  | 'featureSlug'
  | 'planVersion'
  | 'priceComponent'
  | 'pricingTableSlug'
  | 'customerSubscription'
  | 'grant'
  | 'hold'
  | 'eventBatch';

/** Id of the stream that decides who owns a value. */
export const claimId = (what: ClaimedThing, value: string): string => `${what}:${value}`;

/** @throws Problem with the command's code when another owner holds the value */
export const claimDecider: Decider<ClaimState, ClaimCommand, ClaimEvent> = {
  initialState: { owner: null, at: null },
  decide(command, { owner, at }) {
    const data = { owner: command.owner, at: formatInstant(command.now) };
    if (command.type === 'Release') return owner === command.owner ? [{ type: 'Released', data }] : [];
    if (owner === command.owner) return [];
    const abandoned =
      owner === command.mayReplace && at !== null && command.now - readInstant(at) >= CLAIM_LEASE;
    if (owner !== null && !abandoned) throw new Problem(command.taken.code, command.taken.detail);
    return [{ type: 'Claimed', data }];
  },
  evolve: (_, { type, data }) =>
    type === 'Claimed' ? { owner: data.owner, at: data.at } : { owner: null, at: null },
};
