import { formatAmount, formatInstant, readAmount, type Amount, type Instant } from '#libs/kernel';
import type { PriceComponent } from '#libs/catalog';
import type { ChargeLine, LineSource, PricedTier, UsageCreditLine } from './lines.js';
import { shareLeft, type Period } from './periods.js';
import {
  chargedSeats,
  exactPrice,
  freeUnits,
  ONE,
  priceParts,
  roundToMinor,
  unitPrice,
  type Exact,
  type PricedPart,
} from './rating.js';

/** What is to be charged; each becomes a line. */
export type Charge = FixedCharge | SeatCharge | UsageCharge;

interface ChargeBase {
  readonly component: PriceComponent;
  readonly priceId: string;
  readonly planId?: string | undefined;
  readonly subscriptionId?: string | undefined;
  /** Absent: charged once. */
  readonly period?: Period | undefined;
}

/** Only what is left of the period counts: `unused` is given back, `rest` charged. */
export interface Change {
  readonly part: 'unused' | 'rest';
  readonly at: Instant;
  /** IANA name of the zone whose days are counted. */
  readonly zone: string;
}

export interface FixedCharge extends ChargeBase {
  readonly type: 'fixed';
  readonly change?: Change | undefined;
}

export interface SeatCharge extends ChargeBase {
  readonly type: 'per_unit';
  /** Seats there are; at least the component's minimum is charged. */
  readonly seats: Amount;
  /** Seats that are charged already: only what comes on top is. */
  readonly seatsBefore?: Amount | undefined;
  readonly change?: Change | undefined;
}

export interface UsageCharge extends ChargeBase {
  readonly type: 'usage';
  /** When it was used. */
  readonly period: Period;
  /** All that was used, in the metric, covered or not. */
  readonly quantity: Amount;
  /** What credits covered of it, in the order of drawdown; together at most the quantity. */
  readonly draws: readonly UsageDraw[];
  readonly sources: readonly LineSource[];
}

/** What one grant gave for usage. */
export interface UsageDraw {
  readonly grantId: string;
  /** Text of the line. */
  readonly description: string;
  /** Whether the invoice shows it. What it does not show is covered all the same. */
  readonly billingVisible: boolean;
  /** In the metric. */
  readonly quantity: Amount;
  readonly allocations: readonly LineSource[];
}

/**
 * The lines of charges, in their order, each followed by the usage credits that cover some of it.
 *
 * Units that credits covered are the last ones of the usage: each credit line is what the line before it comes to, less what
 * the units not covered yet come to, so that charge + credits is exactly the price of the units nothing covered. With one
 * price that is quantity drawn x price. The tier of volume tiers is that of all usage, covered or not.
 * @throws Error when more was drawn than used, and for a change outside its period
 */
export function chargeLines(charges: readonly Charge[]): readonly (ChargeLine | UsageCreditLine)[] {
  const lines: (ChargeLine | UsageCreditLine)[] = [];
  for (const charge of charges) {
    const made = charge.type === 'usage' ? usageLines(charge) : [recurringLine(charge)];
    const first = lines.length + 1;
    for (const line of made)
      lines.push({
        ...line,
        lineId: String(lines.length + 1),
        ...(line.type === 'usage_credit' ? { appliesTo: String(first) } : {}),
      });
  }
  return lines;
}

function recurringLine(charge: FixedCharge | SeatCharge): ChargeLine {
  const { component, change, period } = charge;
  const quantity = charge.type === 'fixed' ? ONE : seatsOf(charge);
  const price: Exact = unitPrice(component) * quantity;
  if (change === undefined) return { ...lineOf(charge, quantity), amount: minor(price) };
  if (period === undefined) throw new Error('only what has a period is divided');
  const { days, of } = shareLeft(period, change.at, change.zone);
  return {
    ...lineOf(charge, quantity),
    amount: minor(change.part === 'unused' ? -price : price, days, of),
    proration: { part: change.part, days, of },
  };
}

