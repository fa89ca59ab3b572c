import { formatInstant, inCanonicalOrder, Problem, type DomainEvent, type Instant } from '#libs/kernel';
import { chainEvent, type NewEvent } from '#libs/event-store';
import type { EventMetadata } from '#libs/event-types';
import { differingMembers } from './fingerprint.js';
import type { AnyKind, PendingCommand, StreamEntry, StreamHead } from './stream-entry.js';
import type { CommandContext } from './stream-kind.js';
import type { Receipt } from './write-cache.js';

/** What became of a command while its stream was staged; nothing of it holds before the append. */
export type StagedOutcome = { readonly pending: PendingCommand } & (
  | {
      readonly did: 'write';
      readonly events: readonly DomainEvent[];
      readonly first: number;
      readonly after: StreamHead;
    }
  | { readonly did: 'nothing'; readonly after: StreamHead }
  | { readonly did: 'replay'; readonly receipt: Receipt }
  /** The same key stands earlier in this very batch. */
  | { readonly did: 'repeat'; readonly of: PendingCommand }
  | { readonly did: 'refuse'; readonly problem: unknown }
  /** The write cache must be asked again before this command can be decided. */
  | { readonly did: 'look up' }
);

export interface StagedStream {
  readonly entry: StreamEntry;
  readonly expectedRevision: number;
  readonly newEvents: readonly NewEvent[];
  readonly outcomes: readonly StagedOutcome[];
  /** Where the stream stands once the events are appended (its position is not known before). */
  readonly head: StreamHead;
  /** Commands that did not fit into one append. */
  readonly rest: readonly PendingCommand[];
  /** More is due than goes into one append: the events are what time made due, to be written before `rest` is decided. */
  readonly settling: boolean;
}

/** Keeps one append of one stream below what every store accepts. */
const MAX_STAGED_BYTES = 600 * 1024;

/**
 * Settles what time has made due, then decides each command on the state the one before it left.
 * Pure: the same entry, commands and time give the same events, ids included.
 */
export function stage(entry: StreamEntry, commands: readonly PendingCommand[], clock: Instant): StagedStream {
  const { kind, name } = entry;
  const now = Math.max(clock, entry.head.recordedAt);
  const newEvents: NewEvent[] = [];
  const outcomes: StagedOutcome[] = [];
  /** By key; most streams have one command at a time. */
  const staged = commands.length > 1 ? new Map<string, PendingCommand>() : null;
  let head = entry.head;
  let bytes = 0;

  const record = (
    event: DomainEvent,
    context: CommandContext,
    command?: Pick<PendingCommand, 'commandId'> & { readonly fingerprint: string | undefined },
  ): void => {
    const { event: stored, hash } = chainEvent({
      stream: name,
      previousHash: head.hash,
      type: event.type,
      data: event.data,
      metadata: metadataOf(kind, event, context, now, command),
    });
    newEvents.push(stored);
    bytes += Buffer.byteLength(stored.data) + Buffer.byteLength(stored.metadata) + 100;
    head = {
      state: kind.decider.evolve(head.state, event),
      revision: head.revision + 1,
      position: head.position,
      hash,
      recordedAt: now,
    };
  };

  /** @returns false when there is more to come. */
  const settle = (context: CommandContext): boolean => {
    while (bytes <= MAX_STAGED_BYTES / 2) {
      const due = kind.settle!(head.state, now);
      if (due.length === 0) return true;
      for (const event of due) record(event, { ...context, actor: 'time' });
    }
    return false;
  };

  let settled = !kind.settle;
  let settling = false;
  let taken = 0;
  for (const pending of commands) {
    if (bytes > MAX_STAGED_BYTES) break;
    taken++;
    const { commandId, request } = pending;
    const before = commandId === null ? undefined : staged?.get(commandId);
    const outcome = before ? repeated(pending, before) : receiptOutcome(entry, pending);
    if (outcome) {
      outcomes.push(outcome);
      continue;
    }
    if (!settled && request.settleFirst !== false) {
      settled = settle(request.context);
      if (!settled) {
        settling = true;
        taken--;
        break;
      }
    }
    const mark = { head, bytes, count: newEvents.length };
    try {
      // the caller is answered from the events as the log will give them back, to the byte
      const events = decide(kind, head.state, pending, now).map(({ type, data }) => ({
        type,
        data: inCanonicalOrder(data),
      }));
      // only the first event of a command carries the fingerprint
      events.forEach((event, index) =>
        record(event, request.context, index === 0 ? pending : { commandId, fingerprint: undefined }),
      );
      if (bytes - mark.bytes > MAX_STAGED_BYTES / 2)
        throw new Problem('body_too_large', 'The command makes more than 300 KiB of events.');
      if (events.length === 0) outcomes.push({ pending, did: 'nothing', after: head });
      else outcomes.push({ pending, did: 'write', events, first: mark.head.revision + 1, after: head });
      if (commandId !== null && events.length > 0) staged?.set(commandId, pending);
    } catch (problem) {
      ({ head, bytes } = mark);
      newEvents.length = mark.count;
      outcomes.push({ pending, did: 'refuse', problem });
    }
  }
  return {
    entry,
    expectedRevision: entry.head.revision,
    newEvents,
    outcomes,
    head,
    rest: commands.slice(taken),
    settling,
  };
}

