import { formatInstant, Problem, type Instant } from '#libs/kernel';
import { claimId, type ClaimCommand } from '#libs/catalog';
import { latest } from '#libs/event-store';
import { findGrant, type AccountState, type CreditCommand, type CreditEvent } from '#libs/credits';
import {
  nextDue,
  type GrantLine,
  type GrantStep,
  type RefusedGrant,
  type SubscriptionCommand,
  type Subscription,
} from '#libs/subscriptions';
import { claims } from '../catalog/catalog-kinds.js';
import type { GrantRequest } from '../credits/grant-request.js';
import { templateOf } from '../credits/grant-template.js';
import { issuingCommandOf } from '../credits/grants.js';
import { derivedId } from '../ids.js';
import type { CommandContext } from '../stream-kind.js';
import { subscriptions, type SubscriptionsDeps } from './deps.js';

/** What was written to the accounts, and up to where the log goes with it. */
export interface Driven {
  readonly events: readonly CreditEvent[];
  readonly position: bigint;
}

/** The grants of a line: a series, or the one grant of a definition that does not renew, has this id. */
export const lineGrantId = (
  tenant: string,
  subscriptionId: string,
  { definitionId, customerId, seat, generation }: GrantLine,
): string =>
  derivedId('grant', tenant, subscriptionId, definitionId, customerId, seat ?? '', String(generation));

/**
 * Tells the accounts what follows from a subscription's facts, then records that they were told. Whoever does it after a crash
 * says the same under the same ids and keys, so each grant exists once. What an account cannot take is recorded as refused.
 * @param only the one account that is told: for what is supposed, never for what is recorded
 */
export async function driveGrants(
  deps: SubscriptionsDeps,
  context: CommandContext,
  subscriptionId: string,
  only?: string,
): Promise<Driven> {
  const { writer } = deps.credits;
  const isTold = (step: GrantStep): boolean =>
    only === undefined || (step.do !== 'release' && step.line.customerId === only);
  const events: CreditEvent[] = [];
  let position = 0n;
  for (;;) {
    const { state } = await writer.read(subscriptions, context.tenant, subscriptionId);
    if (!state || state.pending.length === 0) return { events, position };
    const refused: RefusedGrant[] = [];
    const told = await Promise.all(
      byAccount(state.pending.filter(isTold)).map(async (steps) => {
        const written: Driven[] = [];
        // one after the other: an account hears of facts in their order
        for (const step of steps) written.push(await tellAccount(deps, context, state, step, refused));
        return written;
      }),
    );
    for (const written of told.flat()) {
      events.push(...written.events);
      position = latest([position, written.position]);
    }
    const throughRevision = state.pending.at(-1)!.revision;
    const done = await writer.execute(subscriptions, subscriptionId, {
      context: { ...context, idempotencyKey: undefined },
      operation: 'subscriptions.driven',
      input: {},
      settleFirst: false,
      command: (): SubscriptionCommand => ({ type: 'RecordDriven', throughRevision, refused }),
    });
    position = latest([position, done.position]);
  }
}

/** Records what time had made due on a subscription at `at`, by default now, and tells the accounts. */
export async function settleSubscription(
  deps: SubscriptionsDeps,
  context: CommandContext,
  subscriptionId: string,
  at: Instant = Infinity,
  only?: string,
): Promise<Driven & { readonly facts: number }> {
  const { writer } = deps.credits;
  let facts = 0;
  let position: bigint;
  for (;;) {
    const written = await writer.execute(subscriptions, subscriptionId, {
      context: { ...context, idempotencyKey: undefined },
      operation: 'settle',
      input: {},
      settleFirst: false, // that would go up to now
      command: (now): SubscriptionCommand => ({ type: 'SettleDue', now: Math.min(at, now) }),
    });
    facts += written.events.length;
    position = written.position;
    const state = await written.stateAfter();
    const due = state && nextDue(state);
    if (written.events.length === 0 || due === null || due > Math.min(at, written.recordedAt)) break;
  }
  const driven = await driveGrants(deps, context, subscriptionId, only);
  return { events: driven.events, position: latest([position, driven.position]), facts };
}

/** A command on an account, and what tells it from the others of its step. */
interface Told {
  readonly key: string;
  readonly command: (now: Instant) => CreditCommand;
}

function byAccount(steps: readonly GrantStep[]): readonly (readonly GrantStep[])[] {
  const accounts = new Map<string, GrantStep[]>();
  for (const step of steps) {
    const account = step.do === 'release' ? '' : step.line.customerId;
    const known = accounts.get(account);
    if (known) known.push(step);
    else accounts.set(account, [step]);
  }
  return [...accounts.values()];
}

