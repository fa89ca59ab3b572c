import { Readable } from 'node:stream';
import { Controller, Get, Query, StreamableFile } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { formatAmount, formatInstant, parseInstant, type Instant } from '#libs/kernel';
import {
  journalEntry,
  ledgerFacts,
  ledgerTotals,
  resolveCustomer,
  within,
  type JournalEntry,
  type Period,
  type Place,
  type Scope,
} from '#libs/commands/credits';
import type { GrantIssued, Posting, Totals } from '#libs/credits';
import { NoSuchPosition } from '#libs/event-store';
import {
  answerRead,
  decodeCursor,
  encodeCursor,
  foreignCursor,
  Read,
  ReadQuery,
  type ReadCall,
} from '../http/index.js';
import { ReadGate } from '../read-gate.js';
import { RuntimeRef } from '../runtime-ref.js';
import { isExternal } from './answered.js';
import type { CustomerQuery } from './credits.dto.js';
import { BalanceSheetQuery, JournalQuery, TotalsQuery, type TotalsGroup } from './insight.dto.js';

/** Events that one page of the journal may look at before it ends early. */
const MAX_SCANNED = 50_000;
const DEFAULT_LIMIT = 100;

/** Sums and bookings for finance, folded from the log itself. */
@ApiTags('Finance')
@ApiBearerAuth()
@Controller('v1/credits')
export class FinanceController {
  /** Foldings of the whole log go one after another. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly gate: ReadGate,
    private readonly runtime: RuntimeRef,
  ) {}

  @Get('totals')
  @ApiOperation({
    summary: 'Add up what became of credit',
    description:
      'granted + amended + adjusted + carriedIn + reversed = consumed + settled + expired + voided + carriedOut + ' +
      'held + outstanding, in every row. Of all customers the whole log is read, one such request at a time.',
  })
  async totals(@Read() call: ReadCall, @Query() query: TotalsQuery) {
    const scope = await this.scope(call, query);
    const groups = [...new Set((query.groupBy ?? 'unit').split(','))] as TotalsGroup[];
    const period = periodOf(query);
    const keyOf = (grant: GrantIssued, at: Instant): string =>
      JSON.stringify([grant.unit, ...groups.map((group) => memberOf(group, grant, at, query.period))]);
    const { totals, position } = await this.inTurn(scope, () =>
      ledgerTotals(this.runtime.current.credits, scope, (grant, { at }) =>
        within(period, at) && (query.unit === undefined || grant.unit === query.unit)
          ? keyOf(grant, at)
          : null,
      ),
    );
    answerRead(call.reply, position);
    const data = [...totals]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, sums]) => {
        const [unit, ...members] = JSON.parse(key) as string[];
        const named = Object.fromEntries(groups.map((group, index) => [group, members[index]]));
        return { unit, ...named, ...amountsOf(sums) };
      });
    return { customerId: scope.customerId ?? null, position: Number(position), data };
  }

  @Get('journal')
  @ApiProduces('application/json', 'text/csv')
  @ApiOperation({
    summary: 'Read the double-entry journal',
    description:
      'One entry for each fact that moves credit or debt; its postings add up to nothing. A credit is above zero. ' +
      'A page that looked at much and found little ends early with a cursor.',
  })
  async journal(@Read() call: ReadCall, @Query() query: JournalQuery) {
    const { credits, eventStore } = this.runtime.current;
    const after = query.cursor === undefined ? undefined : placeIn(call, query.cursor);
    const scope = { ...(await this.scope(call, query)), after };
    const period = periodOf(query);
    if (query.format === 'csv') {
      answerRead(call.reply, await eventStore.head());
      const lines = csvOf(ledgerFacts(credits, scope), period);
      return new StreamableFile(Readable.from(lines), {
        type: 'text/csv; charset=utf-8',
        disposition: 'attachment; filename="journal.csv"',
      });
    }
    const limit = Number(query.limit ?? DEFAULT_LIMIT);
    const data: JournalEntry[] = [];
    let scanned = 0;
    let reached: Place = after ?? { position: 0n, revision: -1 };
    let more = false;
    try {
      for await (const found of ledgerFacts(credits, scope)) {
        if (data.length === limit || scanned === MAX_SCANNED) {
          more = true;
          break;
        }
        scanned++;
        reached = found;
        const entry = found.fact && journalEntry(found, period);
        if (entry) data.push(entry);
      }
    } catch (error) {
      if (error instanceof NoSuchPosition) throw foreignCursor();
      throw error;
    }
    const { position, revision } = reached;
    answerRead(call.reply, position);
    return {
      data: data.map(answerOf),
      nextCursor: more ? encodeCursor(call, `${position}.${revision}`) : null,
    };
  }

  @Get('journal/balances')
  @ApiOperation({
    summary: 'Add up the journal: a trial balance',
    description: 'For each unit what its accounts come to; they add up to nothing.',
  })
  async balances(@Read() call: ReadCall, @Query() query: BalanceSheetQuery) {
    const scope = await this.scope(call, query);
    const period = periodOf(query);
    const sums = new Map<string, Map<string, bigint>>();
    let position = 0n;
    await this.inTurn(scope, async () => {
      for await (const found of ledgerFacts(this.runtime.current.credits, scope)) {
        ({ position } = found);
        if (!found.fact) continue;
        for (const { unit, account, amount } of journalEntry(found, period)?.postings ?? []) {
          const accounts = sums.get(unit) ?? new Map<string, bigint>();
          sums.set(unit, accounts.set(account, (accounts.get(account) ?? 0n) + amount));
        }
      }
    });
    answerRead(call.reply, position);
    const data = [...sums].sort().map(([unit, accounts]) => ({
      unit,
      accounts: Object.fromEntries([...accounts].sort().map(([name, sum]) => [name, formatAmount(sum)])),
      sum: formatAmount([...accounts.values()].reduce((total, sum) => total + sum, 0n)),
    }));
    return { customerId: scope.customerId ?? null, position: Number(position), data };
  }

  /** Whose facts are asked for, once the log has come to the position asked for. */
  private async scope(
    call: ReadCall,
    query: { readonly customerId?: string } & CustomerQuery & ReadQuery,
  ): Promise<Scope> {
    await this.gate.passLog(call, query);
    const { tenant } = call;
    if (query.customerId === undefined) return { tenant };
    const asked = { id: query.customerId, external: isExternal(query) };
    return { tenant, customerId: (await resolveCustomer(this.runtime.current.credits, tenant, asked)).id };
  }

