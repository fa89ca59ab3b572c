import {
  formatAmount,
  formatInstant,
  issue,
  parseAmount,
  parseInstant,
  Problem,
  readAmount,
  type Amount,
  type Instant,
  type Issue,
  type Json,
} from '#libs/kernel';
import { draws, type Document, type Meter } from '#libs/catalog';
import {
  consumptionAmong,
  consumptionAnswer,
  leftOf,
  reversalAnswer,
  usageAnswer,
  type ConsumptionAnswer,
  type CreditCommand,
  type CreditEvent,
  type RecordedConsumption,
  type ReversalAnswer,
  type StoredUsage,
  type UsageAnswer,
} from '#libs/credits';
import type { CommandContext, Written } from '../stream-kind.js';
import { acceptedTime, debtLimitOf, meterUnit, rate } from './drawn-unit.js';
import { refuseLater, resolveCustomer, type CreditsDeps } from './deps.js';
import { unacceptable } from './amounts.js';
import type { Refused } from './answered.js';
import { lookingAgain, recordedConsumption } from './reversals.js';

/** One usage event, its shape checked. */
export interface UsageRequest {
  readonly eventName: string;
  /** Exactly one of the two says whose usage it is. */
  readonly customerId?: string;
  readonly extCustomerId?: string;
  /** Exactly one of the two, unless the meter takes its value from a property or only counts. */
  readonly eventValue?: string | number;
  readonly eventString?: string;
  readonly eventTimestamp?: string;
  readonly idempotencyKey?: string;
  readonly properties?: Readonly<Record<string, Json>>;
}

export interface IngestedUsage {
  readonly body: {
    readonly event: UsageAnswer;
    readonly deduplicated: boolean;
    readonly consumption: ConsumptionAnswer | null;
    /** What a negative value took back; null for any other. */
    readonly correction: UsageCorrection | null;
  };
  readonly position: bigint;
  readonly replayed: boolean;
}

/** Usage of a negative value on a sum meter: what was recorded before it is taken back, the newest first. */
export interface UsageCorrection {
  /** In the unit: value x rate. */
  readonly amount: string;
  readonly reversals: readonly ReversalAnswer[];
}

/**
 * Takes in usage events, each for itself: one that is not acceptable leaves the others alone.
 * One customer's events take effect in the order given.
 * @returns for each event what it did, or the Problem that it met; a correction of more than was recorded is refused for ever
 */
export async function ingestUsage(
  deps: CreditsDeps,
  context: CommandContext,
  requests: readonly UsageRequest[],
): Promise<readonly (IngestedUsage | Problem | Refused)[]> {
  const results: (IngestedUsage | Problem | Refused)[] = [];
  for (let done = 0; done < requests.length; done = results.length) {
    // a correction looks at what those before it have recorded
    if (isNegative(requests[done]!)) {
      results.push(await correctUsage(deps, context, requests[done]!).catch(problemOf));
      continue;
    }
    const next = requests.findIndex((request, index) => index > done && isNegative(request));
    results.push(...(await ingestTogether(deps, context, requests.slice(done, next < 0 ? undefined : next))));
  }
  return results;
}

async function ingestTogether(
  deps: CreditsDeps,
  context: CommandContext,
  requests: readonly UsageRequest[],
): Promise<readonly (IngestedUsage | Problem)[]> {
  const prepared = await Promise.all(
    requests.map((request) => prepare(deps, context, request).catch(problemOf)),
  );
  // the writer keeps the order in which it is asked, so nothing may be awaited in between
  const written = prepared.map((usage) =>
    usage instanceof Problem ? usage : deps.writer.execute(deps.account, usage.customerId, usage.request),
  );
  return Promise.all(
    written.map(async (pending, index) => {
      const usage = prepared[index]!;
      if (usage instanceof Problem) return usage;
      try {
        return ingested(usage.customerId, await (pending as Promise<Written<unknown, CreditEvent>>));
      } catch (error) {
        return problemOf(error);
      }
    }),
  );
}

const problemOf = (error: unknown): Problem => {
  if (error instanceof Problem) return error;
  throw error;
};

/** Most consumptions that one correction looks back over. */
const MAX_CORRECTED = 1000;

const isNegative = ({ eventValue }: UsageRequest): boolean => {
  const value = eventValue === undefined ? 0n : parseAmount(eventValue);
  return typeof value === 'bigint' && value < 0n;
};

