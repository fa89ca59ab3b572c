import {
  issue,
  parseAmount,
  parseInstant,
  Problem,
  readAmount,
  readInstant,
  type Instant,
  type Issue,
} from '#libs/kernel';
import {
  allDue,
  grantHistory,
  outlook,
  rateOf,
  usedIn,
  type Explanation,
  type UnitOutlook,
} from '#libs/credits';
import type { Position } from '#libs/event-store';
import { factsOf, settledAccount } from './account-facts.js';
import { unacceptable } from './amounts.js';
import type { CreditsDeps } from './deps.js';
import { drawnAmount, drawnUnit, type DrawnRequest } from './drawn-unit.js';

export interface Explained {
  readonly customerId: string;
  readonly explanation: Explanation;
  /** Of the last fact that was looked at. */
  readonly position: Position;
}

/**
 * Why a recorded consumption, refusal or captured hold drew what it drew: worked out again from the stream as it stood
 * before it. @throws Problem `not_found`
 */
export async function explainRecorded(
  deps: CreditsDeps,
  tenant: string,
  consumptionId: string,
): Promise<Explained> {
  const found = await deps.locateConsumption(tenant, consumptionId);
  if (!found) throw new Problem('not_found', `There is no consumption ${JSON.stringify(consumptionId)}.`);
  const { customerId } = found;
  const history = grantHistory();
  for await (const fact of factsOf(deps, tenant, customerId)) {
    const { type, data, position } = fact;
    if (
      (type === 'HoldPlaced' && data.holdId === consumptionId) ||
      ((type === 'CreditsConsumed' || type === 'ConsumptionRefused') && data.consumptionId === consumptionId)
    ) {
      const explanation = history.explain({
        unit: data.unit,
        amount: readAmount(data.requested),
        at: readInstant(data.effectiveAt),
        context: data.context ?? {},
      });
      return { customerId, explanation, position };
    }
    history.add(fact);
  }
  throw new Error(`the consumption ${consumptionId} is not in the stream of ${customerId}`);
}

/** What usage would draw now, or at its own time, and why: every grant the account ever had. */
export async function explainUsage(
  deps: CreditsDeps,
  tenant: string,
  customerId: string,
  request: DrawnRequest & { readonly at?: string },
): Promise<Explained> {
  const drawn = await drawnUnit(deps, tenant, request);
  const issues: Issue[] = [];
  const { amount } = drawnAmount(request, drawn, issues);
  if (issues.length > 0) throw unacceptable(issues);
  const history = grantHistory();
  let position: Position = 0n;
  for await (const fact of factsOf(deps, tenant, customerId)) {
    history.add(fact);
    ({ position } = fact);
  }
  const now = deps.now(tenant);
  for (const fact of allDue(history.state, now, deps.expiryGrace)) history.add(fact);
  const at = request.at === undefined ? now : parseInstant(request.at)!;
  const explanation = history.explain({ unit: drawn.unit.id, amount, at, context: drawn.context });
  return { customerId, explanation, position };
}

/** Days back over which the rate of usage is measured when none is given. */
export const RATE_DAYS = 30;

/** What lies ahead of one unit, at a rate (amount a day) or at that of the last 30 days. @throws Problem for an unknown unit */
export async function outlookOf(
  deps: CreditsDeps,
  tenant: string,
  customerId: string,
  asked: {
    readonly unit: string;
    readonly rate: string | undefined;
    readonly until: (now: Instant) => Instant;
  },
): Promise<{
  readonly outlook: UnitOutlook;
  readonly now: Instant;
  readonly until: Instant;
  readonly position: Position;
}> {
  const { unit } = asked;
  const counted = await deps.catalog.unit(tenant, unit);
  if (!counted) throw unacceptable([issue('/unit', 'unknown_reference', `no unit ${JSON.stringify(unit)}`)]);
  const given = asked.rate === undefined ? undefined : parseAmount(asked.rate, counted.attributes.scale);
  if (given !== undefined && typeof given !== 'bigint')
    throw unacceptable([issue('/rate', given, 'must be an amount a day')]);
  const { state, now, position } = await settledAccount(deps, tenant, customerId);
  const until = asked.until(now);
  const rate = given ?? (await measuredRate(deps, tenant, customerId, unit, now));
  return { outlook: outlook(state, { unit, rate, now, until }), now, until, position };
}

async function measuredRate(
  deps: CreditsDeps,
  tenant: string,
  customerId: string,
  unit: string,
  now: Instant,
): Promise<bigint> {
  const window = { unit, now, days: RATE_DAYS };
  let used = 0n;
  for await (const fact of factsOf(deps, tenant, customerId)) used += usedIn(fact, window);
  return rateOf(used, window);
}
