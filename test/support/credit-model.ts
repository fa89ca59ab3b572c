import type { Applicability, BalanceKind, GrantScope, ShortagePolicy, UsageContext } from '#libs/credits';

/**
 * The rules of a credit account a second time, to test the first: one flat list of awards, filtered and sorted anew for
 * every question. Amounts are whole numbers of 10^-12, times whole numbers. Slow and plain on purpose.
 */
export interface Award {
  readonly id: string;
  readonly unit: string;
  readonly amount: bigint;
  readonly start: number;
  readonly end: number | null;
  readonly priority: number;
  readonly costBasis: string;
  readonly kind: BalanceKind;
  readonly scope: GrantScope;
  readonly limits: Applicability;
  readonly key: string | null;
  /** Id of the access schedule it is a segment of. */
  readonly schedule: string | null;
}

export interface Use {
  readonly id: string;
  readonly unit: string;
  readonly amount: bigint;
  readonly policy: ShortagePolicy;
  readonly limit: bigint | null;
  readonly time: number;
  readonly now: number;
  readonly about: UsageContext;
}

export type Status = 'SCHEDULED' | 'ACTIVE' | 'DEPLETED' | 'EXPIRED' | 'REVOKED';

/** What happened, in few words. */
export type Outcome =
  | { what: 'issued'; unit: string; id: string; balance: bigint }
  | { what: 'started'; unit: string; id: string; time: number }
  | { what: 'ended'; unit: string; id: string; lost: bigint; balance: bigint; time: number }
  | {
      what: 'paid';
      unit: string;
      id: string;
      parts: [string, bigint][];
      left: bigint;
      balance: bigint;
      debt: bigint;
    }
  | {
      what: 'used';
      unit: string;
      parts: [string, bigint, bigint][];
      taken: bigint;
      short: bigint;
      owed: bigint;
      balance: bigint;
      debt: bigint;
      next: bigint;
    }
  | { what: 'refused'; unit: string; why: string; available: bigint }
  | { what: 'revoked'; unit: string; id: string; lost: bigint; balance: bigint }
  | { what: 'not done'; why: string; id: string };

interface Row extends Award {
  readonly place: number;
  left: bigint;
  started: boolean;
  over: 'DEPLETED' | 'EXPIRED' | 'REVOKED' | null;
}

interface Owed {
  readonly id: string;
  readonly unit: string;
  readonly about: UsageContext;
  left: bigint;
}

const total = (values: readonly bigint[]): bigint => values.reduce((sum, value) => sum + value, 0n);
const smaller = (a: bigint, b: bigint): bigint => (a > b ? b : a);

export class CreditModel {
  private readonly rows: Row[] = [];
  private readonly owed: Owed[] = [];

  /** Everything that the clock brings about up to and including `now`. */
  pass(now: number): Outcome[] {
    const outcomes: Outcome[] = [];
    for (;;) {
      const next = this.rows
        .filter((row) => row.over === null)
        .flatMap((row) => [
          { row, time: row.started ? Infinity : row.start, isStart: 1 },
          { row, time: row.end ?? Infinity, isStart: 0 },
        ])
        .filter(({ time }) => time <= now)
        .sort((a, b) => a.time - b.time || a.isStart - b.isStart || inOrder(a.row, b.row))[0];
      if (!next) return outcomes;
      const { row, time } = next;
      if (next.isStart === 1) {
        row.started = true;
        outcomes.push({ what: 'started', unit: row.unit, id: row.id, time }, ...this.payDebts(row));
      } else {
        const lost = row.left;
        row.left = 0n;
        row.over = 'EXPIRED';
        outcomes.push({
          what: 'ended',
          unit: row.unit,
          id: row.id,
          lost,
          balance: this.balance(row.unit),
          time,
        });
      }
    }
  }

  /** Awards of one command; all or nothing. */
  issue(awards: readonly Award[], now: number): Outcome[] {
    for (const { id, schedule } of awards)
      if (
        this.rows.some((row) =>
          [row.id, row.schedule].some((taken) => taken === id || (taken !== null && taken === schedule)),
        )
      )
        return [{ what: 'not done', why: 'already_exists', id: '' }];
    const key = awards[0]!.key;
    const holder = key === null ? undefined : this.rows.find((row) => row.key === key);
    if (holder) return [{ what: 'not done', why: 'uniqueness_key_used', id: holder.schedule ?? holder.id }];
    return awards.flatMap((award) => {
      const row: Row = {
        ...award,
        place: this.rows.length,
        left: award.amount,
        started: award.start <= now,
        over: null,
      };
      this.rows.push(row);
      const done: Outcome = { what: 'issued', unit: row.unit, id: row.id, balance: this.balance(row.unit) };
      const inForce = row.started && (row.end === null || now < row.end);
      return inForce ? [done, ...this.payDebts(row)] : [done];
    });
  }

  use({ id, unit, amount, policy, limit, time, now, about }: Use): Outcome {
    const payers = this.payers(unit, time, about);
    const available = total(payers.map(({ left }) => left));
    const taken = smaller(amount, available);
    const short = amount - taken;
    const owed = policy === 'pending' ? short : 0n;
    if (policy === 'refuse' && short > 0n)
      return { what: 'refused', unit, why: 'insufficient_credit', available };
    if (limit !== null && owed > 0n && this.debt(unit) + owed > limit)
      return { what: 'refused', unit, why: 'debt_limit', available };
    const parts: [string, bigint, bigint][] = [];
    let open = taken;
    for (const row of payers) {
      const part = smaller(open, row.left);
      if (part === 0n) continue;
      open -= part;
      this.take(row, part);
      parts.push([row.id, part, row.left]);
    }
    if (owed > 0n) this.owed.push({ id, unit, about, left: owed });
    const [balance, debt, next] = [this.balance(unit), this.debt(unit), this.available(unit, now, about)];
    return { what: 'used', unit, parts, taken, short, owed, balance, debt, next };
  }

