import { LRUCache } from 'lru-cache';
import type pg from 'pg';
import {
  formatInstant,
  HOUR,
  inBatches,
  readAmount,
  type Amount,
  type BatchOptions,
  type Instant,
} from '#libs/kernel';
import { run, textArray } from '../sink.js';
import { LIVE } from '../table.js';

/** What was used in the hours of a day in UTC, and the position of the last event that says so. */
export type Hours = Readonly<Record<string, readonly [quantity: string, position: string]>>;

/** What was used of a meter in a window. */
export interface UsedDays {
  readonly meterId: string;
  /** In the days that lie in the window. */
  readonly whole: Amount;
  /** The days that it cuts. */
  readonly cut: readonly { readonly start: Instant; readonly hours: Hours }[];
}

/** Half-open. */
interface Window {
  readonly start: Instant;
  readonly end: Instant;
}

interface CutHour {
  readonly tenant: string;
  readonly customerId: string;
  readonly meterId: string;
  /** The part in the window, half-open. */
  readonly from: Instant;
  readonly to: Instant;
  /** Of the last event to count. */
  readonly position: string;
}

interface Counted {
  readonly quantity: Amount;
  /** Whether all events up to the position were there to be counted. */
  readonly complete: boolean;
}

/** Parts of hours that are kept in memory. */
const MOST_KEPT = 50_000;

const PART = `
  select coalesce(sum(case when type = 'UsageRecorded' then value
      else coalesce(data #>> '{rating,quantity}', data ->> 'requested')::numeric end), 0)::text
  from ${LIVE}.usage where tenant = q.tenant and customer_id = q.customer_id and meter_id = q.meter_id
    and type in ('CreditsConsumed', 'UsageRecorded') and position <= q.position::bigint
    and effective_at >= q."from"::timestamptz and effective_at < q."to"::timestamptz`;

const PARTS = `
  select (select position::text from ${LIVE}.checkpoints where projection = 'usage') as reflected,
    json_agg((${PART}) order by q.n) as parts
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) with ordinality
      as q(tenant, customer_id, meter_id, "from", "to", position, n)`;

/**
 * Adds up usage in windows. Of an hour that a window cuts the part inside is counted one usage at a time, and again only
 * when more of the hour has become known: a period begins at any instant, and is asked about for as long as it lasts.
 */
export function createWindows(pool: pg.Pool, batches: BatchOptions) {
  const kept = new LRUCache<string, { readonly position: string; readonly quantity: Amount }>({
    max: MOST_KEPT,
  });
  const counted = inBatches((parts: readonly CutHour[]) => count(pool, parts), batches);

  async function partOf(part: CutHour): Promise<Amount> {
    const { tenant, customerId, meterId, from, to, position } = part;
    const key = [tenant, customerId, meterId, from, to].join('\n');
    const known = kept.get(key);
    if (known?.position === position) return known.quantity;
    const { quantity, complete } = await counted(part);
    if (complete) kept.set(key, { position, quantity });
    return quantity;
  }

  /** @throws DatabaseUnavailable */
  return async (
    tenant: string,
    customerId: string,
    { meterId, whole, cut }: UsedDays,
    window: Window,
  ): Promise<Amount> => {
    let sum = whole;
    for (const { start, hours } of cut)
      for (const [hour, [quantity, position]] of Object.entries(hours)) {
        const begins = start + +hour * HOUR;
        const from = Math.max(begins, window.start);
        const to = Math.min(begins + HOUR, window.end);
        if (from >= to) continue;
        sum +=
          to - from === HOUR
            ? readAmount(quantity)
            : await partOf({ tenant, customerId, meterId, from, to, position });
      }
    return sum;
  };
}

async function count(pool: pg.Pool, parts: readonly CutHour[]): Promise<readonly Counted[]> {
  const column = (of: (part: CutHour) => string): Buffer => textArray(parts.map(of));
  const { rows } = await run<{ reflected: string | null; parts: readonly string[] }>(
    pool,
    PARTS,
    [
      column(({ tenant }) => tenant),
      column(({ customerId }) => customerId),
      column(({ meterId }) => meterId),
      column(({ from }) => formatInstant(from)),
      column(({ to }) => formatInstant(to)),
      column(({ position }) => position),
    ],
    'entitlements.parts',
  );
  const { reflected, parts: quantities } = rows[0]!;
  const reached = BigInt(reflected ?? 0);
  return parts.map(({ position }, index) => ({
    quantity: readAmount(quantities[index]!),
    complete: reached >= BigInt(position),
  }));
}
