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

export function createRecentKeys(most: number = MOST): RecentKeys {
  let young = new Map<string, KeyUse>();
  let old = new Map<string, KeyUse>();

  function set(key: string, use: KeyUse): void {
    young.set(key, use);
    if (young.size < most) return;
    old = young;
    young = new Map();
  }

  return {
    recall(stream, commands) {
      const scope = scopeOf(stream);
      for (const pending of commands) {
        if (pending.commandId === null) continue;
        const key = scope + pending.commandId;
        const use = young.get(key) ?? old.get(key);
        pending.elsewhere = use && use.stream !== stream ? use : null;
      }
    },
    note({ entry, outcomes }) {
      const scope = scopeOf(entry.name);
      for (const { did, pending } of outcomes)
        if (did === 'write' && pending.commandId !== null)
          set(scope + pending.commandId, { stream: entry.name, fingerprint: pending.fingerprint });
    },
    forget({ entry, outcomes }) {
      const scope = scopeOf(entry.name);
      for (const { did, pending } of outcomes) {
        if (did !== 'write' || pending.commandId === null) continue;
        young.delete(scope + pending.commandId);
        old.delete(scope + pending.commandId);
      }
    },
    learn(event) {
      const fingerprint = metadataMember(event, 'fingerprint');
      const commandId = metadataMember(event, 'commandId');
      if (typeof fingerprint !== 'string' || typeof commandId !== 'string') return;
      const key = scopeOf(event.stream) + commandId;
      if (!young.has(key)) set(key, { stream: event.stream, fingerprint });
    },
  };
}

/** Category and tenant: one call may write to streams of several categories under its key, but to one of each. */
const scopeOf = (stream: string): string => stream.slice(0, stream.indexOf('_') + 1);
