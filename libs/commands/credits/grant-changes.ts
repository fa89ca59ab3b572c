import { issue, parseAmount, parseInstant, Problem, type Instant, type Issue, type Json } from '#libs/kernel';
import type { Document, Unit } from '#libs/catalog';
import {
  changedGrant,
  findGrant,
  grantAnswer,
  heldOf,
  type AccountState,
  type CreditCommand,
  type GrantAnswer,
  type GrantIssued,
} from '#libs/credits';
import type { CommandContext } from '../stream-kind.js';
import { factsOf } from './account-facts.js';
import { positiveAmount, unacceptable } from './amounts.js';
import type { Answered, Refused } from './answered.js';
import type { CreditsDeps } from './deps.js';
import { commandRefused } from './grants.js';
import { issuedAt } from './issuing-command.js';

/** `POST /v1/credits/grants/{id}/<action>`, its shape checked. Null takes away, where it can. */
export interface GrantChanges {
  readonly revoke: { readonly notes?: string };
  readonly expire: { readonly notes?: string };
  readonly adjust: { readonly amount: string | number; readonly reason: string; readonly reference?: string };
  readonly amend: {
    readonly amount?: string | number;
    readonly startDate?: string;
    readonly expiryDate?: string | null;
    readonly reason?: string;
  };
  readonly update: {
    readonly priority?: number;
    readonly name?: string | null;
    readonly description?: string | null;
    readonly notes?: string | null;
    readonly referenceCode?: string | null;
    readonly metadata?: Readonly<Record<string, string>> | null;
  };
}

export type GrantChange = {
  readonly [Action in keyof GrantChanges]: {
    readonly action: Action;
    readonly request: GrantChanges[Action];
  };
}[keyof GrantChanges];

/** Changes a grant. Refused, and remembered as refused, where its state does not allow it. */
export async function changeGrant(
  deps: CreditsDeps,
  context: CommandContext,
  grantId: string,
  change: GrantChange,
): Promise<Answered<GrantAnswer> | Refused> {
  const { tenant } = context;
  const found = await deps.locateGrant(tenant, grantId);
  if (!found) throw new Problem('grant_not_found', `There is no grant ${JSON.stringify(grantId)}.`);
  const { customerId } = found;
  const unit = await unitOfGrant(deps, tenant, customerId, grantId);
  const command = commandOf(change, grantId, unit);
  const written = await deps.writer.execute(deps.account, customerId, {
    context,
    operation: `grants.${change.action}`,
    input: { grantId, ...(change.request as Readonly<Record<string, Json>>) },
    command,
  });
  const { position, replayed, recordedAt, revision } = written;
  const [event] = written.events;
  if (event?.type === 'CommandRefused') return { problem: commandRefused(event.data), position, replayed };
  const state = await written.stateAfter();
  const data = await grantUpTo(deps, tenant, customerId, { grantId, state, revision });
  const body = grantAnswer(customerId, data, progressOf(state, grantId), recordedAt);
  return { body, status: 200, position, replayed };
}

async function unitOfGrant(
  { writer, account, catalog }: CreditsDeps,
  tenant: string,
  customerId: string,
  grantId: string,
): Promise<Document<Unit>> {
  const { state } = await writer.read(account, tenant, customerId);
  const grant = findGrant(state, grantId) ?? state.ended.get(grantId);
  if (!grant)
    throw new Problem(
      'conflict',
      `${grantId} is an access schedule: change its segments, ${grantId}~1 and so on.`,
    );
  return (await catalog.unit(tenant, grant.unit))!;
}

function commandOf(
  change: GrantChange,
  grantId: string,
  unit: Document<Unit>,
): (now: Instant) => CreditCommand {
  const issues: Issue[] = [];
  switch (change.action) {
    case 'revoke':
    case 'expire': {
      const type = change.action === 'revoke' ? 'RevokeGrant' : 'ExpireGrant';
      return (now) => ({ type, now, grantId, ...change.request });
    }
    case 'adjust': {
      const { amount: text, reason, ...rest } = change.request;
      const signed = parseAmount(text);
      const downward = typeof signed === 'bigint' && signed < 0n;
      const magnitude = downward ? String(text).slice(1) : text;
      const amount = positiveAmount(magnitude, unit, '/amount', issues);
      if (issues.length > 0) throw unacceptable(issues);
      return (now) => ({
        type: 'AdjustGrant',
        now,
        grantId,
        amount: downward ? -amount : amount,
        reason,
        ...rest,
      });
    }
    case 'amend': {
      const { amount: text, startDate, expiryDate, reason } = change.request;
      const amount = text === undefined ? undefined : positiveAmount(text, unit, '/amount', issues);
      if (amount === undefined && startDate === undefined && expiryDate === undefined)
        issues.push(issue('/amount', 'required', 'amount, startDate or expiryDate is needed'));
      if (issues.length > 0) throw unacceptable(issues);
      return (now) => ({
        type: 'AmendGrant',
        now,
        grantId,
        ...(amount === undefined ? {} : { amount }),
        ...(startDate === undefined ? {} : { effectiveAt: parseInstant(startDate)! }),
        ...(expiryDate === undefined
          ? {}
          : { expiresAt: expiryDate === null ? null : parseInstant(expiryDate)! }),
        ...(reason === undefined ? {} : { reason }),
      });
    }
    case 'update': {
      const changes = change.request;
      if (Object.keys(changes).length === 0)
        throw unacceptable([issue('/name', 'required', 'at least one member is needed')]);
      return (now) => ({ type: 'EditGrant', now, grantId, changes });
    }
  }
}

const progressOf = (state: AccountState, grantId: string) => {
  const open = findGrant(state, grantId);
  return {
    remaining: open?.remaining ?? 0n,
    held: heldOf(state, grantId),
    endedAs: open ? null : (state.ended.get(grantId)?.endedAs ?? null),
  };
};

/** The grant as it was issued, with what was amended and edited up to an inclusive revision; reads all facts in between. */
async function grantUpTo(
  deps: CreditsDeps,
  tenant: string,
  customerId: string,
  at: { readonly grantId: string; readonly state: AccountState; readonly revision: number },
): Promise<GrantIssued> {
  const { grantId, state, revision } = at;
  let grant: GrantIssued | undefined;
  for await (const { type, data, ...fact } of factsOf(deps, tenant, customerId, issuedAt(state, grantId))) {
    if (fact.revision > revision) break;
    if (!('grantId' in data) || data.grantId !== grantId) continue;
    if (type === 'GrantIssued') grant = data;
    else if (type === 'GrantAmended' || type === 'GrantEdited')
      grant = changedGrant(grant!, { type, data } as never);
    else if ((type === 'GrantVoided' || type === 'GrantExpired') && data.notes !== undefined)
      grant = { ...grant!, notes: data.notes };
  }
  return grant!;
}
