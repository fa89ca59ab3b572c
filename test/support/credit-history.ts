import {
  burnDown,
  segmentId,
  creditAccount,
  type AccountState,
  type CreditCommand,
  type CreditEvent,
  type NewGrant,
  type UnitAccount,
  type UsageContext,
} from '#libs/credits';
import { HOUR, Problem, type Amount, type Instant } from '#libs/kernel';
import type { LaterStep, Step } from './arbitraries.js';
import type { Award, CreditModel, Outcome } from './credit-model.js';
import { day } from './credit-facts.js';

/** One command of a history, and all that came of it. */
export interface Turn {
  readonly now: Instant;
  readonly command: CreditCommand;
  /** What time had made due before the command. */
  readonly settled: readonly CreditEvent[];
  /** When that is folded in. */
  readonly before: AccountState;
  readonly events: readonly CreditEvent[];
  readonly after: AccountState;
  /** Code of the problem that stopped the command, if one did. */
  readonly problem: string | null;
}

export const fold = (
  events: readonly CreditEvent[],
  from: AccountState = creditAccount.initialState,
): AccountState => events.reduce((state, event) => creditAccount.evolve(state, event), from);

/** What of a unit a usage could draw at an instant. */
export const availableTo = (account: UnitAccount, at: Instant, usage: UsageContext): Amount =>
  burnDown(account, 0n, at, at, usage).availableAfter;

export const settleAt = (state: AccountState, now: Instant): readonly CreditEvent[] =>
  creditAccount.decide({ type: 'SettleDue', now }, state);

/** What steps refer to by counting back from the last. */
export interface Known {
  readonly grants: string[];
  readonly holds: { readonly id: string; readonly amount: Amount }[];
  readonly series: string[];
  /** All facts so far. */
  readonly log: CreditEvent[];
}

/** Plays a history as the writer of streams does: settle, decide, append. */
export function play(steps: readonly (Step | LaterStep)[]): readonly Turn[] {
  const turns: Turn[] = [];
  const known: Known = { grants: [], holds: [], series: [], log: [] };
  let state = creditAccount.initialState;
  let now = day(10);
  for (const step of steps) {
    now += step.wait * HOUR;
    const asked = commandFor(step, now, known, turns.length);
    const settled = asked.type === 'SettleDue' ? [] : settleAt(state, now);
    const before = fold(settled, state);
    known.log.push(...settled);
    const command = withSettlements(asked, known.log);
    const { events, problem } = attempt(() => creditAccount.decide(command, before));
    state = fold(events, before);
    known.log.push(...events);
    learn(known, events);
    turns.push({ now, command, settled, before, events, after: state, problem });
  }
  return turns;
}

export function learn(known: Known, events: readonly CreditEvent[]): void {
  for (const { type, data } of events) {
    if (type === 'GrantIssued') known.grants.unshift(data.grantId);
    if (type === 'HoldPlaced') known.holds.unshift({ id: data.holdId, amount: partsOf(data.amount) });
    if (type === 'RenewalBegun') known.series.unshift(data.seriesId);
  }
}

/** What a step asks for; names that it makes up end in the turn's number. */
export const commandFor = (
  step: Step | LaterStep,
  now: Instant,
  known: Known,
  turn: number,
): CreditCommand =>
  isLater(step) ? laterCommandOf(step, now, known, turn) : commandOf(step, now, known.grants, turn);

const LATER = new Set<string>([
  ...['expire', 'amend', 'adjust', 'reprioritise', 'hold', 'capture', 'release', 'reverse'],
  ...['begin', 'renew', 'pause', 'resume', 'cancel'],
]);
const isLater = (step: Step | LaterStep): step is LaterStep => LATER.has(step.do);

/** What the handler reads of a consumption when it decides, not when it was asked. */
export function withSettlements(command: CreditCommand, log: readonly CreditEvent[]): CreditCommand {
  if (command.type !== 'ReverseConsumption') return command;
  const { event } = command.consumption;
  const id = event.type === 'HoldCaptured' ? event.data.holdId : event.data.consumptionId;
  return { ...command, consumption: { event, settlements: settlementsOf(log, id) } };
}

/** What grants paid for the debt of a consumption. */
export const settlementsOf = (
  log: readonly CreditEvent[],
  consumptionId: string,
): readonly { readonly grantId: string; readonly amount: string }[] =>
  log.flatMap(({ type, data }) =>
    type === 'DebtSettled'
      ? data.settlements
          .filter((part) => part.consumptionId === consumptionId)
          .map(({ amount }) => ({ grantId: data.grantId, amount }))
      : [],
  );

const percentOf = (amount: Amount, percent: bigint): Amount => (amount * percent) / 100n;

