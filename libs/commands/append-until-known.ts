import {
  EventStoreUnavailable,
  type AppendBatch,
  type AppendResult,
  type EventStore,
} from '#libs/event-store';

/** Pauses (ms) before an append whose outcome is unknown is sent again with the same ids, the last one over and over. */
const RESEND_AFTER = [50, 100, 250, 500, 1000];
/** Milliseconds after which it is not sent again: whoever waits is told that the outcome is unknown. */
const RESEND_FOR = 4000;

/**
 * Appends batches, again and again while it is unknown whether they were written: the same ids are written once.
 * @throws EventStoreUnavailable when that is still unknown after 4 s
 */
export async function appendUntilKnown(
  eventStore: Pick<EventStore, 'append'>,
  batches: readonly AppendBatch[],
): Promise<readonly AppendResult[]> {
  const begun = performance.now();
  for (let attempt = 0; ; attempt++) {
    try {
      return await eventStore.append(batches);
    } catch (error) {
      if (!(error instanceof EventStoreUnavailable) || performance.now() - begun > RESEND_FOR) throw error;
      const pause = RESEND_AFTER[Math.min(attempt, RESEND_AFTER.length - 1)];
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}
