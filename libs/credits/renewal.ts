import { formatAmount, formatInstant, Problem, readAmount, withinRange, type Instant } from '#libs/kernel';
import { recurrenceFault } from '#libs/calendar';
import { findGrant, unitOf, type AccountState, type Series } from './account.js';
import type {
  AmendRenewal,
  BeginRenewal,
  CancelRenewal,
  PauseRenewal,
  RenewBilling,
  ResumeRenewal,
} from './commands.js';
import type { CommandRefused, CreditEvent, ExpiryCause, GrantIssued, RenewalTemplate } from './events.js';
import { factsFrom, refused, type Facts } from './facts.js';
import { issueGrants, settleDebts } from './issue.js';
import { endOf, nextAt, renewalGrant, renewalGrantId, type Cycle } from './series.js';

export function beginRenewal(command: BeginRenewal, state: AccountState): readonly CreditEvent[] {
  const { seriesId, rule, zone, lifetime, rollover, now } = command;
  if (state.series.has(seriesId))
    throw new Problem('already_exists', `There is a series ${seriesId} already.`);
  const anchor = command.grant.effectiveAt;
  const fault = rule === undefined ? null : recurrenceFault({ rule, anchor, zone });
  if (fault) throw new Problem('validation_failed', fault.message, [{ pointer: '/refillRrule', ...fault }]);
  const cycle: Cycle = { rule: rule ?? null, zone, anchor, lifetime };
  const end = endOf(cycle, anchor, command.periodEnd);
  const grant =
    command.grant.expiresAt !== undefined || end === Infinity
      ? command.grant
      : { ...command.grant, expiresAt: end };
  const [first, ...settlements] = issueGrants({ type: 'IssueGrants', now, grants: [grant] }, state);
  if (first?.type !== 'GrantIssued') return first ? [first] : [];
  const next = nextAt(cycle, anchor);
  return [
    {
      type: 'RenewalBegun',
      data: {
        seriesId,
        grantId: grant.grantId,
        unit: grant.unit,
        ...(rule === undefined ? {} : { rule }),
        zone,
        anchor: formatInstant(anchor),
        lifetime,
        rollover,
        template: { ...templateOf(first.data), amount: formatAmount(command.refillAmount) },
        ...(next === Infinity ? {} : { nextAt: formatInstant(next) }),
        begunAt: formatInstant(now),
      },
    },
    first,
    ...settlements,
  ];
}

/** What belongs to the first grant alone is left out. */
function templateOf(data: GrantIssued): RenewalTemplate {
  const own = [
    'grantId',
    'parentId',
    'effectiveAt',
    'expiresAt',
    'source',
    'uniquenessKey',
    'issuedAt',
    'balanceAfter',
  ];
  return Object.fromEntries(
    Object.entries(data).filter(([name]) => !own.includes(name)),
  ) as unknown as RenewalTemplate;
}

/** Records an occurrence at its own instant, issues its grant and lets that pay what is owed. */
export function renew(facts: Facts, series: Series, at: Instant, periodEnd?: Instant): void {
  const { id, unit, template } = series;
  const occurrence = series.occurrence + 1;
  const grantId = renewalGrantId(id, occurrence);
  const next = nextAt(series, at);
  const amount = readAmount(template.amount);
  const balanceAfter = unitOf(facts.state, unit).balance + amount;
  // what time brings about must not fail: a series that would burst the balance waits for somebody to look
  if (!withinRange(balanceAfter)) {
    const reason = 'The balance would leave the range of amounts.';
    facts.record({
      type: 'RenewalPaused',
      data: { seriesId: id, unit, pausedAt: formatInstant(at), reason },
    });
    return;
  }
  facts.record(
    {
      type: 'GrantRenewed',
      data: {
        seriesId: id,
        occurrence,
        grantId,
        unit,
        dueAt: formatInstant(at),
        ...(next === Infinity ? {} : { nextAt: formatInstant(next) }),
      },
    },
    renewalGrant(series, { grantId, amount, at, expiresAt: endOf(series, at, periodEnd), balanceAfter }),
  );
  facts.record(...settleDebts(facts.state, unit, grantId, at));
}

