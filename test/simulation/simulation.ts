import fc from 'fast-check';
import {
  createStreamWriter,
  noWriteCache,
  type CommandRequest,
  type Snapshot,
  type StoredReceipt,
  type WriteCache,
  type Written,
} from '#libs/commands';
import { accountKind, type AccountKind } from '#libs/commands/credits';
import { accountAsOf, type AccountState, type CreditCommand, type CreditEvent } from '#libs/credits';
import { EventStoreUnavailable, type Checkpoint, type EventStore } from '#libs/event-store';
import { createMemoryEventStore } from '#libs/event-store/memory';
import { HOUR, Problem } from '#libs/kernel';
import { lives } from '../support/arbitraries.js';
import { CreditAuditor } from '../support/credit-auditor.js';
import { commandFor, learn, withSettlements, type Known } from '../support/credit-history.js';

export interface SimulationResult {
  readonly commands: number;
  readonly events: number;
  readonly crashes: number;
  readonly conflicts: number;
  readonly replays: number;
  readonly accounts: number;
  readonly refusals: number;
}

/** Commands of one round, in flight at once. */
const ROUND = 40;
/** Commands that one account gets before another one takes its place. */
const LIFE = 220;
const ACCOUNTS = 12;

interface Intention {
  readonly key: string;
  readonly account: Account;
  readonly request: CommandRequest<CreditCommand>;
  /** What the first answer was. */
  answer?: string;
}

interface Account {
  readonly id: string;
  readonly auditor: CreditAuditor;
  readonly known: Known;
  /** Events per command id: a command's own events stand together, once. */
  readonly commands: Map<string, { from: number; to: number }>;
  turns: number;
}

/**
 * Random commands on several accounts through two writers on one log, with workers that come and go, time that jumps, and
 * writers that die between an append and its answer. After each round the log is audited by somebody who knows only the rules,
 * and what was promised to callers is held against it. The same seed does the same.
 * @throws Error that names the rule and the fact
 */
