import { Problem, type Issue, type Json } from '#libs/kernel';
import {
  reversalAnswer,
  type CreditCommand,
  type RecordedConsumption,
  type ReversalAnswer,
} from '#libs/credits';
import type { CommandContext } from '../stream-kind.js';
import { factAt, factsOf } from './account-facts.js';
import { positiveAmount, unacceptable } from './amounts.js';
import type { Answered, Refused } from './answered.js';
import type { CreditsDeps } from './deps.js';
import { commandRefused } from './grants.js';
import { settleAccount } from './settle.js';

/** `POST /v1/credits/consumptions/{id}/reverse`, its shape checked. */
export interface ReverseRequest {
  /** Default: all that was not taken back yet. */
  readonly amount?: string | number;
  readonly reason: string;
}

/** Times a reversal looks again at who paid for a debt, when that changed meanwhile. */
const MAX_LOOKS = 5;

/** Gives a consumption, or part of it, back to where it came from. Refused, and remembered so, beyond what is left. */
export async function reverseConsumption(
  deps: CreditsDeps,
  context: CommandContext,
  consumptionId: string,
  request: ReverseRequest,
): Promise<Answered<ReversalAnswer> | Refused> {
  const { tenant } = context;
  const found = await deps.locateConsumption(tenant, consumptionId);
  if (!found) throw new Problem('not_found', `There is no consumption ${JSON.stringify(consumptionId)}.`);
  const { customerId, revision } = found;
  const reversalId = deps.newId('rev');
  const written = await lookingAgain(deps, context, customerId, async () => {
    const consumption = await recordedConsumption(deps, tenant, customerId, revision);
    if (!consumption)
      throw new Problem(
        'consumption_exceeded',
        'The consumption was refused: nothing is left to be taken back.',
      );
    const unit = (await deps.catalog.unit(tenant, consumption.event.data.unit))!;
    const issues: Issue[] = [];
    const amount =
      request.amount === undefined ? undefined : positiveAmount(request.amount, unit, '/amount', issues);
    if (issues.length > 0) throw unacceptable(issues);
    return deps.writer.execute(deps.account, customerId, {
      context,
      operation: 'consumptions.reverse',
      input: { consumptionId, ...(request as unknown as Readonly<Record<string, Json>>) },
      command: (now): CreditCommand => ({
        type: 'ReverseConsumption',
        now,
        reversalId,
        consumption,
        ...(amount === undefined ? {} : { amount }),
        reason: request.reason,
      }),
    });
  });
  const { events, position, replayed } = written;
  const [event] = events;
  if (event?.type === 'CommandRefused') return { problem: commandRefused(event.data), position, replayed };
  if (event?.type !== 'ConsumptionReversed') throw new Error('a reversal left no fact');
  return { body: reversalAnswer(customerId, event.data), status: 201, position, replayed };
}

/**
 * Tries what stands on recorded consumptions, and again where a debt of theirs was paid meanwhile. What fell due is recorded
 * first: it may be what paid.
 */
export async function lookingAgain<T>(
  deps: CreditsDeps,
  context: CommandContext,
  customerId: string,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let look = 1; ; look++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'write_conflict' || look === MAX_LOOKS) throw error;
      await settleAccount(deps, { ...context, actor: 'time' }, customerId);
    }
  }
}

/** A consumption with what paid for its debt since, read back from the account's stream; null when it was refused. */
export async function recordedConsumption(
  deps: CreditsDeps,
  tenant: string,
  customerId: string,
  revision: number,
): Promise<RecordedConsumption | null> {
  const { type, data } = await factAt(deps, tenant, customerId, revision);
  if (type === 'ConsumptionRefused') return null;
  if (type === 'HoldCaptured') return { event: { type, data }, settlements: [] };
  if (type !== 'CreditsConsumed') throw new Error(`no consumption at revision ${revision} of ${customerId}`);
  const event = { type, data };
  if (data.debt === '0') return { event, settlements: [] };
  const settlements: { grantId: string; amount: string }[] = [];
  for await (const fact of factsOf(deps, tenant, customerId, revision + 1)) {
    if (fact.type !== 'DebtSettled') continue;
    const { grantId } = fact.data;
    for (const { consumptionId, amount } of fact.data.settlements)
      if (consumptionId === data.consumptionId) settlements.push({ grantId, amount });
  }
  return { event, settlements };
}
