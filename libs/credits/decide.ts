import {
  formatAmount,
  formatInstant,
  minAmount,
  Problem,
  withinRange,
  type Amount,
  type Decider,
  type Instant,
} from '#libs/kernel';
import {
  evolve,
  findGrant,
  segmentId,
  initialAccount,
  unitOf,
  type AccountState,
  type Grant,
} from './account.js';
import { admits, type UsageContext } from './applicability.js';
import { burnDown } from './burn-down.js';
import type {
  CommandRefused,
  ConsumptionRefused,
  CreditEvent,
  GrantIssued,
  ShortagePolicy,
  StoredUsage,
} from './events.js';

export type CreditCommand = IssueGrants | Consume | RecordUsage | RevokeGrant | SettleDue;

/** What a caller decides of a grant; the rest of the stored fact follows. */
export type NewGrant = Omit<
  GrantIssued,
  'amount' | 'effectiveAt' | 'expiresAt' | 'issuedAt' | 'balanceAfter'
> & {
  /** > 0 */
  readonly amount: Amount;
  readonly effectiveAt: Instant;
  /** After effectiveAt; absent: never. */
  readonly expiresAt?: Instant;
};

/** One grant, or the segments of one access schedule. */
export interface IssueGrants {
  readonly type: 'IssueGrants';
  readonly now: Instant;
  readonly grants: readonly NewGrant[];
}

export interface Consume {
  readonly type: 'Consume';
  readonly now: Instant;
  readonly consumptionId: string;
  readonly unit: string;
  /** In the unit; >= 0, and 0 only where a rate rounded it there. */
  readonly amount: Amount;
  readonly onShortage: ShortagePolicy;
  /** Most the account may owe in this unit; absent: no bound. */
  readonly debtLimit?: Amount;
  readonly effectiveAt: Instant;
  readonly context: UsageContext;
  readonly usage?: StoredUsage;
  readonly rating?: { readonly quantity: string; readonly rate: string; readonly rounding?: 'half_up' };
  readonly reference?: string;
}

/** Usage of a meter that measures and draws nothing. */
export interface RecordUsage {
  readonly type: 'RecordUsage';
  readonly now: Instant;
  readonly usage: StoredUsage;
  readonly effectiveAt: Instant;
}

export interface RevokeGrant {
  readonly type: 'RevokeGrant';
  readonly now: Instant;
  readonly grantId: string;
  readonly notes?: string;
}

/** Records what time made due up to `now`, and nothing else. */
export interface SettleDue {
  readonly type: 'SettleDue';
  readonly now: Instant;
  /** Milliseconds by which the recording of expiries is delayed; none when absent. */
  readonly grace?: number;
}

/**
 * The choices of a credit account. What time has made due must already be recorded (see {@link dueFacts}).
 * @throws Problem `grant_not_found`; `already_exists` for a grant id of this account; `validation_failed` where a balance would leave the range of amounts
 */
export function decide(command: CreditCommand, state: AccountState): readonly CreditEvent[] {
  switch (command.type) {
    case 'IssueGrants':
      return issueGrants(command, state);
    case 'Consume':
      return [consume(command, state)];
    case 'RecordUsage':
      return [
        {
          type: 'UsageRecorded',
          data: { usage: command.usage, effectiveAt: formatInstant(command.effectiveAt) },
        },
      ];
    case 'RevokeGrant':
      return [revokeGrant(command, state)];
    case 'SettleDue':
      return dueFacts(state, command.now, command.grace);
  }
}

/** Facts in the order in which they are made, with the account as it stands after the last one. */
function factsFrom(start: AccountState) {
  const events: CreditEvent[] = [];
  let state = start;
  return {
    events,
    get state(): AccountState {
      return state;
    },
    record(event: CreditEvent): void {
      events.push(event);
      state = evolve(state, event);
    },
  };
}

