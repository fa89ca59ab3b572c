import {
  formatInstant,
  issue,
  parseInstant,
  Problem,
  type Instant,
  type Issue,
  type Json,
} from '#libs/kernel';
import { occurrencesAfter, recurrenceFault } from '#libs/calendar';
import { checkRenewalTerms, type RenewalTerms } from '#libs/catalog';
import {
  previewRenewals,
  seriesAnswer,
  type AccountState,
  type CreditCommand,
  type RenewalBegun,
  type SeriesAnswer,
} from '#libs/credits';
import { canonicalRollover, canonicalRule, type RolloverInput } from '../catalog/definitions.handlers.js';
import type { CommandContext } from '../stream-kind.js';
import { factAt, settledAccount } from './account-facts.js';
import { positiveAmount, unacceptable } from './amounts.js';
import type { Answered, Refused } from './answered.js';
import type { CreditsDeps } from './deps.js';
import { commandRefused } from './grants.js';
import { lifetimeOf, rolloverOf } from './renewal-terms.js';

/** `POST /v1/credits/renewals/{id}/<action>`, its shape checked. */
export interface RenewalChanges {
  readonly pause: { readonly reason?: string };
  readonly resume: { readonly periodEnd?: string; readonly reason?: string };
  readonly cancel: { readonly keepGrants?: boolean; readonly reason?: string };
  readonly amend: {
    readonly refillAmount?: string | number;
    readonly rollover?: RolloverInput;
    readonly expiryDays?: number;
    readonly lifetimePeriods?: number;
    readonly priority?: number;
    readonly name?: string;
    readonly description?: string;
    readonly reason?: string;
  };
  /** The billing period `[periodStart, periodEnd)` has begun. */
  readonly renew: { readonly periodStart: string; readonly periodEnd: string };
}

export type RenewalChange = {
  readonly [Action in keyof RenewalChanges]: {
    readonly action: Action;
    readonly request: RenewalChanges[Action];
  };
}[keyof RenewalChanges];

/** Changes a series of renewals, or tells it of a billing period. Refused, and remembered so, where it is not in a state for it. */
export async function changeRenewal(
  deps: CreditsDeps,
  context: CommandContext,
  seriesId: string,
  change: RenewalChange,
): Promise<Answered<SeriesAnswer> | Refused> {
  const { tenant } = context;
  const { customerId, begun } = await findSeries(deps, tenant, seriesId);
  const command = await commandOf(deps, tenant, begun, change);
  const written = await deps.writer.execute(deps.account, customerId, {
    context,
    operation: `renewals.${change.action}`,
    input: { seriesId, ...(change.request as Readonly<Record<string, Json>>) },
    command,
  });
  const { events, position, replayed } = written;
  const [event] = events;
  if (event?.type === 'CommandRefused') return { problem: commandRefused(event.data), position, replayed };
  const body = seriesIn(customerId, begun, await written.stateAfter());
  return { body, status: 200, position, replayed };
}

