import type { CreditEvent, ReturnedPart } from '#libs/credits';

/**
 * Reads a credit account's facts with nothing but the rules in hand, and complains. Amounts are whole numbers of 10^-12 that
 * it reads itself; it keeps books of its own and asks the product nothing.
 */
interface Book {
  readonly unit: string;
  /** Put on it: issued, amended, adjusted. */
  given: bigint;
  left: bigint;
  held: bigint;
  drawn: bigint;
  paid: bigint;
  lost: bigint;
  carried: bigint;
  start: number;
  end: number;
  over: 'expired' | 'voided' | null;
}

interface Eaten {
  readonly total: bigint;
  /** What each grant gave for it, its debt included. */
  readonly by: Map<string, bigint>;
  undone: bigint;
}

export class CreditAuditor {
  readonly books = new Map<string, Book>();
  private readonly debts = new Map<string, bigint>();
  private readonly owedBy = new Map<string, bigint>();
  private readonly eaten = new Map<string, Eaten>();
  private readonly holds = new Map<string, { unit: string; parts: Map<string, bigint> } | null>();
  /** What was carried into a grant that is still to be issued. */
  private readonly carried = new Map<string, bigint>();
  private readonly series = new Map<string, { occurrence: number; isStopped: boolean; cap: bigint | null }>();
  private fact = '';

