import { formatAmount, Problem } from '#libs/kernel';
import { grantAnswer, type CreditCommand, type GrantAnswer } from '#libs/credits';
import type { CommandContext } from '../stream-kind.js';
import type { CreditsDeps } from './deps.js';
import type { Answered, Refused } from './answered.js';
import { commandRefused } from './grants.js';
import { issuedAt, issuedFact } from './issuing-command.js';

/** Revokes what remains of a grant. Refused, and remembered as refused, when it has ended already. */
export async function revokeGrant(
  deps: CreditsDeps,
  context: CommandContext,
  grantId: string,
  request: { readonly notes?: string },
): Promise<Answered<GrantAnswer> | Refused> {
  const found = await deps.locateGrant(context.tenant, grantId);
  if (!found) throw new Problem('grant_not_found', `There is no grant ${JSON.stringify(grantId)}.`);
  const { customerId } = found;
  const written = await deps.writer.execute(deps.account, customerId, {
    context,
    operation: 'grants.revoke',
    input: { grantId, ...request },
    command: (now): CreditCommand => ({
      type: 'RevokeGrant',
      now,
      grantId,
      ...(request.notes === undefined ? {} : { notes: request.notes }),
    }),
  });
  const { position, replayed } = written;
  const [event] = written.events;
  if (event?.type === 'CommandRefused') return { problem: commandRefused(event.data), position, replayed };
  const state = await written.stateAfter();
  const issued = await issuedFact(deps, context.tenant, customerId, issuedAt(state, grantId)!);
  const answer = grantAnswer(
    customerId,
    issued,
    { remaining: 0n, held: 0n, endedAs: 'voided' },
    written.recordedAt,
  );
  const notes = request.notes ?? answer.notes;
  return { body: { ...answer, remainingAmount: formatAmount(0n), notes }, status: 200, position, replayed };
}
