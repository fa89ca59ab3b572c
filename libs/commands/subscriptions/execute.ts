import type { Instant, Json } from '#libs/kernel';
import { latest } from '#libs/event-store';
import {
  subscriptionAnswer,
  type RefusalCode,
  type SubscriptionAnswer,
  type SubscriptionCommand,
} from '#libs/subscriptions';
import { refusalIn, type Answered, type Refused } from '../credits/answered.js';
import type { CommandContext } from '../stream-kind.js';
import { subscriptions, type SubscriptionsDeps } from './deps.js';
import { driveGrants } from './drive.js';

const REFUSALS: readonly RefusalCode[] = ['subscription_not_active', 'seat_taken', 'seat_not_found'];

/** Runs a command on a subscription, tells the accounts, and answers with the subscription as the command left it. */
export async function executeOn(
  deps: SubscriptionsDeps,
  context: CommandContext,
  id: string,
  operation: string,
  input: Readonly<Record<string, Json>>,
  command: (now: Instant) => SubscriptionCommand,
  status: number,
): Promise<Answered<SubscriptionAnswer> | Refused> {
  const written = await deps.credits.writer.execute(subscriptions, id, {
    context,
    operation,
    input,
    command,
    refusals: REFUSALS,
  });
  const refusal = refusalIn(written, `/v1/subscriptions/${id}`);
  if (refusal) return refusal;
  const state = (await written.stateAfter())!;
  const driven = await driveGrants(deps, context, id);
  const position = latest([driven.position, written.position]);
  return { body: subscriptionAnswer(state), status, position, replayed: written.replayed };
}
