import type { DomainEvent, Instant } from '#libs/kernel';
import { NO_STREAM, type Position, type RecordedEvent } from '#libs/event-store';
import { recordedAtOf, upcast } from '#libs/event-types';
import type { CommandRequest, StreamKind, Written } from './stream-kind.js';
import type { Receipt, Snapshot, StoredReceipt } from './write-cache.js';

/** What the writer holds of any stream; the types of state and event belong to the kind alone. */
export type AnyKind = StreamKind<unknown, unknown, DomainEvent>;
export type AnyWritten = Written<unknown, DomainEvent>;

/** Where a stream stands: everything the next event depends on. */
export interface StreamHead {
  readonly state: unknown;
  readonly revision: number;
  readonly position: Position;
  /** Hash of the last event; null before the first. */
  readonly hash: string | null;
  readonly recordedAt: Instant;
}

/** A stream in memory. `receipts` are those of the commands behind `forgotten`. */
export interface StreamEntry {
  readonly name: string;
  readonly kind: AnyKind;
  head: StreamHead;
  readonly receipts: Map<string, Receipt>;
  /** Receipts up to this revision are in the write cache only. */
  forgotten: number;
  /** Revision of the last snapshot, stored or under way. */
  snapshotAt: number;
  /** What it took of the room for streams in memory when it was last counted. */
  counted: number;
  /** When the tail was last known to be the log's, in process time (ms). */
  freshAt: number;
  readonly queue: PendingCommand[];
  /** Its commands are in an append under way; what comes meanwhile waits for the outcome. */
  staged: boolean;
}

/** Where a key was first used, and with what. */
export type KeyUse = Pick<StoredReceipt, 'stream' | 'fingerprint'>;

/** A command on its way. */
export interface PendingCommand {
  readonly stream: string;
  readonly kind: AnyKind;
  readonly request: CommandRequest<unknown>;
  readonly commandId: string | null;
  readonly fingerprint: string;
  /** Receipts of the command id in the write cache, on any stream; valid for revisions up to `lookedUpTo` of its own. */
  known: readonly StoredReceipt[];
  lookedUpTo: number;
  /** Another stream on which the key was used just now. */
  elsewhere: KeyUse | null;
  attempts: number;
  /** Its caller has been answered. */
  settled: boolean;
  resolve(written: AnyWritten): void;
  reject(error: unknown): void;
}

export function emptyEntry(name: string, kind: AnyKind): StreamEntry {
  return {
    name,
    kind,
    head: { state: kind.decider.initialState, revision: NO_STREAM, position: 0n, hash: null, recordedAt: 0 },
    receipts: new Map(),
    forgotten: NO_STREAM,
    snapshotAt: NO_STREAM,
    counted: 0,
    freshAt: 0,
    queue: [],
    staged: false,
  };
}

/** The entry a snapshot makes, to be followed by the events behind it. */
export function entryFromSnapshot(name: string, kind: AnyKind, snapshot: Snapshot | undefined): StreamEntry {
  const entry = emptyEntry(name, kind);
  if (snapshot === undefined || kind.snapshots?.version !== snapshot.version) return entry;
  const { revision, position, hash, recordedAt } = snapshot;
  entry.head = { state: kind.snapshots.from(snapshot.state), revision, position, hash, recordedAt };
  entry.forgotten = revision;
  entry.snapshotAt = revision;
  return entry;
}

/** Folds in what the log holds behind the entry; an event that is already in is passed over. @throws UnknownEvent */
export function foldRecorded(entry: StreamEntry, event: RecordedEvent): void {
  if (event.revision <= entry.head.revision) return;
  if (event.revision !== entry.head.revision + 1)
    throw new Error(`${event.stream}: revision ${event.revision} follows ${entry.head.revision}`);
  const { type, data } = upcast(event, entry.kind.eventTypes);
  entry.head = {
    state: entry.kind.decider.evolve(entry.head.state, { type, data }),
    revision: event.revision,
    position: event.position,
    hash: String(event.metadata['hash']),
    recordedAt: recordedAtOf(event),
  };
  const { commandId, fingerprint } = event.metadata;
  if (typeof commandId !== 'string') return;
  const known = entry.receipts.get(commandId);
  if (known) entry.receipts.set(commandId, { ...known, events: known.events + 1 });
  else if (typeof fingerprint === 'string')
    entry.receipts.set(commandId, { revision: event.revision, events: 1, fingerprint });
}

/** Drops the receipts that the write cache holds now. */
export function forgetReceipts(entry: StreamEntry, upTo: number): void {
  for (const [commandId, receipt] of entry.receipts) {
    if (receipt.revision > upTo) break; // they stand in the order of their revisions
    entry.receipts.delete(commandId);
  }
  entry.forgotten = Math.max(entry.forgotten, upTo);
}