async function correctUsage(
  deps: CreditsDeps,
  context: CommandContext,
  request: UsageRequest,
): Promise<IngestedUsage | Problem | Refused> {
  const { tenant } = context;
  const { customer, meter } = await customerAndMeter(deps, tenant, request);
  if (!draws(meter.attributes) || meter.attributes.aggregation === 'count')
    return (await ingestTogether(deps, context, [request]))[0]!;
  const { idempotencyKey } = request;
  const command = await correctingCommand(deps, tenant, request, customer.id, meter).catch(
    (error: unknown) => {
      const refuse = refuseLater(idempotencyKey !== undefined, error);
      return () => Promise.resolve(refuse);
    },
  );
  const eventId = deps.newId('evt');
  const written = await lookingAgain(deps, context, customer.id, async () => {
    const decided = await command();
    return deps.writer.execute(deps.account, customer.id, {
      context: { ...context, idempotencyKey },
      operation: 'events',
      input: request as unknown as Readonly<Record<string, Json>>,
      command: (now) => decided(now, eventId),
    });
  });
  const [event] = written.events;
  const { position, replayed } = written;
  if (event?.type !== 'CommandRefused') return ingested(customer.id, written);
  const { code, detail } = event.data;
  const problem = new Problem(code, detail, undefined, `/v1/audit/log?from=${position}&limit=1`);
  return { problem, position, replayed };
}

/** Looks up, each time it is asked, what the meter has drawn: the newest first, as much as the correction needs. */
async function correctingCommand(
  deps: CreditsDeps,
  tenant: string,
  request: UsageRequest,
  customerId: string,
  meter: Document<Meter>,
) {
  const { unit } = await meterUnit(deps.catalog, tenant, meter);
  const issues: Issue[] = [];
  const magnitude = formatAmount(-(parseAmount(request.eventValue) as Amount));
  const { amount } = rate(magnitude, meter, unit, '/eventValue', issues);
  if (issues.length > 0) throw unacceptable(issues);
  const at = request.eventTimestamp === undefined ? undefined : parseInstant(request.eventTimestamp)!;
  return async () => {
    const { state } = await deps.writer.read(deps.account, tenant, customerId);
    const consumptions: { reversalId: string; consumption: RecordedConsumption }[] = [];
    let wanted = amount;
    for (const { revision } of await deps.drawnByMeter(tenant, customerId, meter.id, MAX_CORRECTED)) {
      if (wanted <= 0n) break;
      const consumption = await recordedConsumption(deps, tenant, customerId, revision);
      if (!consumption) continue;
      wanted -= leftOf(consumption, state);
      consumptions.push({ reversalId: deps.newId('rev'), consumption });
    }
    return (now: Instant, eventId: string): CreditCommand => ({
      type: 'CorrectUsage',
      now,
      usage: storedUsage(request, meter, eventId),
      effectiveAt: acceptedTime(at ?? now, now, deps.maxEventAge, '/eventTimestamp'),
      amount,
      consumptions,
    });
  };
}

/** @throws Problem `customer_not_found`, `unknown_event_name` */
async function customerAndMeter(deps: CreditsDeps, tenant: string, request: UsageRequest) {
  const customer = await resolveCustomer(deps, tenant, {
    id: request.customerId ?? request.extCustomerId!,
    external: request.customerId === undefined,
  });
  const meter = await deps.catalog.meterByEventName(tenant, request.eventName);
  if (!meter)
    throw new Problem('unknown_event_name', `No meter counts ${JSON.stringify(request.eventName)}.`, [
      issue('/eventName', 'unknown_event_name', 'no meter counts this event'),
    ]);
  return { customer, meter };
}

async function prepare(deps: CreditsDeps, context: CommandContext, request: UsageRequest) {
  const { tenant } = context;
  const { customer, meter } = await customerAndMeter(deps, tenant, request);
  await deps.settleBilling(tenant, customer.id);
  const { idempotencyKey } = request;
  const command = await (draws(meter.attributes) ? drawingCommand : measuringCommand)(
    deps,
    tenant,
    request,
    meter,
  ).catch((error: unknown) => refuseLater(idempotencyKey !== undefined, error));
  const eventId = deps.newId('evt');
  return {
    customerId: customer.id,
    request: {
      context: { ...context, idempotencyKey },
      operation: 'events',
      input: request as unknown as Readonly<Record<string, Json>>,
      command: (now: Instant) => command(now, eventId),
    },
  };
}

