import type pg from 'pg';
import { formatInstant, readAmount, type Amount, type Instant } from '#libs/kernel';
import type { Applicability, GrantIssued } from '#libs/credits';
import type { Position } from '#libs/event-store';
import { usageWindow, type Entitling, type FeatureCredit } from '#libs/subscriptions';
import { run, textArray } from '../sink.js';
import { LIVE } from '../table.js';
import type { Hours, UsedDays } from './cut-hours.js';

/** What is asked of one customer. */
export interface FactsQuestion {
  readonly tenant: string;
  readonly customerId: string;
  readonly now: Instant;
  readonly meterIds: readonly string[];
  /** Of the usage; absent: as `usageWindow` tells. */
  readonly window?: { readonly start: Instant; readonly end: Instant } | undefined;
}

/** An open grant, as far as checks look at it. */
export interface CheckedGrant extends FeatureCredit {
  readonly unit: string;
  readonly applicability?: Applicability | undefined;
}

/** What is known of one customer. */
export interface EntitlementFacts {
  readonly customerId: string;
  /** False: the read models do not know such a customer, or not yet. */
  readonly known: boolean;
  /** Position in the log that the facts reflect. */
  readonly position: Position;
  /** Every subscription the customer has or had, or a seat of it. */
  readonly subscriptionIds: readonly string[];
  /** From then on time has brought about what is not in the rows, so that only the streams can tell; Infinity: never. */
  readonly exactUntil: Instant;
  /** Those that entitle the customer, the oldest first. */
  readonly subscriptions: readonly Entitling[];
  readonly grants: readonly CheckedGrant[];
  /** In the window, by meter. */
  readonly usage: ReadonlyMap<string, Amount>;
}

/** The same with usage as it stands in the rows. */
export type FoundFacts = Omit<EntitlementFacts, 'usage'> & { readonly usage: readonly UsedDays[] };

/** Which read models an answer is made from: its position is the least of theirs. */
const SOURCES = `'entitlements', 'grants', 'schedules', 'usage'`;

const MINE = `tenant = q.tenant and customer_id = q.customer_id`;

/** Of a meter: the sum of the days that lie in the window, and those that it cuts. */
const USAGE = `
  select json_agg((
    select json_build_array(m.id, (sum(quantity) filter (where day >= w.s and day + interval '24 hours' <= w.e))::text,
      json_agg(json_build_array(day, hours)) filter (where day < w.s or day + interval '24 hours' > w.e))
    from ${LIVE}.usage_days
    where ${MINE} and meter_id = m.id and day > w.s - interval '24 hours' and day < w.e))
  from unnest(q.meters::text[]) m(id)`;

// neither `exists`, whose plan reads the whole table once, nor `order by` among the few rows of one customer
const FACTS = `
  select (select min(position)::text from ${LIVE}.checkpoints where projection in (${SOURCES})) as reflected,
    json_agg(json_build_array(
      (select true from ${LIVE}.customers where tenant = q.tenant and id = q.customer_id),
      (select json_agg(json_build_array(created_position::text, subscription_id, entitles, exact_until, undriven,
           period_start, period_end, features, overrides)) from ${LIVE}.entitlement_terms where ${MINE}),
      (select json_agg(json_build_array(unit, remaining::text, effective_at, expires_at, activated, data))
         from ${LIVE}.grants where ${MINE} and ended_as is null),
      (select due_at from ${LIVE}.schedules where ${MINE} and kind in ('hold', 'renewal') order by due_at limit 1),
      (${USAGE})) order by q.n) as found
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) with ordinality
      as q(tenant, customer_id, meters, now, start, "end", n)
    left join lateral (
      select period_start, period_end from ${LIVE}.entitlement_terms
      where ${MINE} and entitles and q.start is null order by created_position limit 1
    ) o on true
    cross join lateral (
      select coalesce(q.start::timestamptz, o.period_start, date_trunc('month', q.now::timestamptz, 'UTC')) as s,
        coalesce(q."end"::timestamptz, o.period_end,
          (date_trunc('month', q.now::timestamptz at time zone 'UTC') + interval '1 month') at time zone 'UTC') as e
    ) w`;