async function tellAccount(
  deps: SubscriptionsDeps,
  context: CommandContext,
  subscription: Subscription,
  step: GrantStep,
  refused: RefusedGrant[],
): Promise<Driven> {
  if (step.do === 'release') return releaseCustomer(deps, context, subscription);
  const { writer, account } = deps.credits;
  const { customerId, definitionId } = step.line;
  const events: CreditEvent[] = [];
  let position = 0n;
  try {
    const grantId = lineGrantId(context.tenant, subscription.id, step.line);
    const { state } = await writer.read(account, context.tenant, customerId);
    const commands =
      step.do === 'begin'
        ? await beginning(deps, context.tenant, subscription, step, grantId)
        : commandsFor(step, grantId, state);
    for (const { key, command } of commands) {
      const written = await writer.execute(account, customerId, {
        context: { ...context, idempotencyKey: `${grantId}@${step.revision}.${key}` },
        operation: `subscriptions.${step.do}`,
        input: { subscriptionId: subscription.id },
        command,
      });
      if (!written.replayed) events.push(...written.events);
      position = latest([position, written.position]);
    }
  } catch (error) {
    // what another time could help is left for another time
    if (!(error instanceof Problem) || error.status >= 500) throw error;
    if (error.code !== 'already_exists')
      refused.push({ definitionId, customerId, code: error.code, detail: error.detail });
  }
  return { events, position };
}

/** @throws Problem where the definition cannot be granted any more */
async function beginning(
  { credits }: SubscriptionsDeps,
  tenant: string,
  { id, terms }: Subscription,
  { line, at, periodEnd }: GrantStep & { readonly do: 'begin' },
  grantId: string,
): Promise<readonly Told[]> {
  const { definitionId, customerId, seat, again } = line;
  const attributes = again ? (await credits.catalog.definition(tenant, definitionId))?.attributes : undefined;
  const request: GrantRequest = {
    customerId,
    creditDefinitionId: definitionId,
    ...(attributes?.refillAmount === undefined ? {} : { initialAmount: attributes.refillAmount }),
    source: seat === null ? 'plan' : 'seat',
    startDate: formatInstant(at),
    referenceCode: id,
  };
  const commandAt = issuingCommandOf(
    request,
    await templateOf(credits, tenant, request),
    grantId,
    terms.zone,
  );
  return [
    {
      key: 'begin',
      command: (now) => {
        const command = commandAt(now);
        return command.type === 'BeginRenewal' && command.rule === undefined
          ? { ...command, periodEnd }
          : command;
      },
    },
  ];
}

/** What a step means for an account as it stands; nothing where that was done before, or cannot be done any more. */
function commandsFor(
  step: Exclude<GrantStep, { readonly do: 'begin' | 'release' }>,
  grantId: string,
  account: AccountState,
): readonly Told[] {
  const series = account.series.get(grantId);
  const isActive = series?.status === 'active';
  switch (step.do) {
    case 'renew': {
      const { start, end } = step;
      if (!isActive || series.rule !== null || series.lastAt >= start) return [];
      const period = { start, end };
      return [{ key: 'renew', command: (now) => ({ type: 'RenewBilling', now, seriesId: grantId, period }) }];
    }
    case 'pause': {
      const reason = 'The subscription was paused.';
      if (!isActive) return [];
      return [{ key: 'pause', command: (now) => ({ type: 'PauseRenewal', now, seriesId: grantId, reason }) }];
    }
    case 'end': {
      const { revoke, reason } = step;
      const stop: Told = {
        key: 'stop',
        command: (now) => ({ type: 'CancelRenewal', now, seriesId: grantId, keepGrants: revoke, reason }),
      };
      const stops = series && series.status !== 'cancelled' ? [stop] : [];
      // a series takes its grants along, unless they are to be revoked
      const open = (series?.grantIds ?? [grantId]).filter((id) => findGrant(account, id) !== undefined);
      const type = revoke ? 'RevokeGrant' : 'ExpireGrant';
      const ends = series && !revoke ? [] : open;
      return [
        ...stops,
        ...ends.map((id): Told => ({
          key: id,
          command: (now) => ({ type, now, grantId: id, notes: reason }),
        })),
      ];
    }
  }
}

async function releaseCustomer(
  { credits }: SubscriptionsDeps,
  context: CommandContext,
  { id, customerId }: Subscription,
): Promise<Driven> {
  const { position } = await credits.writer.execute(claims, claimId('customerSubscription', customerId), {
    context: { ...context, idempotencyKey: undefined },
    operation: 'claims.release',
    input: { owner: id },
    command: (now): ClaimCommand => ({ type: 'Release', owner: id, now }),
  });
  return { events: [], position };
}
