import { beforeEach } from '@jest/globals';
import { createStreamWriter, type CommandContext } from '#libs/commands';
import {
  createCatalogReader,
  type CatalogIndex,
  type CatalogPorts,
  type CatalogReader,
} from '#libs/commands/catalog';
import { versionOf, type Document, type Plan } from '#libs/catalog';
import type { EventStore } from '#libs/event-store';
import { createMemoryEventStore } from '#libs/event-store/memory';
import { Problem } from '#libs/kernel';
import { logSoFar } from './log-so-far.js';

export const tenant = 'acme';

/** A catalogue on a log of its own, anew before each test; its clocks are moved by hand. */
export interface CatalogWorld {
  now: number;
  monotonic: number;
  /** In the time of `monotonic`. */
  learnedUpTo: number;
  eventStore: EventStore;
  ports: CatalogPorts;
  reader: CatalogReader;
  /** Another process on the same log. */
  openPorts(): CatalogPorts;
  /** Begins anew, on a log of its own. */
  reset(): Promise<void>;
}

export function catalogWorld(): CatalogWorld {
  const world = {} as CatalogWorld;
  world.openPorts = () => {
    const writer = createStreamWriter({ eventStore: world.eventStore, clock: () => world.now });
    let made = 0;
    return {
      writer,
      reader: createCatalogReader({
        writer,
        index: catalogIndexOf(world.eventStore),
        monotonic: () => world.monotonic,
        learnedUpTo: () => world.learnedUpTo,
      }),
      newId: (prefix) => `${prefix}_${++made}`,
    };
  };
  world.reset = () => {
    world.now = Date.UTC(2026, 0, 1);
    world.monotonic = 0;
    world.learnedUpTo = -Infinity;
    world.eventStore = createMemoryEventStore();
    world.ports = world.openPorts();
    world.reader = world.ports.reader;
    return Promise.resolve();
  };
  beforeEach(() => world.reset());
  return world;
}

/** What the catalogue's index says, found in the log itself. */
export function catalogIndexOf(eventStore: EventStore): CatalogIndex {
  const documents = logSoFar(eventStore, ({ stream, data }) =>
    'attributes' in data ? [{ stream, created: data as unknown as Created }] : [],
  );
  const created = async (category: string, tenantName: string): Promise<readonly Created[]> =>
    (await documents())
      .filter(({ stream }) => stream.startsWith(`${category}-${tenantName}_`))
      .map((document) => document.created);
  const versions = async (tenantName: string, stablePlanId: string): Promise<readonly string[]> =>
    (await created('plan', tenantName))
      .filter((plan) => versionOf(plan as unknown as Document<Plan>).stablePlanId === stablePlanId)
      .map(({ id }) => id);
  const idsOf = async (category: string, tenantName: string, planIds: readonly string[]) =>
    (await created(category, tenantName))
      .filter(({ attributes }) => planIds.includes(attributes.planId ?? ''))
      .map(({ id }) => id);
  return {
    versionsOfPlan: versions,
    pricesOfPlan: (tenantName, planId) => idsOf('price', tenantName, [planId]),
    definitionsOfPlan: async (tenantName, stablePlanId) =>
      idsOf('creditDefinition', tenantName, await versions(tenantName, stablePlanId)),
  };
}

interface Created {
  readonly id: string;
  readonly attributes: { readonly planId?: string };
}

export const context = (idempotencyKey?: string): CommandContext => ({
  tenant,
  actor: 'key',
  correlationId: 'c',
  idempotencyKey,
});
export const asked = context();

export async function problemOf(promise: Promise<unknown>): Promise<Problem> {
  const error = await promise.then(
    () => new Error('nothing was refused'),
    (reason: unknown) => reason,
  );
  if (error instanceof Problem) return error;
  throw error;
}

export const issuesOf = async (promise: Promise<unknown>): Promise<readonly string[]> =>
  ((await problemOf(promise)).errors ?? []).map(({ pointer, code }) => `${pointer} ${code}`);
