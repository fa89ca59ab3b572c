import type { Decider, DomainEvent, ErrorCode, Instant, Json } from '#libs/kernel';
import type { Position } from '#libs/event-store';
import type { CategoryTypes } from '#libs/event-types';

/** What the writer must know of one category of streams. */
export interface StreamKind<State, Command, Event extends DomainEvent> {
  /** Before the first dash of the stream's name. */
  readonly category: string;
  readonly decider: Decider<State, Command, Event>;
  /**
   * Facts that time has made due up to and including `now`, in order; appended in front of every decision. As many as go
   * into one append: it is asked again, with these folded in, until there are none.
   */
  readonly settle?: (state: State, now: Instant) => readonly Event[];
  /** The types of its events: which version is written, and how older ones are read. */
  readonly eventTypes: CategoryTypes;
  /** When an event counts, where that is not the moment of recording; stored in its metadata. */
  readonly effectiveAt?: (event: Event) => string | undefined;
  /** Rough count of what a state holds on to in memory; 1 when absent. */
  readonly weight?: (state: State) => number;
  /** How a long stream's state is kept beside the log; without it the stream is folded from its start. */
  readonly snapshots?: {
    /** Stored snapshots of another version are ignored. */
    readonly version: number;
    /**
     * Events between two snapshots, which a cold load must fold at most. Where the state weighs more, as many as it weighs, up
     * to ten times as many: a large snapshot costs more to store.
     */
    readonly every: number;
    of(state: State): unknown;
    from(stored: unknown): State;
  };
}

/** Who asks, and under which key. */
export interface CommandContext {
  /** Tenant and environment in one: `<tenant>` live, `<tenant>.test` in test. No underscore, no dash. */
  readonly tenant: string;
  /** Id of the API key, or the job, that acts. */
  readonly actor: string;
  readonly correlationId: string;
  /** The caller's key, as sent. Absent: every call is a new intention. */
  readonly idempotencyKey?: string | undefined;
}

export interface CommandRequest<Command> {
  readonly context: CommandContext;
  /** Scope of the key, such as `customers.create`. */
  readonly operation: string;
  /** What the caller sent, as it is compared when the key is used again: members by name. */
  readonly input: { readonly [member: string]: Json | undefined };
  /** Makes the command once the writer knows the time. Must be pure: it is called again when the writer decides anew. */
  readonly command: (now: Instant) => Command;
  /**
   * Refusals that depend on the state. Under a key such a refusal leaves a fact (`CommandRefused`), and so does a command that
   * changes nothing (`NothingChanged`), so that the key is answered the same for ever. Absent: what is remembered is the decider's.
   */
  readonly refusals?: readonly ErrorCode[];
  /** False for the command that itself says up to when to settle. */
  readonly settleFirst?: false;
}

/** What a command did, whether now or when its key was first used. */
export interface Written<State, Event> {
  /** The command's own events; none when there was nothing to do. Facts that only time made due are not among them. */
  readonly events: readonly Event[];
  /** Revision of the stream after the command (of its last event, when it was replayed). */
  readonly revision: number;
  /** Position of the command's last event; of the stream's last event when there was nothing to do. */
  readonly position: Position;
  readonly recordedAt: Instant;
  /** True when the key had been used before: nothing was written now. */
  readonly replayed: boolean;
  /** The stream's state right after the command; for a replay it is folded again from the log. */
  stateAfter(): Promise<State>;
}

export interface StreamWriter {
  /**
   * Loads, settles, decides, appends. Commands on one stream take effect in the order of their arrival.
   * @throws Problem what the decider throws; `idempotency_key_reused` naming what differs; `write_conflict`,
   *   `store_unavailable`, `overloaded` and `shutting_down`, after which the same key may be sent again
   */
  execute<State, Command, Event extends DomainEvent>(
    kind: StreamKind<State, Command, Event>,
    id: string,
    request: CommandRequest<Command>,
  ): Promise<Written<State, Event>>;

  /**
   * The stream's state as recorded (not settled), at most `maxAgeMs` old (0: read the log's tail now).
   * A stream that does not exist is always looked up again.
   */
  read<State, Command, Event extends DomainEvent>(
    kind: StreamKind<State, Command, Event>,
    tenant: string,
    id: string,
    maxAgeMs?: number,
  ): Promise<{ readonly state: State; readonly revision: number; readonly position: Position }>;

  /** Position of the last event this process has appended to the tenant's streams of other categories than one; 0: none. */
  lastWritten(tenant: string, exceptCategory: string): Position;

  /** Position of the stream's last event as far as this process knows without asking; 0 when it knows nothing. */
  knownPosition(category: string, tenant: string, id: string): Position;
}
