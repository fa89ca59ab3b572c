import { issue, parseAmount, Problem, type Amount, type Issue } from '#libs/kernel';
import type { Document, Unit } from '#libs/catalog';

/** @returns the amount; where it is none, an issue is added and the result means nothing */
export function positiveAmount(
  input: unknown,
  unit: Document<Unit>,
  pointer: string,
  issues: Issue[],
): Amount {
  const { scale } = unit.attributes;
  const amount = parseAmount(input, scale);
  if (typeof amount !== 'bigint') {
    const message =
      amount === 'amount_too_precise' ? `${unit.id} keeps ${scale} decimals` : 'must be an amount';
    issues.push(issue(pointer, amount, message));
    return 0n;
  }
  if (amount <= 0n) issues.push(issue(pointer, 'amount_not_positive', 'must be above zero'));
  return amount;
}

export const unacceptable = (issues: readonly Issue[]): Problem =>
  new Problem(
    'validation_failed',
    `${issues.length === 1 ? 'One member is' : `${issues.length} members are`} not acceptable.`,
    issues,
  );
