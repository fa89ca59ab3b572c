import { afterEach, describe, expect, test } from '@jest/globals';
import {
  chainEvent,
  EventStoreUnavailable,
  NO_STREAM,
  type AppendResult,
  type EventStore,
  type NewEvent,
  type RecordedEvent,
} from '#libs/event-store';
import { openEventStoreDb } from '#libs/event-store/eventstoredb';
import { randomUUID } from 'node:crypto';
import { startProtocolServer, type ProtocolServer } from '../support/eventstoredb/start.js';
import { verifyChain } from '../support/verify-chain.js';
import { until } from '../support/wait.js';
import { all, batch, event, eventStoreContract, newStream } from './event-store.contract.js';

eventStoreContract('EventStoreDB', async () => {
  const server = process.env['TEST_EVENT_STORE_URL'] ? undefined : await startProtocolServer();
  const connectionString = server?.url ?? process.env['TEST_EVENT_STORE_URL']!;
  const open = () => openEventStoreDb({ connectionString });
  return {
    store: await open(),
    reopen: open,
    onlyOne: true,
    checkpointBeyondTheEnd: '99999999999999/99999999999999',
    dispose: async () => server?.kill(),
  };
});

describe('the log in EventStoreDB', () => {
  const leave: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const left of leave.splice(0).reverse()) await left();
  });

  async function start(): Promise<ProtocolServer> {
    const server = await startProtocolServer();
    leave.push(() => server.kill());
    return server;
  }
  async function open(server: ProtocolServer): Promise<EventStore> {
    const store = await openEventStoreDb({ connectionString: server.url });
    leave.push(() => store.close());
    return store;
  }

  test('one client for a process: the same log is shared, another one is refused until the first is closed', async () => {
    const [server, other] = [await start(), await start()];
    const [first, second] = await Promise.all([open(server), open(server)]);
    await Promise.all([first, second].map((store) => store.append([batch(newStream(), NO_STREAM, 1)])));
    expect((await server.order({ order: 'look' })).connections).toBe(1);
    await expect(openEventStoreDb({ connectionString: other.url })).rejects.toThrow('one client');

    await first.close();
    await second.append([batch(newStream(), NO_STREAM, 1)]);
    await second.close();
    const another = await open(other);
    expect(another.identity).toMatch(/^eventstoredb:[0-9a-f-]{36}$/);
    expect(another.identity).not.toBe(first.identity);
    await another.close();
    expect((await open(server)).identity).toBe(first.identity);
  });

  test('canonical data and all metadata arrive to the byte; the hash chain holds', async () => {
    const server = await start();
    const store = await open(server);
    const stream = newStream();
    const events: NewEvent[] = [];
    let previousHash: string | null = null;
    for (const data of [
      { amount: '12.50', nested: { b: [1, { z: null, a: 'é漢🎲\u2028' }], a: true }, zero: 0 },
      { lone: '\ud83d', large: 1e21, small: 1e-7, empty: {} },
      { '10': 'ten', '9': 'nine', a: { '2': 1, '11': 2 } },
    ]) {
      const link = chainEvent({ stream, previousHash, type: 'Happened', data, metadata: { tenant: 't1' } });
      events.push(link.event);
      previousHash = link.hash;
    }
    const odd = { ...event(), metadata: '{ "b" : 1.50,  "a":"\\u00e9é", "10": 1, "9": 2 }\n' };
    await store.append([{ stream, expectedRevision: NO_STREAM, events: [...events, odd] }]);

    const { texts } = await server.order({ order: 'look', stream });
    expect(texts.map(([, metadata]) => metadata)).toEqual([...events, odd].map(({ metadata }) => metadata));
    expect(texts.slice(0, 2).map(([data]) => data)).toEqual(events.slice(0, 2).map(({ data }) => data));
    // names that are integers come first and in their order: the same value in other words
    expect(events[2]!.data).toBe('{"10":"ten","9":"nine","a":{"11":2,"2":1}}');
    expect(texts[2]![0]).toBe('{"9":"nine","10":"ten","a":{"2":1,"11":2}}');

    const read = (await all(store.readStream(stream))).slice(0, 3);
    expect(await verifyChain(read)).toEqual({ checked: 3, faults: [] });
    const forged = { ...read[1]!, data: { ...read[1]!.data, large: 2 } };
    expect((await verifyChain([read[0]!, forged, read[2]!])).faults).toHaveLength(1);
  });

  test('the nil UUID never reaches the client', async () => {
    const store = await open(await start());
    const nil = { ...event(), id: '00000000-0000-0000-0000-000000000000' };
    const stream = newStream();
    const good = batch(newStream(), NO_STREAM, 1);
    await expect(
      store.append([good, { stream, expectedRevision: NO_STREAM, events: [nil] }]),
    ).rejects.toThrow('bad event id');
    expect(await all(store.readStream(good.stream))).toEqual([]);
  });

  test('sent in any order and as often as you like, with others writing: no event stands twice', async () => {
    const server = await start();
    const store = await open(server);
    await server.order({ order: 'forget ids' }); // explicit revisions do not go by what the server remembers
    const orders = [0, 1, 2].flatMap((a) =>
      [0, 1, 2].flatMap((b) => [0, 1, 2].flatMap((c) => [0, 1, 2].map((d) => [a, b, c, d]))),
    );
    await Promise.all(
      orders.map(async (order) => {
        const stream = newStream();
        await store.append([batch(stream, NO_STREAM, 1)]);
        // two that want the same place, and one that goes behind the first
        const batches = [batch(stream, 0, 2), batch(stream, 0, 2), batch(stream, 2, 1)];
        for (const which of order) {
          const sent = batches[which]!;
          const [result] = (await store.append([sent])) as [AppendResult];
          const read = await all(store.readStream(stream));
          const place = read.slice(sent.expectedRevision + 1, sent.expectedRevision + 1 + sent.events.length);
          const stands =
            JSON.stringify(place.map(({ id }) => id)) === JSON.stringify(sent.events.map(({ id }) => id));
          expect(stands).toBe(result.outcome === 'appended');
          expect(new Set(read.map(({ id }) => id)).size).toBe(read.length);
          if (result.outcome === 'conflict') expect(result.currentRevision).toBe(read.length - 1);
          else expect(result.positions).toEqual(place.map(({ position }) => position));
        }
      }),
    );
  });

  test("what is not ours is passed over: the server's own records, streams of others", async () => {
    const server = await start();
    const store = await open(server);
    const stream = newStream();
    const others = async (): Promise<void> => {
      const texts = Array.from({ length: 3000 }, () => '"text"');
      await server.order({ order: 'append', stream: 'account-t1_others', type: '$statsCollected', texts });
      await server.order({ order: 'append', stream: 'somebody', type: 'T', texts: texts.slice(0, 100) });
    };
    await others();
    expect(await store.head()).toBe(0n);
    expect(await store.readAll(null, 10)).toEqual({ events: [], checkpoint: null, position: 0n });

    await store.append([batch(stream, NO_STREAM, 1)]);
    await others();
    const { events, checkpoint, position } = await store.readAll(null, 10);
    expect(events.map((recorded) => recorded.stream)).toEqual([stream]);
    expect(await store.head()).toBe(position);
    expect(await store.readAll(checkpoint, 10)).toEqual({ events: [], checkpoint, position });

    const seen: RecordedEvent[] = [];
    let caughtUp = 0;
    const subscription = store.subscribe(checkpoint, {
      handle: async (slice) => void seen.push(...slice.events),
      onCaughtUp: () => caughtUp++,
      onError: (error) => seen.push(error as never),
    });
    await until(() => caughtUp > 0);
    // resumed where the server has looked, not where the last event stood
    const before = await server.order({ order: 'drop connections' });
    const { subscribedBehind } = await until(async () => {
      const view = await server.order({ order: 'look' });
      return view.subscribedBehind !== before.subscribedBehind ? view : undefined;
    });
    expect(BigInt(subscribedBehind)).toBeGreaterThan(position);
    const [result] = await store.append([batch(stream, 0, 2)]);
    await until(() => seen.length >= 2);
    await subscription.stop();
    expect(seen.map((recorded) => recorded.position)).toEqual((result as { positions?: bigint[] }).positions);
    expect(await store.head()).toBe(seen[1]!.position);
  });

  test('a slow reader holds the server back and loses nothing', async () => {
    const server = await start();
    const store = await open(server);
    const streams = Array.from({ length: 20 }, newStream);
    const large = (): NewEvent => ({ ...event(), data: JSON.stringify({ a: 'x'.repeat(10_000) }) });
    const batches = streams.map((stream) => ({
      stream,
      expectedRevision: NO_STREAM,
      events: Array.from({ length: 80 }, large),
    }));
    await store.append(batches);
    const seen: bigint[] = [];
    let slow: (() => void) | undefined;
    const subscription = store.subscribe(null, {
      batchSize: 10,
      handle: async ({ events }) => {
        seen.push(...events.map(({ position }) => position));
        if (seen.length === 10) await new Promise<void>((resolve) => (slow = resolve));
      },
      onError: (error) => expect(error).toBeUndefined(),
    });
    await until(() => slow !== undefined);
    // as much as is on its way, and no more
    let before = -1;
    const { delivered } = await until(
      async () => {
        const view = await server.order({ order: 'look' });
        const still = view.delivered === before;
        before = view.delivered;
        return still ? view : undefined;
      },
      { intervalMs: 100 },
    );
    expect(delivered).toBeLessThan(800);
    slow!();
    await until(() => seen.length === 1600, { timeoutMs: 15_000 });
    await subscription.stop();
    expect(seen).toEqual((await store.readAll(null, 2000)).events.map(({ position }) => position));
  });

  test('an event in a stream of ours that is no fact of ours stops its readers loudly', async () => {
    const server = await start();
    const store = await open(server);
    const stream = newStream();
    await store.append([batch(stream, NO_STREAM, 1)]);
    await server.order({ order: 'append', stream, type: 'T', texts: ['"text"'] });
    const message = `event 1 of ${stream} was not written by this ledger`;
    await expect(all(store.readStream(stream))).rejects.toThrow(message);
    await expect(store.readAll(null, 10)).rejects.toThrow(message);
    const errors: unknown[] = [];
    const subscription = store.subscribe(null, {
      handle: () => Promise.resolve(),
      onError: (error) => errors.push(error),
    });
    await until(() => errors.length > 0);
    await subscription.stop();
    expect(errors.map(String)).toEqual([`Error: ${message}`]);
  });

  test('a tombstone is no outage', async () => {
    const server = await start();
    const store = await open(server);
    const stream = newStream();
    await store.append([batch(stream, NO_STREAM, 1)]);
    await server.order({ order: 'tombstone', stream });
    const refusal: unknown = await store.append([batch(stream, 0, 1)]).catch((error: unknown) => error);
    expect(String(refusal)).toContain(`refused the append to ${stream}`);
    expect(refusal).not.toBeInstanceOf(EventStoreUnavailable);
    await expect(all(store.readStream(stream))).rejects.toThrow(stream);
  });

  test('a checkpoint that is no place in the log is refused', async () => {
    const store = await open(await start());
    await store.append([batch(`account-t1_${randomUUID()}`, NO_STREAM, 3)]);
    const { position } = await store.readAll(null, 2);
    for (const checkpoint of [
      `${position + 1n}/${position + 1n}`,
      `${position}/${position + 1n}`,
      '7',
      '-1/-1',
    ]) {
      await expect(store.readAll(checkpoint, 1)).rejects.toThrow(checkpoint);
      const errors: unknown[] = [];
      const subscription = store.subscribe(checkpoint, {
        handle: () => Promise.resolve(),
        onError: (error) => errors.push(error),
      });
      await until(() => errors.length > 0);
      await subscription.stop();
      expect(String(errors[0])).toContain(checkpoint);
    }
  });
});
