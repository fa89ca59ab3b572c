import type { DomainEvent, Json, StoredInstant } from '#libs/kernel';

/** The facts of the installation itself: keys, test clocks, jobs. */

export type KeyKind = 'secret' | 'publishable' | 'trigger';
export type Environment = 'live' | 'test';

export type ApiKeyEvent =
  DomainEvent<'ApiKeyCreated', ApiKeyCreated> | DomainEvent<'ApiKeyRevoked', ApiKeyRevoked>;

/** An API key was made. The value of one that opens more than pages show is nowhere, only the SHA-256 of it and the first characters. */
export interface ApiKeyCreated {
  readonly id: string;
  /** Without the environment. */
  readonly tenant: string;
  readonly environment: Environment;
  readonly kind: KeyKind;
  readonly name: string;
  /** For people to recognise it by. */
  readonly prefix: string;
  /**
   * SHA-256 of the value, hex.
   * @pattern ^[0-9a-f]{64}$
   */
  readonly hash: string;
  /** Of a publishable key alone: it is in pages that everybody can read. */
  readonly value?: string;
  readonly at: StoredInstant;
}

/** The key opens nothing any more. */
export interface ApiKeyRevoked {
  readonly at: StoredInstant;
}

export type InstallationEvent = DomainEvent<'InstallationStarted', InstallationStarted>;

/** The first keys were made, so that they are not made again. */
export interface InstallationStarted {
  readonly at: StoredInstant;
}

export type TestClockEvent = DomainEvent<'TestClockAdvanced', TestClockAdvanced>;

/** Time in a test environment was moved forward, and goes on from there. */
export interface TestClockAdvanced {
  /** The environment's time from now on. */
  readonly to: StoredInstant;
  /** The wall clock's time at that moment. */
  readonly wall: StoredInstant;
}

export type JobRunEvent = DomainEvent<'JobRan', JobRan>;

/** A job that was started under a key has run; under the same key it is answered so again. */
export interface JobRan {
  readonly answer: { readonly [member: string]: Json };
  readonly at: StoredInstant;
}
