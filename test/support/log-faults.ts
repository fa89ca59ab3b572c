import type { EventStore } from '#libs/event-store';
import { createChecks } from '../../libs/read-models/verify/checks.js';

/** What verification finds wrong in a log itself: which check, and why. */
export async function faultsIn(eventStore: EventStore): Promise<readonly string[]> {
  const { checks } = createChecks(eventStore);
  const { events, position } = await eventStore.readAll(null, 1e9);
  const found: string[] = [];
  for (const event of events)
    for (const { name, check } of checks)
      for (const reason of check(event)) found.push(`${name}: ${event.stream} ${reason}`);
  for (const { name, end } of checks)
    for await (const { stream, reason } of end?.(position, await eventStore.head()) ?? [])
      found.push(`${name}: ${stream} ${reason}`);
  return found;
}
