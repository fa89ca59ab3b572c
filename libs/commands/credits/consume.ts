import {
  formatAmount,
  HOUR,
  issue,
  parseAmount,
  parseInstant,
  Problem,
  multiplyAmounts,
  withinRange,
  type Amount,
  type Instant,
  type Issue,
  type Json,
} from '#libs/kernel';
import { draws, type Document, type Meter, type Unit } from '#libs/catalog';
import {
  consumptionAmong,
  consumptionAnswer,
  decide,
  dueFacts,
  evolve,
  type Consume,
  type ConsumptionAnswer,
  type CreditEvent,
  type ShortagePolicy,
  type UsageContext,
} from '#libs/credits';
import type { CommandContext } from '../stream-kind.js';
import { refuseLater, resolveCustomer, type CreditsDeps } from './deps.js';
import { positiveAmount, unacceptable } from './amounts.js';
import type { Answered, Refused } from './answered.js';

/** `POST /v1/credits/consume`, its shape checked. */
export interface ConsumeRequest {
  readonly customerId: string;
  /** Exactly one of unit, meterId and featureSlug says what is drawn. */
  readonly unit?: string;
  readonly meterId?: string;
  readonly featureSlug?: string;
  /** In the unit; or, with a meter, `value`, which is multiplied by its rate. */
  readonly amount?: string | number;
  readonly value?: string | number;
  readonly onShortage?: ShortagePolicy;
  readonly debtLimit?: string | number;
  readonly effectiveAt?: string;
  readonly reference?: string;
  readonly context?: Omit<UsageContext, 'meterId'>;
  readonly dryRun?: boolean;
}

/** How far ahead of now usage may lie. */
const MAX_AHEAD = 24 * HOUR;

/** What is drawn, from which meter, in which unit. */
export interface DrawnUnit {
  readonly unit: Document<Unit>;
  readonly meter: Document<Meter> | null;
  readonly context: UsageContext;
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
  const { state, position } = await deps.writer.read(deps.account, tenant, customerId);
  const now = deps.now(tenant);
  const settled = (deps.account.settle?.(state, now) ?? dueFacts(state, now)).reduce(evolve, state);
  const event = consumptionAmong(decide(command('', now), settled));
  return {
    body: { ...consumptionAnswer(customerId, event!), id: '' },
    status: 200,
    position,
    replayed: false,
  };
}

async function drawnUnit(
  { catalog }: CreditsDeps,
  tenant: string,
  request: ConsumeRequest,
): Promise<DrawnUnit> {
  const { unit, meterId, featureSlug } = request;
  const named = [unit, meterId, featureSlug].filter((name) => name !== undefined).length;
  if (named !== 1)
    throw unacceptable([
      issue('/unit', 'required', 'exactly one of unit, meterId and featureSlug is needed'),
    ]);
  if (unit !== undefined) {
    const found = await catalog.unit(tenant, unit);
    if (!found) throw unacceptable([issue('/unit', 'unknown_reference', `no unit ${JSON.stringify(unit)}`)]);
    return { unit: found, meter: null, context: request.context ?? {} };
  }
  const feature = featureSlug === undefined ? null : await catalog.featureBySlug(tenant, featureSlug);
  if (featureSlug !== undefined && feature?.attributes.meterId === undefined)
    throw unacceptable([
      issue('/featureSlug', 'unknown_reference', `no numeric feature ${JSON.stringify(featureSlug)}`),
    ]);
  const id = meterId ?? feature!.attributes.meterId!;
  const meter = await catalog.meter(tenant, id);
  if (!meter) throw unacceptable([issue('/meterId', 'unknown_reference', `no meter ${JSON.stringify(id)}`)]);
  const brings = meterId === undefined ? { featureSlug: featureSlug! } : { meterId };
  return { ...(await meterUnit(catalog, tenant, meter)), context: { ...request.context, ...brings } };
}

/** @throws Problem `meter_archived`, `meter_does_not_draw` */
export async function meterUnit(
  catalog: CreditsDeps['catalog'],
  tenant: string,
  meter: Document<Meter>,
): Promise<{ unit: Document<Unit>; meter: Document<Meter> }> {
  if (meter.archivedAt !== null) throw new Problem('meter_archived', `The meter ${meter.id} is archived.`);
  if (!draws(meter.attributes))
    throw new Problem(
      'meter_does_not_draw',
      `The meter ${meter.id} aggregates by ${meter.attributes.aggregation}.`,
    );
  const unit = await catalog.unit(tenant, meter.attributes.unit);
  if (!unit) throw new Error(`the unit of meter ${meter.id} is missing`);
  return { unit, meter };
}

