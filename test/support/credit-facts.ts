import {
  allDue,
  creditAccount,
  type BeginRenewal,
  type Consume,
  type CreditCommand,
  type CreditEvent,
  type GrantIssued,
  type NewGrant,
  type RevokeGrant,
} from '#libs/credits';
import { DAY, formatInstant, parseAmount, type Amount, type Instant } from '#libs/kernel';

/** Days are counted from here. */
const START = Date.UTC(2026, 0, 1);
export const day = (count: number): Instant => START + count * DAY;
/** The same as it is stored. */
export const onDay = (count: number): string => formatInstant(day(count));

export function amountOf(text: string): Amount {
  const amount = parseAmount(text);
  if (typeof amount !== 'bigint') throw new Error(`${text}: ${amount}`);
  return amount;
}

type Attributes = Partial<Omit<NewGrant, 'grantId' | 'amount' | 'effectiveAt' | 'expiresAt'>>;
/** Days; `from` defaults to 0, `until` to never. */
interface Window {
  readonly from?: number;
  readonly until?: number;
}

/** A grant to be issued. */
export function newGrant(
  grantId: string,
  amount: string,
  { from = 0, until, ...attributes }: Attributes & Window = {},
): NewGrant {
  return {
    grantId,
    unit: 'calls',
    amount: amountOf(amount),
    effectiveAt: day(from),
    ...(until === undefined ? {} : { expiresAt: day(until) }),
    priority: 50,
    category: 'promotional',
    source: 'manual',
    kind: 'prepaid',
    scope: 'merchant',
    costBasis: '0',
    ...attributes,
  };
}

/** The fact that a grant was issued, on day 0 unless said otherwise. */
export function issued(
  grantId: string,
  amount: string,
  {
    on = 0,
    balanceAfter = amount,
    ...rest
  }: Attributes & Window & { on?: number; balanceAfter?: string } = {},
): { readonly type: 'GrantIssued'; readonly data: GrantIssued } {
  const { effectiveAt, expiresAt, ...attributes } = newGrant(grantId, amount, rest);
  return {
    type: 'GrantIssued',
    data: {
      ...attributes,
      amount,
      effectiveAt: formatInstant(effectiveAt),
      ...(expiresAt === undefined ? {} : { expiresAt: formatInstant(expiresAt) }),
      issuedAt: onDay(on),
      balanceAfter,
    },
  };
}

/** The fact that usage, on day 0 unless said otherwise, took `parts` (grant, amount, what the grant has left) and owes `debt`. */
export function consumed(
  consumptionId: string,
  parts: readonly (readonly [string, string, string])[],
  {
    debt = '0',
    context,
    unit = 'calls',
    on = 0,
  }: { debt?: string; context?: Consume['context']; unit?: string; on?: number } = {},
): CreditEvent {
  return {
    type: 'CreditsConsumed',
    data: {
      consumptionId,
      unit,
      requested: '0',
      onShortage: 'pending',
      effectiveAt: onDay(on),
      ...(context === undefined ? {} : { context }),
      allocations: parts.map(([grantId, amount, remainingAfter]) => ({ grantId, amount, remainingAfter })),
      consumed: '0',
      shortfall: debt,
      debt,
      balanceAfter: '0',
      debtAfter: debt,
      availableAfter: '0',
    },
  };
}

export const expired = (grantId: string, amount: string, on: number, unit = 'calls'): CreditEvent => ({
  type: 'GrantExpired',
  data: { grantId, unit, amount, cause: 'ended', balanceAfter: '0', expiredAt: onDay(on) },
});

export const voided = (grantId: string, amount: string, on: number, unit = 'calls'): CreditEvent => ({
  type: 'GrantVoided',
  data: { grantId, unit, amount, balanceAfter: '0', voidedAt: onDay(on) },
});

/** Usage of `amount` calls on a day: the day of the command unless `usedOn` says otherwise. */
export function consume(
  amount: string,
  {
    on = 1,
    usedOn = on,
    ...rest
  }: Partial<Omit<Consume, 'type' | 'now' | 'amount'>> & { on?: number; usedOn?: number } = {},
): Consume {
  return {
    type: 'Consume',
    now: day(on),
    consumptionId: 'con_1',
    unit: 'calls',
    amount: amountOf(amount),
    onShortage: 'refuse',
    effectiveAt: day(usedOn),
    context: {},
    ...rest,
  };
}

export const revoke = (grantId: string, on: number, notes?: string): RevokeGrant => ({
  type: 'RevokeGrant',
  now: day(on),
  grantId,
  ...(notes === undefined ? {} : { notes }),
});

/** A series of 100 and then 80 calls a week, from a day on. */
export const begin = (rest: Partial<BeginRenewal> = {}, on = 0): BeginRenewal => ({
  type: 'BeginRenewal',
  now: day(on),
  seriesId: 's1',
  grant: newGrant('first', '100', { from: on, source: 'plan', name: 'Monthly' }),
  rule: 'FREQ=WEEKLY',
  zone: 'UTC',
  lifetime: { periods: 1 },
  rollover: { kind: 'reset' },
  refillAmount: amountOf('80'),
  ...rest,
});

/** The facts of commands that come one after the other, each after what time made due; a function sees what came before. */
export function after(
  history: readonly CreditEvent[],
  ...commands: readonly (CreditCommand | ((log: readonly CreditEvent[]) => CreditCommand))[]
): CreditEvent[] {
  const { decide, evolve, initialState } = creditAccount;
  const log = [...history];
  for (const each of commands) {
    const command = typeof each === 'function' ? each(log) : each;
    log.push(...allDue(log.reduce(evolve, initialState), command.now));
    log.push(...decide(command, log.reduce(evolve, initialState)));
  }
  return log;
}