async function drawingCommand(
  deps: CreditsDeps,
  tenant: string,
  request: UsageRequest,
  meter: Document<Meter>,
) {
  const { unit } = await meterUnit(deps.catalog, tenant, meter);
  const issues: Issue[] = [];
  const value = drawnValue(request, meter, issues);
  const rated = issues.length > 0 ? { amount: 0n } : rate(value, meter, unit, '/eventValue', issues);
  const debtLimit = debtLimitOf(undefined, meter, unit, issues);
  if (issues.length > 0) throw unacceptable(issues);
  const { attributes } = meter;
  const context = { meterId: meter.id, ...stringProperties(request.properties) };
  const at = request.eventTimestamp === undefined ? undefined : parseInstant(request.eventTimestamp)!;
  return (now: Instant, eventId: string): CreditCommand => ({
    type: 'Consume',
    now,
    consumptionId: `con${eventId.slice(eventId.indexOf('_'))}`,
    unit: unit.id,
    ...rated,
    onShortage: attributes.onShortage,
    ...(debtLimit === undefined ? {} : { debtLimit }),
    effectiveAt: acceptedTime(at ?? now, now, deps.maxEventAge, '/eventTimestamp'),
    context,
    usage: storedUsage(request, meter, eventId),
  });
}

/** What a drawing meter multiplies by its rate. */
function drawnValue(
  { eventValue, properties }: UsageRequest,
  meter: Document<Meter>,
  issues: Issue[],
): unknown {
  const { aggregation, valueProperty } = meter.attributes;
  if (aggregation === 'count') return '1';
  if (eventValue !== undefined) return eventValue;
  if (valueProperty !== undefined) {
    const value = properties?.[valueProperty];
    if (value === undefined)
      issues.push(
        issue(`/properties/${valueProperty}`, 'required', 'the meter takes its value from this property'),
      );
    return value;
  }
  issues.push(issue('/eventValue', 'required', 'a sum meter needs a number'));
  return undefined;
}

async function measuringCommand(
  deps: CreditsDeps,
  _tenant: string,
  request: UsageRequest,
  meter: Document<Meter>,
) {
  if (meter.archivedAt !== null) throw new Problem('meter_archived', `The meter ${meter.id} is archived.`);
  if (request.eventValue !== undefined) {
    const value = parseAmount(request.eventValue);
    if (typeof value !== 'bigint')
      throw unacceptable([issue('/eventValue', value, 'must be a decimal string or a whole number')]);
  }
  const at = request.eventTimestamp === undefined ? undefined : parseInstant(request.eventTimestamp)!;
  return (now: Instant, eventId: string): CreditCommand => ({
    type: 'RecordUsage',
    now,
    usage: storedUsage(request, meter, eventId),
    effectiveAt: acceptedTime(at ?? now, now, deps.maxEventAge, '/eventTimestamp'),
  });
}

function storedUsage(request: UsageRequest, meter: Document<Meter>, eventId: string): StoredUsage {
  const { eventName, eventValue, eventString, idempotencyKey, properties } = request;
  const value = eventValue === undefined ? undefined : parseAmount(eventValue);
  // in canonical order, as the log keeps it
  return {
    eventId,
    eventName,
    idempotencyKey,
    meterId: meter.id,
    properties,
    text: eventString,
    value: typeof value === 'bigint' ? formatAmount(value) : undefined,
  };
}

/** Specifiers match on strings; other property values are kept but match nothing. */
function stringProperties(properties: UsageRequest['properties']): { properties?: Record<string, string> } {
  if (properties === undefined) return {};
  const strings = Object.entries(properties).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return strings.length === 0 ? {} : { properties: Object.fromEntries(strings) };
}

function ingested(
  customerId: string,
  { events, position, replayed, recordedAt }: Written<unknown, CreditEvent>,
): IngestedUsage {
  const drawn = consumptionAmong(events);
  const recorded = drawn?.data.usage
    ? { usage: drawn.data.usage, effectiveAt: drawn.data.effectiveAt }
    : undefined;
  const measured = events.find((event) => event.type === 'UsageRecorded')?.data;
  const usage = recorded ?? measured;
  if (!usage) throw new Error('a usage event left no fact');
  const reversals = events.flatMap((event) =>
    event.type === 'ConsumptionReversed' ? [reversalAnswer(customerId, event.data)] : [],
  );
  const taken = reversals.reduce((sum, { amount }) => sum + readAmount(amount), 0n);
  return {
    body: {
      event: usageAnswer(customerId, usage, formatInstant(recordedAt)),
      deduplicated: replayed,
      consumption: drawn ? consumptionAnswer(customerId, drawn) : null,
      correction: reversals.length === 0 ? null : { amount: formatAmount(taken), reversals },
    },
    position,
    replayed,
  };
}
