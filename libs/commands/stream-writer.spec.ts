import { describe, expect, it } from '@jest/globals';
import { Problem, type Instant } from '#libs/kernel';
import type { EventStore, RecordedEvent } from '#libs/event-store';
import { changed } from '#libs/event-types';
import { createMemoryEventStore } from '#libs/event-store/memory';
import { creditAccount, type AccountState, type CreditCommand, type CreditEvent } from '#libs/credits';
import { appendEvent } from '../../test/support/append-event.js';
import { until } from '../../test/support/wait.js';
import { accountKind } from './credits/account.js';
import { createStreamWriter, type StreamWriterOptions } from './stream-writer.js';
import type { CommandContext, CommandRequest } from './stream-kind.js';
import { noWriteCache, type WriteCache } from './write-cache.js';

const NOW = Date.UTC(2026, 0, 1);
const account = accountKind(0);
const context = (idempotencyKey?: string): CommandContext => ({
  tenant: 't',
  actor: 'key_1',
  correlationId: 'r1',
  idempotencyKey,
});

const grant =
  (id: string, amount: bigint): ((now: Instant) => CreditCommand) =>
  (now) => ({
    type: 'IssueGrants',
    now,
    grants: [
      {
        grantId: id,
        unit: 'calls',
        amount: amount * 10n ** 12n,
        effectiveAt: now,
        priority: 50,
        category: 'promotional',
        source: 'manual',
        kind: 'prepaid',
        scope: 'merchant',
        costBasis: '0',
      },
    ],
  });

const consume =
  (id: string, amount: bigint): ((now: Instant) => CreditCommand) =>
  (now) => ({
    type: 'Consume',
    now,
    consumptionId: id,
    unit: 'calls',
    amount: amount * 10n ** 12n,
    onShortage: 'refuse',
    effectiveAt: now,
    context: {},
  });

const request = (
  command: (now: Instant) => CreditCommand,
  key?: string,
  input: Record<string, string> = {},
): CommandRequest<CreditCommand> => ({ context: context(key), operation: 'test', input, command });

function given(options: Partial<StreamWriterOptions> = {}) {
  const eventStore = options.eventStore ?? createMemoryEventStore();
  const writer = createStreamWriter({ eventStore, clock: () => NOW, ...options });
  return { eventStore, writer };
}

const remaining = (state: AccountState): bigint => (state.units.get('calls')?.balance ?? 0n) / 10n ** 12n;

