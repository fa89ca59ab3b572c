import { movementsOf, standingsOf, type CreditEvent, type Movement } from '#libs/credits';
import { formatAmount, formatInstant, readAmount, type Amount } from '#libs/kernel';
import type { ProjectedEvent } from '../projection.js';
import type { TransactionRow } from './transactions.entity.js';

type Recorded = Pick<ProjectedEvent, 'tenant' | 'entityId' | 'position' | 'recordedAt' | 'type' | 'data'>;

/**
 * A row for each movement of `movementsOf`; an amendment of the amount shows as an adjustment. The event says what stands
 * after all of it; what stands after each movement follows from the last one back.
 */
export function movementRows(recorded: Recorded): readonly TransactionRow[] {
  const event = { type: recorded.type, data: recorded.data } as unknown as CreditEvent;
  const movements = movementsOf(event);
  if (movements.length === 0) return [];
  const { data } = event;
  const about = aboutOf(event);
  const left = new Map(standingsOf(event).map(({ grantId, remaining }) => [grantId, remaining]));
  const stands = { balance: 'balanceAfter' in data ? data.balanceAfter : '0', debt: debtAfterOf(event) };
  const rows: TransactionRow[] = [];
  for (let index = movements.length - 1; index >= 0; index--) {
    const movement = movements[index]!;
    const { kind, grantId, unit, amount, at } = movement;
    const grantBalanceAfter = grantId === null ? null : (left.get(grantId) ?? '0');
    rows.unshift({
      tenant: recorded.tenant,
      customerId: recorded.entityId,
      position: recorded.position,
      index,
      type: kind === 'amendment' ? 'adjustment' : kind,
      grantId,
      unit,
      amount: formatAmount(amount),
      grantBalanceAfter,
      balanceAfter: stands.balance,
      debtAfter: stands.debt,
      eventTimestamp: formatInstant(at),
      recordedAt: recorded.recordedAt,
      ...about,
      description: about.description ?? lossOf(movement),
    });
    if (index === 0) break;
    if (grantId !== null) {
      left.set(grantId, before(grantBalanceAfter!, amount));
      stands.balance = before(stands.balance, amount);
    }
    if (stands.debt === null) continue;
    if (grantId === null) stands.debt = before(stands.debt, -amount);
    else if (kind === 'settlement') stands.debt = before(stands.debt, amount);
  }
  return rows;
}

const before = (after: string, moved: Amount): string => formatAmount(readAmount(after) - moved);

const debtAfterOf = ({ data }: CreditEvent): string | null => ('debtAfter' in data ? data.debtAfter : null);

type About = Pick<TransactionRow, 'eventName' | 'reference' | 'description' | 'consumptionId' | 'holdId'>;

const NOTHING: About = {
  eventName: null,
  reference: null,
  description: null,
  consumptionId: null,
  holdId: null,
};

/** What an event says about all of its movements. */
function aboutOf({ type, data }: CreditEvent): About {
  switch (type) {
    case 'GrantIssued':
      return {
        ...NOTHING,
        reference: data.referenceCode ?? null,
        description: data.description ?? data.name ?? null,
      };
    case 'CreditsConsumed': {
      const { usage, reference, consumptionId } = data;
      return { ...NOTHING, ...usageOf(usage, reference), consumptionId };
    }
    case 'DebtSettled': {
      const [only, ...others] = data.settlements;
      return { ...NOTHING, consumptionId: others.length === 0 ? (only?.consumptionId ?? null) : null };
    }
    case 'GrantExpired':
    case 'GrantVoided':
      return { ...NOTHING, description: data.notes ?? null };
    case 'GrantAmended':
      return { ...NOTHING, description: data.reason ?? 'Amount amended' };
    case 'GrantAdjusted':
      return { ...NOTHING, reference: data.reference ?? null, description: data.reason };
    case 'BalanceCarried':
      return { ...NOTHING, description: `Carried into ${data.intoGrantId}` };
    case 'HoldPlaced':
    case 'HoldReleased':
      return { ...NOTHING, reference: data.reference ?? null, holdId: data.holdId };
    case 'HoldCaptured': {
      const { usage, reference, holdId } = data;
      return { ...NOTHING, ...usageOf(usage, reference), consumptionId: holdId, holdId };
    }
    case 'ConsumptionReversed':
      return { ...NOTHING, description: data.reason, consumptionId: data.consumptionId };
    case 'GrantActivated':
    case 'ConsumptionRefused':
    case 'UsageRecorded':
    case 'GrantEdited':
    case 'HoldRefused':
    case 'RenewalBegun':
    case 'GrantRenewed':
    case 'RenewalAmended':
    case 'RenewalPaused':
    case 'RenewalResumed':
    case 'RenewalCancelled':
    case 'CommandRefused':
      return NOTHING;
  }
}

const usageOf = (
  usage: { readonly eventName: string; readonly idempotencyKey?: string } | undefined,
  reference: string | undefined,
) => ({
  eventName: usage?.eventName ?? null,
  reference: reference ?? usage?.idempotencyKey ?? null,
});

/** Why something was lost, where nobody noted it and it was not the grant's own end. */
const lossOf = ({ cause }: Movement): string | null => (cause ? (LOSSES[cause] ?? null) : null);

const LOSSES: Readonly<Partial<Record<NonNullable<Movement['cause']>, string>>> = {
  expired_now: 'Expired by hand',
  not_carried: 'Not carried over',
  resumed: 'Series resumed',
  cancelled: 'Series cancelled',
  hold_ended: 'Given back after the grant had ended',
  reversed: 'Given back after the grant had ended',
};
