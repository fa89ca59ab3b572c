import { parseAmount, Problem, type Amount, type Instant, type Json } from '#libs/kernel';
import {
  grantAnswer,
  scheduleAnswer,
  type CommandRefused,
  type CreditCommand,
  type CreditEvent,
  type GrantAnswer,
  type GrantIssued,
} from '#libs/credits';
import { fingerprintOf } from '../fingerprint.js';
import type { CommandContext, Written } from '../stream-kind.js';
import type { Answered, Refused } from './answered.js';
import { claimOwnId, refuseLater, resolveCustomer, type CreditsDeps } from './deps.js';
import { segmentsOf, type GrantRequest, type Template } from './grant-request.js';
import { templateOf } from './grant-template.js';
import { issuingCommand } from './issuing-command.js';
import { beginningOf } from './renewal-terms.js';

/** Issues one grant, or one for each segment of an access schedule. */
export async function issueGrant(
  deps: CreditsDeps,
  context: CommandContext,
  request: GrantRequest,
  external: boolean,
): Promise<Answered<GrantAnswer> | Refused> {
  const { tenant } = context;
  const customer = await resolveCustomer(deps, tenant, { id: request.customerId, external });
  const grantId = request.id ?? deps.newId('grant');
  const repeatable = context.idempotencyKey !== undefined || request.id !== undefined;
  const commandAt = await templateOf(deps, tenant, request)
    .then((template) => issuingCommandOf(request, template, grantId, customer.attributes.timezone))
    .catch((error: unknown) => refuseLater(repeatable, error));
  if (request.id !== undefined && isAcceptable(() => commandAt(deps.now(tenant))))
    await claimOwnId(deps, context, 'grant', request.id, customer.id);
  const input = request as unknown as Readonly<Record<string, Json>>;
  try {
    const written = await deps.writer.execute(deps.account, customer.id, {
      context,
      operation: 'grants.create',
      input,
      command: commandAt,
    });
    return grantsAnswer(customer.id, written, 201);
  } catch (error) {
    if (request.id === undefined || !(error instanceof Problem) || !mayExist(error)) throw error;
    return sameGrantAgain(deps, tenant, customer.id, request.id, input, error);
  }
}

/** The command that issues a grant of a template, or begins a series with it. */
export function issuingCommandOf(
  request: GrantRequest,
  template: Template,
  grantId: string,
  customerZone: string | undefined,
): (now: Instant) => CreditCommand {
  const grantsAt = segmentsOf(request, template, grantId);
  if (!template.renewal) return (now) => ({ type: 'IssueGrants', now, grants: grantsAt(now) });
  const begin = beginningOf(template.renewal, template.unit, customerZone);
  return (now) => begin(grantsAt(now)[0]!, now);
}

/** Whether a decision would not be refused: what is refused claims and makes nothing beforehand. */
export function isAcceptable(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}

/** Whether the request may have been fine when it came first: it was refused for what it says, not for its key. */
const mayExist = ({ code, status }: Problem): boolean => status < 500 && code !== 'idempotency_key_reused';

/** A second create with the same id: the first answer when the body is the same, else the conflict. */
async function sameGrantAgain(
  deps: CreditsDeps,
  tenant: string,
  customerId: string,
  grantId: string,
  input: Readonly<Record<string, Json>>,
  conflict: Problem,
): Promise<Answered<GrantAnswer>> {
  const first = await issuingCommand(deps, tenant, customerId, grantId);
  if (!first || first.fingerprint !== fingerprintOf(input)) throw conflict;
  return { ...(grantsAnswer(customerId, first, 200) as Answered<GrantAnswer>), replayed: false };
}

function grantsAnswer(
  customerId: string,
  {
    events,
    position,
    replayed,
    recordedAt,
  }: Pick<Written<unknown, CreditEvent>, 'events' | 'position' | 'replayed' | 'recordedAt'>,
  status: number,
): Answered<GrantAnswer> | Refused {
  const refusal = events.find((event) => event.type === 'CommandRefused');
  if (refusal) return { problem: commandRefused(refusal.data), position, replayed };
  const grants = events
    .filter((event) => event.type === 'GrantIssued')
    .map(({ data }) => grantAnswer(customerId, data, progressAmong(events, data), recordedAt));
  const schedule = grants[0]?.parentGrantId !== null;
  return { body: schedule ? scheduleAnswer(grants) : grants[0]!, status, position, replayed };
}

/** What is left of a grant that was just issued: debt may have taken some or all of it. */
function progressAmong(events: readonly CreditEvent[], { grantId, amount }: GrantIssued) {
  const settled = events.find((event) => event.type === 'DebtSettled' && event.data.grantId === grantId);
  const left = settled?.type === 'DebtSettled' ? settled.data.remainingAfter : amount;
  const remaining = parseAmount(left) as Amount;
  return { remaining, held: 0n, endedAs: remaining === 0n ? ('depleted' as const) : null };
}

/** The Problem that a recorded refusal is, each time. */
export function commandRefused({
  code,
  detail,
  grantId,
  holdId,
  consumptionId,
  seriesId,
}: CommandRefused): Problem {
  const subjects = { grants: grantId, holds: holdId, consumptions: consumptionId, renewals: seriesId };
  const [path, id] = Object.entries(subjects).find(([, subject]) => subject !== undefined) ?? [];
  return new Problem(code, detail, undefined, path === undefined ? undefined : `/v1/credits/${path}/${id}`);
}
