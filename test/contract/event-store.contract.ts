import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import {
  EventStoreUnavailable,
  MAX_BATCH_BYTES,
  NO_STREAM,
  NoSuchPosition,
  type AppendBatch,
  type AppendResult,
  type Checkpoint,
  type EventStore,
  type NewEvent,
  type RecordedEvent,
  type SubscribeOptions,
} from '#libs/event-store';
import { until } from '../support/wait.js';

export interface OpenedStore {
  readonly store: EventStore;
  /** Opens the same log once more, as another process would. Left out by a log that lives in one process. */
  reopen?(): Promise<EventStore>;
  /** Set when a process cannot have two logs open: then opening again gives this one, by `reopen`. */
  readonly onlyOne?: true;
  /** A checkpoint that this log has not reached; left out when an adapter cannot tell. */
  readonly checkpointBeyondTheEnd?: Checkpoint;
  /** Called at the end, after the store was closed. */
  dispose?(): Promise<void>;
}

/** What every adapter of the port does. The log may hold other events; positions may have gaps. */
export function eventStoreContract(name: string, open: () => Promise<OpenedStore>): void {
  describe(`${name} event store`, () => {
    let opened: OpenedStore;
    let store: EventStore;

    beforeAll(async () => {
      opened = await open();
      store = opened.store;
    });
    afterAll(async () => {
      await store.close();
      await opened.dispose?.();
    });

    /** The end of the log, as a checkpoint. */
    async function end(): Promise<Checkpoint | null> {
      let checkpoint: Checkpoint | null = null;
      for (;;) {
        const slice = await store.readAll(checkpoint, 1000);
        if (slice.events.length === 0) return checkpoint;
        checkpoint = slice.checkpoint;
      }
    }

    describe('append', () => {
      test('gives each stream of a call its own result', async () => {
        const [a, b, c] = [newStream(), newStream(), newStream()];
        await store.append([batch(b, NO_STREAM, 2)]);
        const before = await store.head();

        const sent = [batch(a, NO_STREAM, 3), batch(b, NO_STREAM, 1), batch(c, NO_STREAM, 2)];
        const results = await store.append(sent);

        expect(results).toMatchObject([
          { outcome: 'appended', revision: 2 },
          { outcome: 'conflict', currentRevision: 1 },
          { outcome: 'appended', revision: 1 },
        ]);
        expect(
          [...positions(results[0]), ...positions(results[2])].every((position) => position > before),
        ).toBe(true);
        expect(await ids(a)).toEqual(idsOf(sent[0]));
        expect(await ids(b)).toHaveLength(2);
        expect(await ids(c)).toEqual(idsOf(sent[2]));
      });

      test('appends nothing when nothing is sent', async () => {
        const before = await store.head();
        expect(await store.append([])).toEqual([]);
        expect(await store.head()).toBe(before);
      });

      test.each([
        ['NO_STREAM on a stream that exists', 3, NO_STREAM, 2],
        ['a revision below', 3, 1, 2],
        ['a revision above', 3, 3, 2],
        ['a revision on a stream that does not exist', 0, 0, NO_STREAM],
      ])(
        '%s is a conflict that says where the stream stands',
        async (_, standing, expectedRevision, currentRevision) => {
          const stream = newStream();
          if (standing > 0) await store.append([batch(stream, NO_STREAM, standing)]);
          const before = await store.head();
          expect(await store.append([batch(stream, expectedRevision, 1)])).toEqual([
            { outcome: 'conflict', currentRevision },
          ]);
          expect(await ids(stream)).toHaveLength(standing);
          expect(await store.head()).toBe(before);
        },
      );

      test('the revision of the last event goes on', async () => {
        const stream = newStream();
        const first = batch(stream, NO_STREAM, 1);
        const second = batch(stream, 0, 2);
        const third = batch(stream, 2, 1);
        for (const [i, sent] of [first, second, third].entries())
          expect(await store.append([sent])).toMatchObject([{ outcome: 'appended', revision: [0, 2, 3][i] }]);
        expect(await ids(stream)).toEqual([first, second, third].flatMap(idsOf));
      });

      test('positions rise strictly and are those that the reads report', async () => {
        const after = await end();
        const streams = Array.from({ length: 5 }, newStream);
        const reported = new Map<string, bigint>();
        for (let round = 0; round < 3; round++) {
          const sent = streams.map((stream) => batch(stream, round * 2 - 1, 2));
          for (const [i, result] of (await store.append(sent)).entries())
            sent[i]!.events.forEach(({ id }, j) => reported.set(id, positions(result)[j]!));
        }
        const { events } = await store.readAll(after, 1000);
        expect(events.map((event) => event.id).sort()).toEqual([...reported.keys()].sort());
        expectRising(events);
        for (const { id, position } of events) expect(position).toBe(reported.get(id));
        for (const stream of streams)
          for (const { id, position } of await all(store.readStream(stream)))
            expect(position).toBe(reported.get(id));
        expect(await store.head()).toBe(events.at(-1)!.position);
      });

      test('refuses a bad request before anything is written', async () => {
        const stream = newStream();
        const before = await store.head();
        const good = batch(newStream(), NO_STREAM, 1);
        const bad: readonly AppendBatch[][] = [
          [{ ...batch(stream, NO_STREAM, 1), stream: 'nodash' }],
          [batch(stream, -2, 1)],
          [batch(stream, 0.5, 1)],
          [batch(stream, NO_STREAM, 0)],
          [batch(stream, NO_STREAM, 1), batch(stream, 0, 1)],
          [withEvent(stream, { id: 'x' })],
          [withEvent(stream, { id: randomUUID().toUpperCase() })],
          [withEvent(stream, { type: '' })],
          [withEvent(stream, { data: '[]' })],
          [withEvent(stream, { data: '{"a":' })],
          [withEvent(stream, { metadata: 'null' })],
          [withEvent(stream, { metadata: '{a:1}' })],
          [withEvent(stream, { data: JSON.stringify({ a: 'x'.repeat(MAX_BATCH_BYTES) }) })],
        ];
        for (const batches of bad) {
          const error: unknown = await store
            .append([good, ...batches])
            .then(String, (reason: unknown) => reason);
          expect(error).toBeInstanceOf(Error);
          expect(error).not.toBeInstanceOf(EventStoreUnavailable);
        }
        expect(await store.head()).toBe(before);
        expect(await ids(good.stream)).toEqual([]);
      });

      test('accepts a batch of the largest size', async () => {
        const stream = newStream();
        const empty = withEvent(stream, { data: '{"a":""}' });
        const { id, type, data, metadata } = empty.events[0]!;
        const room = MAX_BATCH_BYTES - [id, type, data, metadata].join('').length;
        const text = JSON.stringify({ a: 'x'.repeat(room) });
        expect(await store.append([withEvent(stream, { data: text })])).toMatchObject([
          { outcome: 'appended' },
        ]);
        expect(JSON.stringify((await all(store.readStream(stream)))[0]?.data)).toBe(text);
      });
    });

    describe('sending a batch again', () => {
      async function standing(): Promise<{ stream: string; sent: AppendBatch; first: readonly bigint[] }> {
        const stream = newStream();
        await store.append([batch(stream, NO_STREAM, 2)]);
        const sent = batch(stream, 1, 4);
        const [result] = await store.append([sent]);
        return { stream, sent, first: positions(result) };
      }

      test('answers with the first positions and writes nothing', async () => {
        const { stream, sent, first } = await standing();
        const before = await store.head();
        expect(await store.append([sent])).toEqual([{ outcome: 'appended', revision: 5, positions: first }]);
        expect(await store.append([sent])).toEqual([{ outcome: 'appended', revision: 5, positions: first }]);
        expect(await ids(stream)).toHaveLength(6);
        expect(await store.head()).toBe(before);
      });

      test('does so for a prefix, and with later events behind', async () => {
        const { stream, sent, first } = await standing();
        await store.append([batch(stream, 5, 3)]);
        const prefix = { ...sent, events: sent.events.slice(0, 2) };
        expect(await store.append([prefix])).toEqual([
          { outcome: 'appended', revision: 3, positions: first.slice(0, 2) },
        ]);
        expect(await store.append([sent])).toEqual([{ outcome: 'appended', revision: 5, positions: first }]);
        expect(await ids(stream)).toHaveLength(9);
      });

      test('does so for two batches sent again as one, with other events between them in the log', async () => {
        const stream = newStream();
        const [one, two] = [batch(stream, NO_STREAM, 2), batch(stream, 1, 2)];
        const [first] = await store.append([one]);
        await store.append([batch(newStream(), NO_STREAM, 5)]);
        const [second] = await store.append([two]);
        expect(await store.append([{ ...one, events: [...one.events, ...two.events] }])).toEqual([
          { outcome: 'appended', revision: 3, positions: [...positions(first), ...positions(second)] },
        ]);
      });

      test('is a conflict when it is not what stands there: superset, other order, suffix, other event in front', async () => {
        const { stream, sent } = await standing();
        const [a, b, c, d] = sent.events as [NewEvent, NewEvent, NewEvent, NewEvent];
        const before = await store.head();
        for (const events of [
          [a, b, c, d, event()],
          [b, a, c, d],
          [c, d],
          [event(), a, b, c],
        ])
          expect(await store.append([{ ...sent, events }])).toEqual([
            { outcome: 'conflict', currentRevision: 5 },
          ]);
        expect(await ids(stream)).toHaveLength(6);
        expect(await store.head()).toBe(before);
      });

      test('goes together with new batches and conflicts in one call', async () => {
        const { stream, sent, first } = await standing();
        const [fresh, other, last] = [newStream(), newStream(), newStream()];
        await store.append([batch(other, NO_STREAM, 1)]);
        const before = await store.head();
        const results = await store.append([
          batch(fresh, NO_STREAM, 2),
          sent,
          batch(other, NO_STREAM, 1),
          batch(last, NO_STREAM, 1),
        ]);
        expect(results).toMatchObject([
          { outcome: 'appended', revision: 1 },
          { outcome: 'appended', revision: 5, positions: first },
          { outcome: 'conflict', currentRevision: 0 },
          { outcome: 'appended', revision: 0 },
        ]);
        for (const [i, written] of [
          [0, fresh],
          [3, last],
        ] as const) {
          const events = await all(store.readStream(written));
          expect(events.map((event) => event.position)).toEqual(positions(results[i]));
          expect(events.every((event) => event.position > before)).toBe(true);
        }
        expect(await ids(stream)).toHaveLength(6);
      });
    });

    describe('reading', () => {
      test('a stream from its start, from a revision, and beyond its end', async () => {
        const stream = newStream();
        const sent = batch(stream, NO_STREAM, 5);
        await store.append([sent]);
        const events = await all(store.readStream(stream));
        expect(events).toMatchObject(
          sent.events.map(({ id, type, data, metadata }, revision) => {
            return { id, type, stream, revision, data: JSON.parse(data), metadata: JSON.parse(metadata) };
          }),
        );
        expect(await all(store.readStream(stream, 3))).toEqual(events.slice(3));
        expect(await all(store.readStream(stream, 5))).toEqual([]);
      });

      test('a stream that does not exist gives nothing', async () => {
        expect(await all(store.readStream(newStream()))).toEqual([]);
      });

      test('streams that are read side by side are each whole', async () => {
        const long = batch(newStream(), NO_STREAM, 700);
        const short = batch(newStream(), NO_STREAM, 3);
        await store.append([long, short]);
        const reads = await Promise.all([
          ids(long.stream),
          all(store.readStream(long.stream, 650)),
          ids(newStream()),
          ids(short.stream),
        ]);
        expect(reads[0]).toEqual(idsOf(long));
        expect(reads[1].map(({ id }) => id)).toEqual(idsOf(long).slice(650));
        expect(reads.slice(2)).toEqual([[], idsOf(short)]);
        const many = [1, 2, 99, 100, 101, 200].map((length) => batch(newStream(), NO_STREAM, length));
        many.push(...Array.from({ length: 150 }, (_, index) => batch(newStream(), NO_STREAM, index % 3)));
        await store.append(many.filter(({ events }) => events.length > 0));
        const found = await Promise.all(many.map(({ stream }) => all(store.readStream(stream))));
        expect(found.map((events) => events.map(({ id }) => id))).toEqual(many.map(idsOf));
        found.forEach((events, index) => {
          expect(events.every(({ stream }) => stream === many[index]!.stream)).toBe(true);
          expect(events.map(({ revision }) => revision)).toEqual(events.map((_, at) => at));
        });
      });

      test('streams with similar names stay apart', async () => {
        const stream = newStream();
        for (const other of [
          `${stream}0`,
          `${stream}_`,
          stream.toUpperCase(),
          stream.replace('account', 'Account'),
        ])
          await store.append([batch(other, NO_STREAM, 1)]);
        expect(await all(store.readStream(stream))).toEqual([]);
      });

      test('pages over thousands of events', async () => {
        const stream = newStream();
        const after = await end();
        const sent: string[] = [];
        for (let i = 0; i < 5; i++) {
          const next = batch(stream, i * 500 - 1, 500);
          await store.append([next]);
          sent.push(...idsOf(next));
        }
        expect(await ids(stream)).toEqual(sent);
        expect((await all(store.readStream(stream, 999))).map((event) => event.id)).toEqual(sent.slice(999));

        const read: RecordedEvent[] = [];
        for (let checkpoint = after; ;) {
          const slice = await store.readAll(checkpoint, 700);
          expect(slice.events.length).toBeLessThanOrEqual(700);
          if (slice.events.length === 0) {
            expect(slice.checkpoint).toBe(checkpoint);
            break;
          }
          expect(slice.position).toBe(slice.events.at(-1)!.position);
          read.push(...slice.events);
          checkpoint = slice.checkpoint;
        }
        expect(read.map((event) => event.id)).toEqual(sent);
        expectRising(read);
      });

      test('data and metadata come back as they went in', async () => {
        const stream = newStream();
        const texts = [
          '{"b":1,"a":{"z":[1,[2,{"y":null}]],"B":true,"":""}}',
          JSON.stringify({
            text: 'Ünïcödé 漢字 🎲 \u2028 "quoted" back\\slash {braces}, \'single\' $1 %s NULL',
            tab: '\t\r\n\u0000\u001f',
          }),
          '{"lone":"\\ud83d"}',
          '{"small":1e-7,"large":1e+21,"fraction":0.1,"negative":-12345.678,"safe":9007199254740991}',
          '{"__proto__":{"a":1},"constructor":2}',
          '{}',
        ];
        const events = texts.map((text) => ({ ...event(), data: text, metadata: text }));
        await store.append([{ stream, expectedRevision: NO_STREAM, events }]);
        const read = await all(store.readStream(stream));
        expect(read.map(({ data }) => JSON.stringify(data))).toEqual(texts);
        expect(read.map(({ metadata }) => JSON.stringify(metadata))).toEqual(texts);
      });

      test('refuses what makes no sense', async () => {
        await expect(all(store.readStream(newStream(), -1))).rejects.toThrow();
        await expect(store.readAll(null, 0)).rejects.toThrow();
      });
    });

    describe('concurrent writers', () => {
      test('16 appends of many streams at once', async () => {
        const after = await end();
        const calls = Array.from({ length: 16 }, () =>
          Array.from({ length: 50 }, () => batch(newStream(), NO_STREAM, 3)),
        );
        const results = await Promise.all(calls.map((call) => store.append(call)));
        const reported = new Map<string, bigint>();
        for (const [i, call] of calls.entries())
          for (const [j, { events }] of call.entries())
            events.forEach(({ id }, k) => reported.set(id, positions(results[i]![j])[k]!));
        const { events } = await store.readAll(after, 10_000);
        expect(events).toHaveLength(16 * 50 * 3);
        expectRising(events);
        for (const { id, position } of events) expect(position).toBe(reported.get(id));
      });

      test('on the same streams: one winner for each revision, and no hole', async () => {
        const other = (await opened.reopen?.()) ?? store;
        const streams = [newStream(), newStream(), newStream()];
        const winners = new Map<string, string>();

        async function write(through: EventStore, writer: number): Promise<void> {
          const known = new Map<string, number>();
          for (let wins = 0; wins < 30;) {
            const sent = streams.map((stream) =>
              batch(stream, known.get(stream) ?? NO_STREAM, 1 + (writer % 2)),
            );
            for (const [i, result] of (await through.append(sent)).entries()) {
              const { stream, events } = sent[i]!;
              known.set(stream, result.outcome === 'appended' ? result.revision : result.currentRevision);
              if (result.outcome === 'conflict') continue;
              wins++;
              for (const [j, { id }] of events.entries()) {
                const place = `${stream}@${result.revision - events.length + 1 + j}`;
                expect(winners.has(place)).toBe(false);
                winners.set(place, id);
              }
            }
          }
        }

        await Promise.all(
          Array.from({ length: 8 }, (_, writer) => write(writer % 2 ? other : store, writer)),
        );
        let total = 0;
        for (const stream of streams) {
          const events = await all(store.readStream(stream));
          expect(events.map((event) => event.revision)).toEqual(events.map((_, i) => i));
          for (const { id, revision } of events) expect(winners.get(`${stream}@${revision}`)).toBe(id);
          total += events.length;
        }
        expect(total).toBe(winners.size);
        if (other !== store) await other.close();
      });
    });

    describe('a subscription', () => {
      /** Subscribes and keeps everything that is handed over. */
      function follow(after: Checkpoint | null, options: Partial<SubscribeOptions> = {}) {
        const seen: RecordedEvent[] = [];
        const errors: unknown[] = [];
        const log = { seen, errors, checkpoint: after, largest: 0, caughtUp: 0, at: 0n };
        const subscription = store.subscribe(after, {
          ...options,
          handle: async (slice) => {
            seen.push(...slice.events);
            log.largest = Math.max(log.largest, slice.events.length);
            log.checkpoint = slice.checkpoint;
            log.at = slice.position;
            await options.handle?.(slice);
          },
          onCaughtUp: (asOf) => {
            log.caughtUp++;
            options.onCaughtUp?.(asOf);
          },
          onError: (error) => {
            errors.push(error);
            options.onError?.(error);
          },
        });
        return Object.assign(log, { stop: () => subscription.stop() });
      }

      test('catches up, then goes on live: every event once, in order', async () => {
        const after = await end();
        const streams = Array.from({ length: 4 }, newStream);
        const sent: string[] = [];
        const write = async (round: number) => {
          const batches = streams.map((stream) => batch(stream, round * 3 - 1, 3));
          await store.append(batches);
          sent.push(...batches.flatMap(idsOf));
        };
        for (let round = 0; round < 5; round++) await write(round);

        const follower = follow(after, { batchSize: 7 });
        await until(() => follower.caughtUp > 0);
        expect(follower.seen.map((event) => event.id)).toEqual(sent);
        for (let round = 5; round < 15; round++) await write(round);
        await until(() => follower.seen.length >= sent.length);
        await follower.stop();

        expect(follower.seen.map((event) => event.id)).toEqual(sent);
        expectRising(follower.seen);
        expect(follower.largest).toBe(7);
        expect(follower.at).toBe(await store.head());
        expect(follower.errors).toEqual([]);
      });

      test('misses nothing that is appended while it starts', async () => {
        const after = await end();
        const stream = newStream();
        const writing = (async () => {
          for (let i = 0; i < 60; i++) await store.append([batch(stream, i - 1, 1)]);
        })();
        const followers = Array.from({ length: 5 }, () => follow(after));
        await writing;
        for (const follower of followers) {
          await until(() => follower.seen.length >= 60);
          await follower.stop();
          expect(follower.seen.map((event) => event.revision)).toEqual(
            Array.from({ length: 60 }, (_, i) => i),
          );
        }
      });

      test('reads what is there from the start of the log', async () => {
        await store.append([batch(newStream(), NO_STREAM, 1)]);
        const follower = follow(null);
        await until(() => follower.caughtUp > 0, { timeoutMs: 15_000 });
        await follower.stop();
        expectRising(follower.seen);
        expect(follower.seen.at(-1)?.position).toBe(await store.head());
        expect(follower.seen[0]).toEqual((await store.readAll(null, 1)).events[0]);
      });

      test('resumes from a checkpoint', async () => {
        const after = await end();
        const stream = newStream();
        await store.append([batch(stream, NO_STREAM, 10)]);
        const first = follow(after, { batchSize: 4 });
        await until(() => first.seen.length >= 4);
        await first.stop();
        const second = follow(first.checkpoint);
        await until(() => first.seen.length + second.seen.length >= 10);
        await store.append([batch(stream, 9, 1)]);
        await until(() => first.seen.length + second.seen.length >= 11);
        await second.stop();
        expect([...first.seen, ...second.seen].map((event) => event.revision)).toEqual(
          Array.from({ length: 11 }, (_, i) => i),
        );
      });

      test('waits for a slow handler', async () => {
        const after = await end();
        const stream = newStream();
        let inHand = 0;
        let most = 0;
        const gate = deferred();
        const follower = follow(after, {
          batchSize: 2,
          handle: async () => {
            most = Math.max(most, ++inHand);
            await gate.done;
            inHand--;
          },
        });
        const witness = follow(after);
        for (let i = 0; i < 10; i++) await store.append([batch(stream, i - 1, 1)]);
        await until(() => witness.seen.length >= 10 && inHand === 1);
        expect(follower.seen.length).toBeLessThanOrEqual(2);
        gate.open();
        await until(() => follower.seen.length >= 10);
        await follower.stop();
        await witness.stop();
        expect(most).toBe(1);
        expect(follower.seen.map((event) => event.revision)).toEqual(Array.from({ length: 10 }, (_, i) => i));
      });

      test('ends when its handler throws, and says so once', async () => {
        const after = await end();
        const stream = newStream();
        const boom = new Error('boom');
        const follower = follow(after, { handle: () => Promise.reject(boom) });
        await store.append([batch(stream, NO_STREAM, 1)]);
        await until(() => follower.errors.length > 0);
        await store.append([batch(stream, 0, 1)]);
        const witness = follow(after);
        await until(() => witness.seen.length >= 2);
        await follower.stop();
        await witness.stop();
        expect(follower.errors).toEqual([boom]);
        expect(follower.seen).toHaveLength(1);
      });

      test('stop waits for the batch in hand and lets nothing follow', async () => {
        const after = await end();
        const stream = newStream();
        const gate = deferred();
        const story: string[] = [];
        const follower = follow(after, {
          handle: async () => {
            story.push('begun');
            await gate.done;
            story.push('handled');
          },
        });
        await store.append([batch(stream, NO_STREAM, 1)]);
        await until(() => story.length > 0);
        const stopping = follower.stop().then(() => story.push('stopped'));
        await store.append([batch(stream, 0, 1)]);
        const witness = follow(after);
        await until(() => witness.seen.length >= 2);
        expect(story).toEqual(['begun']);
        gate.open();
        await stopping;
        await follower.stop();
        await store.append([batch(stream, 1, 1)]);
        await until(() => witness.seen.length >= 3);
        await witness.stop();
        expect(story).toEqual(['begun', 'handled', 'stopped']);
        expect(follower.seen).toHaveLength(1);
      });

      test('stops at once when there is nothing to do', async () => {
        const follower = follow(await end());
        await until(() => follower.caughtUp > 0);
        await follower.stop();
        expect(follower.errors).toEqual([]);
      });
    });

    test('a checkpoint of another log is refused', async () => {
      const errors: unknown[] = [];
      for (const checkpoint of ['nonsense', opened.checkpointBeyondTheEnd ?? 'nonsense']) {
        await expect(store.readAll(checkpoint, 10)).rejects.toThrow();
        const subscription = store.subscribe(checkpoint, {
          handle: () => Promise.reject(new Error('handed over')),
          onError: (error) => errors.push(error),
        });
        await until(() => errors.length > 0);
        await subscription.stop();
        expect(String(errors.pop())).toContain(checkpoint);
      }
    });

    test('the checkpoint before an event leads to it; where none stands there is none', async () => {
      const streams = [newStream(), newStream(), newStream()];
      await store.append(streams.map((stream) => batch(stream, NO_STREAM, 2)));
      const { events } = await store.readAll(null, 100_000);
      const own = events.filter(({ stream }) => streams.includes(stream));
      for (const [n, { position }] of own.entries()) {
        const slice = await store.readAll(await store.checkpointBefore(position), 100_000);
        expect(slice.events).toEqual(events.slice(events.indexOf(own[n]!)));
      }
      for (const position of [-1n, (await store.head()) + 1n])
        await expect(store.checkpointBefore(position)).rejects.toThrow(NoSuchPosition);
      if (store.dense)
        expect(events.map(({ position }) => position)).toEqual(events.map((_, n) => BigInt(n + 1)));
      else await expect(store.checkpointBefore(own[1]!.position - 1n)).rejects.toThrow(NoSuchPosition);
    });

    test('another opening of the same log has its identity and its events', async () => {
      const other = await opened.reopen?.();
      const stream = newStream();
      await store.append([batch(stream, NO_STREAM, 2)]);
      expect(await all((other ?? store).readStream(stream))).toEqual(await all(store.readStream(stream)));
      expect((other ?? store).identity).toBe(store.identity);
      expect(await (other ?? store).head()).toBe(await store.head());
      await other?.close();
    });

    test('another log has another identity, and a closed one does nothing more', async () => {
      const another: OpenedStore = opened.onlyOne ? { store: await opened.reopen!() } : await open();
      expect(another.store.identity === store.identity).toBe(opened.onlyOne === true);
      const errors: unknown[] = [];
      another.store.subscribe(null, {
        handle: () => Promise.resolve(),
        onError: (error) => errors.push(error),
      });
      await another.store.append([batch(newStream(), NO_STREAM, 1)]);
      await another.store.close();
      await expect(another.store.append([batch(newStream(), NO_STREAM, 1)])).rejects.toThrow('closed');
      await expect(another.store.readAll(null, 1)).rejects.toThrow('closed');
      expect(errors).toEqual([]);
      await another.dispose?.();
    });

    async function ids(stream: string): Promise<string[]> {
      return (await all(store.readStream(stream))).map((recorded) => recorded.id);
    }
  });
}

