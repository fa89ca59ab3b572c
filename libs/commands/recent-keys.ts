import type { RecordedEvent } from '#libs/event-store';
import { metadataMember } from '#libs/event-types';
import type { StagedStream } from './stage.js';
import type { KeyUse, PendingCommand } from './stream-entry.js';

/** Keys that were used last on any stream, so that one is known again on another before its receipt is stored. */
export interface RecentKeys {
  /** Tells commands where else in their category their keys were used. */
  recall(stream: string, commands: readonly PendingCommand[]): void;
  /** Its commands are about to be recorded. */
  note(staged: StagedStream): void;
  /** They were not. */
  forget(staged: StagedStream): void;
  /** Somebody else recorded it. */
  learn(event: RecordedEvent): void;
}

/** Keys of one generation; two are kept. */
const MOST = 50_000;

/** By scope: a key that is put together anew for every look costs more than the look. */
type Generation = Map<string, Map<string, KeyUse>>;

export function createRecentKeys(): RecentKeys {
  let young: Generation = new Map();
  let old: Generation = new Map();
  let count = 0;

  function set(scope: string, commandId: string, use: KeyUse): void {
    const keys = young.get(scope) ?? new Map<string, KeyUse>();
    if (keys.size === 0) young.set(scope, keys);
    keys.set(commandId, use);
    if (++count < MOST) return;
    old = young;
    young = new Map();
    count = 0;
  }

  return {
    recall(stream, commands) {
      const scope = scopeOf(stream);
      const keys = young.get(scope);
      const older = old.get(scope);
      if (!keys && !older) return;
      for (const pending of commands) {
        if (pending.commandId === null) continue;
        const use = keys?.get(pending.commandId) ?? older?.get(pending.commandId);
        pending.elsewhere = use && use.stream !== stream ? use : null;
      }
    },
    note({ entry, outcomes }) {
      const scope = scopeOf(entry.name);
      for (const { did, pending } of outcomes)
        if (did === 'write' && pending.commandId !== null)
          set(scope, pending.commandId, { stream: entry.name, fingerprint: pending.fingerprint });
    },
    forget({ entry, outcomes }) {
      const scope = scopeOf(entry.name);
      for (const { did, pending } of outcomes) {
        if (did !== 'write' || pending.commandId === null) continue;
        young.get(scope)?.delete(pending.commandId);
        old.get(scope)?.delete(pending.commandId);
      }
    },
    learn(event) {
      const fingerprint = metadataMember(event, 'fingerprint');
      const commandId = metadataMember(event, 'commandId');
      if (typeof fingerprint !== 'string' || typeof commandId !== 'string') return;
      const scope = scopeOf(event.stream);
      if (!young.get(scope)?.has(commandId)) set(scope, commandId, { stream: event.stream, fingerprint });
    },
  };
}

/** Category and tenant: one call may write to streams of several categories under its key, but to one of each. */
const scopeOf = (stream: string): string => stream.slice(0, stream.indexOf('_') + 1);
