import { formatAmount, minAmount, readAmount, type Amount } from '#libs/kernel';
import { netCharges } from './charges.js';
import type { ChargeLine, MonetaryCreditLine, UsageCreditLine } from './lines.js';
import { ONE, roundToMinor } from './rating.js';

/** A charge that monetary credit may pay, and how much of it: whole minor units, above zero. */
export interface Payable {
  readonly line: ChargeLine;
  readonly amount: Amount;
}

/** A grant of monetary credit in the invoice's currency, as a draft finds it. */
export interface MonetaryCredit {
  readonly grantId: string;
  readonly description: string;
  /** What it has left, above zero. */
  readonly available: Amount;
  /** Ids of the charges' lines that it admits; absent: all. */
  readonly admits?: readonly string[] | undefined;
}

/** What one grant pays of one line, exactly. */
export interface MonetaryDraw {
  readonly lineId: string;
  readonly grantId: string;
  readonly description: string;
  readonly amount: Amount;
  /** Absent in a draft: nothing is drawn yet. */
  readonly consumptionId?: string | undefined;
}

/**
 * The charges that monetary credit may pay, in the order in which they compete for it: usage first, then earlier periods,
 * higher unit prices, names. What is given back on other lines is taken off from the last ones on, so that all together
 * are the subtotal and no credit brings the invoice below zero.
 */
export function payables(lines: readonly (ChargeLine | UsageCreditLine)[]): readonly Payable[] {
  const nets = netCharges(lines);
  let givenBack = nets.reduce((all, { net }) => (net < 0n ? all - net : all), 0n);
  return nets
    .filter(({ net }) => net > 0n)
    .sort((a, b) => compareLines(a.line, b.line))
    .reverse()
    .map(({ line, net }) => {
      const taken = minAmount(givenBack, net);
      givenBack -= taken;
      return { line, amount: net - taken };
    })
    .reverse()
    .filter(({ amount }) => amount > 0n);
}

/**
 * Draws line by line, each on the grants in their order: component, price, plan, merchant, and the further order of
 * drawdown. Grant by grant would come to the same, because the grants' order does not depend on the line. So is what an
 * account does that is asked for one line after the other.
 * @param credits in the order of drawdown
 */
export function drawCredits(
  lines: readonly Payable[],
  credits: readonly MonetaryCredit[],
): readonly MonetaryDraw[] {
  const left = new Map(credits.map(({ grantId, available }) => [grantId, available]));
  return lines.flatMap(({ line: { lineId }, amount }) => {
    let open = amount;
    return credits.flatMap(({ grantId, description, admits }): MonetaryDraw[] => {
      if (admits && !admits.includes(lineId)) return [];
      const drawn = minAmount(open, left.get(grantId)!);
      if (drawn === 0n) return [];
      open -= drawn;
      left.set(grantId, left.get(grantId)! - drawn);
      return [{ lineId, grantId, description, amount: drawn }];
    });
  });
}

/**
 * The lines of what was drawn. Where grants hold parts of a minor unit, each line is what the draws up to it come to,
 * rounded, less the lines before it.
 * @throws Error when a line got more than it can take
 */
export function creditLines(
  lines: readonly Payable[],
  draws: readonly MonetaryDraw[],
  firstId: number,
): readonly MonetaryCreditLine[] {
  const made: MonetaryCreditLine[] = [];
  const drawnOf = new Map<string, Amount>();
  for (const { lineId, grantId, description, amount, consumptionId } of draws) {
    const before = drawnOf.get(lineId) ?? 0n;
    const after = before + amount;
    if (after > (lines.find(({ line }) => line.lineId === lineId)?.amount ?? 0n))
      throw new Error(`line ${lineId} is paid more than it comes to`);
    drawnOf.set(lineId, after);
    made.push({
      type: 'monetary_credit',
      lineId: String(firstId + made.length),
      appliesTo: lineId,
      description,
      grantId,
      drawn: formatAmount(amount),
      ...(consumptionId === undefined ? {} : { consumptionId }),
      amount: formatAmount(roundToMinor(before * ONE) - roundToMinor(after * ONE)),
      rounding: 'half_away_from_zero',
    });
  }
  return made;
}

/** Usage, then what recurs; earlier start; higher price of one; name; place on the invoice. */
function compareLines(a: ChargeLine, b: ChargeLine): number {
  return (
    Number(a.type !== 'usage') - Number(b.type !== 'usage') ||
    compare(a.period?.start ?? '', b.period?.start ?? '') ||
    comparePrices(b, a) ||
    compare(a.description, b.description) ||
    Number(a.lineId) - Number(b.lineId)
  );
}

/** With tiers, the price of one is the mean; crosswise, because that has no end in decimals. */
function comparePrices(a: ChargeLine, b: ChargeLine): number {
  const fraction = ({ unitAmount, amount, quantity }: ChargeLine): readonly [bigint, bigint] =>
    unitAmount === undefined ? [readAmount(amount), readAmount(quantity)] : [readAmount(unitAmount), ONE];
  const [p, q] = fraction(a);
  const [r, s] = fraction(b);
  return compare(p * s, r * q);
}

const compare = <T extends string | bigint>(a: T, b: T): number => (a < b ? -1 : Number(a > b));