export const newStream = (): string => `account-t1_${randomUUID()}`;

export const event = (): NewEvent => ({
  id: randomUUID(),
  type: 'Happened',
  data: '{"n":1}',
  metadata: '{"tenant":"t1"}',
});

export const batch = (stream: string, expectedRevision: number, size: number): AppendBatch => ({
  stream,
  expectedRevision,
  events: Array.from({ length: size }, event),
});

export async function all(events: AsyncIterable<RecordedEvent>): Promise<RecordedEvent[]> {
  const read: RecordedEvent[] = [];
  for await (const recorded of events) read.push(recorded);
  return read;
}

const withEvent = (stream: string, changes: Partial<NewEvent>): AppendBatch => ({
  stream,
  expectedRevision: NO_STREAM,
  events: [{ ...event(), ...changes }],
});

const idsOf = (sent: AppendBatch | undefined): string[] => sent!.events.map(({ id }) => id);

function positions(result: AppendResult | undefined): readonly bigint[] {
  if (result?.outcome !== 'appended') throw new Error(`not appended: ${JSON.stringify(result)}`);
  return result.positions;
}

function expectRising(events: readonly RecordedEvent[]): void {
  for (let i = 1; i < events.length; i++) expect(events[i]!.position > events[i - 1]!.position).toBe(true);
}

function deferred(): { done: Promise<void>; open: () => void } {
  let open = () => {};
  const done = new Promise<void>((resolve) => (open = resolve));
  return { done, open };
}
