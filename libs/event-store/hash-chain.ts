import { hash as digest } from 'node:crypto';
import { canonicalJson, type Json } from '#libs/kernel';
import type { NewEvent, RecordedEvent } from './event-store.js';

/**
 * The hash chain of a stream: whoever changes, drops, inserts or swaps events after the fact is found out.
 * Anybody can check it with another program. All text is UTF-8, hashes are SHA-256 in lower-case hex:
 *
 *     previousHash(first event) = SHA-256(stream name)
 *     previousHash(event)       = hash(the event before it in the stream)
 *     hash(event)               = SHA-256(previousHash + '{"data":' + D + ',"metadata":' + M + ',"type":' + T + '}')
 *
 * D, M and T are the RFC 8785 forms of the event's data, of its metadata without the members `previousHash` and
 * `hash`, and of its type; what is hashed behind `previousHash` is thus the RFC 8785 form of {data, metadata, type}.
 * Both hashes are stored in the metadata. The event's id is a UUID (version 8) made of the first 16 bytes of its hash.
 *
 * The chain alone does not show that the last events of a stream are missing; compare `heads` with a copy kept elsewhere.
 */
export const genesisHash = (stream: string): string => digest('sha256', stream, 'hex');

type Members = Readonly<Record<string, unknown>>;

export interface ChainLink {
  readonly stream: string;
  /** The hash of the stream's last event; null for the first event. */
  readonly previousHash: string | null;
  readonly type: string;
  readonly data: Members;
  /** Without `previousHash` and `hash`; unset ones in their places save bringing the members into order. */
  readonly metadata: Members;
}

/**
 * The next event of a stream, linked to the one before it. The same input gives the same event, id included, so sending
 * it again is recognised by the store.
 * @throws Error when the metadata carries a hash already, or something is no JSON
 */
export function chainEvent({ stream, previousHash, type, data, metadata }: ChainLink): {
  event: NewEvent;
  hash: string;
} {
  if (metadata['hash'] !== undefined || metadata['previousHash'] !== undefined)
    throw new Error(`the metadata of ${type} carries a hash already`);
  const linkedTo = previousHash ?? genesisHash(stream);
  const text = canonicalJson(data as Json);
  const hash = hashOf(linkedTo, type, text, metadata);
  const stored = canonicalJson({ ...metadata, hash, previousHash: linkedTo });
  return { event: { id: idOf(hash), type, data: text, metadata: stored }, hash };
}

export interface ChainFault {
  readonly stream: string;
  readonly revision: number;
  readonly position: bigint;
  /** What is wrong with the event at this place; a missing event is reported at the one that follows it. */
  readonly reason: string;
}

export interface ChainVerifier {
  /** Checks the next event; the events of a stream from its first on, in order, streams mixed as they come. */
  check(event: RecordedEvent): ChainFault | null;
  /** Events checked so far. */
  readonly checked: number;
  /** Where each stream stands: what to compare with a copy kept elsewhere. */
  readonly heads: ReadonlyMap<string, { readonly revision: number; readonly hash: string }>;
}

/** Checks events as they are read; keeps one hash per stream. After a fault it goes on from the hash that is stored. */
export function createChainVerifier(): ChainVerifier {
  const heads = new Map<string, { readonly revision: number; readonly hash: string }>();
  let checked = 0;
  return {
    heads,
    get checked() {
      return checked;
    },
    check(event) {
      checked++;
      const { stream, revision, position, type, data, metadata } = event;
      const last = heads.get(stream);
      const { previousHash, hash } = metadata;
      const reasons: string[] = [];
      if (revision !== (last?.revision ?? -1) + 1)
        reasons.push(
          last
            ? `revision ${revision} follows ${last.revision}`
            : `the stream begins at revision ${revision}`,
        );
      if (typeof previousHash !== 'string' || typeof hash !== 'string')
        reasons.push('the event carries no hash');
      else {
        if (previousHash !== (last?.hash ?? genesisHash(stream)))
          reasons.push('previousHash is not the hash of the event before it');
        const text = canonicalJson(data as Json);
        if (hash !== hashOf(previousHash, type, text, unlinked(metadata)))
          reasons.push('the content does not match the hash');
        if (event.id !== idOf(hash)) reasons.push('the id does not match the hash');
      }
      heads.set(stream, { revision, hash: String(hash) });
      return reasons.length === 0 ? null : { stream, revision, position, reason: reasons.join('; ') };
    },
  };
}

/** Metadata without what links an event to the one before it. */
const unlinked = (metadata: Members): Members => ({ ...metadata, hash: undefined, previousHash: undefined });

const hashOf = (previousHash: string, type: string, data: string, metadata: Members): string =>
  digest(
    'sha256',
    `${previousHash}{"data":${data},"metadata":${canonicalJson(metadata as Json)},"type":${JSON.stringify(type)}}`,
    'hex',
  );

/** Version 8 (made by a rule of our own), variant 10; the other 122 bits are the hash's. */
function idOf(hash: string): string {
  const variant = '89ab'[Number.parseInt(hash[16] ?? '', 16) & 3];
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-${variant}${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}