type Stored = readonly [
  known: true | null,
  terms: readonly StoredTerms[] | null,
  grants: readonly StoredGrant[] | null,
  timer: string | null,
  usage: readonly StoredUsage[] | null,
];

type StoredTerms = readonly [
  createdPosition: string,
  subscriptionId: string,
  entitles: boolean,
  exactUntil: string | null,
  undriven: boolean,
  periodStart: string,
  periodEnd: string,
  features: Entitling['features'],
  overrides: Entitling['overrides'],
];

type StoredGrant = readonly [
  unit: string,
  remaining: string,
  effectiveAt: string,
  expiresAt: string | null,
  activated: boolean,
  issued: Pick<GrantIssued, 'amount' | 'applicability'>,
];

type StoredUsage = readonly [
  meterId: string,
  whole: string | null,
  cut: readonly (readonly [day: string, hours: Hours])[] | null,
];

/** Answers in the order of the questions, all of one snapshot. @throws DatabaseUnavailable */
export async function findFacts(
  pool: pg.Pool,
  questions: readonly FactsQuestion[],
): Promise<readonly FoundFacts[]> {
  const column = (of: (question: FactsQuestion) => string | null): Buffer => textArray(questions.map(of));
  const { rows } = await run<[reflected: string | null, found: readonly Stored[]]>(
    pool,
    FACTS,
    [
      column(({ tenant }) => tenant),
      column(({ customerId }) => customerId),
      column(({ meterIds }) => `{${meterIds.map((id) => `"${id}"`).join()}}`),
      column(({ now }) => formatInstant(now)),
      column(({ window }) => (window ? formatInstant(window.start) : null)),
      column(({ window }) => (window ? formatInstant(window.end) : null)),
    ],
    'entitlements.facts',
    'array',
  );
  const [reflected, found] = rows[0]!;
  const position = BigInt(reflected ?? 0);
  return found.map((stored, index) => factsOf(stored, questions[index]!, position));
}

function factsOf(
  [known, terms, grants, timer, usage]: Stored,
  { customerId, now }: FactsQuestion,
  position: Position,
) {
  const under = (terms ?? []).map(termsOf).sort((a, b) => (a.createdPosition < b.createdPosition ? -1 : 1));
  const subscriptions = under.filter(({ entitles }) => entitles);
  const open = (grants ?? []).map(grantOf);
  return {
    customerId,
    known: known === true,
    subscriptionIds: under.map(({ id }) => id),
    exactUntil: Math.min(
      instantOf(timer),
      ...under.map(({ exactUntil }) => exactUntil),
      ...open.map(({ exactUntil }) => exactUntil),
      // without a period usage is that of the month
      subscriptions.length > 0 ? Infinity : usageWindow([], now).end,
    ),
    subscriptions,
    grants: open,
    usage: (usage ?? []).map(usageOf),
    position,
  };
}

const termsOf = ([at, id, entitles, until, undriven, start, end, features, overrides]: StoredTerms) => ({
  id,
  createdPosition: BigInt(at),
  entitles,
  exactUntil: undriven ? -Infinity : instantOf(until),
  features,
  overrides,
  period: { start: Date.parse(start), end: Date.parse(end) },
});

function grantOf([unit, remaining, from, until, activated, { amount, applicability }]: StoredGrant) {
  const effectiveAt = Date.parse(from);
  const expiresAt = instantOf(until);
  return {
    unit,
    amount: readAmount(amount),
    remaining: readAmount(remaining),
    effectiveAt,
    expiresAt,
    exactUntil: activated ? expiresAt : Math.min(effectiveAt, expiresAt),
    applicability,
  };
}

const usageOf = ([meterId, whole, cut]: StoredUsage): UsedDays => ({
  meterId,
  whole: whole === null ? 0n : readAmount(whole),
  cut: (cut ?? []).map(([day, hours]) => ({ start: Date.parse(day), hours })),
});

/** Null: never. */
const instantOf = (text: string | null): Instant => (text === null ? Infinity : Date.parse(text));
