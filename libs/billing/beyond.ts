import type { PriceComponent } from '#libs/catalog';
import { formatAmount, readAmount, type Amount } from '#libs/kernel';
import { freeUnits } from './rating.js';

/** The component for usage that comes on top: what was free or in lower tiers is used up by what was charged before. */
export function componentBeyond(component: PriceComponent, before: Amount): PriceComponent {
  if (before <= 0n) return component;
  const free = freeUnits(component);
  const isFree = before < free ? before : free;
  const paid = before - isFree;
  const { tiers } = component;
  return {
    ...component,
    ...(free === 0n ? {} : { free_units: formatAmount(free - isFree) }),
    ...(tiers?.mode === 'graduated' && paid > 0n
      ? { tiers: { ...tiers, tiers: tiersBeyond(tiers.tiers, paid) } }
      : {}),
  };
}

function tiersBeyond(
  tiers: NonNullable<PriceComponent['tiers']>['tiers'],
  paid: Amount,
): NonNullable<PriceComponent['tiers']>['tiers'] {
  let below = 0n;
  return tiers.flatMap((tier, index) => {
    const upTo = tier.upTo === null || index === tiers.length - 1 ? null : readAmount(tier.upTo);
    const wasReached = paid > below;
    below = upTo ?? below;
    if (upTo !== null && upTo <= paid) return [];
    const { flat_cents: _, ...rest } = tier;
    return [{ ...(wasReached ? rest : tier), upTo: upTo === null ? null : formatAmount(upTo - paid) }];
  });
}
