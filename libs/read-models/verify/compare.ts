import type pg from 'pg';
import { formatAmount, formatInstant, readAmount, type Amount } from '#libs/kernel';
import { run } from '../sink.js';
import type { CheckedAccount } from './account-check.js';
import { accountKey, type Accounts } from './checks.js';
import { DERIVED, type Difference } from './derived.js';

/** Rows fetched at once. */
const PAGE = 5000;

/** One comparison: rows by their key, and what each should hold, member by member, in the order of the row's members. */
interface Comparison {
  readonly readModel: string;
  /** Gives tenant, customer, key and members; amounts as text. */
  readonly rows: string;
  readonly members: readonly string[];
  /** A row of zeros and no row mean the same: usage that nothing paid for leaves one or the other. */
  readonly zeroIsNothing?: true;
  /** Every row there should be. */
  expected(account: CheckedAccount): Iterable<readonly [key: string, members: readonly (string | null)[]]>;
}

const amount = (value: Amount): string => formatAmount(value);

type Expected = Iterable<readonly [key: string, members: readonly (string | null)[]]>;

function* units({ state }: CheckedAccount): Expected {
  for (const [unit, { balance, debt, held }] of state.units)
    yield [unit, [amount(balance), amount(debt), amount(held)]];
}

function* grants({ state }: CheckedAccount): Expected {
  for (const { grants: open } of state.units.values())
    for (const { id, remaining, held } of open) yield [id, [amount(remaining), amount(held), null]];
  const held = new Map<string, Amount>();
  for (const { parts } of state.holds.values())
    for (const part of parts) held.set(part.grantId, (held.get(part.grantId) ?? 0n) + part.amount);
  for (const [id, { endedAs }] of state.ended) yield [id, ['0', amount(held.get(id) ?? 0n), endedAs]];
}

function* remains(account: CheckedAccount): Expected {
  for (const [id, [remaining, held]] of grants(account)) yield [id, [remaining!, held!]];
}

function* holds({ state }: CheckedAccount): Expected {
  for (const { id, expiresAt } of state.holds.values()) yield [id, [instant(expiresAt)]];
}

function* renewals({ state }: CheckedAccount): Expected {
  for (const { id, status, occurrence, anchor, lastAt, nextAt } of state.series.values())
    yield [id, [status, String(occurrence), instant(anchor), instant(lastAt), instant(nextAt)]];
}

function* dues({ state }: CheckedAccount): Expected {
  for (const { grants: open } of state.units.values())
    for (const { id, activated, effectiveAt, expiresAt } of open) {
      if (!activated) yield [`start ${id}`, [instant(effectiveAt)]];
      if (expiresAt !== Infinity) yield [`expiry ${id}`, [instant(expiresAt)]];
    }
  for (const { id, expiresAt } of state.holds.values())
    if (expiresAt !== Infinity) yield [`hold ${id}`, [instant(expiresAt)]];
  for (const { id, status, nextAt } of state.series.values())
    if (status === 'active' && nextAt !== Infinity) yield [`renewal ${id}`, [instant(nextAt)]];
}

function* reversals({ state }: CheckedAccount): Expected {
  for (const [id, reversed] of state.reversed) yield [id, [amount(reversed)]];
}

