import type { CreditEvent } from '#libs/credits';
import { chainEvent, NO_STREAM, type EventStore, type Position } from '#libs/event-store';
import { eventTypesOf } from '#libs/event-types';
import { formatInstant, type Instant } from '#libs/kernel';

/** An event as any version of the product may have stored it; without `schemaVersion` it says none. */
export interface GivenEvent {
  readonly stream: string;
  readonly type: string;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly schemaVersion?: unknown;
  readonly recordedAt?: string;
}

/** Appends an event behind the product's back, at the end of its stream and with its chain whole. @returns its position */
export async function appendEvent(
  eventStore: EventStore,
  { stream, type, data = {}, schemaVersion, recordedAt = '2026-01-01T00:00:00.000Z' }: GivenEvent,
): Promise<Position> {
  let expectedRevision = NO_STREAM;
  let previousHash: string | null = null;
  for await (const { revision, metadata } of eventStore.readStream(stream)) {
    expectedRevision = revision;
    previousHash = metadata['hash'] as string;
  }
  const { event } = chainEvent({
    stream,
    previousHash,
    type,
    data,
    metadata: { recordedAt, schemaVersion, tenant: 't' },
  });
  const [result] = await eventStore.append([{ stream, expectedRevision, events: [event] }]);
  if (result?.outcome !== 'appended') throw new Error(`${stream}: ${JSON.stringify(result)}`);
  return result.positions[0]!;
}

/** Appends facts to accounts of a log that nobody else writes to. */
export function appendFacts(eventStore: EventStore) {
  const ends = new Map<string, { readonly revision: number; readonly hash: string | null }>();
  return async (stream: string, facts: readonly CreditEvent[], now: Instant): Promise<void> => {
    let { revision: expectedRevision, hash: previousHash } = ends.get(stream) ?? { revision: -1, hash: null };
    if (facts.length === 0) return;
    const events = facts.map(({ type, data }) => {
      const { event, hash } = chainEvent({
        stream,
        previousHash,
        type,
        data: data as unknown as Record<string, unknown>,
        metadata: {
          recordedAt: formatInstant(now),
          schemaVersion: eventTypesOf('creditAccount').get(type)!.version,
          tenant: 't',
        },
      });
      previousHash = hash;
      return event;
    });
    await eventStore.append([{ stream, expectedRevision, events }]);
    ends.set(stream, { revision: (expectedRevision += events.length), hash: previousHash });
  };
}
