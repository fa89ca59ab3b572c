import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { TypeID } from 'typeid-js';
import { formatInstant, Problem, type Decider, type Instant } from '#libs/kernel';
import {
  eventTypesOf,
  type ApiKeyCreated,
  type ApiKeyEvent,
  type Environment,
  type InstallationEvent,
  type KeyKind,
} from '#libs/event-types';
import type { StreamKind } from './stream-kind.js';

export type { Environment, KeyKind } from '#libs/event-types';

/** An API key as the log knows it: of its value the SHA-256 and the first characters, and all of it only where it is publishable. */
export interface ApiKey extends Omit<ApiKeyCreated, 'at'> {
  readonly createdAt: string;
  readonly revokedAt: string | null;
}

export type ApiKeyCommand =
  | { readonly type: 'Create'; readonly key: Omit<ApiKey, 'createdAt' | 'revokedAt'>; readonly now: Instant }
  | { readonly type: 'Revoke'; readonly now: Instant };

const apiKeyDecider: Decider<ApiKey | null, ApiKeyCommand, ApiKeyEvent> = {
  initialState: null,
  decide(command, key) {
    const at = formatInstant(command.now);
    if (command.type === 'Create')
      return key ? [] : [{ type: 'ApiKeyCreated', data: { ...command.key, at } }];
    if (!key) throw new Problem('not_found', 'There is no such API key.');
    return key.revokedAt ? [] : [{ type: 'ApiKeyRevoked', data: { at } }];
  },
  evolve(key, { type, data }) {
    if (type === 'ApiKeyRevoked') return key && { ...key, revokedAt: data.at };
    const { at, ...created } = data;
    return { ...created, createdAt: at, revokedAt: null };
  },
};

/** Keys are looked up before their tenant is known, so their streams belong to nobody: `apiKey-system_<id>`. */
export const SYSTEM_TENANT = 'system';

export const apiKeys: StreamKind<ApiKey | null, ApiKeyCommand, ApiKeyEvent> = {
  category: 'apiKey',
  decider: apiKeyDecider,
  eventTypes: eventTypesOf('apiKey'),
};

/** Ids by hashes: making one costs more than the hash. */
const ids = new LRUCache<string, string>({ max: 10_000 });

/** SHA-256 of a key's value, and the id that follows from its first 128 bits: whoever has the value finds the stream. */
export function identifyKey(value: string): { readonly id: string; readonly hash: string } {
  const sha256 = hash('sha256', value);
  let id = ids.get(sha256);
  if (id === undefined) {
    id = TypeID.fromUUIDBytes('key', new Uint8Array(Buffer.from(sha256.slice(0, 32), 'hex'))).toString();
    ids.set(sha256, id);
  }
  return { id, hash: sha256 };
}

const PREFIXES: Readonly<Record<KeyKind, string>> = { secret: 'sk', publishable: 'pk', trigger: 'tk' };
const VALUE = /^(sk|pk|tk)_(live|test)_[A-Za-z0-9_-]{16,200}$/;

/** A key's value from 256 random bits (43 characters of base64url). */
export const keyValue = (kind: KeyKind, environment: Environment, random: string): string =>
  `${PREFIXES[kind]}_${environment}_${random}`;

/** What a key's value says of itself; null when it is no key at all. */
export function readKeyValue(
  value: string,
): { readonly kind: KeyKind; readonly environment: Environment } | null {
  const match = VALUE.exec(value);
  if (!match) return null;
  const kind = (Object.keys(PREFIXES) as KeyKind[]).find((name) => PREFIXES[name] === match[1])!;
  return { kind, environment: match[2] as Environment };
}

/** The part of a key that may be shown again. */
export const keyPrefix = (value: string): string => value.slice(0, 12);

/** That the first keys were made, so that they are not made again. */
export const installation: StreamKind<boolean, { readonly now: Instant }, InstallationEvent> = {
  category: 'installation',
  eventTypes: eventTypesOf('installation'),
  decider: {
    initialState: false,
    decide: ({ now }, started) =>
      started ? [] : [{ type: 'InstallationStarted', data: { at: formatInstant(now) } }],
    evolve: () => true,
  },
};