describe('the stream writer', () => {
  it('coalesces commands of many streams into few appends and keeps the order of each stream', async () => {
    const { writer } = given();
    const ids = Array.from({ length: 20 }, (_, index) => `c${index}`);
    await Promise.all(ids.map((id) => writer.execute(account, id, request(grant(`g-${id}`, 100n)))));
    const consumed = await Promise.all(
      Array.from({ length: 400 }, (_, n) =>
        writer.execute(account, ids[n % 20]!, request(consume(`con${n}`, 1n))),
      ),
    );
    expect(writer.stats.appends).toBeLessThan(10);
    for (const id of ids) expect(remaining((await writer.read(account, 't', id)).state)).toBe(80n);
    const revisions = consumed.filter((_, n) => n % 20 === 0).map(({ revision }) => revision);
    expect(revisions).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
  });

  it('answers a key again from the log, also after a restart, and refuses it with another input', async () => {
    const { writer, eventStore } = given();
    await writer.execute(account, 'c', request(grant('g', 10n)));
    const first = await writer.execute(account, 'c', request(consume('con1', 4n), 'k', { amount: '4' }));
    const { writer: restarted } = given({ eventStore });
    for (const again of [writer, restarted]) {
      const replay = await again.execute(account, 'c', request(consume('con2', 4n), 'k', { amount: '4' }));
      expect(replay).toMatchObject({ replayed: true, position: first.position, revision: first.revision });
      expect(JSON.stringify(replay.events)).toBe(JSON.stringify(first.events));
      const other = again.execute(
        account,
        'c',
        request(consume('con3', 5n), 'k', { amount: '5', reference: 'x' }),
      );
      await expect(other).rejects.toMatchObject({
        code: 'idempotency_key_reused',
        detail: expect.stringContaining('amount, reference'),
      });
    }
    expect(await eventStore.head()).toBe(2n);
  });

  it('knows what others have written before it is refused for not knowing', async () => {
    const { writer, eventStore } = given();
    const { writer: other } = given({ eventStore });
    const subscription = eventStore.subscribe(null, {
      handle: async ({ events }) => other.learn(events),
      onError: (error) => expect(error).toBeUndefined(),
    });
    await writer.execute(account, 'c', request(grant('g', 10n)));
    await other.execute(account, 'c', request(consume('con1', 1n)));
    const { position } = await writer.execute(account, 'c', request(consume('con2', 2n), 'k'));
    await until(() => other.knownPosition(account.category, 't', 'c') === position);
    const { revision, events } = await other.execute(account, 'c', request(consume('con3', 3n)));
    expect(other.stats.conflicts).toBe(0);
    expect([revision, events[0]!.data]).toMatchObject([3, { balanceAfter: '4' }]);
    // the key of the command that was learned as well
    const again = await other.execute(account, 'c', request(consume('con2', 2n), 'k'));
    expect(again).toMatchObject({ replayed: true, position });
    await subscription.stop();
  });

  it('lets exactly one of many simultaneous requests with one key take effect', async () => {
    const { writer } = given();
    await writer.execute(account, 'c', request(grant('g', 10n)));
    const storm = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        writer.execute(account, 'c', request(consume(`con${n}`, 1n), 'same')),
      ),
    );
    expect(storm.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(new Set(storm.map(({ events }) => JSON.stringify(events))).size).toBe(1);
    expect(remaining((await writer.read(account, 't', 'c')).state)).toBe(9n);
  });

  it('remembers keys for ever, also where nothing is kept beside the log', async () => {
    const { writer } = given();
    const often = { ...account, snapshots: { ...account.snapshots!, every: 3 } };
    const first = await writer.execute(often, 'c', request(grant('g', 100n), 'k0'));
    for (let n = 1; n < 10; n++) await writer.execute(often, 'c', request(consume(`con${n}`, 1n), `k${n}`));
    const again = await writer.execute(often, 'c', request(grant('h', 100n), 'k0'));
    expect([again.replayed, again.events]).toEqual([true, first.events]);
  });

  it.each([
    [1, 3],
    [7, 7],
    [100, 30],
  ])('makes a snapshot of a state of weight %i every %i events where it is 3', async (weight, every) => {
    const saved: number[] = [];
    const writeCache: WriteCache = {
      ...noWriteCache,
      save: ({ revision }) => Promise.resolve(void saved.push(revision)),
    };
    const { writer } = given({ writeCache });
    const kind = { ...account, weight: () => weight, snapshots: { ...account.snapshots!, every: 3 } };
    await writer.execute(kind, 'c', request(grant('g', 100n)));
    for (let n = 1; n <= 65; n++) await writer.execute(kind, 'c', request(consume(`con${n}`, 1n)));
    expect(saved).toEqual(Array.from({ length: Math.floor(66 / every) }, (_, n) => (n + 1) * every - 1));
  });

  it('decides again after another writer was first, so that nothing is drawn twice', async () => {
    const memory = createMemoryEventStore();
    // what a network does: time passes between sending and appending
    const eventStore: EventStore = {
      ...memory,
      append: async (batches) => {
        await new Promise((resolve) => setImmediate(resolve));
        return memory.append(batches);
      },
    };
    const { writer: a } = given({ eventStore });
    const { writer: b } = given({ eventStore });
    await a.execute(account, 'c', request(grant('g', 100n)));
    const writers = [a, b];
    const outcomes = await Promise.all(
      Array.from({ length: 300 }, (_, n) =>
        writers[n % 2]!.execute(account, 'c', request(consume(`con${n}`, 1n), `k${n}`)),
      ),
    );
    const accepted = outcomes.filter(({ events }) => events[0]?.type === 'CreditsConsumed');
    expect(accepted).toHaveLength(100);
    expect(a.stats.conflicts + b.stats.conflicts).toBeGreaterThan(0);
    expect(remaining((await b.read(account, 't', 'c')).state)).toBe(0n);
  });

  it('does not refuse on a state that another writer has left behind', async () => {
    const { writer: a, eventStore } = given();
    const { writer: b } = given({ eventStore });
    await a.execute(account, 'c', request(grant('g1', 1n)));
    await b.execute(account, 'c', request(grant('g2', 1n)));
    const revoked = await a.execute(
      account,
      'c',
      request((now) => ({ type: 'RevokeGrant', now, grantId: 'g2' })),
    );
    expect(revoked.events[0]?.type).toBe('GrantVoided');
    const missing = a.execute(
      account,
      'c',
      request((now) => ({ type: 'RevokeGrant', now, grantId: 'nope' })),
    );
    await expect(missing).rejects.toBeInstanceOf(Problem);
  });

  it('never lets recorded time go back, whatever the clock does', async () => {
    let now = NOW;
    const { writer, eventStore } = given({ clock: () => now });
    await writer.execute(account, 'c', request(grant('g', 10n)));
    now -= 60_000;
    await writer.execute(account, 'c', request(consume('con', 1n)));
    const times: unknown[] = [];
    for await (const { metadata } of eventStore.readStream('creditAccount-t_c'))
      times.push(metadata['recordedAt']);
    expect(times).toEqual([new Date(NOW).toISOString(), new Date(NOW).toISOString()]);
  });

  it('forgets a stream when another one grows beyond the room for both', async () => {
    const { writer } = given({ maxWeight: 60 });
    const known = (id: string): boolean => writer.knownPosition(account.category, 't', id) > 0n;
    for (const id of ['a', 'b']) await writer.execute(account, id, request(grant(`g-${id}`, 100n)));
    for (let n = 0; n < 30; n++) await writer.execute(account, 'a', request(consume(`a${n}`, 1n), `a${n}`));
    expect([known('a'), known('b')]).toEqual([true, true]);
    for (let n = 0; n < 30; n++) await writer.execute(account, 'b', request(consume(`b${n}`, 1n), `b${n}`));
    expect([known('a'), known('b')]).toEqual([false, true]);
    const again = await writer.execute(account, 'a', request(consume('a0', 1n), 'a0'));
    expect(again).toMatchObject({ replayed: true, revision: 1 });
  });

  it('answers the commands that wait before it closes, and turns later ones away', async () => {
    const { writer } = given();
    const pending = writer.execute(account, 'c', request(grant('g', 10n)));
    await writer.close();
    await expect(pending).resolves.toMatchObject({ replayed: false });
    await expect(writer.execute(account, 'c', request(grant('h', 1n)))).rejects.toMatchObject({
      code: 'shutting_down',
    });
  });

  it('folds the same state that the decider folds', async () => {
    const { writer } = given();
    const events: CreditEvent[] = [];
    for (const command of [grant('g', 10n), consume('a', 3n), consume('b', 20n)])
      events.push(...(await writer.execute(account, 'c', request(command))).events);
    const state = events.reduce(creditAccount.evolve, creditAccount.initialState);
    expect((await writer.read(account, 't', 'c')).state).toEqual(state);
  });
});