  private inTurn<T>({ customerId }: Scope, work: () => Promise<T>): Promise<T> {
    if (customerId !== undefined) return work();
    const turn = this.last.then(work);
    this.last = turn.catch(() => undefined);
    return turn;
  }
}

function memberOf(group: TotalsGroup, grant: GrantIssued, at: Instant, period: 'day' | 'month' = 'month') {
  switch (group) {
    case 'unit':
      return grant.unit;
    case 'definition':
      return grant.definitionId ?? null;
    case 'category':
      return grant.category;
    case 'source':
      return grant.source;
    case 'period':
      return formatInstant(at).slice(0, period === 'day' ? 10 : 7);
  }
}

const amountsOf = ({ breakage, ...sums }: Readonly<Totals>) => ({
  ...Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, formatAmount(sum)])),
  breakage: Object.fromEntries(Object.entries(breakage).map(([cause, sum]) => [cause, formatAmount(sum)])),
});

const periodOf = ({ from, to }: { readonly from?: string; readonly to?: string }): Period => ({
  from: from === undefined ? undefined : parseInstant(from)!,
  to: to === undefined ? undefined : parseInstant(to)!,
});

const answerOf = ({ position, postings, ...entry }: JournalEntry) => ({
  ...entry,
  position: Number(position),
  postings: postings.map(({ amount, at, ...posting }) => ({
    ...posting,
    amount: formatAmount(amount),
    at: formatInstant(at),
  })),
});

function placeIn(call: ReadCall, cursor: string): Place {
  const [, position, revision] = /^(\d{1,18})\.(\d{1,15})$/.exec(decodeCursor(call, cursor)) ?? [];
  if (position === undefined) throw foreignCursor();
  return { position: BigInt(position), revision: Number(revision) };
}

const COLUMNS = 'position,recordedAt,customerId,type,at,unit,account,debit,credit,grantId';

async function* csvOf(facts: ReturnType<typeof ledgerFacts>, period: Period): AsyncGenerator<string> {
  yield `${COLUMNS}\r\n`;
  for await (const found of facts) {
    const entry = found.fact && journalEntry(found, period);
    if (entry) yield entry.postings.map((posting) => lineOf(entry, posting)).join('');
  }
}

function lineOf({ position, recordedAt, customerId, type }: JournalEntry, posting: Posting): string {
  const { at, unit, account, amount, grantId } = posting;
  const [debit, credit] = amount < 0n ? [formatAmount(-amount), ''] : ['', formatAmount(amount)];
  const cells = [String(position), recordedAt, customerId, type, formatInstant(at), unit, account];
  return `${[...cells, debit, credit, grantId ?? ''].map(quoted).join(',')}\r\n`;
}

/** RFC 4180; what a spreadsheet would take for a formula begins with a quote mark. */
function quoted(cell: string): string {
  const safe = /^[=+\-@\t]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
