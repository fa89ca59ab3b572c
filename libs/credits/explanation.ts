import { formatAmount, formatInstant, minAmount, type Amount, type Instant } from '#libs/kernel';
import { findGrant, initialAccount, type AccountState, type Grant } from './account.js';
import { admits, type Applicability, type UsageContext } from './applicability.js';
import { compareBurnDown, decidingStep, type BurnDownStep } from './burn-down-order.js';
import type { CreditEvent } from './events.js';
import { evolve, grantFrom } from './evolve.js';

/** What became of a grant when usage looked for credit: it gave, it was not needed any more, or it could not. */
export type Verdict =
  | 'taken'
  | 'not_needed'
  | 'not_begun'
  | 'over'
  | 'not_applicable'
  | 'held'
  | 'depleted'
  | 'expired'
  | 'voided'
  | 'other_unit';

export interface Candidate {
  readonly grantId: string;
  readonly unit: string;
  readonly verdict: Verdict;
  /** Which limit does not admit the usage. */
  readonly limit: 'targets' | 'specifiers' | 'contracts' | 'subscriptions' | 'metered_only' | null;
  /** What put it behind the one before it; null for the first. */
  readonly after: BurnDownStep | null;
  readonly remainingBefore: Amount;
  readonly taken: Amount;
  readonly remainingAfter: Amount;
  readonly held: Amount;
  readonly effectiveAt: Instant;
  /** Infinity: never. */
  readonly expiresAt: Instant;
}

export interface Explanation {
  readonly unit: string;
  readonly requested: Amount;
  /** What the grants could give, whether the policy then took it or refused. */
  readonly covered: Amount;
  readonly shortfall: Amount;
  readonly at: Instant;
  /** Every grant the account ever had up to then: those of the unit in the order of drawdown, then the others. */
  readonly candidates: readonly Candidate[];
}

/** Usage that looks for credit, recorded or not. */
export interface Asked {
  readonly unit: string;
  readonly amount: Amount;
  readonly at: Instant;
  readonly context: UsageContext;
}

function explainIn(
  state: AccountState,
  grants: ReadonlyMap<string, Grant>,
  { unit, amount, at, context }: Asked,
): Explanation {
  const order = [...grants.values()].sort(
    (a, b) => Number(a.unit !== unit) - Number(b.unit !== unit) || compareBurnDown(a, b),
  );
  let wanted = amount;
  const candidates = order.map((grant, index): Candidate => {
    const verdict = verdictOn(state, grant, unit, at, context, wanted);
    const taken = verdict === 'taken' ? minAmount(wanted, grant.remaining) : 0n;
    wanted -= taken;
    const before = order[index - 1];
    return {
      grantId: grant.id,
      unit: grant.unit,
      verdict,
      limit: verdict === 'not_applicable' ? refusingLimit(grant.applicability ?? {}, context) : null,
      after: before?.unit === grant.unit ? decidingStep(before, grant) : null,
      remainingBefore: grant.remaining,
      taken,
      remainingAfter: grant.remaining - taken,
      held: grant.held,
      effectiveAt: grant.effectiveAt,
      expiresAt: grant.expiresAt,
    };
  });
  return { unit, requested: amount, covered: amount - wanted, shortfall: wanted, at, candidates };
}

/** An account that is told fact by fact, with every grant it ever had; it holds on to grants, not to facts. */
export function grantHistory() {
  const seen = new Map<string, Grant>();
  let state = initialAccount;
  return {
    get state(): AccountState {
      return state;
    },
    add(event: CreditEvent): void {
      state = evolve(state, event);
      const { type, data } = event;
      if (type === 'GrantIssued') seen.set(data.grantId, grantFrom(data, state.revision));
      if (type === 'GrantAmended' || type === 'GrantEdited') {
        const grant = findGrant(state, data.grantId) ?? state.ended.get(data.grantId)?.grant;
        if (grant) seen.set(data.grantId, grant);
      }
    },
    /** Why usage draws what it draws in the account as it stands now; nothing remains of grants that ended. */
    explain(asked: Asked): Explanation {
      const grants = new Map(seen);
      for (const [id, grant] of seen)
        grants.set(id, findGrant(state, id) ?? { ...grant, remaining: 0n, held: 0n });
      return explainIn(state, grants, asked);
    },
  };
}

function verdictOn(
  state: AccountState,
  grant: Grant,
  unit: string,
  at: Instant,
  context: UsageContext,
  wanted: Amount,
): Verdict {
  if (grant.unit !== unit) return 'other_unit';
  const ended = state.ended.get(grant.id);
  if (ended) return ended.endedAs;
  if (at < grant.effectiveAt) return 'not_begun';
  if (at >= grant.expiresAt) return 'over';
  if (!admits(grant.applicability, context)) return 'not_applicable';
  if (grant.remaining === 0n) return 'held';
  return wanted > 0n ? 'taken' : 'not_needed';
}

/** The first limit that does not admit the usage by itself. */
function refusingLimit(limits: Applicability, usage: UsageContext): Candidate['limit'] {
  const { specifiers, contracts, subscriptions, meteredOnly, ...targets } = limits;
  if (!admits(targets, usage)) return 'targets';
  if (specifiers && !admits({ specifiers }, usage)) return 'specifiers';
  if (contracts && !admits({ contracts }, usage)) return 'contracts';
  if (subscriptions && !admits({ subscriptions }, usage)) return 'subscriptions';
  return meteredOnly && !admits({ meteredOnly }, usage) ? 'metered_only' : null;
}

const VERDICTS: Readonly<Record<Verdict, (candidate: Candidate) => string>> = {
  taken: ({ taken, remainingBefore, remainingAfter }) =>
    `gives ${formatAmount(taken)} of ${formatAmount(remainingBefore)}, ${formatAmount(remainingAfter)} stays`,
  not_needed: ({ remainingBefore }) => `is not needed any more, ${formatAmount(remainingBefore)} stays`,
  not_begun: ({ effectiveAt }) => `begins only at ${formatInstant(effectiveAt)}`,
  over: ({ expiresAt }) => `ended at ${formatInstant(expiresAt)}`,
  not_applicable: ({ limit }) => `does not apply: its ${limit ?? 'limits'} leave the usage out`,
  held: ({ held }) => `has nothing left that is not held (${formatAmount(held)})`,
  depleted: () => 'is used up',
  expired: () => 'has expired',
  voided: () => 'was revoked',
  other_unit: ({ unit }) => `counts ${unit}`,
};

/** One line for the usage, and one for each grant with what decided. */
export function explanationText({
  unit,
  requested,
  covered,
  shortfall,
  at,
  candidates,
}: Explanation): string {
  const lines = candidates.map((candidate, index) => {
    const place = candidate.after === null ? '' : ` (after the one before by ${candidate.after})`;
    return `${index + 1}. ${candidate.grantId}${place} ${VERDICTS[candidate.verdict](candidate)}`;
  });
  const short = shortfall === 0n ? '' : `, ${formatAmount(shortfall)} is short`;
  return [
    `Usage of ${formatAmount(requested)} ${unit} at ${formatInstant(at)}: ${formatAmount(covered)} is covered${short}.`,
    ...lines,
  ].join('\n');
}
