import type { StoredInstant } from '#libs/kernel';

/** What stands beside the payload of every event. */
export interface EventMetadata {
  /** Id of the API key, or the job, that acted; `time` for what only time made due. */
  readonly actor: string;
  /** What the event belongs to: the operation and the caller's idempotency key. Absent where the call had no key. */
  readonly commandId?: string | undefined;
  /** Id of the request; events of one request share it. */
  readonly correlationId: string;
  /** When the event counts, where that is not the moment of recording. */
  readonly effectiveAt?: StoredInstant | undefined;
  /**
   * What the caller sent, by member, long values as digests, so that a key used again with another input is noticed.
   * On the first event of a command only.
   */
  readonly fingerprint?: string | undefined;
  /** When the event was appended, by the environment's clock; never earlier than the event before it in the stream. */
  readonly recordedAt: StoredInstant;
  /** Version of the payload's shape. */
  readonly schemaVersion: number;
  /** The tenant and its environment: `<tenant>` for live, `<tenant>.test` for test. */
  readonly tenant: string;
  /**
   * Hash of the event before it in the stream; of the stream's name for the first one.
   * @pattern ^[0-9a-f]{64}$
   */
  readonly previousHash: string;
  /**
   * Hash of this event.
   * @pattern ^[0-9a-f]{64}$
   */
  readonly hash: string;
}
