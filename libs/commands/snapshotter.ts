import { tenantOfStream } from '#libs/event-types';
import { forgetReceipts, type StreamEntry } from './stream-entry.js';
import { noWriteCache, type StoredReceipt, type WriteCache } from './write-cache.js';

/**
 * Stores a snapshot of a stream now and then, with the receipts of all commands up to it, which memory need not keep any more.
 * @param onError told of one that could not be stored: the next append tries again
 * @returns looks whether a stream that was appended to is due
 */
export function createSnapshotter(
  writeCache: WriteCache,
  onError: (error: unknown) => void,
): (entry: StreamEntry) => void {
  return (entry) => {
    const { snapshots } = entry.kind;
    const { state, revision, position, hash, recordedAt } = entry.head;
    // what is kept nowhere may not be forgotten either
    if (!snapshots || writeCache === noWriteCache) return;
    const since = revision - entry.snapshotAt;
    if (since < snapshots.every || hash === null) return;
    if (since < Math.min(10 * snapshots.every, entry.kind.weight?.(state) ?? 1)) return;
    const previous = entry.snapshotAt;
    entry.snapshotAt = revision;
    const tenant = tenantOfStream(entry.name);
    const receipts: StoredReceipt[] = [];
    for (const [commandId, { revision: at, events, fingerprint }] of entry.receipts)
      if (at <= revision)
        receipts.push({ tenant, commandId, stream: entry.name, revision: at, events, fingerprint });
    writeCache
      .save(
        {
          stream: entry.name,
          version: snapshots.version,
          revision,
          position,
          hash,
          recordedAt,
          state: snapshots.of(state),
        },
        receipts,
      )
      .then(
        () => forgetReceipts(entry, revision),
        (error: unknown) => {
          entry.snapshotAt = previous;
          onError(error);
        },
      );
  };
}
