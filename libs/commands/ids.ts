import { createHash } from 'node:crypto';
import { TypeID } from 'typeid-js';

/** Makes a new id `<prefix>_<26 characters>`, sortable by time. A port: libraries have neither clock nor chance. */
export type NewId = (prefix: string) => string;

/**
 * The id that a key stands for: the same for the same parts, in every process and for ever, so that a create sent again
 * meets its own stream. Not ordered by time.
 */
export function derivedId(prefix: string, ...parts: readonly string[]): string {
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest();
  return TypeID.fromUUIDBytes(prefix, new Uint8Array(digest.subarray(0, 16))).toString();
}

/** The id of a new object: the caller's own, else derived from the idempotency key, else a new one. */
export function chooseId(newId: NewId, prefix: string, { given, tenant, operation, key }: IdSource): string {
  if (given !== undefined) return given;
  return key === undefined ? newId(prefix) : derivedId(prefix, tenant, operation, key);
}

export interface IdSource {
  readonly given?: string | undefined;
  readonly tenant: string;
  readonly operation: string;
  /** The caller's idempotency key. */
  readonly key?: string | undefined;
}