function issueGrants({ grants, now }: IssueGrants, state: AccountState): readonly CreditEvent[] {
  // before the key: sent again, a grant that has both an id and a key meets itself
  for (const { grantId, parentId } of grants)
    for (const id of [grantId, parentId ?? segmentId(grantId, 0)])
      if (findGrant(state, id) || state.ended.has(id))
        throw new Problem('already_exists', `There is a grant ${parentId ?? grantId} already.`);
  const used =
    grants[0]?.uniquenessKey === undefined ? undefined : state.uniquenessKeys.get(grants[0].uniquenessKey);
  if (used !== undefined)
    return [
      refused('IssueGrants', 'uniqueness_key_used', used, `The uniqueness key belongs to grant ${used}.`),
    ];
  const facts = factsFrom(state);
  for (const { amount, effectiveAt, expiresAt, ...attributes } of grants) {
    const balance = unitOf(facts.state, attributes.unit).balance + amount;
    if (amount <= 0n || !withinRange(balance)) throw outOfRange(attributes.unit);
    facts.record({
      type: 'GrantIssued',
      data: {
        ...attributes,
        amount: formatAmount(amount),
        effectiveAt: formatInstant(effectiveAt),
        ...(expiresAt === undefined ? {} : { expiresAt: formatInstant(expiresAt) }),
        issuedAt: formatInstant(now),
        balanceAfter: formatAmount(balance),
      },
    });
    for (const settlement of settleDebts(facts.state, attributes.unit, attributes.grantId, now))
      facts.record(settlement);
  }
  return facts.events;
}

/** The debt a grant that is effective now pays at once: none when it admits none of the usage that is owed. */
function settleDebts(
  state: AccountState,
  unit: string,
  grantId: string,
  now: Instant,
): readonly CreditEvent[] {
  const account = unitOf(state, unit);
  const grant = account.grants.find(({ id }) => id === grantId);
  if (account.debt === 0n || !grant || grant.effectiveAt > now || now >= grant.expiresAt) return [];
  let remaining = grant.remaining;
  const settlements: { consumptionId: string; amount: string }[] = [];
  for (const debt of account.debts) {
    if (remaining === 0n) break;
    if (!admits(grant.applicability, debt.context)) continue;
    const paid = minAmount(remaining, debt.amount);
    remaining -= paid;
    settlements.push({ consumptionId: debt.consumptionId, amount: formatAmount(paid) });
  }
  const amount = grant.remaining - remaining;
  if (amount === 0n) return [];
  return [
    {
      type: 'DebtSettled',
      data: {
        grantId,
        unit,
        amount: formatAmount(amount),
        settlements,
        remainingAfter: formatAmount(remaining),
        balanceAfter: formatAmount(account.balance - amount),
        debtAfter: formatAmount(account.debt - amount),
        settledAt: formatInstant(now),
      },
    },
  ];
}

function consume(command: Consume, state: AccountState): CreditEvent {
  const { unit, amount, onShortage, debtLimit, effectiveAt, context } = command;
  const account = unitOf(state, unit);
  const { allocations, drawn, availableAfter } = burnDown(account, amount, effectiveAt, command.now, context);
  const shortfall = amount - drawn;
  const debt = onShortage === 'pending' ? shortfall : 0n;
  if (!withinRange(account.debt + debt)) throw outOfRange(unit);
  // members in canonical order, so that nothing is copied on the way to the log
  const refuse = (reason: ConsumptionRefused['reason']): CreditEvent => ({
    type: 'ConsumptionRefused',
    data: {
      available: formatAmount(drawn), // short of what was asked, it would have drawn all there is
      consumptionId: command.consumptionId,
      context: isEmpty(context) ? undefined : context,
      debtLimit: debtLimit === undefined ? undefined : formatAmount(debtLimit),
      effectiveAt: formatInstant(effectiveAt),
      onShortage,
      rating: command.rating,
      reason,
      reference: command.reference,
      requested: formatAmount(amount),
      unit,
      usage: command.usage,
    },
  });
  if (shortfall > 0n && onShortage === 'refuse') return refuse('insufficient_credit');
  if (debt > 0n && debtLimit !== undefined && account.debt + debt > debtLimit) return refuse('debt_limit');
  return {
    type: 'CreditsConsumed',
    data: {
      allocations: allocations.map(({ grant, amount: part, remainingAfter }) => ({
        amount: formatAmount(part),
        grantId: grant.id,
        remainingAfter: formatAmount(remainingAfter),
      })),
      availableAfter: formatAmount(availableAfter),
      balanceAfter: formatAmount(account.balance - drawn),
      consumed: formatAmount(drawn),
      consumptionId: command.consumptionId,
      context: isEmpty(context) ? undefined : context,
      debt: formatAmount(debt),
      debtAfter: formatAmount(account.debt + debt),
      effectiveAt: formatInstant(effectiveAt),
      onShortage,
      rating: command.rating,
      reference: command.reference,
      requested: formatAmount(amount),
      shortfall: formatAmount(shortfall),
      unit,
      usage: command.usage,
    },
  };
}

