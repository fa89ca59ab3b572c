import { createChainVerifier, type ChainFault, type RecordedEvent } from '#libs/event-store';

/** Checks events of one stream or of the whole log, each stream from its first event on. */
export async function verifyChain(
  events: AsyncIterable<RecordedEvent> | Iterable<RecordedEvent>,
): Promise<{ readonly checked: number; readonly faults: readonly ChainFault[] }> {
  const verifier = createChainVerifier();
  const faults: ChainFault[] = [];
  for await (const event of events) {
    const fault = verifier.check(event);
    if (fault) faults.push(fault);
  }
  return { checked: verifier.checked, faults };
}