function laterCommandOf(step: LaterStep, now: Instant, known: Known, turn: number): CreditCommand {
  const seriesId = 'which' in step ? (known.series[step.which] ?? 'nothing') : `series${turn}`;
  const later = (hours: number): Instant => now + hours * HOUR;
  switch (step.do) {
    case 'expire':
      return { type: 'ExpireGrant', now, grantId: known.grants[step.which] ?? 'nobody' };
    case 'adjust':
      return {
        type: 'AdjustGrant',
        now,
        grantId: known.grants[step.which] ?? 'nobody',
        amount: step.amount,
        reason: 'count again',
      };
    case 'amend':
      return {
        type: 'AmendGrant',
        now,
        grantId: known.grants[step.which] ?? 'nobody',
        ...(step.amount > 0n ? { amount: step.amount } : {}),
        ...(step.start === undefined ? {} : { effectiveAt: later(step.start) }),
        ...(step.end === undefined ? {} : { expiresAt: step.end === null ? null : later(step.end) }),
      };
    case 'reprioritise':
      return {
        type: 'EditGrant',
        now,
        grantId: known.grants[step.which] ?? 'nobody',
        changes: { priority: step.which * 10, notes: null },
      };
    case 'hold':
      return {
        type: 'PlaceHold',
        now,
        holdId: `hold${turn}`,
        unit: step.unit,
        amount: step.amount,
        onShortage: step.partly ? 'partial' : 'refuse',
        effectiveAt: later(step.time),
        ...(step.lasts === undefined ? {} : { expiresAt: later(step.lasts) }),
        context: step.context,
      };
    case 'release':
      return { type: 'ReleaseHold', now, holdId: known.holds[step.which]?.id ?? 'nothing' };
    case 'capture': {
      const hold = known.holds[step.which];
      return {
        type: 'CaptureHold',
        now,
        holdId: hold?.id ?? 'nothing',
        ...(hold && step.percent !== null ? { amount: percentOf(hold.amount, step.percent) } : {}),
        ...(step.more === undefined ? {} : { more: { consumptionId: `more${turn}`, onShortage: step.more } }),
        effectiveAt: now,
      };
    }
    case 'reverse': {
      const consumptions = known.log.filter(
        (event) => event.type === 'CreditsConsumed' || event.type === 'HoldCaptured',
      );
      const event = consumptions.at(-1 - step.which) ?? consumptions.at(-1);
      if (!event) return { type: 'SettleDue', now };
      const whole = partsOf(event.type === 'HoldCaptured' ? event.data.captured : event.data.requested);
      return {
        type: 'ReverseConsumption',
        now,
        reversalId: `rev${turn}`,
        consumption: { event, settlements: [] },
        ...(step.percent === null ? {} : { amount: percentOf(whole, step.percent) }),
        reason: 'a mistake',
      };
    }
    case 'begin':
      return {
        type: 'BeginRenewal',
        now,
        seriesId,
        grant: {
          grantId: `g${turn}`,
          unit: step.unit,
          amount: step.amount,
          effectiveAt: now,
          priority: 50,
          category: 'promotional',
          source: 'plan',
          kind: 'prepaid',
          scope: 'plan',
          costBasis: '0',
        },
        ...(step.rule === null ? { periodEnd: later(24) } : { rule: step.rule }),
        zone: step.zone,
        lifetime: step.lifetime,
        rollover: step.rollover,
        refillAmount: step.refill,
      };
    case 'renew':
      return { type: 'RenewBilling', now, seriesId, period: { start: now, end: later(24) } };
    case 'pause': {
      // one that is paused is mostly resumed
      const last = known.log.findLast(({ data }) => 'pausedAt' in data || 'resumedAt' in data);
      return last?.type === 'RenewalPaused'
        ? { type: 'ResumeRenewal', now, seriesId: last.data.seriesId, periodEnd: later(24) }
        : { type: 'PauseRenewal', now, seriesId };
    }
    case 'resume':
      return { type: 'ResumeRenewal', now, seriesId, periodEnd: later(24) };
    case 'cancel':
      return { type: 'CancelRenewal', now, seriesId, keepGrants: step.keep };
  }
}

function attempt(decide: () => readonly CreditEvent[]): {
  events: readonly CreditEvent[];
  problem: string | null;
} {
  try {
    return { events: decide(), problem: null };
  } catch (error) {
    if (error instanceof Problem) return { events: [], problem: error.code };
    throw error;
  }
}

function commandOf(step: Step, now: Instant, ids: readonly string[], turn: number): CreditCommand {
  switch (step.do) {
    case 'issue': {
      const again = step.again === undefined ? undefined : ids[step.again];
      return {
        type: 'IssueGrants',
        now,
        grants: step.segments.map((_, index) => grantOf(step, index, now, again ?? `g${turn}`)),
      };
    }
    case 'consume':
      return {
        type: 'Consume',
        now,
        consumptionId: `con${turn}`,
        unit: step.unit,
        amount: step.amount,
        onShortage: step.policy,
        ...(step.limit === undefined ? {} : { debtLimit: step.limit }),
        effectiveAt: now + step.time * HOUR,
        context: step.context,
      };
    case 'revoke':
      return { type: 'RevokeGrant', now, grantId: ids[step.which] ?? 'nobody' };
    case 'settle':
      return { type: 'SettleDue', now: now - step.back * HOUR };
  }
}