const instant = (value: number): string | null => (value === Infinity ? null : formatInstant(value));
const instantOf = (column: string): string =>
  `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** All movements: those in transactions, and what consumptions drew that are in usage alone. */
const MOVEMENTS = `
  select tenant, customer_id, unit, grant_id, type, amount from ${DERIVED}.transactions
  union all
  select u.tenant, u.customer_id, u.data ->> 'unit', a ->> 'grantId', 'consumption', -(a ->> 'amount')::numeric
  from ${DERIVED}.usage u, json_array_elements(u.data -> 'allocations') a
  where u.type = 'CreditsConsumed' and u.status <> 'pending'`;

const COMPARISONS: readonly Comparison[] = [
  {
    readModel: 'balances',
    rows: `select tenant, customer_id, unit, balance::text, debt::text, held::text from ${DERIVED}.balances`,
    members: ['balance', 'debt', 'held'],
    zeroIsNothing: true,
    expected: units,
  },
  {
    readModel: 'grants',
    rows: `select tenant, customer_id, grant_id, remaining::text, held::text, ended_as from ${DERIVED}.grants`,
    members: ['remaining', 'held', 'ended_as'],
    expected: grants,
  },
  {
    readModel: 'transactions',
    rows: `select tenant, customer_id, unit, coalesce(sum(amount) filter (where grant_id is not null), 0)::text,
             coalesce(sum(case when grant_id is null then -amount when type = 'settlement' then amount end), 0)::text,
             coalesce(-sum(amount) filter (where type in ('hold', 'release')), 0)::text
           from (${MOVEMENTS}) m group by tenant, customer_id, unit`,
    members: ['sum of amounts', 'debt by movements', 'held by movements'],
    zeroIsNothing: true,
    expected: units,
  },
  {
    readModel: 'transactions',
    rows: `select tenant, customer_id, grant_id, sum(amount)::text,
             coalesce(-sum(amount) filter (where type in ('hold', 'release')), 0)::text from (${MOVEMENTS}) m
           where grant_id is not null group by tenant, customer_id, grant_id`,
    members: ['sum of the grant', 'held of the grant'],
    expected: remains,
  },
  {
    readModel: 'holds',
    rows: `select tenant, customer_id, id, ${instantOf('expires_at')} from ${DERIVED}.holds where status = 'held'`,
    members: ['expires_at'],
    expected: holds,
  },
  {
    readModel: 'renewals',
    rows: `select tenant, customer_id, id, status, occurrence::text, ${instantOf('anchor')}, ${instantOf('last_at')},
             ${instantOf('next_at')} from ${DERIVED}.renewals`,
    members: ['status', 'occurrence', 'anchor', 'last_at', 'next_at'],
    expected: renewals,
  },
  {
    readModel: 'schedules',
    rows: `select tenant, customer_id, kind || ' ' || id, ${instantOf('due_at')} from ${DERIVED}.schedules
           where open and due_at is not null`,
    members: ['due_at'],
    expected: dues,
  },
  {
    readModel: 'usage',
    rows: `select tenant, customer_id, id, reversed::text from ${DERIVED}.usage where reversed <> 0`,
    members: ['reversed'],
    expected: reversals,
  },
];

/** The read models whose rows must reflect the same position for a comparison of this one. */
export const readsBeside = (readModel: string): readonly string[] =>
  readModel === 'transactions' ? ['usage'] : [];

/** Holds a read model's derived rows against the accounts as they stood at the position of the rows. */
export async function compareAccounts(
  client: pg.ClientBase,
  readModel: string,
  accounts: Accounts,
  tell: (difference: Difference) => void,
): Promise<void> {
  for (const comparison of COMPARISONS) {
    if (comparison.readModel !== readModel) continue;
    const expected = new Map<string, readonly (string | null)[]>();
    for (const [account, checked] of accounts)
      if (!checked.broken)
        for (const [key, members] of comparison.expected(checked))
          expected.set(`${account}\n${key}`, members);
    const differ = (
      place: readonly string[],
      member: string,
      wanted: string | null,
      found: string | null,
    ): void =>
      tell({
        readModel,
        position: accounts.get(accountKey(place[0]!, place[1]!))?.position ?? null,
        tenant: place[0]!,
        customerId: place[1]!,
        key: place[2]!,
        member,
        expected: wanted,
        found,
      });

    for await (const [tenant, customerId, key, ...found] of fetchRows(client, comparison.rows)) {
      const place = [tenant!, customerId!, key!];
      if (accounts.get(accountKey(tenant!, customerId!))?.broken) continue;
      const wanted = expected.get(place.join('\n'));
      expected.delete(place.join('\n'));
      if (!wanted) {
        if (!comparison.zeroIsNothing || !nothing(found)) differ(place, 'row', null, found.join(', '));
      } else
        comparison.members.forEach((member, index) => {
          const is = canonical(found[index] ?? null);
          if (is !== wanted[index]) differ(place, member, wanted[index] ?? null, is);
        });
    }
    for (const [key, wanted] of expected) {
      if (comparison.zeroIsNothing && nothing(wanted)) continue;
      differ(key.split('\n'), 'row', wanted.join(', '), null);
    }
  }
}

const nothing = (members: readonly (string | null)[]): boolean =>
  members.every((value) => canonical(value) === '0');

const canonical = (value: string | null): string | null =>
  value !== null && /^-?[\d.]+$/.test(value) ? formatAmount(readAmount(value)) : value;

/** All rows of a select, a page at a time; to be called in a transaction. */
async function* fetchRows(client: pg.ClientBase, select: string): AsyncIterable<readonly (string | null)[]> {
  await run(client, `declare verified no scroll cursor for ${select}`);
  try {
    for (;;) {
      const { rows } = await client.query<(string | null)[]>({
        text: `fetch ${PAGE} from verified`,
        rowMode: 'array',
      });
      yield* rows;
      if (rows.length < PAGE) return;
    }
  } finally {
    await run(client, 'close verified');
  }
}
