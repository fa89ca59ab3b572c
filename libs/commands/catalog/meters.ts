import { METER_DEFAULTS } from '#libs/catalog';
import type { Aggregation, Changes, Meter, ShortagePolicy } from '#libs/catalog';
import { Problem } from '#libs/kernel';
import type { Issue } from '#libs/kernel';
import { chooseId } from '../ids.js';
import type { CommandContext } from '../stream-kind.js';
import { meters } from './catalog-kinds.js';
import {
  archiveDocument,
  canonicalAmount,
  claim,
  createDocument,
  unknownReference,
  updateDocument,
} from './catalog-writer.js';
import type { CatalogPorts, DocumentWritten } from './catalog-writer.js';
import { ensureUsageUnit } from './units.js';

/** Members as the caller sends them; null counts as left out. */
export type MeterInput = {
  readonly id?: string | undefined;
  readonly eventName: string;
  readonly name?: string | undefined;
  readonly aggregation?: Aggregation | undefined;
  readonly valueProperty?: string | undefined;
  readonly unit?: string | undefined;
  readonly rate?: string | number | undefined;
  readonly onShortage?: ShortagePolicy | undefined;
  readonly debtLimit?: string | number | undefined;
};

/** Members to change; null unsets. Those that cannot change are refused when they differ. */
export type MeterChanges = { readonly [M in keyof Omit<MeterInput, 'id'>]?: MeterInput[M] | null };

const RATE_WITHOUT_UNIT: Issue = {
  pointer: '/rate',
  code: 'rate_without_unit',
  message: 'rate goes with unit: in a unit of its own a meter counts one to one.',
};

/** Claims the event name, makes the meter's own usage unit when it names none, then the meter. */
export async function createMeter(
  ports: CatalogPorts,
  context: CommandContext,
  input: MeterInput,
): Promise<DocumentWritten<Meter>> {
  const { tenant } = context;
  const operation = 'meters.create';
  const id = chooseId(ports.newId, 'mtr', {
    given: input.id ?? undefined,
    tenant,
    operation,
    key: context.idempotencyKey,
  });
  const { eventName, name, valueProperty } = input;
  const attributes: Meter = {
    eventName,
    name,
    aggregation: input.aggregation ?? METER_DEFAULTS.aggregation,
    valueProperty,
    unit: input.unit ?? eventName,
    rate: canonicalAmount(input.rate ?? METER_DEFAULTS.rate),
    onShortage: input.onShortage ?? METER_DEFAULTS.onShortage,
    debtLimit: input.debtLimit == null ? undefined : canonicalAmount(input.debtLimit),
  };
  const issues: Issue[] = [];
  if (input.unit == null) {
    if (input.rate != null) issues.push(RATE_WITHOUT_UNIT);
  } else if (!(await ports.reader.unit(tenant, input.unit)))
    issues.push(unknownReference('/unit', 'unit', input.unit));
  const prepare = async (): Promise<void> => {
    await claimEventName(ports, context, eventName, id);
    if (input.unit == null) await ensureUsageUnit(ports, context, eventName);
  };
  return createDocument(ports, meters, { context, operation, id, input, attributes, issues, prepare });
}

const claimEventName = (
  ports: CatalogPorts,
  context: CommandContext,
  eventName: string,
  id: string,
): Promise<void> =>
  claim(ports, context, {
    what: 'eventName',
    value: eventName,
    owner: id,
    taken: { code: 'event_name_taken', detail: `Another meter counts ${JSON.stringify(eventName)}.` },
    holds: async (owner) =>
      (await ports.writer.read(meters, context.tenant, owner, 0)).state?.attributes.eventName === eventName,
  });

export async function updateMeter(
  ports: CatalogPorts,
  context: CommandContext,
  id: string,
  input: MeterChanges,
): Promise<DocumentWritten<Meter>> {
  const changes: Changes<Meter> = {
    ...input,
    rate: input.rate == null ? undefined : canonicalAmount(input.rate),
    debtLimit: input.debtLimit == null ? input.debtLimit : canonicalAmount(input.debtLimit),
  };
  const issues = changes.rate === undefined ? [] : await checkRate(ports, context.tenant, id, changes.rate!);
  return updateDocument(ports, meters, { context, operation: 'meters.update', id, input, changes, issues });
}

async function checkRate(
  { reader }: CatalogPorts,
  tenant: string,
  id: string,
  rate: string,
): Promise<readonly Issue[]> {
  const meter = await reader.meter(tenant, id);
  if (!meter || meter.attributes.unit !== meter.attributes.eventName || rate === meter.attributes.rate)
    return [];
  const unit = await reader.unit(tenant, meter.attributes.unit);
  return unit?.attributes.kind === 'usage' ? [RATE_WITHOUT_UNIT] : [];
}

export const archiveMeter = (
  ports: CatalogPorts,
  context: CommandContext,
  id: string,
): Promise<DocumentWritten<Meter>> =>
  archiveDocument(ports, meters, { context, operation: 'meters.archive', id });

/** The meter of an event name, made when there is none. Concurrent calls end at one meter. */
export async function ensureMeter(
  ports: CatalogPorts,
  context: CommandContext,
  eventName: string,
  newId: string,
): Promise<string> {
  const existing = await ports.reader.meterByEventName(context.tenant, eventName);
  if (existing) return existing.id;
  try {
    const { document } = await createMeter(
      ports,
      { ...context, idempotencyKey: undefined },
      { id: newId, eventName },
    );
    return document.id;
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'event_name_taken') throw error;
    const winner = await ports.reader.meterByEventName(context.tenant, eventName);
    if (!winner) throw error;
    return winner.id;
  }
}
