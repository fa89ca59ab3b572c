import { beforeEach } from '@jest/globals';
import { createStreamWriter, type CommandContext } from '#libs/commands';
import { createCatalogReader, type CatalogPorts, type CatalogReader } from '#libs/commands/catalog';
import type { EventStore } from '#libs/event-store';
import { createMemoryEventStore } from '#libs/event-store/memory';
import { Problem } from '#libs/kernel';

export const tenant = 'acme';

/** A catalogue on a log of its own, anew before each test; its clocks are moved by hand. */
export interface CatalogWorld {
  now: number;
  monotonic: number;
  eventStore: EventStore;
  ports: CatalogPorts;
  reader: CatalogReader;
  /** Another process on the same log. */
  openPorts(): CatalogPorts;
}

export function catalogWorld(): CatalogWorld {
  const world = {} as CatalogWorld;
  world.openPorts = () => {
    const writer = createStreamWriter({ eventStore: world.eventStore, clock: () => world.now });
    let made = 0;
    return {
      writer,
      reader: createCatalogReader({ writer, monotonic: () => world.monotonic }),
      newId: (prefix) => `${prefix}_${++made}`,
    };
  };
  beforeEach(() => {
    world.now = Date.UTC(2026, 0, 1);
    world.monotonic = 0;
    world.eventStore = createMemoryEventStore();
    world.ports = world.openPorts();
    world.reader = world.ports.reader;
  });
  return world;
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