function grantOf(step: Extract<Step, { do: 'issue' }>, index: number, now: Instant, id: string): NewGrant {
  const { amount, start, lasts } = step.segments[index]!;
  const effectiveAt = now + start * HOUR;
  const several = step.segments.length > 1;
  return {
    grantId: several ? segmentId(id, index) : id,
    ...(several ? { parentId: id } : {}),
    unit: step.unit,
    amount,
    effectiveAt,
    ...(lasts === undefined ? {} : { expiresAt: effectiveAt + lasts * HOUR }),
    priority: step.priority,
    category: step.costBasis === '0' ? 'promotional' : 'paid',
    source: 'manual',
    kind: step.kind,
    scope: step.scope,
    costBasis: step.costBasis,
    ...(step.limits === undefined ? {} : { applicability: step.limits }),
    ...(step.key === undefined ? {} : { uniquenessKey: step.key }),
  };
}

const awardOf = (grant: NewGrant): Award => ({
  id: grant.grantId,
  unit: grant.unit,
  amount: grant.amount,
  start: grant.effectiveAt,
  end: grant.expiresAt ?? null,
  priority: grant.priority,
  costBasis: grant.costBasis,
  kind: grant.kind,
  scope: grant.scope,
  limits: grant.applicability ?? {},
  key: grant.uniquenessKey ?? null,
  schedule: grant.parentId ?? null,
});

/** The same command put to the model. */
export function tellModel(model: CreditModel, command: CreditCommand): Outcome[] {
  switch (command.type) {
    case 'IssueGrants':
      return model.issue(command.grants.map(awardOf), command.now);
    case 'Consume':
      return [
        model.use({
          id: command.consumptionId,
          unit: command.unit,
          amount: command.amount,
          policy: command.onShortage,
          limit: command.debtLimit ?? null,
          time: command.effectiveAt,
          now: command.now,
          about: command.context,
        }),
      ];
    case 'RevokeGrant':
      return [model.revoke(command.grantId, command.now)];
    case 'SettleDue':
      return model.pass(command.now);
    default:
      throw new Error(`the model has not heard of ${command.type}`);
  }
}

/** A decimal string as a whole number of 10^-12, read without the product's help. */
export function partsOf(text: string): Amount {
  const [whole = '', fraction = ''] = text.replace('-', '').split('.');
  const parts = BigInt(whole + (fraction + '0'.repeat(12)).slice(0, 12));
  return text.startsWith('-') ? -parts : parts;
}

/** What facts and problem of a turn say, in the words of the model. */
export function outcomesOf(events: readonly CreditEvent[], problem: string | null = null): Outcome[] {
  const outcomes = events.map(outcomeOf);
  return problem === null ? outcomes : [...outcomes, { what: 'not done', why: problem, id: '' }];
}

function outcomeOf({ type, data }: CreditEvent): Outcome {
  switch (type) {
    case 'GrantIssued':
      return { what: 'issued', unit: data.unit, id: data.grantId, balance: partsOf(data.balanceAfter) };
    case 'GrantActivated':
      return { what: 'started', unit: data.unit, id: data.grantId, time: Date.parse(data.activatedAt) };
    case 'GrantExpired': {
      const [lost, balance, time] = [
        partsOf(data.amount),
        partsOf(data.balanceAfter),
        Date.parse(data.expiredAt),
      ];
      return { what: 'ended', unit: data.unit, id: data.grantId, lost, balance, time };
    }
    case 'GrantVoided': {
      const [lost, balance] = [partsOf(data.amount), partsOf(data.balanceAfter)];
      return { what: 'revoked', unit: data.unit, id: data.grantId, lost, balance };
    }
    case 'DebtSettled':
      return {
        what: 'paid',
        unit: data.unit,
        id: data.grantId,
        parts: data.settlements.map(({ consumptionId, amount }) => [consumptionId, partsOf(amount)]),
        left: partsOf(data.remainingAfter),
        balance: partsOf(data.balanceAfter),
        debt: partsOf(data.debtAfter),
      };
    case 'CreditsConsumed':
      return {
        what: 'used',
        unit: data.unit,
        parts: data.allocations.map((part) => [
          part.grantId,
          partsOf(part.amount),
          partsOf(part.remainingAfter),
        ]),
        taken: partsOf(data.consumed),
        short: partsOf(data.shortfall),
        owed: partsOf(data.debt),
        balance: partsOf(data.balanceAfter),
        debt: partsOf(data.debtAfter),
        next: partsOf(data.availableAfter),
      };
    case 'ConsumptionRefused':
      return { what: 'refused', unit: data.unit, why: data.reason, available: partsOf(data.available) };
    case 'CommandRefused':
      return { what: 'not done', why: data.code, id: data.grantId ?? '' };
    default:
      throw new Error(`the model has not heard of ${type}`);
  }
}