  /** @throws Error that names the fact and the rule it breaks */
  audit(facts: readonly CreditEvent[]): void {
    for (const { type, data } of facts) {
      this.fact = `${type} ${JSON.stringify(data)}`;
      switch (type) {
        case 'GrantIssued':
          this.must(!this.books.has(data.grantId), 'a grant is issued once');
          if (this.carried.has(data.grantId))
            this.must(this.carried.get(data.grantId) === parts(data.amount), 'what is carried goes on');
          this.carried.delete(data.grantId);
          this.books.set(data.grantId, {
            unit: data.unit,
            given: parts(data.amount),
            left: parts(data.amount),
            held: 0n,
            drawn: 0n,
            paid: 0n,
            lost: 0n,
            carried: 0n,
            start: Date.parse(data.effectiveAt),
            end: endOf(data),
            over: null,
          });
          break;
        case 'CreditsConsumed': {
          const by = new Map<string, bigint>();
          for (const { grantId, amount, remainingAfter } of data.allocations) {
            const book = this.open(grantId, data.unit);
            const at = Date.parse(data.effectiveAt);
            this.must(book.start <= at && at < book.end, 'usage draws on grants effective at its time');
            this.must(parts(amount) > 0n && !by.has(grantId), 'each part is above zero, each grant once');
            by.set(grantId, parts(amount));
            book.drawn += parts(amount);
            this.leaves(book, -parts(amount), remainingAfter);
          }
          const sum = [...by.values()].reduce((total, part) => total + part, 0n);
          this.must(sum === parts(data.consumed), 'the parts are what was consumed');
          this.must(sum + parts(data.shortfall) === parts(data.requested), 'parts + shortfall = requested');
          const isOwed = data.onShortage === 'pending';
          this.must(
            parts(data.debt) === (isOwed ? parts(data.shortfall) : 0n),
            'debt is the pending shortfall',
          );
          this.owe(data.unit, data.consumptionId, parts(data.debt));
          const billed = data.onShortage === 'overage' ? parts(data.shortfall) : 0n;
          this.eaten.set(data.consumptionId, { total: sum + parts(data.debt) + billed, by, undone: 0n });
          break;
        }
        case 'DebtSettled': {
          const book = this.open(data.grantId, data.unit);
          book.paid += parts(data.amount);
          this.leaves(book, -parts(data.amount), data.remainingAfter);
          for (const { consumptionId, amount } of data.settlements) {
            this.owe(data.unit, consumptionId, -parts(amount));
            const { by } = this.eaten.get(consumptionId)!;
            by.set(data.grantId, (by.get(data.grantId) ?? 0n) + parts(amount));
          }
          break;
        }
        case 'GrantExpired':
        case 'GrantVoided': {
          const book = this.open(data.grantId, data.unit);
          this.must(book.left === parts(data.amount), 'an end takes exactly what remains');
          if (type === 'GrantExpired' && data.cause === 'ended')
            this.must(Date.parse(data.expiredAt) === book.end, 'a grant ends at its end');
          book.lost += book.left;
          book.left = 0n;
          book.over = type === 'GrantExpired' ? 'expired' : 'voided';
          break;
        }
        case 'GrantAmended': {
          const book = this.open(data.grantId, data.unit);
          book.given += parts(data.change);
          this.leaves(book, parts(data.change), data.remainingAfter);
          [book.start, book.end] = [Date.parse(data.effectiveAt), endOf(data)];
          break;
        }
        case 'GrantAdjusted': {
          const book = this.open(data.grantId, data.unit);
          book.given += parts(data.amount);
          this.leaves(book, parts(data.amount), data.remainingAfter);
          break;
        }
        case 'BalanceCarried': {
          const book = this.open(data.grantId, data.unit);
          book.carried += parts(data.amount);
          this.must(!this.books.has(data.intoGrantId), 'a balance goes on in a new grant');
          const sum = (this.carried.get(data.intoGrantId) ?? 0n) + parts(data.amount);
          this.carried.set(data.intoGrantId, sum);
          const { cap } = this.series.get(data.seriesId)!;
          this.must(cap === null || sum <= cap, 'no more is carried than the cap');
          this.leaves(book, -parts(data.amount), data.remainingAfter);
          if (book.left === 0n) book.over = 'expired';
          break;
        }
        case 'HoldPlaced': {
          this.must(!this.holds.has(data.holdId), 'a hold is placed once');
          const held = new Map<string, bigint>();
          for (const { grantId, amount, remainingAfter, heldAfter } of data.allocations) {
            const book = this.open(grantId, data.unit);
            book.held += parts(amount);
            held.set(grantId, parts(amount));
            this.leaves(book, -parts(amount), remainingAfter);
            this.must(book.held === parts(heldAfter), 'heldAfter is what is held of the grant');
          }
          this.holds.set(data.holdId, { unit: data.unit, parts: held });
          break;
        }
        case 'HoldCaptured':
        case 'HoldReleased': {
          const hold = this.holds.get(data.holdId);
          this.must(hold?.parts.size === data.allocations.length, 'a hold ends once, with all its parts');
          this.holds.set(data.holdId, null);
          const by = new Map<string, bigint>();
          for (const part of data.allocations) {
            const drawn = 'released' in part ? parts(part.amount) : 0n;
            const back = parts('released' in part ? part.released : part.amount);
            const book = this.books.get(part.grantId)!;
            this.must(hold!.parts.get(part.grantId) === drawn + back, 'drawn + released = held');
            book.held -= drawn + back;
            book.drawn += drawn;
            if (drawn > 0n) by.set(part.grantId, drawn);
            this.comesBack(book, part, back);
            this.must(book.held === parts(part.heldAfter), 'heldAfter is what is held of the grant');
          }
          if (type === 'HoldCaptured')
            this.eaten.set(data.holdId, { total: parts(data.captured), by, undone: 0n });
          break;
        }
        case 'ConsumptionReversed': {
          const eaten = this.eaten.get(data.consumptionId)!;
          eaten.undone += parts(data.amount);
          this.must(eaten.undone <= eaten.total, 'no more is taken back than was taken');
          this.must(eaten.undone === parts(data.reversedTotal), 'reversedTotal is the sum so far');
          this.owe(data.unit, data.consumptionId, -parts(data.debt));
          let sum = parts(data.uncovered) + parts(data.debt);
          for (const part of data.allocations) {
            const amount = parts(part.amount);
            const book = this.books.get(part.grantId)!;
            const gave = (eaten.by.get(part.grantId) ?? 0n) - amount;
            this.must(amount > 0n && gave >= 0n, 'a grant gets back at most what it gave');
            eaten.by.set(part.grantId, gave);
            sum += amount;
            book.drawn -= amount;
            this.comesBack(book, part, amount);
          }
          this.must(sum === parts(data.amount), 'amount = uncovered + debt + parts');
          break;
        }
        case 'RenewalBegun': {
          const { kind, upTo } =
            data.rollover.kind === 'carry' ? data.rollover : { kind: 'reset', upTo: '0' };
          const cap = kind === 'carry' && upTo === undefined ? null : parts(upTo ?? '0');
          this.series.set(data.seriesId, { occurrence: 0, isStopped: false, cap });
          break;
        }
        case 'RenewalPaused':
        case 'RenewalResumed':
        case 'RenewalCancelled':
          this.series.get(data.seriesId)!.isStopped = type !== 'RenewalResumed';
          break;
        case 'GrantRenewed': {
          const series = this.series.get(data.seriesId)!;
          series.occurrence++;
          this.must(!series.isStopped, 'what is paused or cancelled does not renew');
          this.must(data.occurrence === series.occurrence, 'each occurrence once, in order');
          this.must(
            data.grantId === `${data.seriesId}~${data.occurrence}`,
            'series and occurrence make the id',
          );
          break;
        }
        default: // moves nothing
      }
      this.addsUp(data);
    }
    this.must(this.carried.size === 0, 'what is carried goes on');
  }

