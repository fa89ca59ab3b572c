import { findGrant, segmentId, type AccountState, type CreditEvent } from '#libs/credits';
import { factsOf, type AccountFact } from './account-facts.js';
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
  const facts: AccountFact[] = [];
  // a series begins right before its first grant
  const from = state.series.has(grantId) ? revision - 1 : revision;
  for await (const fact of factsOf(deps, tenant, customerId, from)) {
    // the first event of a command carries its fingerprint; what time made due is nobody's command
    const { fingerprint, actor } = fact.metadata;
    if (facts.length > 0 && (fingerprint !== undefined || actor === 'time')) break;
    facts.push(fact);
  }
  const first = facts[0]!;
  return {
    events: facts.map(({ type, data }) => ({ type, data }) as CreditEvent),
    fingerprint: first.metadata['fingerprint'],
    position: facts.at(-1)!.position,
    recordedAt: first.recordedAt,
    replayed: false,
  };
}

export const issuedAt = (state: AccountState, grantId: string): number | undefined =>
  findGrant(state, grantId)?.issued ?? state.ended.get(grantId)?.issued;
