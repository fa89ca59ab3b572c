import type { PriceComponent } from '#libs/catalog';
import { MAX_SCALE, readAmount, type Amount } from '#libs/kernel';

/** Exact money: 10^-24 of a minor unit, so that quantity x price needs no rounding. */
export type Exact = bigint;

/** 1 as an amount. */
export const ONE: Amount = 10n ** BigInt(MAX_SCALE);
const EXACT_ONE: Exact = ONE * ONE;

/** A quantity that is priced alike. */
export interface PricedPart {
  readonly quantity: Amount;
  /** Minor units for one. */
  readonly unit: Amount;
  /** Minor units for the part as a whole. */
  readonly flat: Amount;
}

/**
 * What a component charges for a quantity, before rounding: the sum over the parts of quantity x unit + flat.
 * Nothing used is nothing charged, fees of tiers included.
 * @param volume what the whole usage is, where the quantity is only a part of it: in volume tiers it picks the tier
 */
export function priceParts(
  component: PriceComponent,
  quantity: Amount,
  volume: Amount = quantity,
): readonly PricedPart[] {
  if (quantity < 0n || volume < quantity) throw new Error('a quantity is 0 or more, and part of the volume');
  const { tiers } = component;
  const free = freeUnits(component);
  const billable = above(quantity, free);
  if (billable === 0n) return [];
  if (tiers === undefined) return [{ quantity: billable, unit: unitPrice(component), flat: 0n }];
  return tiers.mode === 'volume'
    ? volumeTier(tiers.tiers, billable, above(volume, free))
    : graduatedTiers(tiers.tiers, billable);
}

/** The parts' price, exact. */
export const exactPrice = (parts: readonly PricedPart[]): Exact =>
  parts.reduce((sum, { quantity, unit, flat }) => sum + quantity * unit + flat * ONE, 0n);

/** Minor units for one, where one price holds for all. @throws Error for tiers */
export function unitPrice({
  type,
  amount_cents,
  unit_amount_cents,
  unit_cost_cents,
}: PriceComponent): Amount {
  const price = { fixed: amount_cents, per_unit: unit_amount_cents, usage: unit_cost_cents }[type];
  if (price === undefined) throw new Error(`a component of type ${type} has no price for one`);
  return readAmount(price);
}

export const freeUnits = ({ free_units }: PriceComponent): Amount =>
  free_units === undefined ? 0n : readAmount(free_units);

/** Seats that are charged: never fewer than the component's minimum. */
export function chargedSeats({ minimum_seats = 0 }: PriceComponent, seats: Amount): Amount {
  const minimum = BigInt(minimum_seats) * ONE;
  return seats > minimum ? seats : minimum;
}

/**
 * `days / of` of an exact price in whole minor units, half away from zero: the only rounding on an invoice. The same
 * price with the other sign is the same amount with the other sign.
 */
export function roundToMinor(exact: Exact, days = 1, of = 1): Amount {
  const step = EXACT_ONE * BigInt(of);
  const scaled = exact * BigInt(days);
  const magnitude = scaled < 0n ? -scaled : scaled;
  const rounded = ((magnitude * 2n + step) / (step * 2n)) * ONE;
  return scaled < 0n ? -rounded : rounded;
}

type Tiers = NonNullable<PriceComponent['tiers']>['tiers'];

/** Each unit costs what its own tier says. `upTo` belongs to the tier; the last tier is open. */
function graduatedTiers(tiers: Tiers, quantity: Amount): readonly PricedPart[] {
  const parts: PricedPart[] = [];
  let below = 0n;
  for (const [index, tier] of tiers.entries()) {
    const upTo = endOf(tiers, index) ?? quantity;
    const end = upTo < quantity ? upTo : quantity;
    if (end > below) parts.push(partOf(tier, end - below));
    below = end;
  }
  return parts;
}

/** Every unit costs what the tier of the whole volume says. */
function volumeTier(tiers: Tiers, quantity: Amount, volume: Amount): readonly PricedPart[] {
  const index = tiers.findIndex((_, at) => volume <= (endOf(tiers, at) ?? volume));
  return [partOf(tiers[index]!, quantity)];
}

const endOf = (tiers: Tiers, index: number): Amount | null => {
  const upTo = tiers[index]!.upTo;
  return upTo === null || index === tiers.length - 1 ? null : readAmount(upTo);
};

const partOf = ({ unit_cost_cents, flat_cents = '0' }: Tiers[number], quantity: Amount): PricedPart => ({
  quantity,
  unit: readAmount(unit_cost_cents),
  flat: readAmount(flat_cents),
});

const above = (amount: Amount, floor: Amount): Amount => (amount > floor ? amount - floor : 0n);
