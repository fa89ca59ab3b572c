import { parseAmount, readAmount, readInstant, type Amount, type Instant } from '#libs/kernel';
import type { CreditEvent } from '#libs/credits';
import type { Meter } from '#libs/catalog';
import { ONE } from './rating.js';

/** One usage of a meter, as an account's facts up to some revision have it. Nothing taken back is in it any more. */
export interface UsageFact {
  readonly customerId: string;
  readonly revision: number;
  readonly position: bigint;
  readonly at: Instant;
  readonly meterId: string;
  /** Id of the usage event, or of the consumption or hold where there is none. */
  readonly id: string;
  /** In the metric. */
  readonly quantity: Amount;
  /** What grants gave for it, in the metric: together at most the quantity. */
  readonly draws: readonly { readonly grantId: string; readonly quantity: Amount }[];
  /** What is owed for it in credits: no money is asked for that. */
  readonly owed: Amount;
  /** What was reported, where the meter only measures. */
  readonly measured: string | null;
}

export interface CountedFeature {
  readonly slug: string;
  readonly meterId?: string | undefined;
}

/** Where a fact stands. */
interface Recorded {
  readonly revision: number;
  readonly position: bigint;
}

interface Drawn {
  readonly fact: Omit<UsageFact, 'quantity' | 'draws' | 'owed'>;
  /** In the metric, for `units`. */
  readonly quantity: Amount;
  /** In the unit: as recorded, and what is left of it. */
  readonly units: Amount;
  left: Amount;
  owed: Amount;
  readonly draws: Map<string, Amount>;
}

/**
 * Reads usage off an account's facts. What was taken back later is not usage; what was refused never was. Where a rate made
 * units of what is counted, units become that again by the same proportion, what grants gave rounded down.
 * @param features say which meter counts usage that names only its feature
 */
export function createUsageReader(customerId: string, features: readonly CountedFeature[]) {
  const meterOfFeature = new Map(features.map(({ slug, meterId }) => [slug, meterId]));
  const drawn = new Map<string, Drawn>();
  const measured = new Map<string, UsageFact>();

  function add(
    { revision, position }: Recorded,
    at: string,
    id: string,
    data: {
      readonly usage?: { readonly eventId: string; readonly meterId: string } | undefined;
      readonly context?: { readonly meterId?: string; readonly featureSlug?: string } | undefined;
    },
    amounts: Pick<Drawn, 'quantity' | 'units' | 'owed'>,
    draws: readonly { readonly grantId: string; readonly amount: string }[],
  ): void {
    if (id.includes('~')) return; // an invoice drew that, for what it charges
    const { usage, context } = data;
    const meterId = usage?.meterId ?? context?.meterId ?? meterOfFeature.get(context?.featureSlug ?? '');
    if (meterId === undefined) return;
    const given = new Map<string, Amount>();
    for (const { grantId, amount } of draws)
      if (readAmount(amount) > 0n) given.set(grantId, (given.get(grantId) ?? 0n) + readAmount(amount));
    drawn.set(id, {
      fact: {
        customerId,
        revision,
        position,
        at: readInstant(at),
        meterId,
        id: usage?.eventId ?? id,
        measured: null,
      },
      left: amounts.units,
      draws: given,
      ...amounts,
    });
  }

  return {
    read(event: CreditEvent & Recorded): void {
      const { type, data } = event;
      switch (type) {
        case 'CreditsConsumed': {
          const partial = data.onShortage === 'partial';
          const units = readAmount(partial ? data.consumed : data.requested);
          const all = readAmount(data.requested);
          const reported =
            data.rating === undefined ? counted(all, data.rate) : readAmount(data.rating.quantity);
          const quantity = partial && all > 0n ? (reported * units) / all : reported;
          add(
            event,
            data.effectiveAt,
            data.consumptionId,
            data,
            { quantity, units, owed: readAmount(data.debt) },
            data.allocations,
          );
          return;
        }
        case 'HoldCaptured': {
          const units = readAmount(data.captured);
          const amounts = { quantity: counted(units, data.rate), units, owed: 0n };
          add(event, data.effectiveAt, data.holdId, data, amounts, data.allocations);
          return;
        }
        case 'UsageRecorded': {
          const { eventId: id, meterId, value, text, properties } = data.usage;
          const at = readInstant(data.effectiveAt);
          const reported = JSON.stringify({ value, text, properties });
          const none = { quantity: 0n, draws: [], owed: 0n };
          const { revision, position } = event;
          measured.set(id, { customerId, revision, position, at, meterId, id, ...none, measured: reported });
          return;
        }
        case 'ConsumptionReversed': {
          // a value below zero is no usage but what it takes back
          if (data.usageEventId !== undefined) measured.delete(data.usageEventId);
          const of = drawn.get(data.consumptionId);
          if (!of) return;
          of.left -= readAmount(data.amount);
          of.owed -= readAmount(data.debt);
          for (const { grantId, amount } of data.allocations)
            of.draws.set(grantId, (of.draws.get(grantId) ?? 0n) - readAmount(amount));
          return;
        }
        case 'DebtSettled': {
          for (const { consumptionId, amount } of data.settlements) {
            const of = drawn.get(consumptionId);
            if (!of) continue;
            of.owed -= readAmount(amount);
            of.draws.set(data.grantId, (of.draws.get(data.grantId) ?? 0n) + readAmount(amount));
          }
          return;
        }
        default:
      }
    },
    /** In the order of the log, from an inclusive revision on. */
    facts: (from = 0): readonly UsageFact[] =>
      [
        ...[...drawn.values()].filter(({ fact }) => fact.revision >= from).map(inMetric),
        ...[...measured.values()].filter(({ revision }) => revision >= from),
      ].sort((a, b) => a.revision - b.revision),
  };
}

