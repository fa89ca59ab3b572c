import type { EventStore, RecordedEvent } from '#libs/event-store';
import { recordedAtOf, upcast } from '#libs/event-types';
import { emptyEntry, foldRecorded, type AnyKind, type AnyWritten } from './stream-entry.js';
import type { Receipt } from './write-cache.js';

/** What a command did when its key was first used, read back from the log. @throws UnknownEvent */
export async function replayCommand(
  eventStore: EventStore,
  stream: string,
  kind: AnyKind,
  receipt: Receipt,
): Promise<AnyWritten> {
  const recorded: RecordedEvent[] = [];
  for await (const event of eventStore.readStream(stream, receipt.revision)) {
    recorded.push(upcast(event, kind.eventTypes));
    if (recorded.length === receipt.events) break;
  }
  const last = recorded.at(-1);
  if (last === undefined) throw new Error(`${stream} has no event at revision ${receipt.revision}`);
  return {
    events: recorded.map(({ type, data }) => ({ type, data })),
    revision: last.revision,
    position: last.position,
    recordedAt: recordedAtOf(last),
    replayed: true,
    stateAfter: () => foldTo(eventStore, stream, kind, last.revision),
  };
}

async function foldTo(
  eventStore: EventStore,
  stream: string,
  kind: AnyKind,
  revision: number,
): Promise<unknown> {
  const entry = emptyEntry(stream, kind);
  for await (const event of eventStore.readStream(stream)) {
    foldRecorded(entry, event);
    if (event.revision === revision) break;
  }
  return entry.head.state;
}