/** Checks amounts and policy now; times once the command's time is known. */
function consumeCommand(
  deps: CreditsDeps,
  request: ConsumeRequest,
  { unit, meter, context }: DrawnUnit,
): (consumptionId: string, now: Instant) => Consume {
  const issues: Issue[] = [];
  const rated = request.value !== undefined;
  if (rated === (request.amount !== undefined))
    issues.push(issue('/amount', 'required', 'exactly one of amount and value is needed'));
  else if (rated && !meter)
    issues.push(issue('/value', 'not_without_meter', 'a value needs a meter to rate it'));
  if (issues.length > 0) throw unacceptable(issues);
  const { amount, rating } = rated
    ? rate(request.value, meter!, unit, '/value', issues)
    : { amount: positiveAmount(request.amount, unit, '/amount', issues), rating: undefined };
  const debtLimit = debtLimitOf(request.debtLimit, meter, unit, issues);
  if (issues.length > 0) throw unacceptable(issues);
  const requestedAt = request.effectiveAt === undefined ? undefined : parseInstant(request.effectiveAt)!;
  return (consumptionId, now) => ({
    type: 'Consume',
    now,
    consumptionId,
    unit: unit.id,
    amount,
    onShortage: request.onShortage ?? meter?.attributes.onShortage ?? 'refuse',
    ...(debtLimit === undefined ? {} : { debtLimit }),
    effectiveAt: acceptedTime(requestedAt ?? now, now, deps.maxEventAge, '/effectiveAt'),
    context,
    ...(rating === undefined ? {} : { rating }),
    ...(request.reference === undefined ? {} : { reference: request.reference }),
  });
}

/** value x rate in the unit, rounded half up to its scale; the rating says when something was rounded. */
export function rate(
  value: unknown,
  { attributes: { rate: text, aggregation, eventName } }: Document<Meter>,
  unit: Document<Unit>,
  pointer: string,
  issues: Issue[],
): { readonly amount: Amount; readonly rating?: NonNullable<Consume['rating']> } {
  const quantity = aggregation === 'count' ? (parseAmount('1') as Amount) : parseAmount(value);
  if (typeof quantity !== 'bigint')
    issues.push(issue(pointer, quantity, 'must be a decimal string or a whole number'));
  else if (quantity <= 0n) issues.push(issue(pointer, 'amount_not_positive', 'must be above zero'));
  // a meter with a unit of its own counts in that unit: its values are amounts, and amounts are not rounded
  else if (unit.id === eventName)
    return { amount: positiveAmount(formatAmount(quantity), unit, pointer, issues) };
  else {
    const { amount, rounded } = multiplyAmounts(quantity, parseAmount(text) as Amount, unit.attributes.scale);
    if (!withinRange(amount))
      issues.push(issue(pointer, 'amount_out_of_range', 'value x rate leaves the range of amounts'));
    return {
      amount,
      rating: {
        quantity: formatAmount(quantity),
        rate: text,
        ...(rounded ? { rounding: 'half_up' as const } : {}),
      },
    };
  }
  return { amount: 0n };
}

export function debtLimitOf(
  asked: string | number | undefined,
  meter: Document<Meter> | null,
  unit: Document<Unit>,
  issues: Issue[],
): Amount | undefined {
  const text = asked ?? meter?.attributes.debtLimit;
  if (text === undefined) return undefined;
  const limit = parseAmount(text, unit.attributes.scale);
  if (typeof limit === 'bigint' && limit >= 0n) return limit;
  issues.push(
    issue(
      '/debtLimit',
      typeof limit === 'bigint' ? 'amount_negative' : limit,
      'must be an amount, 0 or more',
    ),
  );
  return undefined;
}

/** @throws Problem `timestamp_in_future`, `usage_too_old` */
export function acceptedTime(at: Instant, now: Instant, maxAge: number, pointer: string): Instant {
  if (at > now + MAX_AHEAD)
    throw new Problem('timestamp_in_future', 'Usage is accepted at most 24 hours ahead.', [
      issue(pointer, 'timestamp_in_future', 'more than 24 hours ahead of now'),
    ]);
  if (at < now - maxAge)
    throw new Problem(
      'usage_too_old',
      `Usage is accepted up to ${Math.round(maxAge / (24 * HOUR))} days back.`,
      [issue(pointer, 'usage_too_old', 'further back than is accepted')],
    );
  return at;
}
