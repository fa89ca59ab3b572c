import type pg from 'pg';
import { formatAmount, readAmount, type Amount } from '#libs/kernel';
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

function* units({ state }: CheckedAccount): Iterable<readonly [string, readonly string[]]> {
  for (const [unit, { balance, debt }] of state.units) yield [unit, [amount(balance), amount(debt)]];
}

function* grants({ state }: CheckedAccount): Iterable<readonly [string, readonly (string | null)[]]> {
  for (const { grants: open } of state.units.values())
    for (const { id, remaining } of open) yield [id, [amount(remaining), null]];
  for (const [id, { endedAs }] of state.ended) yield [id, ['0', endedAs]];
}

function* remains(account: CheckedAccount): Iterable<readonly [string, readonly (string | null)[]]> {
  for (const [id, [remaining]] of grants(account)) yield [id, [remaining!]];
}

const COMPARISONS: readonly Comparison[] = [
  {
    readModel: 'balances',
    rows: `select tenant, customer_id, unit, balance::text, debt::text from ${DERIVED}.balances`,
    members: ['balance', 'debt'],
    zeroIsNothing: true,
    expected: units,
  },
  {
    readModel: 'grants',
    rows: `select tenant, customer_id, grant_id, remaining::text, ended_as from ${DERIVED}.grants`,
    members: ['remaining', 'ended_as'],
    expected: grants,
  },
  {
    readModel: 'transactions',
    rows: `select tenant, customer_id, unit, coalesce(sum(amount) filter (where grant_id is not null), 0)::text,
             coalesce(sum(case type when 'debt' then -amount when 'settlement' then amount end), 0)::text
           from ${DERIVED}.transactions group by tenant, customer_id, unit`,
    members: ['sum of amounts', 'debt by movements'],
    zeroIsNothing: true,
    expected: units,
  },
  {
    readModel: 'transactions',
    rows: `select tenant, customer_id, grant_id, sum(amount)::text from ${DERIVED}.transactions
           where grant_id is not null group by tenant, customer_id, grant_id`,
    members: ['sum of the grant'],
    expected: remains,
  },
];

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
