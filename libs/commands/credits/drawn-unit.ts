import {
  formatAmount,
  formatInstant,
  HOUR,
  issue,
  multiplyAmounts,
  parseAmount,
  Problem,
  withinRange,
  type Amount,
  type Instant,
  type Issue,
} from '#libs/kernel';
import { draws, METER_DEFAULTS, type Document, type Meter, type Unit } from '#libs/catalog';
import type { Consume, UsageContext } from '#libs/credits';
import { positiveAmount, unacceptable } from './amounts.js';
import type { CreditsDeps } from './deps.js';

/** What usage is of, and how much of it, as a caller names it. */
export interface DrawnRequest {
  /** Exactly one of unit, meterId and featureSlug says what is drawn. */
  readonly unit?: string;
  readonly meterId?: string;
  readonly featureSlug?: string;
  /** In the unit; or, with a meter, `value`, which is multiplied by its rate. */
  readonly amount?: string | number;
  readonly value?: string | number;
  readonly context?: Omit<UsageContext, 'meterId'>;
}

/** How far ahead of now usage may lie. */
const MAX_AHEAD = 24 * HOUR;

/** What is drawn, from which meter, in which unit. */
export interface DrawnUnit {
  readonly unit: Document<Unit>;
  readonly meter: Document<Meter> | null;
  readonly context: UsageContext;
}

/** @throws Problem naming what is not found or does not draw */
export async function drawnUnit(
  { catalog }: Pick<CreditsDeps, 'catalog'>,
  tenant: string,
  request: DrawnRequest,
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

/** How much a request asks for. @throws Problem unless exactly one of amount and value says it */
export function drawnAmount(
  { amount, value }: DrawnRequest,
  { unit, meter }: DrawnUnit,
  issues: Issue[],
): ReturnType<typeof rate> & Pick<Consume, 'rate'> {
  const rated = value !== undefined;
  if (rated === (amount !== undefined))
    throw unacceptable([issue('/amount', 'required', 'exactly one of amount and value is needed')]);
  if (!rated) return { amount: positiveAmount(amount, unit, '/amount', issues), rate: unitsForOne(meter) };
  if (!meter) throw unacceptable([issue('/value', 'not_without_meter', 'a value needs a meter to rate it')]);
  return rate(value, meter, unit, '/value', issues);
}

/** What a fact says of a meter whose units are not what it counts. */
export const unitsForOne = (meter: Document<Meter> | null): string | undefined =>
  meter === null || meter.attributes.rate === METER_DEFAULTS.rate ? undefined : meter.attributes.rate;

/** How much a question is about, which may be nothing. @throws Problem `validation_failed` */
export function amountAsked(
  asked: DrawnRequest & { readonly debtLimit?: string; readonly pack?: string },
  drawn: DrawnUnit,
): { readonly needed: Amount; readonly debtLimit: Amount | undefined; readonly pack: Amount | undefined } {
  const issues: Issue[] = [];
  const named = asked.amount !== undefined || asked.value !== undefined;
  const needed = named ? drawnAmount(asked, drawn, issues).amount : 0n;
  const debtLimit = debtLimitOf(asked.debtLimit, null, drawn.unit, issues);
  const pack = asked.pack === undefined ? undefined : positiveAmount(asked.pack, drawn.unit, '/pack', issues);
  if (issues.length > 0) throw unacceptable(issues);
  return { needed, debtLimit, pack };
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
  pointer = '/debtLimit',
): Amount | undefined {
  const text = asked ?? meter?.attributes.debtLimit;
  if (text === undefined) return undefined;
  const limit = parseAmount(text, unit.attributes.scale);
  if (typeof limit === 'bigint' && limit >= 0n) return limit;
  issues.push(
    issue(pointer, typeof limit === 'bigint' ? 'amount_negative' : limit, 'must be an amount, 0 or more'),
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
    throw new Problem('usage_too_old', `Usage is accepted back to ${formatInstant(now - maxAge)}.`, [
      issue(pointer, 'usage_too_old', 'further back than is accepted'),
    ]);
  return at;
}
