import { formatAmount, formatInstant, minAmount, Problem, withinRange, type Instant } from '#libs/kernel';
import { findGrant, segmentId, unitOf, type AccountState } from './account.js';
import { admits } from './applicability.js';
import type { IssueGrants } from './commands.js';
import type { CreditEvent } from './events.js';
import { factsFrom, outOfRange, refused } from './facts.js';

export function issueGrants({ grants, now }: IssueGrants, state: AccountState): readonly CreditEvent[] {
  // before the key: sent again, a grant that has both an id and a key meets itself
  for (const { grantId, parentId } of grants)
    for (const id of [grantId, parentId ?? segmentId(grantId, 0)])
      if (findGrant(state, id) || state.ended.has(id))
        throw new Problem('already_exists', `There is a grant ${parentId ?? grantId} already.`);
  const used =
    grants[0]?.uniquenessKey === undefined ? undefined : state.uniquenessKeys.get(grants[0].uniquenessKey);
  if (used !== undefined)
    return [
      refused(
        'IssueGrants',
        'uniqueness_key_used',
        { grantId: used },
        `The uniqueness key belongs to grant ${used}.`,
      ),
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
    facts.record(...settleDebts(facts.state, attributes.unit, attributes.grantId, now));
  }
  return facts.events;
}

/** The debt a grant that is effective now pays at once: none when it admits none of the usage that is owed. */
export function settleDebts(
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