/** A balance carried over a billing period's end lives until the next period's. */
export function renewBilling(command: RenewBilling, state: AccountState): readonly CreditEvent[] {
  const { seriesId, period, now } = command;
  const series = seriesOf(state, seriesId);
  if (series.rule !== null || series.status !== 'active') return [notActive('RenewBilling', series)];
  if (period.start <= series.lastAt) return []; // that period has its grant
  const facts = factsFrom(state);
  for (const grant of openGrants(state, series))
    if (grant.kind === 'rollover' && grant.expiresAt === Infinity)
      facts.record({
        type: 'GrantAmended',
        data: {
          grantId: grant.id,
          unit: grant.unit,
          amount: formatAmount(grant.amount),
          change: '0',
          effectiveAt: formatInstant(grant.effectiveAt),
          expiresAt: formatInstant(period.end),
          remainingAfter: formatAmount(grant.remaining),
          balanceAfter: formatAmount(unitOf(facts.state, grant.unit).balance),
          amendedAt: formatInstant(now),
        },
      });
  renew(facts, series, period.start, period.end);
  return facts.events;
}

export function amendRenewal(command: AmendRenewal, state: AccountState): CreditEvent {
  const { seriesId, refillAmount, lifetime, rollover, template, now, reason } = command;
  const series = seriesOf(state, seriesId);
  if (series.status === 'cancelled') return notActive('AmendRenewal', series);
  return {
    type: 'RenewalAmended',
    data: {
      seriesId,
      unit: series.unit,
      lifetime: lifetime ?? series.lifetime,
      rollover: rollover ?? series.rollover,
      template: {
        ...series.template,
        ...template,
        ...(refillAmount === undefined ? {} : { amount: formatAmount(refillAmount) }),
      },
      amendedAt: formatInstant(now),
      ...(reason === undefined ? {} : { reason }),
    },
  };
}

export function pauseRenewal(command: PauseRenewal, state: AccountState): CreditEvent {
  const { seriesId, now, reason } = command;
  const series = seriesOf(state, seriesId);
  if (series.status !== 'active') return notActive('PauseRenewal', series);
  return {
    type: 'RenewalPaused',
    data: {
      seriesId,
      unit: series.unit,
      pausedAt: formatInstant(now),
      ...(reason === undefined ? {} : { reason }),
    },
  };
}

/** A resumption is a renewal, not a continuation: nothing of the old grants goes on. */
export function resumeRenewal(command: ResumeRenewal, state: AccountState): readonly CreditEvent[] {
  const { seriesId, now, reason, periodEnd } = command;
  const series = seriesOf(state, seriesId);
  if (series.status !== 'paused') return [notActive('ResumeRenewal', series)];
  const facts = factsFrom(state);
  facts.record({
    type: 'RenewalResumed',
    data: {
      seriesId,
      unit: series.unit,
      anchor: formatInstant(now),
      resumedAt: formatInstant(now),
      ...(reason === undefined ? {} : { reason }),
    },
  });
  expireAll(facts, series, 'resumed', now);
  renew(facts, seriesOf(facts.state, seriesId), now, periodEnd);
  return facts.events;
}

export function cancelRenewal(command: CancelRenewal, state: AccountState): readonly CreditEvent[] {
  const { seriesId, now, reason, keepGrants = false } = command;
  const series = seriesOf(state, seriesId);
  if (series.status === 'cancelled') return [notActive('CancelRenewal', series)];
  const facts = factsFrom(state);
  facts.record({
    type: 'RenewalCancelled',
    data: {
      seriesId,
      unit: series.unit,
      grantsKept: keepGrants,
      cancelledAt: formatInstant(now),
      ...(reason === undefined ? {} : { reason }),
    },
  });
  if (!keepGrants) expireAll(facts, series, 'cancelled', now);
  return facts.events;
}

function expireAll(facts: Facts, series: Series, cause: ExpiryCause, now: Instant): void {
  for (const grant of openGrants(facts.state, series))
    facts.record({
      type: 'GrantExpired',
      data: {
        grantId: grant.id,
        unit: grant.unit,
        amount: formatAmount(grant.remaining),
        cause,
        balanceAfter: formatAmount(unitOf(facts.state, grant.unit).balance - grant.remaining),
        expiredAt: formatInstant(Math.min(now, grant.expiresAt)),
      },
    });
}

const openGrants = (state: AccountState, { grantIds }: Series) =>
  grantIds.flatMap((id) => findGrant(state, id) ?? []);

function seriesOf(state: AccountState, seriesId: string): Series {
  const series = state.series.get(seriesId);
  if (!series) throw new Problem('not_found', `There is no series ${seriesId}.`);
  return series;
}

const notActive = (command: CommandRefused['command'], { id, status, rule }: Series): CreditEvent =>
  refused(
    command,
    'renewal_not_active',
    { seriesId: id },
    command === 'RenewBilling' && rule !== null
      ? 'The series renews by its rule.'
      : `The series is ${status}.`,
  );
