/**
 * Snapshots and receipts: what the writer keeps outside the log to answer faster. Derived from the log, and with it
 * alone everything is answered the same; both may be deleted together while no writer runs.
 */
export interface WriteCache {
  /** False for sure: no receipt of the command id is stored, by others as far as was known when a snapshot was last loaded. */
  mayHold(id: TenantCommandId): boolean;

  /** Newest snapshot of each stream that has one, and every receipt of the command ids, whatever their stream. */
  load(streams: readonly string[], commandIds: readonly TenantCommandId[]): Promise<CachedWrites>;

  /** Stores a snapshot and the receipts of every command up to it in one transaction; an older snapshot never replaces a newer one. */
  save(snapshot: Snapshot, receipts: readonly StoredReceipt[]): Promise<void>;
}

export interface TenantCommandId {
  readonly tenant: string;
  readonly commandId: string;
}

export interface CachedWrites {
  readonly snapshots: ReadonlyMap<string, Snapshot>;
  readonly receipts: readonly StoredReceipt[];
}

export interface Snapshot {
  readonly stream: string;
  /** Of the code that made `state`; another version is ignored. */
  readonly version: number;
  readonly revision: number;
  /** Position, hash and time of the event at `revision`. */
  readonly position: bigint;
  readonly hash: string;
  readonly recordedAt: number;
  readonly state: unknown;
}

/** Where in its stream the events of a command stand. */
export interface Receipt {
  /** Revision of the command's first event. */
  readonly revision: number;
  /** How many events follow each other there. */
  readonly events: number;
  readonly fingerprint: string;
}

export interface StoredReceipt extends Receipt, TenantCommandId {
  readonly stream: string;
}

/** For streams that live as long as the process: nothing is cached. */
export const noWriteCache: WriteCache = {
  mayHold: () => false,
  load: () => Promise.resolve({ snapshots: new Map(), receipts: [] }),
  save: () => Promise.resolve(),
};