/** What a meter counts for units of it, cut off at the smallest decimal. */
const counted = (units: Amount, rate: string | undefined): Amount =>
  rate === undefined ? units : (units * ONE) / readAmount(rate);

function inMetric({ fact, quantity, units, left, owed, draws }: Drawn): UsageFact {
  const metric = (part: Amount): Amount => (units === 0n ? 0n : (part * quantity) / units);
  // what is left over by rounding stays with what nobody covered; all of it covered leaves nothing over
  const all = units === left ? quantity : metric(left);
  const given = [...draws].filter(([, amount]) => amount > 0n);
  const covered = given.reduce((sum, [, amount]) => sum + amount, 0n) + owed;
  let open = all;
  const parts = given.map(([grantId, amount], index) => {
    const isLast = index === given.length - 1 && owed === 0n && covered === left;
    const part = isLast ? open : metric(amount);
    open -= part;
    return { grantId, quantity: part };
  });
  const owes = owed > 0n && covered === left ? open : metric(owed);
  return { ...fact, quantity: all, draws: parts, owed: owes };
}

/** What a meter that measures says of its usage: the metric's value over all of it. */
export function measuredQuantity(
  { aggregation, valueProperty }: Pick<Meter, 'aggregation' | 'valueProperty'>,
  facts: readonly UsageFact[],
): Amount {
  const reports = facts.map(
    ({ at, measured }) => ({ at, ...JSON.parse(measured ?? '{}') }) as Reported & { readonly at: Instant },
  );
  if (aggregation === 'unique_count') {
    const seen = new Set(
      reports.map((one) => JSON.stringify(propertyOf(one, valueProperty) ?? one.text ?? one.value)),
    );
    return readAmount(String(seen.size));
  }
  const values = reports
    .map((one) => ({ at: one.at, value: numberOf(propertyOf(one, valueProperty) ?? one.value) }))
    .filter((one): one is { at: Instant; value: Amount } => one.value !== null);
  if (values.length === 0) return 0n;
  switch (aggregation) {
    case 'max':
      return values.reduce((most, { value }) => (value > most ? value : most), 0n);
    case 'last':
      return above(values.reduce((last, one) => (one.at >= last.at ? one : last)).value);
    case 'avg':
      return above(values.reduce((sum, { value }) => sum + value, 0n) / BigInt(values.length));
    default:
      return above(values.reduce((sum, { value }) => sum + value, 0n));
  }
}

interface Reported {
  readonly value?: string;
  readonly text?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
}

const propertyOf = ({ properties }: Reported, name: string | undefined): unknown =>
  name === undefined ? undefined : properties?.[name];

function numberOf(value: unknown): Amount | null {
  const amount = parseAmount(typeof value === 'number' ? String(value) : value);
  return typeof amount === 'bigint' ? amount : null;
}

const above = (amount: Amount): Amount => (amount > 0n ? amount : 0n);
