import { readInstant } from '#libs/kernel';
import { findGrant, segmentId, type AccountState, type CreditEvent } from '#libs/credits';
import type { RecordedEvent } from '#libs/event-store';
import { upcast } from '#libs/event-types';
import { streamName } from '../stream-kind.js';
import type { CreditsDeps } from './deps.js';

/** The command that issued a grant, read back from the log: its own events and the fingerprint of its input. */
export interface IssuingCommand {
  readonly events: readonly CreditEvent[];
  readonly fingerprint: unknown;
  readonly position: bigint;
  readonly recordedAt: number;
  readonly replayed: boolean;
}

/** @param grantId of a grant, or of an access schedule; null where the account has none of that id */
export async function issuingCommand(
  deps: CreditsDeps,
  tenant: string,
  customerId: string,
  grantId: string,
): Promise<IssuingCommand | null> {
  const { state } = await deps.writer.read(deps.account, tenant, customerId);
  const revision = issuedAt(state, grantId) ?? issuedAt(state, segmentId(grantId, 0));
  if (revision === undefined) return null;
  const recorded: RecordedEvent[] = [];
  for await (const event of deps.eventStore.readStream(
    streamName(deps.account.category, tenant, customerId),
    state.series.has(grantId) ? revision - 1 : revision, // a series begins right before its first grant
  )) {
    // the first event of a command carries its fingerprint; what time made due is nobody's command
    if (
      recorded.length > 0 &&
      (event.metadata['fingerprint'] !== undefined || event.metadata['actor'] === 'time')
    )
      break;
    recorded.push(upcast(event, deps.account.eventTypes));
  }
  const first = recorded[0]!;
  return {
    events: recorded.map(({ type, data }) => ({ type, data }) as unknown as CreditEvent),
    fingerprint: first.metadata['fingerprint'],
    position: recorded.at(-1)!.position,
    recordedAt: readInstant(String(first.metadata['recordedAt'])),
    replayed: false,
  };
}

export const issuedAt = (state: AccountState, grantId: string): number | undefined =>
  findGrant(state, grantId)?.issued ?? state.ended.get(grantId)?.issued;