  /** initial and changes = remaining + held + drawn + paid + lost + carried, for every grant. */
  private addsUp(data: CreditEvent['data']): void {
    for (const [id, book] of this.books) {
      const { given, left, held, drawn, paid, lost, carried } = book;
      this.must(given === left + held + drawn + paid + lost + carried, `grant ${id} adds up`);
      this.must(left >= 0n && held >= 0n, `grant ${id} has at least nothing`);
    }
    if (!('balanceAfter' in data)) return;
    const ours = [...this.books.values()].filter(({ unit }) => unit === data.unit);
    const sum = (pick: (book: Book) => bigint): bigint =>
      ours.reduce((total, book) => total + pick(book), 0n);
    this.must(sum(({ left }) => left) === parts(data.balanceAfter), 'balanceAfter is what remains');
    if ('debtAfter' in data)
      this.must((this.debts.get(data.unit) ?? 0n) === parts(data.debtAfter), 'debtAfter is what is owed');
    if ('heldAfter' in data)
      this.must(sum(({ held }) => held) === parts(data.heldAfter), 'heldAfter is what is held');
  }

  private comesBack(book: Book, { remainingAfter, forfeited }: ReturnedPart, amount: bigint): void {
    if (amount === 0n) return;
    if (forfeited === undefined) {
      this.must(book.over === null, 'nothing comes back to a grant that has ended');
      this.leaves(book, amount, remainingAfter);
    } else {
      this.must(book.over === null || book.over === forfeited, 'what comes back is lost as the grant was');
      this.must(
        book.over !== null || book.left + book.held === 0n,
        'an open grant takes back what is its own',
      );
      book.lost += amount;
    }
  }

  private leaves(book: Book, change: bigint, remainingAfter: string): void {
    book.left += change;
    this.must(book.left === parts(remainingAfter) && book.left >= 0n, 'remainingAfter follows');
  }

  private open(grantId: string, unit: string): Book {
    const book = this.books.get(grantId);
    this.must(book?.unit === unit && book.over === null, 'only open grants of the unit move');
    return book!;
  }

  private owe(unit: string, consumptionId: string, amount: bigint): void {
    const owed = (this.owedBy.get(consumptionId) ?? 0n) + amount;
    this.must(owed >= 0n, 'no consumption owes less than nothing');
    this.owedBy.set(consumptionId, owed);
    this.debts.set(unit, (this.debts.get(unit) ?? 0n) + amount);
  }

  private must(holds: boolean, rule: string): void {
    if (!holds) throw new Error(`${rule}: ${this.fact}`);
  }
}

function parts(text: string): bigint {
  const [whole = '', fraction = ''] = text.replace('-', '').split('.');
  const value = BigInt(whole + (fraction + '0'.repeat(12)).slice(0, 12));
  return text.startsWith('-') ? -value : value;
}

const endOf = ({ expiresAt }: { readonly expiresAt?: string }): number =>
  expiresAt === undefined ? Infinity : Date.parse(expiresAt);
