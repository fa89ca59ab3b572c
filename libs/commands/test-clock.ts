import { DAY, formatInstant, issue, Problem, readInstant, type Decider, type Instant } from '#libs/kernel';
import { eventTypesOf, type TestClockEvent } from '#libs/event-types';
import type { CommandContext, StreamKind, StreamWriter } from './stream-kind.js';

/** How far (ms) a test environment's time runs ahead of the wall clock; 0 or more. */
export type TestClock = number;
export interface AdvanceTestClock {
  readonly to: Instant;
  readonly wall: Instant;
}

/** Years of 365 days that a test clock runs ahead of the wall clock at most: time must not come to where calendars end. */
const MOST_YEARS = 100;

const decider: Decider<TestClock, AdvanceTestClock, TestClockEvent> = {
  initialState: 0,
  decide: ({ to, wall }, ahead) => {
    if (to <= wall + ahead) return [];
    if (to > wall + MOST_YEARS * 365 * DAY)
      throw new Problem('timestamp_in_future', `A test clock runs at most ${MOST_YEARS} years ahead.`, [
        issue('/timestamp', 'timestamp_in_future', `more than ${MOST_YEARS} years ahead of the wall clock`),
      ]);
    return [{ type: 'TestClockAdvanced', data: { to: formatInstant(to), wall: formatInstant(wall) } }];
  },
  evolve: (_, { data }) => readInstant(data.to) - readInstant(data.wall),
};

const testClocks: StreamKind<TestClock, AdvanceTestClock, TestClockEvent> = {
  category: 'testClock',
  decider,
  eventTypes: eventTypesOf('testClock'),
};

export interface Clocks {
  /** The environment's now: the wall clock, in a test environment moved ahead by its test clock. */
  now(tenant: string): Instant;
  /** Learns how another process moved a test clock, at most `maxAgeMs` late. Nothing to learn for live. */
  sync(tenant: string, maxAgeMs?: number): Promise<void>;
  /** Milliseconds of real time since an environment's clock was last seen to be moved; Infinity: never. */
  sinceMoved(tenant: string): number;
  /**
   * Moves a test clock forward; a time that is not ahead of now changes nothing.
   * @throws Problem `timestamp_in_future` more than 100 years ahead of the wall clock
   */
  advance(context: CommandContext, to: Instant): Promise<void>;
}

/** A test environment's tenant ends so; only there time may be moved. */
export const isTest = (tenant: string): boolean => tenant.endsWith('.test');

export function createClocks(wall: () => Instant): Clocks & { attach(writer: StreamWriter): void } {
  const ahead = new Map<string, number>();
  const syncedAt = new Map<string, number>();
  const movedAt = new Map<string, number>();
  let writer: StreamWriter | null = null;
  function learn(tenant: string, now: number): void {
    if (now <= (ahead.get(tenant) ?? 0)) return;
    ahead.set(tenant, now);
    movedAt.set(tenant, performance.now());
  }
  return {
    attach: (attached) => (writer = attached),
    now: (tenant) => wall() + (ahead.get(tenant) ?? 0),
    sinceMoved: (tenant) => performance.now() - (movedAt.get(tenant) ?? -Infinity),
    async sync(tenant, maxAgeMs = 250) {
      const now = performance.now();
      if (!isTest(tenant) || !writer || now - (syncedAt.get(tenant) ?? -Infinity) < maxAgeMs) return;
      syncedAt.set(tenant, now);
      const { state } = await writer.read(testClocks, tenant, 'clock', maxAgeMs);
      learn(tenant, state);
    },
    async advance(context, to) {
      if (!isTest(context.tenant)) throw new Error('time moves by itself in live environments');
      const written = await writer!.execute(testClocks, 'clock', {
        context: { ...context, idempotencyKey: undefined },
        operation: 'testClock.advance',
        input: {},
        command: () => ({ to, wall: wall() }),
      });
      learn(context.tenant, await written.stateAfter());
    },
  };
}
