import { issue, parseInstant, Problem, SECOND, type Instant, type Issue, type Json } from '#libs/kernel';
import type { Document, Meter, Unit } from '#libs/catalog';
import {
  consumptionAnswer,
  holdAnswer,
  type ConsumptionAnswer,
  type CreditCommand,
  type HoldAnswer,
  type HoldPlaced,
  type HoldPolicy,
  type PlaceHold,
  type ShortagePolicy,
} from '#libs/credits';
import { fingerprintOf } from '../fingerprint.js';
import type { CommandContext } from '../stream-kind.js';
import { factAt } from './account-facts.js';
import { positiveAmount, unacceptable } from './amounts.js';
import type { Answered, Refused } from './answered.js';
import { consumptionResult } from './consume.js';
import { claimOwnId, refuseLater, resolveCustomer, type CreditsDeps } from './deps.js';
import {
  acceptedTime,
  debtLimitOf,
  drawnAmount,
  drawnUnit,
  unitsForOne,
  type DrawnRequest,
  type DrawnUnit,
} from './drawn-unit.js';
import { commandRefused } from './grants.js';

/** `POST /v1/credits/holds`, its shape checked. */
export interface HoldRequest extends DrawnRequest {
  readonly id?: string;
  readonly customerId: string;
  /** Default `refuse`. */
  readonly onShortage?: HoldPolicy;
  /** At most one of the two; neither: held until somebody ends it. */
  readonly expiresAt?: string;
  readonly timeoutSeconds?: number;
  readonly effectiveAt?: string;
  readonly reference?: string;
}

/** Sets credit aside. */
export async function placeHold(
  deps: CreditsDeps,
  context: CommandContext,
  request: HoldRequest,
  external: boolean,
): Promise<Answered<HoldAnswer> | Refused> {
  const { tenant } = context;
  const customer = await resolveCustomer(deps, tenant, { id: request.customerId, external });
  await deps.settleBilling(tenant, customer.id);
  const holdId = request.id ?? deps.newId('hold');
  const repeatable = context.idempotencyKey !== undefined || request.id !== undefined;
  const command = await drawnUnit(deps, tenant, request)
    .then((drawn) => holdCommand(deps, request, drawn))
    .catch((error: unknown) => refuseLater(repeatable, error));
  const input = request as unknown as Readonly<Record<string, Json>>;
  let first = null;
  if (request.id !== undefined) {
    first = await deps.locateHold(tenant, request.id);
    if (first?.customerId !== customer.id) {
      command(holdId, deps.now(tenant)); // what is refused claims nothing
      await claimOwnId(deps, context, 'hold', request.id, customer.id);
    }
  }
  try {
    const written = await deps.writer.execute(deps.account, customer.id, {
      context,
      operation: 'holds.create',
      input,
      command: (now): CreditCommand => {
        if (first) throw new Problem('already_exists', `There is a hold ${holdId} already.`);
        return command(holdId, now);
      },
    });
    const { events, position, replayed, recordedAt } = written;
    const event = events.find(({ type }) => type === 'HoldPlaced' || type === 'HoldRefused');
    if (event?.type === 'HoldPlaced')
      return { body: holdAnswer(customer.id, event.data, null, recordedAt), status: 201, position, replayed };
    if (event?.type !== 'HoldRefused') throw new Error('a hold left no fact');
    const { requested, unit, available } = event.data;
    const detail = `Requested ${requested} ${unit}, available ${available}.`;
    const instance = `/v1/credits/holds/${event.data.holdId}`;
    return { problem: new Problem('insufficient_credit', detail, undefined, instance), position, replayed };
  } catch (error) {
    if (request.id === undefined || !(error instanceof Problem) || error.code === 'idempotency_key_reused')
      throw error;
    return sameHoldAgain(deps, tenant, request.id, input, error);
  }
}

/** A second create with the same id: the first answer when the body is the same, else the conflict. */
async function sameHoldAgain(
  deps: CreditsDeps,
  tenant: string,
  holdId: string,
  input: Readonly<Record<string, Json>>,
  conflict: Problem,
): Promise<Answered<HoldAnswer>> {
  const found = await deps.locateHold(tenant, holdId);
  if (!found) throw conflict;
  const fact = await factAt(deps, tenant, found.customerId, found.revision);
  if (fact.type !== 'HoldPlaced' || fact.metadata['fingerprint'] !== fingerprintOf(input)) throw conflict;
  const body = holdAnswer(found.customerId, fact.data, null, fact.recordedAt);
  return { body, status: 200, position: fact.position, replayed: false };
}

function holdCommand(
  deps: CreditsDeps,
  request: HoldRequest,
  drawn: DrawnUnit,
): (holdId: string, now: Instant) => PlaceHold {
  const issues: Issue[] = [];
  const { amount } = drawnAmount(request, drawn, issues);
  const { timeoutSeconds, onShortage = 'refuse', reference } = request;
  if (request.expiresAt !== undefined && timeoutSeconds !== undefined)
    issues.push(issue('/timeoutSeconds', 'exclusive', 'not together with expiresAt'));
  if (issues.length > 0) throw unacceptable(issues);
  const endsAt = request.expiresAt === undefined ? undefined : parseInstant(request.expiresAt)!;
  const at = request.effectiveAt === undefined ? undefined : parseInstant(request.effectiveAt)!;
  return (holdId, now) => {
    const expiresAt = timeoutSeconds === undefined ? endsAt : now + timeoutSeconds * SECOND;
    if (expiresAt !== undefined && expiresAt <= now)
      throw unacceptable([issue('/expiresAt', 'not_after_start', 'must lie after now')]);
    return {
      type: 'PlaceHold',
      now,
      holdId,
      unit: drawn.unit.id,
      amount,
      onShortage,
      effectiveAt: acceptedTime(at ?? now, now, deps.maxEventAge, '/effectiveAt'),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      context: drawn.context,
      ...(reference === undefined ? {} : { reference }),
    };
  };
}

