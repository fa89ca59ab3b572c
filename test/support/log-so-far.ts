import type { Checkpoint, EventStore, RecordedEvent } from '#libs/event-store';

/** What is picked from the events of a log, each looked at once however often one asks: for look-ups in the log itself. */
export function logSoFar<Picked>(
  eventStore: Pick<EventStore, 'readAll'>,
  pick: (event: RecordedEvent) => readonly Picked[],
): () => Promise<readonly Picked[]> {
  const found: Picked[] = [];
  let checkpoint: Checkpoint | null = null;
  let reading: Promise<unknown> = Promise.resolve();
  const readOn = async (): Promise<readonly Picked[]> => {
    const slice = await eventStore.readAll(checkpoint, 1e9);
    checkpoint = slice.checkpoint;
    for (const event of slice.events) found.push(...pick(event));
    return found;
  };
  return () => {
    const next = reading.then(readOn);
    reading = next;
    return next;
  };
}