  revoke(id: string, now: number): Outcome {
    const row = this.rows.find((each) => each.id === id);
    if (!row) return { what: 'not done', why: 'grant_not_found', id: '' };
    if (row.over !== null || (row.end !== null && row.end <= now))
      return { what: 'not done', why: 'grant_not_active', id };
    const lost = row.left;
    row.left = 0n;
    row.over = 'REVOKED';
    return { what: 'revoked', unit: row.unit, id, lost, balance: this.balance(row.unit) };
  }

  /** What is left on awards that are not over, started or not. */
  balance(unit: string): bigint {
    return total(this.rows.filter((row) => row.unit === unit && row.over === null).map(({ left }) => left));
  }

  debt(unit: string): bigint {
    return total(this.owed.filter((owed) => owed.unit === unit).map(({ left }) => left));
  }

  available(unit: string, time: number, about: UsageContext): bigint {
    return total(this.payers(unit, time, about).map(({ left }) => left));
  }

  statuses(now: number): [string, Status, bigint][] {
    return this.rows.map((row) => {
      const timed = row.end !== null && row.end <= now ? 'EXPIRED' : row.start > now ? 'SCHEDULED' : 'ACTIVE';
      return [row.id, row.over ?? timed, row.left];
    });
  }

  private payers(unit: string, time: number, about: UsageContext): Row[] {
    return this.rows
      .filter((row) => row.unit === unit && row.over === null)
      .filter((row) => row.start <= time && (row.end === null || time < row.end))
      .filter((row) => mayPay(row.limits, about))
      .sort(inOrder);
  }

  private take(row: Row, amount: bigint): void {
    row.left -= amount;
    if (row.left < 0n) throw new Error(`${row.id} gave more than it had`);
    if (row.left === 0n) row.over = 'DEPLETED';
  }

  private payDebts(row: Row): Outcome[] {
    const parts: [string, bigint][] = [];
    for (const owed of this.owed) {
      const part =
        owed.unit === row.unit && mayPay(row.limits, owed.about) ? smaller(owed.left, row.left) : 0n;
      if (part === 0n) continue;
      owed.left -= part;
      this.take(row, part);
      parts.push([owed.id, part]);
    }
    if (parts.length === 0) return [];
    const { unit, id, left } = row;
    return [{ what: 'paid', unit, id, parts, left, balance: this.balance(unit), debt: this.debt(unit) }];
  }
}

/** Every limit that is stated must let the usage through. */
export function mayPay(limits: Applicability, about: UsageContext): boolean {
  const tags = new Set(about.productTags);
  const targets: [readonly string[] | undefined, readonly (string | undefined)[]][] = [
    [limits.features, [about.featureSlug]],
    [limits.components, [about.componentId]],
    [limits.prices, [about.priceId]],
    [limits.products, [about.productId]],
    [limits.productTags, [...tags]],
  ];
  const hits = (list: readonly string[] | undefined, found: readonly (string | undefined)[]): boolean =>
    found.some((value) => value !== undefined && (list ?? []).includes(value));
  const isOpen = targets.every(([list]) => (list ?? []).length === 0);
  const gates = [
    isOpen || targets.some(([list, found]) => hits(list, found)) || hits(limits.meters, [about.meterId]),
    (limits.contracts ?? []).length === 0 || hits(limits.contracts, [about.contractId]),
    (limits.subscriptions ?? []).length === 0 || hits(limits.subscriptions, [about.subscriptionId]),
    !limits.meteredOnly || about.meterId !== undefined,
    (limits.specifiers ?? []).length === 0 ||
      (limits.specifiers ?? []).some(({ productId, productTags = [], properties = {}, exclude = [] }) => {
        const wanted = Object.entries(properties).map(([name, value]) => about.properties?.[name] === value);
        if (productId !== undefined) wanted.push(about.productId === productId);
        wanted.push(...productTags.map((tag) => tags.has(tag)));
        const leftOut = exclude.some(
          (group) => group.productTags.filter((tag) => !tags.has(tag)).length === 0,
        );
        return !wanted.includes(false) && !leftOut;
      }),
  ];
  return !gates.includes(false);
}

const SCOPES: readonly GrantScope[] = ['component', 'price', 'plan', 'merchant'];
const KINDS: readonly BalanceKind[] = ['rollover', 'prepaid', 'postpaid'];
const LAST = Number.MAX_SAFE_INTEGER;

/** Place in the order of drawdown as a list of numbers; the first difference decides. */
function rank(award: Award & { readonly place: number }): number[] {
  const { features = [], components = [], prices = [], products = [], productTags = [] } = award.limits;
  const { specifiers = [], contracts = [] } = award.limits;
  const named = [features, components, prices, products, productTags].flat().length;
  const conditions = specifiers
    .flatMap((each) => [
      each.productId === undefined ? [] : [each.productId],
      each.productTags ?? [],
      Object.keys(each.properties ?? {}),
    ])
    .flat().length;
  return [
    SCOPES.indexOf(award.scope),
    KINDS.indexOf(award.kind),
    award.priority,
    /^0+(\.0+)?$/.test(award.costBasis) ? 0 : 1,
    contracts.length > 0 ? 0 : 1,
    named || LAST,
    conditions || LAST,
    award.end ?? LAST,
    award.start,
    award.place,
  ];
}

function inOrder(a: Row, b: Row): number {
  const others = rank(b);
  return (
    rank(a)
      .map((value, step) => value - others[step]!)
      .find((difference) => difference !== 0) ?? 0
  );
}