describe('a key that was used on another stream just now', () => {
  const reused = { reason: { code: 'idempotency_key_reused', status: 422 } };
  const draw = (n: number, key: string) => request(consume(`con${n}`, 1n), key, { customerId: `c${n}` });

  async function funded(options: Partial<StreamWriterOptions> = {}) {
    const { eventStore, writer } = given(options);
    for (const id of ['c1', 'c2']) await writer.execute(account, id, request(grant(`g-${id}`, 10n)));
    return { eventStore, writer };
  }

  it('is refused, in the same turn too, and stays its first use', async () => {
    const { writer } = await funded();
    const [first, second] = await Promise.allSettled([
      writer.execute(account, 'c1', draw(1, 'k')),
      writer.execute(account, 'c2', draw(2, 'k')),
    ]);
    expect([first.status, second]).toMatchObject([
      'fulfilled',
      { reason: { ...reused.reason, errors: [{ pointer: '/customerId', code: 'differs' }] } },
    ]);
    const [again, other] = await Promise.allSettled([
      writer.execute(account, 'c2', draw(2, 'k')),
      writer.execute(account, 'c1', draw(1, 'k')),
    ]);
    expect([again, other]).toMatchObject([reused, { value: { replayed: true } }]);
    await expect(
      writer.execute(account, 'c2', { ...draw(2, 'k'), context: { ...context('k'), tenant: 'u' } }),
    ).resolves.toMatchObject({ replayed: false });
  });

  it('is refused where another process has used it', async () => {
    const { eventStore, writer } = await funded();
    const { writer: other } = given({ eventStore });
    await other.execute(account, 'c1', draw(1, 'k'));
    const events: RecordedEvent[] = [];
    for await (const event of eventStore.readStream('creditAccount-t_c1')) events.push(event);
    writer.learn(events);
    const [second] = await Promise.allSettled([writer.execute(account, 'c2', draw(2, 'k'))]);
    expect(second).toMatchObject(reused);
  });

  it('is free when nothing was recorded under it', async () => {
    const store = createMemoryEventStore();
    let broken = false;
    const append: EventStore['append'] = (batches) =>
      broken ? Promise.reject(new Error('broken')) : store.append(batches);
    const { writer } = await funded({ eventStore: { ...store, append } });
    broken = true;
    await expect(writer.execute(account, 'c1', draw(1, 'k'))).rejects.toThrow('broken');
    broken = false;
    await expect(writer.execute(account, 'c2', draw(2, 'k'))).resolves.toMatchObject({ replayed: false });
  });
});

