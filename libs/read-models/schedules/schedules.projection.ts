import {
  hasStarted,
  isPlainDraw,
  standingsOf,
  type CreditEvent,
  type GrantStanding,
  type GrantWindow,
} from '#libs/credits';
import type { ProjectedEvent, Projection, Sink } from '../projection.js';
import { textArray } from '../sink.js';
import { tableOf } from '../table.js';
import { ScheduleRow, type ScheduleKind } from './schedules.entity.js';

const schedules = tableOf(ScheduleRow);

type Key = Pick<ScheduleRow, 'tenant' | 'kind' | 'id'>;

/** Due work: what a worker turns into commands when its time has come. */
export const schedulesProjection: Projection = {
  name: 'schedules',
  tables: [schedules],
  categories: new Set(['creditAccount']),

  async project(events, sink) {
    const timetable = createTimetable(await rowsBefore(events, sink));
    for (const recorded of events) {
      const event = { type: recorded.type, data: recorded.data } as unknown as CreditEvent;
      for (const standing of standingsOf(event))
        if (!isPlainDraw(standing)) timetable.stands(recorded, standing);
      const timer = timerOf(event);
      if (timer?.dueAt) timetable.set(recorded, timer.kind, timer.id, { dueAt: timer.dueAt });
      else if (timer) timetable.end(recorded, timer.kind, timer.id);
    }
    await sink.upsert(schedules, timetable.changed());
    await sink.remove(schedules, timetable.ended());
  },
};

/** What an event says of a hold's time-out or a series' next renewal: when, or that there is none. */
function timerOf({ type, data }: CreditEvent): {
  readonly kind: ScheduleKind;
  readonly id: string;
  readonly dueAt?: string | undefined;
} | null {
  switch (type) {
    case 'HoldPlaced':
      return { kind: 'hold', id: data.holdId, dueAt: data.expiresAt };
    case 'HoldCaptured':
    case 'HoldReleased':
      return { kind: 'hold', id: data.holdId };
    case 'RenewalBegun':
    case 'GrantRenewed':
      return { kind: 'renewal', id: data.seriesId, dueAt: data.nextAt };
    case 'RenewalPaused':
    case 'RenewalResumed': // the renewal that follows says
    case 'RenewalCancelled':
      return { kind: 'renewal', id: data.seriesId };
    case 'GrantIssued':
    case 'GrantActivated':
    case 'CreditsConsumed':
    case 'ConsumptionRefused':
    case 'UsageRecorded':
    case 'DebtSettled':
    case 'GrantExpired':
    case 'GrantVoided':
    case 'GrantAmended':
    case 'GrantAdjusted':
    case 'GrantEdited':
    case 'HoldRefused':
    case 'ConsumptionReversed':
    case 'BalanceCarried':
    case 'RenewalAmended': // what later renewals are, not when
    case 'CommandRefused':
      return null;
  }
}

function createTimetable(before: ReadonlyMap<string, ScheduleRow>) {
  const rows = new Map(before);
  const changed = new Set<string>();
  const over = new Map<string, Key>();
  const keyOf = (tenant: string, kind: ScheduleKind, id: string): string => `${tenant}\n${kind}\n${id}`;

  function set(
    { tenant, entityId: customerId, position }: ProjectedEvent,
    kind: ScheduleKind,
    id: string,
    what: Pick<ScheduleRow, 'dueAt'> & Partial<Pick<ScheduleRow, 'open' | 'held'>>,
  ): void {
    const key = keyOf(tenant, kind, id);
    rows.set(key, { tenant, kind, id, customerId, open: true, held: false, ...what, position });
    changed.add(key);
    over.delete(key);
  }

  function end({ tenant }: ProjectedEvent, kind: ScheduleKind, id: string): void {
    const key = keyOf(tenant, kind, id);
    rows.delete(key);
    changed.delete(key);
    over.set(key, { tenant, kind, id });
  }

  function stands(recorded: ProjectedEvent, standing: GrantStanding): void {
    const { grantId, remaining, held, over: ended, window, startedBy } = standing;
    const { tenant } = recorded;
    const rowOf = (kind: ScheduleKind) => rows.get(keyOf(tenant, kind, grantId));
    if (ended) {
      end(recorded, 'start', grantId);
      end(recorded, 'expiry', grantId);
      return;
    }
    const expiry = rowOf('expiry');
    if (!expiry && !(window && held)) return; // it is over
    const isHeld = held === undefined ? expiry!.held : held !== '0';
    const open = remaining === undefined ? expiry!.open : remaining !== '0' || isHeld;
    const start = window?.effectiveAt ?? rowOf('start')?.dueAt;
    const at: Partial<GrantWindow> = window ?? { ...(expiry!.dueAt ? { expiresAt: expiry!.dueAt } : {}) };
    const same = { open, held: isHeld };
    const isSet = window !== undefined;
    if (start && startedBy !== undefined && hasStarted(start, startedBy)) end(recorded, 'start', grantId);
    else if (start) put(recorded, 'start', grantId, { dueAt: start, ...same }, isSet);
    put(recorded, 'expiry', grantId, { dueAt: at.expiresAt ?? null, ...same }, isSet);
  }

  /** Keeps the position of the event that said when, unless this one does. */
  function put(
    recorded: ProjectedEvent,
    kind: ScheduleKind,
    id: string,
    what: Pick<ScheduleRow, 'dueAt' | 'open' | 'held'>,
    isSet: boolean,
  ): void {
    const before = rows.get(keyOf(recorded.tenant, kind, id));
    set(before && !isSet ? { ...recorded, position: before.position } : recorded, kind, id, what);
  }

  return {
    set,
    end,
    stands,
    changed: (): ScheduleRow[] => [...changed].map((key) => rows.get(key)!),
    ended: (): Key[] => [...over.values()],
  };
}

/** The rows of grants that events say something of. */
async function rowsBefore(
  events: readonly ProjectedEvent[],
  sink: Sink,
): Promise<ReadonlyMap<string, ScheduleRow>> {
  const wanted = new Map<string, readonly [tenant: string, id: string]>();
  for (const { tenant, type, data } of events) {
    if (type === 'GrantIssued') continue; // it says everything
    for (const standing of standingsOf({ type, data } as unknown as CreditEvent))
      if (standing.over === undefined && !isPlainDraw(standing))
        wanted.set(`${tenant}\n${standing.grantId}`, [tenant, standing.grantId]);
  }
  if (wanted.size === 0) return new Map();
  const rows = await sink.query<
    Omit<ScheduleRow, 'dueAt' | 'position'> & { readonly dueAt: Date | null; readonly position: string }
  >(
    `select t.tenant, t.kind, t.id, t.customer_id as "customerId", t.due_at as "dueAt", t.open, t.held,
       t.position::text as position
     from unnest($1::text[], $2::text[]) as s(tenant, id) cross join (values ('start'), ('expiry')) as k(kind)
     join {schema}.schedules t on t.tenant = s.tenant and t.kind = k.kind and t.id = s.id`,
    [
      textArray([...wanted.values()].map(([tenant]) => tenant)),
      textArray([...wanted.values()].map(([, id]) => id)),
    ],
  );
  return new Map(
    rows.map(({ dueAt, position, ...row }) => [
      `${row.tenant}\n${row.kind}\n${row.id}`,
      { ...row, dueAt: dueAt?.toISOString() ?? null, position: BigInt(position) },
    ]),
  );
}