function revokeGrant({ grantId, notes, now }: RevokeGrant, state: AccountState): CreditEvent {
  const grant = findGrant(state, grantId);
  const ended = state.ended.get(grantId);
  if (!grant && !ended) throw new Problem('grant_not_found', `There is no grant ${grantId}.`);
  if (!grant || now >= grant.expiresAt)
    return refused(
      'RevokeGrant',
      'grant_not_active',
      grantId,
      `The grant is ${ended?.endedAs ?? 'expired'} already.`,
    );
  return {
    type: 'GrantVoided',
    data: {
      grantId,
      unit: grant.unit,
      amount: formatAmount(grant.remaining),
      balanceAfter: formatAmount(unitOf(state, grant.unit).balance - grant.remaining),
      voidedAt: formatInstant(now),
      ...(notes === undefined ? {} : { notes }),
    },
  };
}

/**
 * What time has made due up to and including `now`, in the order in which it fell due: expiries before activations of the
 * same instant, and the debt that an activated grant pays. `grace` (ms) delays the recording of expiries.
 */
export function dueFacts(state: AccountState, now: Instant, grace = 0): readonly CreditEvent[] {
  if (state.nextDue > now) return [];
  const due: { at: Instant; expires: boolean; grant: Grant }[] = [];
  for (const { grants } of state.units.values())
    for (const grant of grants) {
      if (!grant.activated && grant.effectiveAt <= now)
        due.push({ at: grant.effectiveAt, expires: false, grant });
      if (grant.expiresAt + grace <= now) due.push({ at: grant.expiresAt, expires: true, grant });
    }
  due.sort((a, b) => a.at - b.at || Number(b.expires) - Number(a.expires));
  const facts = factsFrom(state);
  for (const { at, expires, grant } of due) {
    if (expires) {
      // the debt it paid when it became effective may have emptied it
      const left = unitOf(facts.state, grant.unit).grants.find(({ id }) => id === grant.id);
      if (left) facts.record(expired(facts.state, left));
    } else {
      facts.record({
        type: 'GrantActivated',
        data: { grantId: grant.id, unit: grant.unit, activatedAt: formatInstant(at) },
      });
      for (const settlement of settleDebts(facts.state, grant.unit, grant.id, at)) facts.record(settlement);
    }
  }
  return facts.events;
}

function expired(state: AccountState, { unit, id, remaining, expiresAt }: Grant): CreditEvent {
  return {
    type: 'GrantExpired',
    data: {
      grantId: id,
      unit,
      cause: 'ended',
      amount: formatAmount(remaining),
      balanceAfter: formatAmount(unitOf(state, unit).balance - remaining),
      expiredAt: formatInstant(expiresAt),
    },
  };
}

const refused = (
  command: CommandRefused['command'],
  code: CommandRefused['code'],
  grantId: string,
  detail: string,
): CreditEvent => ({ type: 'CommandRefused', data: { command, code, grantId, detail } });

const outOfRange = (unit: string): Problem =>
  new Problem('validation_failed', `The balance in ${unit} would leave the range of amounts.`, [
    { pointer: '/amount', code: 'amount_out_of_range', message: 'at most 24 digits before the point' },
  ]);

const isEmpty = (value: object): boolean => {
  for (const _key in value) return false;
  return true;
};

export const creditAccount: Decider<AccountState, CreditCommand, CreditEvent> = {
  initialState: initialAccount,
  decide,
  evolve,
};
