import { formatAmount, formatInstant, readAmount, type Amount } from '#libs/kernel';
import { movementsOf, standingsOf, type CreditEvent, type Movement } from '#libs/credits';
import type { ProjectedEvent, Projection, Sink } from '../projection.js';
import { textArray } from '../sink.js';
import { tableOf } from '../table.js';
import { TransactionRow } from './transactions.entity.js';

const transactions = tableOf(TransactionRow);

/** One row per movement of `movementsOf`; an amendment of the amount shows as an adjustment. */
export const transactionsProjection: Projection = {
  name: 'transactions',
  tables: [transactions],
  categories: new Set(['creditAccount']),

  async project(events, sink) {
    await sink.upsert(transactions, await withDebt(events.flatMap(rowsOf), sink));
  },
};

/** Debt is null where the event leaves it as it was. */
type Row = Omit<TransactionRow, 'debtAfter'> & { readonly debtAfter: string | null };

/** Runs the debt of each unit beside its movements; what stood before the batch is asked of the rows before it. */
async function withDebt(rows: readonly Row[], sink: Sink): Promise<readonly TransactionRow[]> {
  const debts = new Map<string, string>();
  const unknown = new Map<string, Row>();
  for (const row of rows) {
    const key = keyOf(row);
    if (row.debtAfter !== null) debts.set(key, row.debtAfter);
    else if (!debts.has(key) && !unknown.has(key)) unknown.set(key, row);
  }
  debts.clear();
  const before = await debtsBefore([...unknown.values()], sink);
  for (const [index, key] of [...unknown.keys()].entries()) debts.set(key, before[index] ?? '0');
  return rows.map((row) => {
    const key = keyOf(row);
    const debtAfter = row.debtAfter ?? debts.get(key) ?? '0';
    debts.set(key, debtAfter);
    return { ...row, debtAfter };
  });
}

const keyOf = ({ tenant, customerId, unit }: Pick<Row, 'tenant' | 'customerId' | 'unit'>): string =>
  `${tenant}\n${customerId}\n${unit}`;

/** The debt of each row's unit just before the row; null where nothing moved. */
async function debtsBefore(rows: readonly Row[], sink: Sink): Promise<readonly (string | null)[]> {
  if (rows.length === 0) return [];
  const found = await sink.query<{ debt: string | null }>(
    `select t.debt_after::text as debt
     from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality as s(tenant, customer_id, unit, position, n)
     left join lateral (
       select t.debt_after from {schema}.transactions t
       where t.tenant = s.tenant and t.customer_id = s.customer_id and t.unit = s.unit and t.position < s.position::bigint
       order by t.position desc, t.index desc limit 1
     ) t on true order by s.n`,
    [
      textArray(rows.map(({ tenant }) => tenant)),
      textArray(rows.map(({ customerId }) => customerId)),
      textArray(rows.map(({ unit }) => unit)),
      textArray(rows.map(({ position }) => position.toString())),
    ],
  );
  return found.map(({ debt }) => debt);
}

/** The event says what stands after all of it; what stands after each movement follows from the last one back. */
function rowsOf(recorded: ProjectedEvent): readonly Row[] {
  const event = { type: recorded.type, data: recorded.data } as unknown as CreditEvent;
  const movements = movementsOf(event);
  if (movements.length === 0) return [];
  const { data } = event;
  const about = aboutOf(event);
  const left = new Map(standingsOf(event).map(({ grantId, remaining }) => [grantId, remaining]));
  const stands = { balance: 'balanceAfter' in data ? data.balanceAfter : '0', debt: debtAfterOf(event) };
  const rows: Row[] = [];
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