export async function simulate(seed: number, commands: number): Promise<SimulationResult> {
  const chance = randomOf(seed);
  const steps = fc.sample(lives(60), { seed, numRuns: 150 }).flat();
  const store = createMemoryEventStore();
  const stats = { crashes: 0, conflicts: 0, replays: 0, refusals: 0 };
  const clock = { now: Date.UTC(2026, 0, 11) };
  const cache = createMemoryWriteCache();
  const plain = accountKind(0);
  const kind: AccountKind = { ...plain, snapshots: { ...plain.snapshots!, every: 25 } };

  const writers = [startWriter(true), startWriter(false)];
  function startWriter(withCache: boolean) {
    const process = dyingStore(store, chance);
    const writer = createStreamWriter({
      eventStore: process.eventStore,
      clock: () => clock.now,
      writeCache: withCache ? cache : noWriteCache,
      maxWeight: 2000, // forgets accounts now and then
    });
    return { ...process, writer, withCache };
  }

  const accounts = new Map<string, Account>();
  const living: Account[] = [];
  let born = 0;
  const birth = (): Account => {
    const account: Account = {
      id: `c${born++}`,
      auditor: new CreditAuditor(),
      known: { grants: [], holds: [], series: [], log: [] },
      commands: new Map(),
      turns: 0,
    };
    accounts.set(account.id, account);
    return account;
  };
  while (living.length < ACCOUNTS) living.push(birth());

  let asked = 0;
  function intend(): Intention {
    const slot = chance(living.length);
    if (living[slot]!.turns >= LIFE) living[slot] = birth();
    const account = living[slot]!;
    const step = steps[chance(steps.length)]!;
    const turn = account.turns++;
    const key = `k${asked++}`;
    const { known } = account;
    return {
      key,
      account,
      request: {
        context: { tenant: 't', actor: 'key_1', correlationId: 'r', idempotencyKey: key },
        operation: 'simulation',
        input: { key },
        command: (now) => withSettlements(commandFor(step, now, known, turn), known.log),
        ...(step.do === 'settle' ? { settleFirst: false as const } : {}),
      },
    };
  }

  /** @returns whether the caller got an answer */
  async function put(intention: Intention, which: number): Promise<boolean> {
    const { writer, died } = writers[which]!;
    const { account, request } = intention;
    const answer = await Promise.race([
      writer.execute(kind, account.id, request).then(textOf, problemOf),
      died.then(() => null),
    ]);
    if (answer === null) return false;
    if (answer === 'refused') stats.refusals++;
    // a refusal by exception is none for ever: nothing was recorded
    // what had nothing to do may have something to do when it is asked again
    else if (answer === NOTHING) return true;
    else if (intention.answer === undefined) intention.answer = answer;
    else if (intention.answer !== answer)
      throw new Error(`${intention.key} was answered ${intention.answer}, then ${answer}`);
    return true;
  }

  let read: Checkpoint | null = null;
  let events = 0;
  /** Reads what is new in the log and has it audited. */
  async function audit(): Promise<void> {
    const news = new Map<Account, CreditEvent[]>();
    for (;;) {
      const slice = await store.readAll(read, 5000);
      if (slice.events.length === 0) break;
      read = slice.checkpoint;
      events += slice.events.length;
      for (const { stream, revision, type, data, metadata } of slice.events) {
        const account = accounts.get(stream.slice('creditAccount-t_'.length))!;
        const fact = { type, data } as unknown as CreditEvent;
        const own = news.get(account);
        if (own) own.push(fact);
        else news.set(account, [fact]);
        const commandId = metadata['commandId'] as string | undefined;
        if (commandId === undefined) continue;
        const place = account.commands.get(commandId);
        if (place && place.to !== revision - 1)
          throw new Error(`${commandId} took effect twice: at ${place.from} and ${revision}`);
        account.commands.set(commandId, { from: place?.from ?? revision, to: revision });
      }
    }
    for (const [{ auditor, known }, facts] of news) {
      auditor.audit(facts);
      known.log.push(...facts);
      learn(known, facts);
    }
  }

  /** With every worker stopped, what an account can spend is what its facts say it can. */
  async function lookClosely(account: Account): Promise<void> {
    const { state } = await writers[1]!.writer.read(kind, 't', account.id);
    const folded = new Map(
      [...state.units].map(([unit, { balance, debt, held }]) => [unit, { balance, debt, held }]),
    );
    for (const [unit, { balance, held }] of folded) {
      const books = [...account.auditor.books.values()].filter((book) => book.unit === unit);
      const sum = (pick: (book: (typeof books)[number]) => bigint) =>
        books.reduce((all, book) => all + pick(book), 0n);
      if (sum(({ left }) => left) !== balance || sum((book) => book.held) !== held)
        throw new Error(`${account.id}: ${unit} stands at ${balance}, held ${held}; the books say otherwise`);
    }
    const known = account.known.log.map((fact) => ({ fact, recordedAt: clock.now }));
    for (const { unit, ledger, held, debt, scheduled } of accountAsOf(known, clock.now))
      if (ledger < held || scheduled < 0n || debt < 0n)
        throw new Error(`${account.id}: ${unit} is below nothing`);
  }

  let unanswered: Intention[] = [];
  for (let round = 0; asked < commands; round++) {
    clock.now += chance(4) === 0 ? chance(30) * HOUR : chance(1000);
    const batch = [...unanswered, ...Array.from({ length: ROUND }, intend)];
    // some are sent twice, to both
    const sendings = batch.flatMap((intention) =>
      chance(12) === 0
        ? [
            { intention, which: 0 },
            { intention, which: 1 },
          ]
        : [{ intention, which: chance(2) }],
    );
    if (chance(20) === 0) writers[chance(2)]!.dieSoon();
    const workers = Math.floor(round / 50) % 2 === 0 ? 3 : 0;
    const settled = Array.from({ length: workers }, () =>
      put(settlement(living[chance(living.length)]!), chance(2)),
    );
    const answers = await Promise.all(sendings.map(({ intention, which }) => put(intention, which)));
    await Promise.all(settled);
    unanswered = [
      ...new Set(sendings.flatMap(({ intention }, index) => (answers[index] ? [] : [intention]))),
    ];
    for (const [index, { isDead, withCache, writer }] of writers.entries()) {
      if (!isDead()) continue;
      stats.crashes++;
      stats.conflicts += writer.stats.conflicts;
      stats.replays += writer.stats.replays;
      writers[index] = startWriter(withCache);
    }
    await audit();
    if (round % 10 === 0) await lookClosely(living[chance(living.length)]!);
  }
  for (const { writer } of writers) {
    stats.conflicts += writer.stats.conflicts;
    stats.replays += writer.stats.replays;
  }
  return { commands: asked, events, accounts: accounts.size, ...stats };
}