function seatsOf({ component, seats, seatsBefore }: SeatCharge): Amount {
  const more =
    chargedSeats(component, seats) - (seatsBefore === undefined ? 0n : chargedSeats(component, seatsBefore));
  if (more < 0n) throw new Error('fewer seats are charged from the next period on');
  return more;
}

function usageLines(charge: UsageCharge): readonly (ChargeLine | UsageCreditLine)[] {
  const { component, quantity: used, draws, sources } = charge;
  const visible = draws.filter(({ billingVisible }) => billingVisible);
  const hidden = sum(draws.filter(({ billingVisible }) => !billingVisible));
  if (sum(draws) > used) throw new Error(`more was drawn than used of component ${component.id}`);
  const partsOf = (units: Amount): readonly PricedPart[] => priceParts(component, units, used);
  const priceOf = (units: Amount): Amount => roundToMinor(exactPrice(partsOf(units)));

  const shown = used - hidden;
  const free = shown < freeUnits(component) ? shown : freeUnits(component);
  const line: ChargeLine = {
    ...lineOf(charge, shown),
    amount: formatAmount(priceOf(shown)),
    ...(component.metric_id === undefined ? {} : { metricId: component.metric_id }),
    ...(component.tiers === undefined ? {} : { tiers: partsOf(shown).map(storedTier) }),
    ...(free === 0n ? {} : { freeQuantity: formatAmount(free) }),
    ...(hidden === 0n ? {} : { coveredQuantity: formatAmount(hidden) }),
    sources,
  };
  let open = shown;
  const credits = visible.map(({ grantId, description, quantity, allocations }): UsageCreditLine => {
    const before = priceOf(open);
    open -= quantity;
    return {
      type: 'usage_credit',
      lineId: '',
      appliesTo: '',
      description,
      grantId,
      quantity: formatAmount(quantity),
      ...unitAmount(component),
      amount: formatAmount(priceOf(open) - before),
      rounding: 'half_away_from_zero',
      allocations,
    };
  });
  return [line, ...credits];
}

const lineOf = (
  { type, component, priceId, planId, subscriptionId, period }: Charge,
  quantity: Amount,
): Omit<ChargeLine, 'amount'> => ({
  type,
  lineId: '',
  description: component.label,
  componentId: component.id,
  priceId,
  ...(planId === undefined ? {} : { planId }),
  ...(subscriptionId === undefined ? {} : { subscriptionId }),
  ...(period === undefined
    ? {}
    : { period: { start: formatInstant(period.start), end: formatInstant(period.end) } }),
  quantity: formatAmount(quantity),
  ...unitAmount(component),
  rounding: 'half_away_from_zero',
});

const unitAmount = (component: PriceComponent): { unitAmount?: string } =>
  component.tiers === undefined ? { unitAmount: formatAmount(unitPrice(component)) } : {};

const storedTier = ({ quantity, unit, flat }: PricedPart): PricedTier => ({
  quantity: formatAmount(quantity),
  unitAmount: formatAmount(unit),
  ...(flat === 0n ? {} : { flatAmount: formatAmount(flat) }),
});

const minor = (exact: Exact, days?: number, of?: number): string =>
  formatAmount(roundToMinor(exact, days, of));
const sum = (draws: readonly UsageDraw[]): Amount => draws.reduce((all, { quantity }) => all + quantity, 0n);

/** What a charge line comes to after its usage credits. */
export function netCharges(
  lines: readonly (ChargeLine | UsageCreditLine)[],
): readonly { readonly line: ChargeLine; readonly net: Amount }[] {
  return lines
    .filter((line) => line.type !== 'usage_credit')
    .map((line) => ({
      line,
      net: lines.reduce(
        (net, other) =>
          other.type === 'usage_credit' && other.appliesTo === line.lineId
            ? net + readAmount(other.amount)
            : net,
        readAmount(line.amount),
      ),
    }));
}
