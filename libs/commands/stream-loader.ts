import type { StreamCache } from './stream-cache.js';
import { entryFromSnapshot, type AnyKind, type PendingCommand, type StreamEntry } from './stream-entry.js';
import type { WriteCache } from './write-cache.js';

export interface LoaderOptions {
  readonly cache: StreamCache;
  readonly writeCache: WriteCache;
  /** Told of a command whose stream is in memory and whose key was looked up, or surely never used. */
  readonly arrived: (entry: StreamEntry, pending: PendingCommand) => void;
  readonly failed: (pending: PendingCommand, error: unknown) => void;
}

/**
 * Brings into memory what commands need before they can be decided: snapshots, receipts and tails, for all that came
 * since the last round at once. Commands of one stream arrive in the order in which they came.
 * @returns takes a command in
 */
export function createStreamLoader({
  cache,
  writeCache,
  arrived,
  failed,
}: LoaderOptions): (pending: PendingCommand) => void {
  let arrivals: PendingCommand[] = [];
  /** Streams with commands on their way: whoever comes later must not overtake them. */
  const arriving = new Map<string, number>();
  let loading = false;

  function admit(pending: PendingCommand): void {
    const { stream } = pending;
    const entry = cache.get(stream);
    if (entry && !arriving.has(stream) && isNew(pending)) {
      pending.lookedUpTo = entry.forgotten;
      return arrived(entry, pending);
    }
    arrivals.push(pending);
    arriving.set(stream, (arriving.get(stream) ?? 0) + 1);
    if (!loading) void loadArrivals();
  }

  const isNew = ({ commandId, request }: PendingCommand): boolean =>
    commandId === null || !writeCache.mayHold({ tenant: request.context.tenant, commandId });

  async function loadArrivals(): Promise<void> {
    loading = true;
    await Promise.resolve(); // lets commands of the same turn travel together
    while (arrivals.length > 0) {
      const batch = arrivals;
      arrivals = [];
      try {
        await load(batch);
      } catch (error) {
        for (const pending of batch) failed(pending, error);
      }
      for (const { stream } of batch) {
        const left = arriving.get(stream)! - 1;
        if (left === 0) arriving.delete(stream);
        else arriving.set(stream, left);
      }
    }
    loading = false;
  }

  async function load(batch: readonly PendingCommand[]): Promise<void> {
    const missing = new Map<string, { readonly kind: AnyKind; readonly commands: PendingCommand[] }>();
    for (const pending of batch) {
      const entry = cache.get(pending.stream);
      if (entry) pending.lookedUpTo = entry.forgotten;
      else {
        const others = missing.get(pending.stream);
        if (others) others.commands.push(pending);
        else missing.set(pending.stream, { kind: pending.kind, commands: [pending] });
      }
    }
    const keyed = batch.filter(({ commandId }) => commandId !== null);
    const { snapshots, receipts } = await writeCache.load(
      [...missing].filter(([, { kind }]) => kind.snapshots).map(([stream]) => stream),
      keyed.map(({ request, commandId }) => ({ tenant: request.context.tenant, commandId: commandId! })),
    );
    if (receipts.length > 0)
      for (const pending of keyed)
        pending.known = receipts.filter(
          ({ commandId, tenant }) =>
            commandId === pending.commandId && tenant === pending.request.context.tenant,
        );
    const unreadable = new Map<string, unknown>();
    const loaded = await Promise.all(
      [...missing].map(async ([stream, { kind, commands }]) => {
        try {
          const entry = entryFromSnapshot(stream, kind, snapshots.get(stream));
          // receipts behind the snapshot may be forgotten before these commands are decided
          for (const pending of commands) pending.lookedUpTo = entry.forgotten;
          await cache.readTail(entry);
          return entry;
        } catch (error) {
          unreadable.set(stream, error); // the other streams are none the worse for it
          return null;
        }
      }),
    );
    for (const entry of loaded) if (entry) cache.hold(cache.get(entry.name) ?? entry);
    for (const pending of batch) {
      const entry = cache.get(pending.stream);
      if (entry) arrived(entry, pending);
      else if (unreadable.has(pending.stream)) failed(pending, unreadable.get(pending.stream));
      else admit(pending); // evicted meanwhile
    }
  }

  return admit;
}
