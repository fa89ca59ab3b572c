import { LRUCache } from 'lru-cache';
import type { Instant } from '#libs/kernel';
import type { Position, RecordedEvent } from '#libs/event-store';
import { categoryOf, streamName, tenantOfStream } from '#libs/event-types';
import { entitlementsProjection } from './entitlements.projection.js';
import type { EntitlementFacts, FactsQuestion } from './facts-query.js';

/** Customers whose facts are kept. */
const MOST_CUSTOMERS = 50_000;
/** Streams of which it is known where they stand, in two generations; what is older than the older one is not kept. */
const MOST_STREAMS = 100_000;
/** Milliseconds after which facts are read again anyway: of a rebuild that mends a row the log says nothing. */
const MOST_MS = 60_000;
/** Milliseconds for which facts count without news from the log, even that there is none. */
const MAX_AGE = 1000;

/** What checks were answered from, for as long as the log says nothing new of it. */
export interface KeptFacts {
  /** Facts that hold now and reflect at least a position; undefined: they are to be read. */
  find(question: FactsQuestion, atLeast: Position): EntitlementFacts | undefined;
  /** Keeps what was read. Whether something was recorded meanwhile is found out when it is asked for. */
  keep(question: FactsQuestion, facts: EntitlementFacts): void;
  /** Takes in what the log holds, as it comes, without a gap. */
  learn(events: readonly RecordedEvent[]): void;
}

interface Kept {
  readonly since: Instant;
  /** Of `performance.now`. */
  readonly readAt: number;
  /** The streams that the facts are folded from. */
  readonly streams: readonly string[];
  /** Reflects a later position than it was read at, once the log has nothing new up to there. */
  readonly facts: { -readonly [Member in keyof EntitlementFacts]: EntitlementFacts[Member] };
}

/**
 * Facts depend on the streams of an account and of subscriptions, and on time no earlier than `exactUntil`. So they hold as
 * long as none of these streams goes on, which whoever learns what is recorded can tell without asking.
 * @param learnedUpTo all that was recorded before this time (of `performance.now`) was learned
 */
export function createKeptFacts(learnedUpTo: () => number): KeptFacts {
  const kept = new LRUCache<string, Kept>({ max: MOST_CUSTOMERS });
  /** Nothing is known of what was recorded up to here; null: of anything. */
  let unknownUpTo: Position | null = null;
  let learned: Position = 0n;
  /** Where streams stand that went on since, the later ones and those before them. */
  let changed = new Map<string, Position>();
  let before = new Map<string, Position>();
  /** Where the log stood when the later ones began. */
  let begun: Position = 0n;

  const areNewest = (streams: readonly string[], position: Position): boolean =>
    unknownUpTo !== null &&
    position >= unknownUpTo &&
    streams.every((stream) => (changed.get(stream) ?? before.get(stream) ?? 0n) <= position);

  /** What is kept of a customer, if it still holds. */
  function current(key: string, now: Instant): Kept['facts'] | undefined {
    const found = kept.get(key);
    if (!found) return undefined;
    const { since, readAt, streams, facts } = found;
    const inTime = now >= since && now < facts.exactUntil && performance.now() - readAt < MOST_MS;
    if (!inTime || !areNewest(streams, facts.position)) {
      kept.delete(key);
      return undefined;
    }
    if (learned > facts.position) facts.position = learned;
    return facts;
  }

  return {
    find({ tenant, customerId, meterIds, now }, atLeast) {
      if (performance.now() - learnedUpTo() >= MAX_AGE) return undefined;
      const facts = current(streamName('creditAccount', tenant, customerId), now);
      return facts && facts.position >= atLeast && meterIds.every((id) => facts.usage.has(id))
        ? facts
        : undefined;
    },

    keep({ tenant, customerId, now }, facts) {
      if (!facts.known || now >= facts.exactUntil) return;
      const key = streamName('creditAccount', tenant, customerId);
      const streams = [key, ...facts.subscriptionIds.map((id) => streamName('subscription', tenant, id))];
      if (!areNewest(streams, facts.position)) return;
      const known = current(key, now);
      kept.set(key, {
        since: now,
        readAt: performance.now(),
        streams,
        // both tell of the same state: of the usage of more meters together
        facts: known ? { ...facts, usage: new Map([...known.usage, ...facts.usage]) } : facts,
      });
    },

    learn(events) {
      const [first] = events;
      if (!first) return;
      unknownUpTo ??= first.position - 1n;
      learned = events.at(-1)!.position;
      for (const event of events) {
        const { stream, position } = event;
        const category = categoryOf(stream);
        if (!entitlementsProjection.categories.has(category)) continue;
        changed.set(stream, position);
        if (category !== 'subscription') continue;
        // who subscribes or takes a seat had nothing to do with the subscription before
        const { customerId } = event.data;
        if (typeof customerId === 'string')
          changed.set(streamName('creditAccount', tenantOfStream(stream), customerId), position);
      }
      if (changed.size <= MOST_STREAMS / 2) return;
      if (before.size > 0) unknownUpTo = begun;

      [before, changed, begun] = [changed, new Map<string, Position>(), learned];
    },
  };
}
