import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import {
  chainEvent,
  checkLog,
  exportLog,
  importLog,
  MAX_BATCH_BYTES,
  NO_STREAM,
  TransferRefused,
  type EventStore,
} from '#libs/event-store';
import { verifyChain } from '../support/verify-chain.js';
import { createMemoryEventStore } from '#libs/event-store/memory';
import { failing, fill, historyOf, linesOf, withoutHeader } from './given.js';

const filled = async (options: Parameters<typeof historyOf>[0]): Promise<EventStore> => {
  const eventStore = createMemoryEventStore({ identity: 'memory:one' });
  await fill(eventStore, historyOf(options));
  return eventStore;
};
const count = async (eventStore: EventStore) => Number(await eventStore.head());
const refusal = async (work: Promise<unknown>): Promise<TransferRefused> => {
  const error: unknown = await work.then(
    () => 'done',
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(TransferRefused);
  return error as TransferRefused;
};
/** The trailer that fits, whatever stands before it. */
const sealed = (lines: readonly string[]): string[] => {
  const events = lines.slice(1, -1);
  const digest = createHash('sha256')
    .update(events.map((line) => `${line}\n`).join(''))
    .digest('hex');
  return [lines[0]!, ...events, `{"digest":"${digest}","events":${events.length}}`];
};

describe('the file', () => {
  test('has the documented form', async () => {
    const eventStore = createMemoryEventStore({ identity: 'memory:one' });
    const { event } = chainEvent({
      stream: 'account-1',
      previousHash: null,
      type: 'Granted',
      data: { b: 1, a: 'ü' },
      metadata: { at: 0 },
    });
    await eventStore.append([{ stream: 'account-1', expectedRevision: NO_STREAM, events: [event] }]);
    const lines = await linesOf(eventStore);
    expect(lines).toEqual(
      sealed([
        '{"exportedUpTo":"1","format":"drawdown-log","identity":"memory:one","version":1}',
        `{"data":{"a":"ü","b":1},"id":"${event.id}","metadata":${event.metadata},"revision":0,"stream":"account-1","type":"Granted"}`,
        '',
      ]),
    );
    expect(await checkLog({ lines })).toEqual({
      identity: 'memory:one',
      exportedUpTo: 1n,
      events: 1,
      digest: JSON.parse(lines[2]!).digest,
    });
  });

  test('of an empty log has two lines, and can be imported', async () => {
    const lines = await linesOf(createMemoryEventStore());
    expect(lines).toHaveLength(2);
    const target = createMemoryEventStore();
    expect(await importLog({ eventStore: target, lines })).toMatchObject({ events: 0, appended: 0 });
  });

  test('ends where the log ended when the export began', async () => {
    const eventStore = await filled({ seed: 1, events: 2500, streams: 9 });
    const before = await linesOf(eventStore);
    let more = 0;
    const lines: string[] = [];
    await exportLog({
      eventStore,
      write: async (text) => {
        lines.push(...text.split('\n').slice(0, -1));
        const { event } = chainEvent({ stream: `late-${more}`, previousHash: null, type: 'X', data: {}, metadata: {} }); // prettier-ignore
        await eventStore.append([{ stream: `late-${more++}`, expectedRevision: NO_STREAM, events: [event] }]);
      },
    });
    expect(more).toBeGreaterThan(2);
    expect(lines).toEqual(before);
  });

  test('is not written of a log with a broken chain', async () => {
    const eventStore = await filled({ seed: 2, events: 30, streams: 3 });
    const damaged: EventStore = {
      ...eventStore,
      readAll: async (after, limit) => {
        const slice = await eventStore.readAll(after, limit);
        return { ...slice, events: slice.events.map((e, n) => (n === 17 ? { ...e, data: { ...e.data, amount: '9' } } : e)) }; // prettier-ignore
      },
    };
    expect((await refusal(linesOf(damaged))).message).toMatch(/position 18.*does not match the hash/);
  });
});

describe('an import', () => {
  test.each([
    { seed: 3, events: 1, streams: 1 },
    { seed: 4, events: 400, streams: 1 },
    { seed: 5, events: 1000, streams: 2 },
    { seed: 6, events: 1001, streams: 12 },
    { seed: 7, events: 3210, streams: 300 },
    { seed: 8, events: 700, streams: 700 },
    { seed: 9, events: 300, streams: 4, filling: 60_000 },
  ])('gives the same log: %j', async (options) => {
    const source = await filled(options);
    const lines = await linesOf(source);
    for (const callsKeepOrder of [false, true]) {
      const target = createMemoryEventStore({ identity: 'memory:one' });
      const seen: number[] = [];
      const result = await importLog({
        eventStore: target,
        lines,
        callsKeepOrder,
        onProgress: (n) => seen.push(n),
      });
      expect(result).toMatchObject({ events: options.events, appended: options.events });
      expect(seen.at(-1)).toBe(options.events);
      expect(await linesOf(target)).toEqual(lines);
      expect((await target.readAll(null, 10_000)).events).toEqual(
        (await source.readAll(null, 10_000)).events,
      );
      expect((await verifyChain((await target.readAll(null, 10_000)).events)).faults).toEqual([]);
    }
  });

  test('hands the very texts over, in calls within the promises of the port', async () => {
    const history = [...historyOf({ seed: 10, events: 900, streams: 20, filling: 9000 })];
    const source = createMemoryEventStore();
    await fill(source, history);
    for (const callsKeepOrder of [false, true]) {
      const target = failing(createMemoryEventStore(), Infinity, 'before');
      await importLog({ eventStore: target, lines: await linesOf(source), callsKeepOrder });
      const sent = target.calls.flatMap((call) => call.flatMap(({ events }) => events));
      expect(sent).toEqual(history.map(({ event }) => event));
      expect(target.calls.some((call) => call.length > 1)).toBe(callsKeepOrder);
      // neighbours of one stream go together
      expect(target.calls.some((call) => call.some(({ events }) => events.length > 1))).toBe(true);
    }
  });

  test('splits a stream whose events do not fit into one batch', async () => {
    const source = createMemoryEventStore();
    let previousHash: string | null = null;
    for (let revision = 0; revision < 5; revision++) {
      const { event, hash } = chainEvent({ stream: 's-1', previousHash, type: 'X', data: { text: 'ü'.repeat(MAX_BATCH_BYTES / 5) }, metadata: {} }); // prettier-ignore
      await source.append([{ stream: 's-1', expectedRevision: revision - 1, events: [event] }]);
      previousHash = hash;
    }
    const target = failing(createMemoryEventStore(), Infinity, 'before');
    await importLog({ eventStore: target, lines: await linesOf(source), callsKeepOrder: true });
    expect(target.calls.map((call) => call.map(({ events }) => events.length))).toEqual([[2], [2], [1]]);
  });

  test.each(['before', 'after'] as const)('interrupted %s any append, goes on', async (when) => {
    // long enough for two windows, of streams enough for calls that are not many
    const source = await filled({ seed: 11, events: 1030, streams: 200 });
    const lines = await linesOf(source);
    const whole = failing(createMemoryEventStore(), Infinity, when);
    await importLog({ eventStore: whole, lines, callsKeepOrder: true });
    expect(whole.calls.length).toBeGreaterThan(30);
    for (let at = 0; at < whole.calls.length; at++) {
      const target = createMemoryEventStore({ identity: 'memory:one' });
      const cut = failing(target, at, when);
      await expect(importLog({ eventStore: cut, lines, callsKeepOrder: true })).rejects.toThrow('cut');
      const there = await count(target);
      const result = await importLog({ eventStore: target, lines, callsKeepOrder: true });
      expect(result).toMatchObject({ events: 1030, appended: 1030 - there });
      expect(await linesOf(target)).toEqual(lines);
    }
  });

  test('interrupted again and again by its signal, comes to an end', async () => {
    const lines = await linesOf(await filled({ seed: 12, events: 4000, streams: 7 }));
    const target = createMemoryEventStore({ identity: 'memory:one' });
    let rounds = 0;
    for (let appended = -1; appended !== 0; rounds++) {
      const interrupt = new AbortController();
      let calls = 0;
      const counted: EventStore = {
        ...target,
        append: (batches) => {
          if (++calls === 200) interrupt.abort(new Error('interrupted'));
          return target.append(batches);
        },
      };
      const before = await count(target);
      await importLog({ eventStore: counted, lines, callsKeepOrder: true, signal: interrupt.signal }).catch(
        (error: unknown) => expect(error).toEqual(new Error('interrupted')),
      );
      appended = (await count(target)) - before;
    }
    expect(rounds).toBeGreaterThan(3);
    expect(await linesOf(target)).toEqual(lines);
  });

  test('into a store that has it all appends nothing', async () => {
    const source = await filled({ seed: 13, events: 1200, streams: 5 });
    const result = await importLog({
      eventStore: failing(source, 0, 'before'),
      lines: await linesOf(source),
    });
    expect(result).toMatchObject({ events: 1200, appended: 0 });
  });
});

describe('refused, with nothing appended', () => {
  const options = { seed: 20, events: 1400, streams: 11 };
  let lines: readonly string[];
  beforeAll(async () => {
    lines = await linesOf(await filled(options));
  });

  test.each([
    ['another log', 5],
    ['one foreign event at the end of a prefix', 700],
    ['more than the file has', 1400],
  ])('a store that holds %s', async (_, shared) => {
    const history = [...historyOf(options)];
    const target = createMemoryEventStore();
    await fill(target, history.slice(0, shared));
    await fill(target, historyOf({ seed: 99, events: 1, streams: 1_000_000 }));
    const { message, line } = await refusal(importLog({ eventStore: target, lines }));
    expect(message).toContain('not empty and not a prefix');
    if (shared < 1400) expect(line).toBe(shared + 2);
    expect(await count(target)).toBe(shared + 1);
  });

  test('a store with the same events in another order', async () => {
    const [a, b] = ['a-1', 'b-1'].map((stream) => ({
      stream,
      revision: 0,
      event: chainEvent({ stream, previousHash: null, type: 'X', data: {}, metadata: {} }).event,
    }));
    const [one, other] = [createMemoryEventStore(), createMemoryEventStore()];
    await fill(one, [a!, b!]);
    await fill(other, [b!, a!]);
    const { message } = await refusal(importLog({ eventStore: other, lines: await linesOf(one) }));
    expect(message).toContain('line 2');
    expect(message).toContain('not a prefix');
  });

  /** Damages done to a file, and the line that is named; lines count from 1. */
  const damages: readonly [string, (lines: string[]) => readonly string[], number, RegExp][] = [
    ['an empty file', () => [], 1, /empty/],
    ['no header', (lines) => lines.slice(1), 1, /header/],
    ['a header of another version', (lines) => [lines[0]!.replace('"version":1', '"version":2'), ...lines.slice(1)], 1, /version 2/], // prettier-ignore
    ['a changed amount', (lines) => lines.with(1300, lines[1300]!.replace(/"amount":"\d+"/, '"amount":"7"')), 1301, /hash/], // prettier-ignore
    ['a changed time', (lines) => lines.with(8, lines[8]!.replace(/"at":\d+/, '"at":99')), 9, /hash/],
    [
      'a changed type',
      (lines) => lines.with(8, lines[8]!.replace(/"type":"[^]*"}$/, '"type":"Other"}')),
      9,
      /hash/,
    ],
    ['a changed id', (lines) => lines.with(8, lines[8]!.replace(/"id":"...../, '"id":"00000')), 9, /id/],
    ['a changed stream', (lines) => lines.with(8, lines[8]!.replace('account-', 'other-')), 9, /begins at|previousHash/], // prettier-ignore
    ['an event that is missing', (lines) => lines.toSpliced(300, 1), -1, /follows|begins at/],
    ['an event that stands twice', (lines) => lines.toSpliced(300, 0, lines[299]!), 301, /follows/],
    ['white space', (lines) => lines.with(700, `${lines[700]!} `), 701, /canonical/],
    ['a member more', (lines) => lines.with(700, lines[700]!.replace('{"data"', '{"a":1,"data"')), 701, /canonical/], // prettier-ignore
    ['half a line', (lines) => [...lines.slice(0, 700), lines[700]!.slice(0, 80)], 701, /JSON/],
    ['a line that is no object', (lines) => lines.with(700, 'null'), 701, /object/],
    ['a line without members', (lines) => lines.with(700, '{}'), 701, /not an event/],
    ['no trailer', (lines) => lines.slice(0, -1), 1402, /without its trailer/],
    ['a wrong digest', (lines) => lines.with(-1, lines.at(-1)!.replace(/"digest":"./, (x) => `${x.slice(0, -1)}${x.endsWith('0') ? '1' : '0'}`)), 1402, /digest/], // prettier-ignore
    ['a wrong count', (lines) => lines.with(-1, lines.at(-1)!.replace('1400', '1399')), 1402, /1399 events, 1400/], // prettier-ignore
    ['something behind the trailer', (lines) => [...lines, lines[1]!], 1403, /follow the trailer/],
  ];

  test.each(damages)('%s', async (_, damage, line, reason) => {
    const damaged = damage([...lines]);
    const error = await refusal(checkLog({ lines: damaged }));
    expect(error.message).toMatch(reason);
    if (line > 0) expect(error.line).toBe(line);
    expect(error.message).toContain(`line ${error.line}: `);
    for (const callsKeepOrder of [false, true]) {
      const target = createMemoryEventStore();
      expect(await refusal(importLog({ eventStore: target, lines: damaged, callsKeepOrder }))).toEqual(error);
      // without the check before it, only whole windows in front of the faulty line were appended
      expect(await count(target)).toBe(error.line! > 1001 ? 1000 : 0);
      expect(withoutHeader(await linesOf(target)).slice(0, -1)).toEqual(
        lines.slice(1, 1 + (await count(target))),
      );
    }
  });

  test('lines of one stream swapped: at the first of them; of different streams: by the digest', async () => {
    const streamAt = (n: number) => JSON.parse(lines[n]!).stream as string;
    const same = lines.findIndex((_, n) => n > 100 && streamAt(n) === streamAt(n + 1));
    const different = lines.findIndex((_, n) => n > 100 && streamAt(n) !== streamAt(n + 1));
    const swapped = (n: number) => lines.with(n, lines[n + 1]!).with(n + 1, lines[n]!);
    expect((await refusal(checkLog({ lines: swapped(same) }))).line).toBe(same + 1);
    expect((await refusal(checkLog({ lines: swapped(different) }))).message).toMatch(/^line 1402: .*digest/);
  });

  test('a changed event under a trailer that was made to fit', async () => {
    const forged = sealed(lines.with(40, lines[40]!.replace(/"by":"key_."/, '"by":"key_9"')));
    expect((await refusal(checkLog({ lines: forged }))).message).toMatch(/^line 41: .*hash/);
  });

  test('an interrupted export has no trailer', async () => {
    const eventStore = await filled(options);
    const interrupt = new AbortController();
    const written: string[] = [];
    await expect(
      exportLog({
        eventStore,
        signal: interrupt.signal,
        write: async (text) => {
          written.push(...text.split('\n').slice(0, -1));
          if (written.length > 1) interrupt.abort(new Error('interrupted'));
        },
      }),
    ).rejects.toThrow('interrupted');
    expect((await refusal(checkLog({ lines: written }))).line).toBe(written.length + 1);
  });
});

describe('another writer during the import', () => {
  const options = { seed: 30, events: 3000, streams: 40 };
  let lines: readonly string[];
  beforeAll(async () => {
    lines = await linesOf(await filled(options));
  });
  /** Somebody appends before the n-th call. */
  const disturbed = (eventStore: EventStore, at: number, disturb: () => Promise<unknown>): EventStore => {
    let calls = 0;
    return {
      ...eventStore,
      append: async (batches) => {
        if (calls++ === at) await disturb();
        return eventStore.append(batches);
      },
    };
  };
  const foreign = (stream: string) => ({
    stream,
    revision: 0,
    event: chainEvent({ stream, previousHash: null, type: 'X', data: {}, metadata: {} }).event,
  });

  test.each([0, 1, 50, 200])('to a stream of its own, before call %i', async (at) => {
    const target = createMemoryEventStore();
    const store = disturbed(target, at, () => fill(target, [foreign('other-1')]));
    const { message } = await refusal(importLog({ eventStore: store, lines, callsKeepOrder: true }));
    expect(message).toContain('somebody else has written');
    // noticed when its window is read back, while the next one is on its way
    if (at === 0) expect(await count(target)).toBeLessThanOrEqual(2001);
  });

  test('to a stream of the file', async () => {
    const target = createMemoryEventStore();
    const { stream } = JSON.parse(lines[1]!) as { stream: string };
    const store = disturbed(target, 0, () => fill(target, [foreign(stream)]));
    const { message } = await refusal(importLog({ eventStore: store, lines, callsKeepOrder: true }));
    expect(message).toContain('somebody else has written');
    expect(message).toContain(`${stream} has moved`);
  });

  test('after the last append', async () => {
    const target = createMemoryEventStore();
    let disturbedOnce = false;
    const store: EventStore = {
      ...target,
      readAll: async (after, limit) => {
        if (limit === 1 && !disturbedOnce) {
          disturbedOnce = true;
          await fill(target, [foreign('other-1')]);
        }
        return target.readAll(after, limit);
      },
    };
    const { message } = await refusal(importLog({ eventStore: store, lines, callsKeepOrder: true }));
    expect(message).toContain('somebody else has written');
  });

  test('a store that keeps no order within a call is found out; with one stream a call it is right', async () => {
    const unordered = (target: EventStore): EventStore => ({
      ...target,
      append: async (batches) => (await target.append([...batches].reverse())).toReversed(),
    });
    const wrong = unordered(createMemoryEventStore());
    await refusal(importLog({ eventStore: wrong, lines, callsKeepOrder: true }));
    const right = unordered(createMemoryEventStore({ identity: 'memory:one' }));
    await importLog({ eventStore: right, lines });
    expect(await linesOf(right)).toEqual(lines);
  });
});