/** `POST /v1/credits/holds/{id}/capture`, its shape checked. */
export interface CaptureRequest {
  /** Default: all that is held. */
  readonly amount?: string | number;
  /** Lets `amount` be more than is held: the rest is a consumption under this policy. */
  readonly allowMore?: { readonly onShortage?: ShortagePolicy; readonly debtLimit?: string | number };
  readonly reference?: string;
}

/** A hold that was captured, and what the capture drew beyond it. */
export type CapturedHold = HoldAnswer & { readonly moreConsumption: ConsumptionAnswer | null };

/** Draws what is held, all or part of it; the rest comes back. */
export async function captureHold(
  deps: CreditsDeps,
  context: CommandContext,
  holdId: string,
  request: CaptureRequest,
): Promise<Answered<CapturedHold> | Refused> {
  const { customerId, placed, unit } = await findHold(deps, context.tenant, holdId);
  const rate = unitsForOne(await meterOf(deps, context.tenant, placed));
  const issues: Issue[] = [];
  const { allowMore, reference } = request;
  const amount =
    request.amount === undefined ? undefined : positiveAmount(request.amount, unit, '/amount', issues);
  const limit = allowMore?.debtLimit ?? undefined;
  const debtLimit = debtLimitOf(limit, null, unit, issues, '/allowMore/debtLimit');
  if (issues.length > 0) throw unacceptable(issues);
  const more = allowMore && {
    consumptionId: deps.newId('con'),
    onShortage: allowMore.onShortage ?? 'refuse',
    ...(debtLimit === undefined ? {} : { debtLimit }),
  };
  const written = await deps.writer.execute(deps.account, customerId, {
    context,
    operation: 'holds.capture',
    input: { holdId, ...(request as unknown as Readonly<Record<string, Json>>) },
    command: (now): CreditCommand => ({
      type: 'CaptureHold',
      now,
      holdId,
      effectiveAt: now,
      ...(amount === undefined ? {} : { amount }),
      ...(more === undefined ? {} : { more }),
      ...(rate === undefined ? {} : { rate }),
      ...(reference === undefined ? {} : { reference }),
    }),
  });
  const { events, position, replayed, recordedAt } = written;
  const refusal = events.find(({ type }) => type === 'CommandRefused');
  if (refusal?.type === 'CommandRefused')
    return { problem: commandRefused(refusal.data), position, replayed };
  const end = events.find((event) => event.type === 'HoldCaptured');
  if (!end) return consumptionResult(customerId, written) as Refused;
  const rest = events.find((event) => event.type === 'CreditsConsumed');
  const body = {
    ...holdAnswer(customerId, placed, end, recordedAt),
    moreConsumption: rest ? consumptionAnswer(customerId, rest) : null,
  };
  return { body, status: 200, position, replayed };
}

/** Gives all that is held back. */
export async function releaseHold(
  deps: CreditsDeps,
  context: CommandContext,
  holdId: string,
  request: { readonly reference?: string },
): Promise<Answered<HoldAnswer> | Refused> {
  const { customerId, placed } = await findHold(deps, context.tenant, holdId);
  const { events, position, replayed, recordedAt } = await deps.writer.execute(deps.account, customerId, {
    context,
    operation: 'holds.release',
    input: { holdId, ...request },
    command: (now): CreditCommand => ({ type: 'ReleaseHold', now, holdId, ...request }),
  });
  const [event] = events;
  if (event?.type === 'CommandRefused') return { problem: commandRefused(event.data), position, replayed };
  if (event?.type !== 'HoldReleased') throw new Error('a release left no fact');
  return { body: holdAnswer(customerId, placed, event, recordedAt), status: 200, position, replayed };
}

/** The meter whose usage is held; null: a unit alone was named. */
async function meterOf(
  { catalog }: CreditsDeps,
  tenant: string,
  { context }: HoldPlaced,
): Promise<Document<Meter> | null> {
  const feature =
    context?.featureSlug === undefined ? null : await catalog.featureBySlug(tenant, context.featureSlug);
  const id = context?.meterId ?? feature?.attributes.meterId;
  return id === undefined ? null : catalog.meter(tenant, id);
}

async function findHold(
  deps: CreditsDeps,
  tenant: string,
  holdId: string,
): Promise<{ readonly customerId: string; readonly placed: HoldPlaced; readonly unit: Document<Unit> }> {
  const found = await deps.locateHold(tenant, holdId);
  if (!found) throw new Problem('not_found', `There is no hold ${JSON.stringify(holdId)}.`);
  const { customerId, revision } = found;
  const fact = await factAt(deps, tenant, customerId, revision);
  if (fact.type !== 'HoldPlaced')
    throw new Error(`no hold was placed at revision ${revision} of ${customerId}`);
  return { customerId, placed: fact.data, unit: (await deps.catalog.unit(tenant, fact.data.unit))! };
}
