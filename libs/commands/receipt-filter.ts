import { BloomFilter } from 'bloomfilter';
import type pg from 'pg';
import type { TenantCommandId } from './write-cache.js';

/** Tells without asking the database that no receipt of a command id was saved. */
export interface ReceiptFilter {
  /** False for sure: none was, by this process ever, by others when it last caught up. */
  mayHold(id: TenantCommandId): boolean;
  /** Receipts of these ids are about to be saved. */
  saving(ids: readonly TenantCommandId[]): void;
  /** They were, by this transaction: what catches up passes it over. */
  saved(transaction: string): void;
  /** Takes in what others have saved since the last time. What is too much for that is read while nobody waits; all is, at first. */
  catchUp(): Promise<void>;
}

/** 12 bits and 8 hashes for a key let 3 of 1,000 unknown ones seem known, which costs a look-up each. */
const BITS = 12;
const HASHES = 8;
const FIRST_CAPACITY = 1_000_000;
/** Of them 1.5 bytes each are kept; of a table with more, every key is looked up. */
const MOST_KEYS = 50_000_000;
const PAGE = 1000;
/** Keys that others may have saved since the last time. */
const MOST_BEHIND = 20_000;
/** Own transactions after which it catches up though nobody asks. */
const MOST_OWN = 1000;

/** Lowest transaction that may still save something this statement does not see. */
const HORIZON = `select pg_snapshot_xmin(pg_current_snapshot())::text as horizon`;
/** What a receipt is found by, made of its columns. */
export const KEY = 'hashtextextended(command_id, hashtextextended(tenant, 0))';
const FIRST_KEY = -(2n ** 63n);
const READ_PAGE = {
  name: 'receipts-page',
  text: `select tenant, command_id, ${KEY}::text from write_cache.receipts where ${KEY} >= $1::bigint
         order by ${KEY} fetch first ${PAGE} rows with ties`,
};
/** Milliseconds that a command waits for what it needs. */
export const PATIENCE_MS = 10_000;
/** Numbers of transactions begin anew in a restored database: those that lie ahead were read with the first pages. */
const READ_SAVED = {
  name: 'receipts-saved',
  query_timeout: PATIENCE_MS,
  text: `select h.horizon::text, r.tenant, r.command_id
         from (select pg_snapshot_xmin(pg_current_snapshot()) as horizon) h
         left join write_cache.receipts r
           on r.saved >= $1::xid8 and r.saved < pg_snapshot_xmax(pg_current_snapshot()) and r.saved <> all ($2::xid8[])
         limit ${MOST_BEHIND + 1}`,
};

export function createReceiptFilter(pool: pg.Pool): ReceiptFilter {
  let filters: BloomFilter[] = [];
  let room = 0;
  let keys = 0;
  /** Where the next reading begins; null until everything has been read once. */
  let horizon: bigint | null = null;
  let reading = false;
  const own = new Set<bigint>();

  function forget(): void {
    horizon = null;
    filters = [];
    room = 0;
  }

  function add(tenant: string, commandId: string): void {
    if (keys >= MOST_KEYS) return forget();
    if (room === 0) {
      room = FIRST_CAPACITY << filters.length;
      filters.push(new BloomFilter(room * BITS, HASHES));
    }
    room--;
    keys++;
    filters.at(-1)!.add(keyOf(tenant, commandId));
  }

  /** Until it succeeds every key is looked up. */
  async function readAll(): Promise<void> {
    if (reading || keys >= MOST_KEYS) return;
    reading = true;
    try {
      const { rows } = await pool.query<{ horizon: string }>(HORIZON);
      let next = FIRST_KEY;
      for (let more = true; more && keys < MOST_KEYS;) {
        const page = await pool.query<[string, string, string]>({
          ...READ_PAGE,
          values: [next],
          rowMode: 'array',
        });
        for (const [tenant, commandId] of page.rows) add(tenant, commandId);
        more = page.rows.length >= PAGE;
        if (more) next = BigInt(page.rows.at(-1)![2]) + 1n;
        else if (keys < MOST_KEYS) horizon = BigInt(rows[0]!.horizon);
      }
    } catch {
      // whoever catches up next tries again
    } finally {
      reading = false;
    }
  }

  async function catchUp(): Promise<void> {
    if (horizon === null) return void readAll();
    const { rows } = await pool.query<[string, string | null, string | null]>({
      ...READ_SAVED,
      values: [horizon, [...own]],
      rowMode: 'array',
    });
    if (horizon === null) return; // all is read anew
    if (rows.length > MOST_BEHIND) {
      forget();
      keys = 0;
      return void readAll();
    }
    for (const [, tenant, commandId] of rows) if (tenant !== null) add(tenant, commandId!);
    const next = BigInt(rows[0]![0]);
    for (const transaction of own) if (transaction < next) own.delete(transaction);
    if (keys < MOST_KEYS) horizon = next;
  }

  return {
    mayHold: ({ tenant, commandId }) => {
      if (horizon === null) return true;
      const key = keyOf(tenant, commandId);
      return filters.some((filter) => filter.test(key));
    },
    saving: (ids) => {
      for (const { tenant, commandId } of ids) add(tenant, commandId);
    },
    saved: (transaction) => {
      if (horizon !== null) own.add(BigInt(transaction));
      if (own.size >= MOST_OWN) catchUp().catch(() => undefined);
    },
    catchUp,
  };
}

const keyOf = (tenant: string, commandId: string): string => `${tenant} ${commandId}`;
