import { randomBytes } from 'node:crypto';
import type { Document } from '#libs/catalog';
import type { Checkpoint } from '#libs/event-store';
import { categoryOf, streamName, upcast, type ApiKeyEvent } from '#libs/event-types';
import {
  apiKeys,
  follow,
  identifyKey,
  installation,
  keyPrefix,
  keyValue,
  readKeyValue,
  SYSTEM_TENANT,
  type ApiKey,
  type ApiKeyCommand,
  type CommandContext,
  type Environment,
  type KeyKind,
  type Lookup,
} from '#libs/commands';
import type { Runtime } from './runtime.js';

/** The tenant of a single-company installation; its test environment is `default.test`. */
export const DEFAULT_TENANT = 'default';

export interface NewKey {
  readonly tenant: string;
  readonly environment: Environment;
  readonly kind: KeyKind;
  readonly name: string;
  /** The value to use; a new one when absent. */
  readonly value?: string;
}

/** Stores a key and gives its value, which nothing can give again but for a publishable one. */
export async function createKey(
  { writer }: Pick<Runtime, 'writer'>,
  context: Omit<CommandContext, 'tenant' | 'idempotencyKey'>,
  { tenant, environment, kind, name, value = keyValue(kind, environment, randomSecret()) }: NewKey,
): Promise<{ readonly key: ApiKey; readonly value: string }> {
  const { id, hash } = identifyKey(value);
  const written = await writer.execute(apiKeys, id, {
    context: { ...context, tenant: SYSTEM_TENANT },
    operation: 'apiKeys.create',
    input: {},
    command: (now): ApiKeyCommand => ({
      type: 'Create',
      now,
      key: {
        ...{ id, tenant, environment, kind, name, prefix: keyPrefix(value), hash },
        ...(kind === 'publishable' ? { value } : {}),
      },
    }),
  });
  return { key: (await written.stateAfter())!, value };
}

const KINDS: readonly KeyKind[] = ['secret', 'publishable', 'trigger'];

/**
 * Makes the first keys: those the configuration names, and at the very first start one of each kind for each environment
 * that has none named. Named keys are made at every start, so that a new value takes effect.
 * @returns the values that were generated, to be shown once
 */
export async function bootstrapKeys(
  runtime: Runtime,
): Promise<readonly { readonly key: ApiKey; readonly value: string }[]> {
  const { config, writer } = runtime;
  const context = { actor: 'bootstrap', correlationId: 'bootstrap' };
  const named = [config.bootstrapSecretKey, config.bootstrapPublishableKey, config.bootstrapTriggerKey]
    .filter((value) => value !== undefined)
    .map((value) => ({ value, ...readKeyValue(value)! }));
  const before = await writer.read(installation, SYSTEM_TENANT, INSTALLATION);
  for (const { value, kind, environment } of named)
    await createKey(runtime, context, {
      tenant: DEFAULT_TENANT,
      environment,
      kind,
      name: `bootstrap ${kind}`,
      value,
    });
  if (before.state) return [];
  const environments: readonly Environment[] =
    named.length === 0 ? ['live', 'test'] : [...new Set(named.map(({ environment }) => environment))];
  const generated: { key: ApiKey; value: string }[] = [];
  for (const environment of environments)
    for (const kind of KINDS)
      if (!named.some((key) => key.environment === environment && key.kind === kind))
        generated.push(
          await createKey(runtime, context, {
            tenant: DEFAULT_TENANT,
            environment,
            kind,
            name: `first ${environment} ${kind}`,
          }),
        );
  await writer.execute(installation, INSTALLATION, {
    context: { ...context, tenant: SYSTEM_TENANT },
    operation: 'installation.start',
    input: {},
    command: (now) => ({ now }),
  });
  return generated;
}

const INSTALLATION = 'first-start';

/** A key as it is shown. */
export interface ShownKey extends Pick<
  ApiKey,
  'id' | 'tenant' | 'environment' | 'name' | 'prefix' | 'createdAt' | 'revokedAt'
> {
  readonly keyType: KeyKind;
  /** Its value, where that is public. */
  readonly key: string | null;
}

export const shownKey = (key: Omit<ApiKey, 'hash'>): ShownKey => {
  const { id, tenant, environment, name, kind: keyType, prefix, value = null, createdAt, revokedAt } = key;
  return { id, tenant, environment, name, keyType, prefix, key: value, createdAt, revokedAt };
};

/**
 * Every key of every tenant, oldest first: as the read model has it, where it was made from this log, and on from there as
 * the log has it up to now. Where nothing was projected yet that is the whole log.
 */
export async function listKeys({
  pool,
  eventStore,
}: Pick<Runtime, 'pool' | 'eventStore'>): Promise<readonly ShownKey[]> {
  const end = await eventStore.head();
  const { rows } = await pool.query<{
    checkpoint: Checkpoint | null;
    body: Document<Omit<ApiKey, 'id' | 'createdAt' | 'revokedAt' | 'hash'>> | null;
  }>(
    `select at.checkpoint, key.body from read_models.checkpoints at
     left join read_models.catalog key on key.kind = 'apiKey'
     where at.projection = 'catalog' and at.log = $1 order by key.created_position`,
    [eventStore.identity],
  );
  const keys = new Map<string, ApiKey>();
  for (const { body } of rows)
    if (body) {
      // the read model keeps no hash, and nobody is shown one
      const { id, attributes, createdAt, archivedAt } = body;
      keys.set(streamOf(id), { id, ...attributes, createdAt, revokedAt: archivedAt, hash: '' });
    }
  let read = { checkpoint: rows[0]?.checkpoint ?? null, position: 0n };
  while (read.position < end) {
    const slice = await eventStore.readAll(read.checkpoint, 1000);
    if (slice.events.length === 0) break;
    for (const event of slice.events)
      if (categoryOf(event.stream) === apiKeys.category) {
        const fact = upcast(event, apiKeys.eventTypes) as unknown as ApiKeyEvent;
        const key = apiKeys.decider.evolve(keys.get(event.stream) ?? null, fact);
        if (key) keys.set(event.stream, key);
      }
    read = slice;
  }
  return [...keys.values()].map(shownKey);
}

const streamOf = (id: string): string => streamName(apiKeys.category, SYSTEM_TENANT, id);

/** @throws Problem `not_found` */
export async function revokeKey(
  { writer, catalog }: Pick<Runtime, 'writer'> & Partial<Pick<Runtime, 'catalog'>>,
  context: Omit<CommandContext, 'tenant'>,
  id: string,
): Promise<{ readonly key: ApiKey; readonly position: bigint; readonly replayed: boolean }> {
  const written = await writer.execute(apiKeys, id, {
    context: { ...context, tenant: SYSTEM_TENANT },
    operation: 'apiKeys.revoke',
    input: {},
    command: (now): ApiKeyCommand => ({ type: 'Revoke', now }),
  });
  const key = (await written.stateAfter())!;
  catalog?.remember(apiKeys, SYSTEM_TENANT, id, key, written.revision);
  return { key, position: written.position, replayed: written.replayed };
}

/** The key with this value, if it is in force; at most a second behind what another process did to it. */
export function findKey({ catalog }: Pick<Runtime, 'catalog'>, value: string): Lookup<ApiKey> {
  if (!readKeyValue(value)) return null;
  const { id, hash } = identifyKey(value);
  return follow(catalog.apiKey(id), (key) => (key?.hash === hash && key.revokedAt === null ? key : null));
}

/** 256 random bits, as a new API key carries them. */
const randomSecret = (): string => randomBytes(32).toString('base64url');