describe('a stream with an event that is not known', () => {
  const unknown = { stream: 'creditAccount-t_c', type: 'GrantExpired', schemaVersion: 3 };
  const unreadable = { code: 'history_unreadable', status: 503 };
  const data = { grantId: 'g', unit: 'calls', amount: '5', balanceAfter: '0', cause: 'ended' };
  const expiry = { ...data, expiredAt: '2026-01-01T00:00:00.000Z' };

  it('takes no commands and writes nothing, while other streams go on', async () => {
    const { eventStore, writer } = given();
    await writer.execute(account, 'c', request(grant('g', 5n), 'k'));
    await appendEvent(eventStore, unknown);
    const next = given({ eventStore }).writer;
    const [refused, replayed, other] = await Promise.allSettled([
      next.execute(account, 'c', request(consume('con', 1n))),
      next.execute(account, 'c', request(grant('g', 5n), 'k')),
      next.execute(account, 'd', request(grant('h', 5n))),
    ]);
    expect([refused, replayed]).toMatchObject([{ reason: unreadable }, { reason: unreadable }]);
    expect((refused as PromiseRejectedResult).reason.detail).toBe(
      'unknown event: GrantExpired, version 3, at revision 1 of stream creditAccount-t_c, position 2',
    );
    expect(other.status).toBe('fulfilled');
    await expect(next.read(account, 't', 'c')).rejects.toMatchObject(unreadable);
    // whoever held the stream in memory meets the event with the conflict it makes
    await expect(writer.execute(account, 'c', request(consume('con', 1n)))).rejects.toMatchObject(unreadable);
    expect(await eventStore.head()).toBe(3n);
  });

  it('goes on where the event is known, from all that is recorded', async () => {
    const { eventStore, writer } = given();
    await writer.execute(account, 'c', request(grant('g', 5n)));
    await appendEvent(eventStore, { ...unknown, data: expiry });
    await expect(given({ eventStore }).writer.read(account, 't', 'c')).rejects.toMatchObject(unreadable);
    const { upcasters } = account.eventTypes.get('GrantExpired')!;
    const third = changed(...upcasters, { says: 'nothing changes.', upcast: (kept) => kept });
    const mended = { ...account, eventTypes: new Map(account.eventTypes).set('GrantExpired', third) };
    const next = given({ eventStore }).writer;
    await next.execute(mended, 'c', request(grant('h', 7n)));
    const { state, revision } = await next.read(mended, 't', 'c');
    expect([remaining(state), state.ended.get('g')?.endedAs, revision]).toEqual([7n, 'expired', 2]);
  });

  it('is read on where the event is only old', async () => {
    const { eventStore, writer } = given();
    await writer.execute(account, 'c', request(grant('g', 5n)));
    const { cause: _, ...first } = expiry;
    await appendEvent(eventStore, { ...unknown, data: first, schemaVersion: 1 });
    const seen: CreditEvent[] = [];
    const decider = {
      ...creditAccount,
      evolve: (state: AccountState, event: CreditEvent) => {
        seen.push(event);
        return creditAccount.evolve(state, event);
      },
    };
    await given({ eventStore }).writer.read({ ...account, decider }, 't', 'c');
    expect(seen.at(-1)).toEqual({ type: 'GrantExpired', data: { ...first, cause: 'ended' } });
  });
});

it('knows how far it has written itself, but for one category', async () => {
  const { eventStore, writer } = given();
  expect(writer.lastWritten('t', 'other')).toBe(0n);
  await writer.execute(account, 'a', request(grant('g', 5n)));
  const last = await eventStore.head();
  await given({ eventStore }).writer.execute(account, 'b', request(grant('h', 5n)));
  expect(writer.lastWritten('t', 'other')).toBe(last);
  expect(writer.lastWritten('t', account.category)).toBe(0n);
  expect(writer.lastWritten('u', 'other')).toBe(0n);
});
