import { readAmount, readInstant } from '#libs/kernel';
import { findGrant, timersDueOf, type AccountState, type Series } from './account.js';
import type {
  BalanceCarried,
  GrantRenewed,
  RenewalAmended,
  RenewalBegun,
  RenewalCancelled,
  RenewalPaused,
  RenewalResumed,
} from './events.js';
import { contradiction, UnitDraft } from './unit-draft.js';

export function begun(state: AccountState, data: RenewalBegun): AccountState {
  if (state.series.has(data.seriesId)) throw contradiction(`series ${data.seriesId} began twice`);
  const anchor = readInstant(data.anchor);
  return withSeries(state, {
    id: data.seriesId,
    unit: data.unit,
    rule: data.rule ?? null,
    zone: data.zone,
    anchor,
    lifetime: data.lifetime,
    rollover: data.rollover,
    template: data.template,
    status: 'active',
    occurrence: 0,
    lastAt: anchor,
    nextAt: instantOr(data.nextAt),
    grantIds: [data.grantId],
    carried: 0,
  });
}

export function renewed(state: AccountState, data: GrantRenewed): AccountState {
  const series = seriesOf(state, data.seriesId, 'active');
  if (data.occurrence !== series.occurrence + 1)
    throw contradiction(`occurrence ${data.occurrence} of ${series.id}`);
  return withSeries(state, {
    ...series,
    occurrence: data.occurrence,
    lastAt: readInstant(data.dueAt),
    nextAt: instantOr(data.nextAt),
    grantIds: [...openAfter(state, series, readInstant(data.dueAt)), data.grantId],
  });
}

export function carried(state: AccountState, data: BalanceCarried): AccountState {
  const series = seriesOf(state, data.seriesId);
  const draft = new UnitDraft(state, data.unit);
  draft.carry(data.grantId, readAmount(data.amount), readAmount(data.remainingAfter));
  const isFirst = !series.grantIds.includes(data.intoGrantId);
  if (!isFirst) return draft.done();
  return withSeries(draft.done(), {
    ...series,
    grantIds: [...series.grantIds, data.intoGrantId],
    carried: series.carried + 1,
  });
}

export const amended = (
  state: AccountState,
  { seriesId, lifetime, rollover, template }: RenewalAmended,
): AccountState => withSeries(state, { ...seriesOf(state, seriesId), lifetime, rollover, template });

export const paused = (state: AccountState, { seriesId }: RenewalPaused): AccountState =>
  withSeries(state, { ...seriesOf(state, seriesId, 'active'), status: 'paused' });

export function resumed(state: AccountState, { seriesId, anchor }: RenewalResumed): AccountState {
  const series = seriesOf(state, seriesId, 'paused');
  return withSeries(closeDepleted(state, series), {
    ...series,
    status: 'active',
    anchor: readInstant(anchor),
    nextAt: Infinity, // the renewal that follows says
  });
}

export function cancelled(state: AccountState, { seriesId, grantsKept }: RenewalCancelled): AccountState {
  const series = seriesOf(state, seriesId);
  return withSeries(grantsKept ? state : closeDepleted(state, series), {
    ...series,
    status: 'cancelled',
    nextAt: Infinity,
  });
}

function seriesOf(state: AccountState, seriesId: string, status?: Series['status']): Series {
  const series = state.series.get(seriesId);
  if (!series || (status !== undefined && series.status !== status))
    throw contradiction(`series ${seriesId} is not ${status ?? 'there'}`);
  return series;
}

function withSeries(state: AccountState, one: Series): AccountState {
  const series = new Map(state.series).set(one.id, one);
  const timersDue = timersDueOf({ holds: state.holds, series });
  let nextDue = timersDue;
  for (const unit of state.units.values()) nextDue = Math.min(nextDue, unit.nextDue);
  return { ...state, series, timersDue, nextDue };
}

/** Those of its grants that have not ended for good by then. */
const openAfter = (state: AccountState, { grantIds }: Series, at: number): readonly string[] =>
  grantIds.filter((id) => {
    const depleted = state.ended.get(id)?.grant;
    return depleted ? depleted.expiresAt > at : findGrant(state, id) !== undefined;
  });

/** What a series has used up stays so, whatever comes back: the cycle it belonged to is over. */
function closeDepleted(state: AccountState, { grantIds }: Series): AccountState {
  const ended = new Map(state.ended);
  for (const id of grantIds) {
    const end = ended.get(id);
    if (end?.grant) ended.set(id, { endedAs: end.endedAs, unit: end.unit, issued: end.issued });
  }
  return { ...state, ended };
}

const instantOr = (text: string | undefined): number => (text === undefined ? Infinity : readInstant(text));
