import { formatAmount, formatInstant, minAmount, type Amount, type Instant } from '#libs/kernel';
import { findGrant, unitOf, type AccountState, type Grant, type Hold, type Series } from './account.js';
import type { CreditEvent, ExpiryCause } from './events.js';
import { evolve } from './evolve.js';
import { factsFrom, type Facts } from './facts.js';
import { holdReleased } from './hold.js';
import { settleDebts } from './issue.js';
import { renew } from './renewal.js';
import { carriedGrantId, carriedOf, endOf, renewalGrant } from './series.js';

/** Most renewals that one call records. What is left is due still: the caller asks again. */
export const RENEWALS_AT_ONCE = 500;
/** Characters of JSON of the facts that time made due in one append: with their metadata, well below what a store takes. */
export const DUE_ROOM = 100_000;

/**
 * What time has made due up to and including `now`, each at its own instant and in the order in which it fell due. At one
 * instant: hold time-outs, expiries with what is carried over them, renewals, activations with the debt they pay.
 * After {@link RENEWALS_AT_ONCE} renewals, or about `room`, it stops: ask again with what it says folded in, until it says
 * nothing. It stops only between facts that do not belong together.
 * @param grace ms by which the recording of expiries is delayed
 * @param room characters of JSON after which it stops; none when absent
 */
export function dueFacts(
  state: AccountState,
  now: Instant,
  grace = 0,
  room = Infinity,
): readonly CreditEvent[] {
  if (state.nextDue > now) return [];
  const facts = factsFrom(state);
  const full = fullAfter(facts, room);
  for (let renewals = 0; ; renewals++) {
    const series = nextRenewal(facts.state);
    const renewsAt = series?.nextAt ?? Infinity;
    settleUpTo(facts, Math.min(now, renewsAt), now, grace, renewsAt <= now, full);
    if (!series || renewsAt > now || renewals === RENEWALS_AT_ONCE || full()) return facts.events;
    renew(facts, series, renewsAt);
  }
}

/** Whether the facts have come to that many characters. */
function fullAfter({ events }: Facts, room: number): () => boolean {
  let counted = 0;
  let characters = 0;
  return () => {
    if (room === Infinity) return false;
    for (; counted < events.length; counted++) characters += JSON.stringify(events[counted]).length;
    return characters >= room;
  };
}

/** All that time has made due, however many renewals that is: what a decision needs to stand on. */
export function allDue(state: AccountState, now: Instant, grace = 0): readonly CreditEvent[] {
  const facts: CreditEvent[] = [];
  for (let settled = state; ;) {
    const due = dueFacts(settled, now, grace);
    if (due.length === 0) return facts;
    facts.push(...due);
    settled = due.reduce(evolve, settled);
  }
}

/** The series that renews next; of several at one instant the one that began first. */
function nextRenewal({ series }: AccountState): Series | undefined {
  let next: Series | undefined;
  for (const one of series.values())
    if (one.status === 'active' && one.nextAt < (next?.nextAt ?? Infinity)) next = one;
  return next;
}

type Due =
  | { readonly at: Instant; readonly step: 0; readonly hold: Hold }
  | { readonly at: Instant; readonly step: 1 | 2; readonly grant: Grant };

/** Everything but renewals up to and including `until`; activations of that very instant wait where a renewal comes first. */
function settleUpTo(
  facts: Facts,
  until: Instant,
  now: Instant,
  grace: number,
  renewsThen: boolean,
  full: () => boolean,
): void {
  if (facts.state.nextDue > until) return;
  const due: Due[] = [];
  for (const hold of facts.state.holds.values())
    if (hold.expiresAt <= until) due.push({ at: hold.expiresAt, step: 0, hold });
  for (const { grants } of facts.state.units.values())
    for (const grant of grants) {
      const { effectiveAt, expiresAt } = grant;
      if (!grant.activated && (effectiveAt < until || (effectiveAt === until && !renewsThen)))
        due.push({ at: effectiveAt, step: 2, grant });
      if (expiresAt <= until && expiresAt + grace <= now) due.push({ at: expiresAt, step: 1, grant });
    }
  due.sort((a, b) => a.at - b.at || a.step - b.step);
  for (const one of due) {
    if (full()) return;
    if (one.step === 0) {
      facts.record(holdReleased(facts.state, one.hold, 'timed_out', one.at));
      continue;
    }
    // what was due before it may have emptied or ended it
    const grant = findGrant(facts.state, one.grant.id);
    if (!grant) continue;
    if (one.step === 1) expire(facts, grant);
    else if (!grant.activated) {
      facts.record({
        type: 'GrantActivated',
        data: { grantId: grant.id, unit: grant.unit, activatedAt: formatInstant(one.at) },
      });
      facts.record(...settleDebts(facts.state, grant.unit, grant.id, one.at));
    }
  }
}

/** The end of a grant; one of a series that renews then takes the others of the series that end with it along. */
function expire(facts: Facts, grant: Grant): void {
  const series = [...facts.state.series.values()].find(({ grantIds }) => grantIds.includes(grant.id));
  if (!series || !renewsAt(series, grant.expiresAt)) {
    facts.record(expired(facts.state, grant, 'ended'));
    return;
  }
  const together = series.grantIds.flatMap((id) => {
    const other = findGrant(facts.state, id);
    return other?.expiresAt === grant.expiresAt ? [other] : [];
  });
  const left = together.reduce((sum, { remaining }) => sum + remaining, 0n);
  const renewing = together.find(({ kind }) => kind !== 'rollover') ?? grant;
  const carried = carriedOf(series, left, renewing.amount);
  const intoGrantId = carriedGrantId(series.id, series.carried + 1);
  let wanted: Amount = carried;
  for (const one of together) {
    const amount = minAmount(wanted, one.remaining);
    wanted -= amount;
    if (amount > 0n)
      facts.record({
        type: 'BalanceCarried',
        data: {
          seriesId: series.id,
          grantId: one.id,
          intoGrantId,
          unit: one.unit,
          amount: formatAmount(amount),
          remainingAfter: formatAmount(one.remaining - amount),
          balanceAfter: formatAmount(unitOf(facts.state, one.unit).balance - amount),
          carriedAt: formatInstant(one.expiresAt),
        },
      });
    const rest = findGrant(facts.state, one.id);
    if (rest) facts.record(expired(facts.state, rest, 'not_carried'));
  }
  if (carried === 0n) return;
  const at = grant.expiresAt;
  const balanceAfter = unitOf(facts.state, series.unit).balance + carried;
  const expiresAt = endOf(series, at);
  facts.record(
    renewalGrant(series, {
      grantId: intoGrantId,
      amount: carried,
      at,
      expiresAt,
      balanceAfter,
      carried: true,
    }),
  );
  facts.record(...settleDebts(facts.state, series.unit, intoGrantId, at));
}

/** Whether the series renews at this instant, or has done so. A billing series does unless somebody stops it. */
const renewsAt = ({ status, rule, lastAt, nextAt, lifetime }: Series, at: Instant): boolean =>
  'periods' in lifetime && (lastAt >= at || (status === 'active' && (rule === null || nextAt <= at)));

const expired = (state: AccountState, grant: Grant, cause: ExpiryCause): CreditEvent => ({
  type: 'GrantExpired',
  data: {
    grantId: grant.id,
    unit: grant.unit,
    amount: formatAmount(grant.remaining),
    cause,
    balanceAfter: formatAmount(unitOf(state, grant.unit).balance - grant.remaining),
    expiredAt: formatInstant(grant.expiresAt),
  },
});