/** The facts of a command; under a key also that there were none, where the request wants that remembered. */
function decide(
  { decider }: AnyKind,
  state: unknown,
  { commandId, request: { command: commandAt, operation, refusals } }: PendingCommand,
  now: Instant,
): readonly DomainEvent[] {
  const command = commandAt(now);
  if (commandId === null || !refusals) return decider.decide(command, state);
  try {
    const events = decider.decide(command, state);
    return events.length > 0 ? events : [{ type: 'NothingChanged', data: { operation } }];
  } catch (problem) {
    if (!(problem instanceof Problem) || !refusals.includes(problem.code)) throw problem;
    const { code, detail } = problem;
    return [{ type: 'CommandRefused', data: { operation, code, detail } }];
  }
}

/** What the key's earlier use makes of a command; undefined when the key is new. */
function receiptOutcome(entry: StreamEntry, pending: PendingCommand): StagedOutcome | undefined {
  const { commandId } = pending;
  if (commandId === null) return undefined;
  const own = entry.receipts.get(commandId) ?? pending.known.find(({ stream }) => stream === entry.name);
  if (own) {
    const problem = reuse(own.fingerprint, pending);
    return problem ? { pending, did: 'refuse', problem } : { pending, did: 'replay', receipt: own };
  }
  const elsewhere = pending.known[0] ?? pending.elsewhere;
  if (elsewhere) return { pending, did: 'refuse', problem: usedElsewhere(elsewhere.fingerprint, pending) };
  return entry.forgotten > pending.lookedUpTo ? { pending, did: 'look up' } : undefined;
}

function repeated(pending: PendingCommand, of: PendingCommand): StagedOutcome {
  const problem = reuse(of.fingerprint, pending);
  return problem ? { pending, did: 'refuse', problem } : { pending, did: 'repeat', of };
}

function reuse(fingerprint: string, pending: PendingCommand): Problem | undefined {
  const differing = differingMembers(fingerprint, pending.fingerprint);
  return differing.length === 0 ? undefined : keyReused(differing);
}

/** The same input for another object: its id stands in the path. */
const usedElsewhere = (fingerprint: string, pending: PendingCommand): Problem =>
  reuse(fingerprint, pending) ??
  new Problem('idempotency_key_reused', 'The key was used before for another object.');

const keyReused = (differing: readonly string[]): Problem =>
  new Problem(
    'idempotency_key_reused',
    `The key was used before with another input; ${differing.join(', ')} ${differing.length === 1 ? 'differs' : 'differ'}.`,
    differing.map((member) => ({
      pointer: `/${member}`,
      code: 'differs',
      message: 'differs from the first use of the key',
    })),
  );

function versionOf({ category, eventTypes }: AnyKind, { type }: DomainEvent): number {
  const known = eventTypes.get(type);
  if (known === undefined) throw new Error(`${type} is no registered event of category ${category}`);
  return known.version;
}

function metadataOf(
  kind: AnyKind,
  event: DomainEvent,
  { tenant, actor, correlationId }: CommandContext,
  now: Instant,
  command: { readonly commandId: string | null; readonly fingerprint: string | undefined } | undefined,
): Omit<EventMetadata, 'hash' | 'previousHash'> & Record<'hash' | 'previousHash', undefined> {
  return {
    actor,
    commandId: command?.commandId ?? undefined,
    correlationId,
    effectiveAt: kind.effectiveAt?.(event),
    fingerprint: command?.fingerprint,
    // set by the chain; in their places, so that nothing has to be brought into order
    hash: undefined,
    previousHash: undefined,
    recordedAt: formatInstant(now),
    schemaVersion: versionOf(kind, event),
    tenant,
  };
}