const settlement = (account: Account): Intention => ({
  key: 'settle',
  account,
  request: {
    context: { tenant: 't', actor: 'worker', correlationId: 'r' },
    operation: 'settle',
    input: {},
    settleFirst: false,
    command: (now): CreditCommand => ({ type: 'SettleDue', now }),
  },
});

const NOTHING = '[]';

/** What a caller is told: the command's own events, to the letter. */
const textOf = ({ events }: Written<AccountState, CreditEvent>): string => JSON.stringify(events);

function problemOf(error: unknown): string {
  if (error instanceof Problem && error.code !== 'internal') return 'refused';
  throw error;
}

/** A store as seen by a process that may die: before or after an append, and then nobody hears of it any more. */
function dyingStore(store: EventStore, chance: (below: number) => number) {
  let mode: 'lives' | 'dies next' | 'is dead' = 'lives';
  let tell = (): void => {};
  const died = new Promise<void>((resolve) => (tell = resolve));
  const eventStore: EventStore = {
    ...store,
    append: async (batches) => {
      if (mode === 'is dead') return new Promise(() => undefined);
      await Promise.resolve(); // somebody else may be first
      if (mode === 'lives') {
        // an answer that gets lost: the writer sends again
        if (chance(400) > 0) return store.append(batches);
        await store.append(batches);
        throw new EventStoreUnavailable('the answer was lost');
      }
      mode = 'is dead';
      if (chance(2) === 0) await store.append(batches);
      tell();
      return new Promise(() => undefined);
    },
  };
  return { eventStore, died, isDead: () => mode === 'is dead', dieSoon: () => void (mode = 'dies next') };
}

function createMemoryWriteCache(): WriteCache {
  const snapshots = new Map<string, string>();
  const receipts = new Map<string, StoredReceipt[]>();
  const keyOf = ({ tenant, commandId }: { readonly tenant: string; readonly commandId: string }) =>
    `${tenant} ${commandId}`;
  return {
    mayHold: (id) => receipts.has(keyOf(id)),
    load: (streams, ids) =>
      Promise.resolve({
        snapshots: new Map(
          streams.flatMap((stream) => {
            const text = snapshots.get(stream);
            return text === undefined ? [] : [[stream, revived(text)] as const];
          }),
        ),
        receipts: ids.flatMap((id) => receipts.get(keyOf(id)) ?? []),
      }),
    save: (snapshot, own) => {
      const before = snapshots.get(snapshot.stream);
      if (before === undefined || revived(before).revision < snapshot.revision)
        snapshots.set(
          snapshot.stream,
          JSON.stringify(snapshot, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value)),
        );
      for (const receipt of own) {
        const others = receipts.get(keyOf(receipt)) ?? [];
        if (!others.some(({ stream }) => stream === receipt.stream))
          receipts.set(keyOf(receipt), [...others, receipt]);
      }
      return Promise.resolve();
    },
  };
}

/** A snapshot as it comes back from a database. */
function revived(text: string): Snapshot {
  const stored = JSON.parse(text) as Omit<Snapshot, 'position'> & { readonly position: string };
  return { ...stored, position: BigInt(stored.position.slice(0, -1)) };
}

/** Whole numbers from 0 to below a bound, the same for the same seed (mulberry32). */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}
