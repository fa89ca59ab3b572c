import { parseInstant, Problem, type Instant, type Issue, type Json } from '#libs/kernel';
import {
  consumptionAmong,
  consumptionAnswer,
  decide,
  type Consume,
  type ConsumptionAnswer,
  type CreditEvent,
  type ShortagePolicy,
} from '#libs/credits';
import type { CommandContext } from '../stream-kind.js';
import { settledAccount } from './account-facts.js';
import { unacceptable } from './amounts.js';
import type { Answered, Refused } from './answered.js';
import { refuseLater, resolveCustomer, type CreditsDeps } from './deps.js';
import {
  acceptedTime,
  debtLimitOf,
  drawnAmount,
  drawnUnit,
  type DrawnRequest,
  type DrawnUnit,
} from './drawn-unit.js';

/** `POST /v1/credits/consume`, its shape checked. */
export interface ConsumeRequest extends DrawnRequest {
  readonly customerId: string;
  readonly onShortage?: ShortagePolicy;
  readonly debtLimit?: string | number;
  readonly effectiveAt?: string;
  readonly reference?: string;
  readonly dryRun?: boolean;
}

/** Draws credit, or says what drawing it would do (`dryRun`). */
export async function consume(
  deps: CreditsDeps,
  context: CommandContext,
  request: ConsumeRequest,
  external: boolean,
): Promise<Answered<ConsumptionAnswer> | Refused> {
  const { tenant } = context;
  const customer = await resolveCustomer(deps, tenant, { id: request.customerId, external });
  await deps.settleBilling(tenant, customer.id);
  const command = await drawnUnit(deps, tenant, request)
    .then((drawn) => consumeCommand(deps, request, drawn))
    .catch((error: unknown) => refuseLater(context.idempotencyKey !== undefined, error));
  if (request.dryRun) return preview(deps, tenant, customer.id, command);
  const consumptionId = deps.newId('con');
  const written = await deps.writer.execute(deps.account, customer.id, {
    context,
    operation: 'credits.consume',
    input: request as unknown as Readonly<Record<string, Json>>,
    command: (now) => command(consumptionId, now),
  });
  return consumptionResult(customer.id, written);
}

/** The answer to a consumption; a refusal is the 402 it stays for ever. */
export function consumptionResult(
  customerId: string,
  {
    events,
    position,
    replayed,
  }: { readonly events: readonly CreditEvent[]; readonly position: bigint; readonly replayed: boolean },
): Answered<ConsumptionAnswer> | Refused {
  const event = consumptionAmong(events);
  if (!event) throw new Error('a consumption left no fact');
  const body = consumptionAnswer(customerId, event);
  if (event.type === 'CreditsConsumed') return { body, status: 201, position, replayed };
  const { requested, available, reason, debtLimit } = event.data;
  const detail =
    reason === 'debt_limit'
      ? `Requested ${requested} ${body.unit}; the debt would pass its limit of ${debtLimit}.`
      : `Requested ${requested} ${body.unit}, available ${available}.`;
  const problem = new Problem(
    'insufficient_credit',
    detail,
    undefined,
    `/v1/credits/consumptions/${body.id}`,
    {
      consumption: body,
    },
  );
  return { problem, position, replayed };
}

async function preview(
  deps: CreditsDeps,
  tenant: string,
  customerId: string,
  command: (consumptionId: string, now: Instant) => Consume,
): Promise<Answered<ConsumptionAnswer>> {
  const { state, now, position } = await settledAccount(deps, tenant, customerId);
  const event = consumptionAmong(decide(command('', now), state));
  return {
    body: { ...consumptionAnswer(customerId, event!), id: '' },
    status: 200,
    position,
    replayed: false,
  };
}

/** Checks amounts and policy now; times once the command's time is known. */
function consumeCommand(
  deps: CreditsDeps,
  request: ConsumeRequest,
  drawn: DrawnUnit,
): (consumptionId: string, now: Instant) => Consume {
  const { unit, meter, context } = drawn;
  const issues: Issue[] = [];
  const rated = drawnAmount(request, drawn, issues);
  const debtLimit = debtLimitOf(request.debtLimit, meter, unit, issues);
  if (issues.length > 0) throw unacceptable(issues);
  const requestedAt = request.effectiveAt === undefined ? undefined : parseInstant(request.effectiveAt)!;
  return (consumptionId, now) => ({
    type: 'Consume',
    now,
    consumptionId,
    unit: unit.id,
    ...rated,
    onShortage: request.onShortage ?? meter?.attributes.onShortage ?? 'refuse',
    ...(debtLimit === undefined ? {} : { debtLimit }),
    effectiveAt: acceptedTime(requestedAt ?? now, now, deps.maxEventAge, '/effectiveAt'),
    context,
    ...(request.reference === undefined ? {} : { reference: request.reference }),
  });
}