async function commandOf(
  deps: CreditsDeps,
  tenant: string,
  { seriesId, unit, rule }: RenewalBegun,
  change: RenewalChange,
): Promise<(now: Instant) => CreditCommand> {
  const issues: Issue[] = [];
  switch (change.action) {
    case 'pause':
      return (now) => ({ type: 'PauseRenewal', now, seriesId, ...change.request });
    case 'cancel':
      return (now) => ({ type: 'CancelRenewal', now, seriesId, ...change.request });
    case 'resume': {
      const { periodEnd: text, ...rest } = change.request;
      const periodEnd = text === undefined ? undefined : parseInstant(text)!;
      if (periodEnd !== undefined && rule !== undefined)
        throw unacceptable([issue('/periodEnd', 'not_applicable', 'the series renews by its rule')]);
      return (now) => {
        if (periodEnd !== undefined && periodEnd <= now)
          throw unacceptable([issue('/periodEnd', 'not_after_start', 'must lie after now')]);
        return {
          type: 'ResumeRenewal',
          now,
          seriesId,
          ...rest,
          ...(periodEnd === undefined ? {} : { periodEnd }),
        };
      };
    }
    case 'renew': {
      const [start, end] = [change.request.periodStart, change.request.periodEnd].map((text) =>
        parseInstant(text)!,
      ) as [Instant, Instant];
      if (end <= start)
        throw unacceptable([issue('/periodEnd', 'not_after_start', 'must lie after periodStart')]);
      return (now) => {
        if (start > now)
          throw unacceptable([issue('/periodStart', 'timestamp_in_future', 'the period has not begun')]);
        return { type: 'RenewBilling', now, seriesId, period: { start, end } };
      };
    }
    case 'amend': {
      const { refillAmount, rollover, expiryDays, lifetimePeriods, reason, ...template } = change.request;
      const terms: RenewalTerms = {
        ...(rule === undefined ? { renewOnBilling: true } : { refillRrule: rule }),
        expiryDays,
        lifetimePeriods,
        ...(rollover === undefined ? {} : { rollover: canonicalRollover(rollover) }),
      };
      issues.push(...checkRenewalTerms(terms));
      const counted = (await deps.catalog.unit(tenant, unit))!;
      const amount =
        refillAmount === undefined
          ? undefined
          : positiveAmount(refillAmount, counted, '/refillAmount', issues);
      if (terms.rollover?.upTo !== undefined)
        positiveAmount(terms.rollover.upTo, counted, '/rollover/upTo', issues);
      const lifetime = lifetimeOf(terms);
      const policy = rolloverOf(terms);
      if (!lifetime && !policy && amount === undefined && Object.keys(template).length === 0)
        issues.push(issue('/refillAmount', 'required', 'at least one member is needed'));
      if (issues.length > 0) throw unacceptable(issues);
      return (now) => ({
        type: 'AmendRenewal',
        now,
        seriesId,
        ...(amount === undefined ? {} : { refillAmount: amount }),
        ...(lifetime ? { lifetime } : {}),
        ...(policy ? { rollover: policy } : {}),
        template,
        ...(reason === undefined ? {} : { reason }),
      });
    }
  }
}

async function findSeries(
  deps: CreditsDeps,
  tenant: string,
  seriesId: string,
): Promise<{ readonly customerId: string; readonly begun: RenewalBegun }> {
  const found = await deps.locateSeries(tenant, seriesId);
  if (!found) throw new Problem('not_found', `There is no renewal ${JSON.stringify(seriesId)}.`);
  const { customerId, revision } = found;
  const fact = await factAt(deps, tenant, customerId, revision);
  if (fact.type !== 'RenewalBegun')
    throw new Error(`no series began at revision ${revision} of ${customerId}`);
  return { customerId, begun: fact.data };
}

/** The series as the account's state has it, told as the read model tells it. */
function seriesIn(customerId: string, begun: RenewalBegun, state: AccountState): SeriesAnswer {
  const { status, occurrence, lastAt, nextAt, anchor, lifetime, rollover, template } = state.series.get(
    begun.seriesId,
  )!;
  return seriesAnswer(
    customerId,
    { ...begun, anchor: formatInstant(anchor), lifetime, rollover, template },
    {
      status,
      occurrence,
      lastAt: formatInstant(lastAt),
      nextAt: nextAt === Infinity ? null : formatInstant(nextAt),
    },
  );
}

/** The next occurrences of a series as the account stands now. */
export async function plannedRenewals(deps: CreditsDeps, tenant: string, seriesId: string, limit: number) {
  const { customerId } = await findSeries(deps, tenant, seriesId);
  const { state, position } = await settledAccount(deps, tenant, customerId);
  return { planned: previewRenewals(state.series.get(seriesId)!, limit), position };
}

/** When a rule occurs from an anchor on, the anchor included where it matches. @throws Problem naming what is wrong with it */
export function previewRule(asked: {
  readonly refillRrule: string;
  readonly timezone: string;
  readonly anchor: Instant;
  readonly limit: number;
}): { readonly canonical: string; readonly occurrences: readonly Instant[] } {
  const { anchor, timezone: zone, limit } = asked;
  const rule = canonicalRule(asked.refillRrule);
  const terms = { refillRrule: rule, timezone: zone };
  const issues = [...checkRenewalTerms(terms)];
  const fault = issues.length === 0 ? recurrenceFault({ rule, anchor, zone }) : null;
  if (fault) issues.push(issue('/refillRrule', fault.code, fault.message));
  if (issues.length > 0) throw unacceptable(issues);
  return { canonical: rule, occurrences: occurrencesAfter({ rule, anchor, zone }, anchor - 1, limit) };
}
