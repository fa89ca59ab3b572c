import { afterEach, expect, test } from '@jest/globals';
import { fork } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EventStoreUnavailable, NO_STREAM, type EventStore } from '#libs/event-store';
import { createConnection } from '../../libs/event-store/eventstoredb/connection.js';
import { openEventStoreDb, type EventStoreDbOptions } from '#libs/event-store/eventstoredb';
import {
  startProtocolServer,
  type ProtocolServer,
  type ProtocolServerOptions,
} from '../support/eventstoredb/start.js';
import { openLine } from '../support/eventstoredb/line.js';
import { expectEverythingOnce, follow, settle, write } from '../support/eventstoredb/traffic.js';
import { until } from '../support/wait.js';
import { all, batch, newStream } from './event-store.contract.js';

/** What goes wrong between the ledger and an EventStoreDB, tried on the protocol server. */

const leave: (() => unknown)[] = [];
afterEach(async () => {
  for (const left of leave.splice(0).reverse()) await left();
});

async function start(options: ProtocolServerOptions = {}): Promise<ProtocolServer> {
  const server = await startProtocolServer(options);
  leave.push(() => server.kill());
  return server;
}

async function open(
  { url }: ProtocolServer,
  options: Partial<EventStoreDbOptions> = {},
): Promise<EventStore> {
  const store = await openEventStoreDb({ connectionString: url, ...options });
  leave.push(() => store.close());
  return store;
}

function logFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'drawdown-log-'));
  leave.push(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'log');
}

test('killed during appends: every acknowledged event is there, none twice; readers lose and repeat nothing', async () => {
  const file = logFile();
  let server = await start({ file });
  const store = await open(server, { timeoutMs: 1000 });
  const follower = follow(store);
  const writer = write(store, 5);
  for (let round = 0; round < 4; round++) {
    const before = { sent: writer.sent.size, unknown: writer.unknown.length };
    await until(() => writer.sent.size > before.sent + 50, { timeoutMs: 15_000 });
    await server.kill();
    // some rounds are short enough for the store to settle them by itself
    if (round % 2 === 0) await until(() => writer.unknown.length > before.unknown, { timeoutMs: 15_000 });
    server = await start({ file, port: server.port, notReadyMs: 100 });
  }
  const before = writer.sent.size;
  await until(() => writer.sent.size > before + 50, { timeoutMs: 15_000 });
  await writer.stop();
  await until(() => follower.seen.length >= writer.sent.size, { timeoutMs: 15_000 });
  await follower.stop();
  expect(follower.errors).toEqual([]);
  await expectEverythingOnce(store, writer, follower.seen);
}, 60_000);

test('stopped and started in an orderly way: nobody is told', async () => {
  const file = logFile();
  const server = await start({ file, stoppingMs: 300 });
  const store = await open(server);
  const follower = follow(store);
  const writer = write(store, 3);
  await until(() => writer.sent.size > 30);
  await server.stop();
  await start({ file, port: server.port, notReadyMs: 300 });
  const before = writer.sent.size;
  await until(() => writer.sent.size > before + 30, { timeoutMs: 15_000 });
  await writer.stop();
  await until(() => follower.seen.length >= writer.sent.size);
  await follower.stop();
  expect([writer.unknown, follower.errors]).toEqual([[], []]);
  await expectEverythingOnce(store, writer, follower.seen);
}, 60_000);

test('frozen: unavailable when the time is up; thawed: goes on, and what is sent again settles', async () => {
  const server = await start();
  const store = await open(server, { timeoutMs: 600 });
  const follower = follow(store);
  const first = batch(newStream(), NO_STREAM, 2);
  await store.append([first]);
  await until(() => follower.seen.length === 2);

  server.freeze();
  const begun = performance.now();
  const sent = [batch(first.stream, 1, 2), batch(newStream(), NO_STREAM, 1)];
  const calls = [
    store.append(sent),
    store.head(),
    store.readAll(null, 10),
    all(store.readStream(first.stream)),
  ];
  for (const call of await Promise.allSettled(calls))
    expect(call).toMatchObject({ status: 'rejected', reason: { name: 'EventStoreUnavailable' } });
  expect(performance.now() - begun).toBeLessThan(3000);
  server.thaw();

  for (const one of sent) expect(await settle(store, one)).toMatchObject({ outcome: 'appended' });
  await until(() => follower.seen.length >= 5, { timeoutMs: 15_000 });
  await follower.stop();
  expect(follower.errors).toEqual([]);
  expect(follower.seen.map(({ id }) => id).sort()).toEqual(
    [first, ...sent].flatMap(({ events }) => events.map(({ id }) => id)).sort(),
  );
  expect(await all(store.readStream(first.stream))).toHaveLength(4);
});

test('more than a frozen server takes: the process lives, and every append settles', async () => {
  const server = await start();
  const script = fileURLToPath(new URL('../support/eventstoredb/flood.mjs', import.meta.url));
  const child = fork(script, [server.url, '60'], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  let problems = '';
  child.stderr!.on('data', (chunk) => (problems += chunk));
  const messages: unknown[] = [];
  child.on('message', (message) => messages.push(message));
  const ended = new Promise((resolve) => child.once('close', resolve));
  const told = (count: number): Promise<unknown> =>
    until(() => messages.length >= count || child.exitCode !== null, { timeoutMs: 20_000 });
  await told(1);
  server.freeze();
  child.send('go');
  await told(2);
  server.thaw();
  expect([await ended, problems]).toEqual([0, '']);
  expect(messages).toMatchObject(['ready', 'stuck', { streams: 60 }]);
  expect((messages[2] as { unknown: number }).unknown).toBeGreaterThan(0);
}, 60_000);

test('an answer that is lost after the write is found when the store sends again; lost again, it is unavailable', async () => {
  const server = await start();
  const store = await open(server, { timeoutMs: 1000 });
  const stream = newStream();
  await server.order({ order: 'lose answers', count: 1 });
  const first = await store.append([batch(stream, NO_STREAM, 3)]);
  expect(first).toMatchObject([{ outcome: 'appended', revision: 2 }]);

  const next = batch(stream, 2, 2);
  await server.order({ order: 'lose answers', count: 3 });
  await expect(store.append([next])).rejects.toThrow(EventStoreUnavailable);
  await server.order({ order: 'lose answers', count: 0 });
  // somebody else goes on behind it meanwhile
  await server.order({ order: 'append', stream, type: 'T', texts: ['{}'] });
  expect(await store.append([next])).toMatchObject([{ outcome: 'appended', revision: 4 }]);
  const { texts } = await server.order({ order: 'look', stream });
  expect(texts).toHaveLength(6);
});

test('a conflict when sending again means that somebody else wrote', async () => {
  const file = logFile();
  const server = await start({ file });
  const store = await open(server, { timeoutMs: 300 });
  const stream = newStream();
  await store.append([batch(stream, NO_STREAM, 1)]);
  await server.kill();
  const sent = batch(stream, 0, 2);
  await expect(store.append([sent])).rejects.toThrow(EventStoreUnavailable);
  const again = await start({ file, port: server.port });
  await again.order({ order: 'append', stream, type: 'T', texts: ['{}'] });
  expect(await settle(store, sent)).toEqual({ outcome: 'conflict', currentRevision: 1 });
  expect((await again.order({ order: 'look', stream })).texts).toHaveLength(2);
});

test('down at the start: opening waits for it, within bounds', async () => {
  const server = await start();
  await server.kill();
  const begun = performance.now();
  await expect(open(server, { openTimeoutMs: 500, timeoutMs: 400 })).rejects.toThrow(EventStoreUnavailable);
  expect(performance.now() - begun).toBeLessThan(3000);

  const failures: unknown[] = [];
  const opening = open(server, { onError: (error) => failures.push(error) });
  await until(() => failures.length > 2);
  await start({ port: server.port, notReadyMs: 300 });
  const store = await opening;
  expect(await settle(store, batch(newStream(), NO_STREAM, 1))).toMatchObject({ outcome: 'appended' });
});

test('frozen at the start: opening gives up, and closing does not wait', async () => {
  const server = await start();
  server.freeze();
  await expect(open(server, { openTimeoutMs: 300, timeoutMs: 400 })).rejects.toThrow(EventStoreUnavailable);
  server.thaw();
  const store = await open(server);
  const follower = follow(store);
  server.freeze();
  const begun = performance.now();
  await store.close();
  expect(performance.now() - begun).toBeLessThan(2000);
  expect(follower.errors).toEqual([]);
});

test('a connection that hangs is left for a new one, and what was sent through it settles', async () => {
  const server = await start();
  const line = await openLine(server.port);
  leave.push(() => line.close());
  const store = await openEventStoreDb({ connectionString: line.url, timeoutMs: 2000 });
  leave.push(() => store.close());
  const follower = follow(store);
  const stream = newStream();
  const sent = [batch(stream, NO_STREAM, 2), batch(stream, 1, 2), batch(stream, 3, 1)];
  for (const [hung, next] of sent.entries()) {
    expect(await store.append([next])).toMatchObject([{ outcome: 'appended' }]);
    await until(() => follower.seen.length === [2, 4, 5][hung]);
    expect(line.connections()).toBe(1 + hung);
    line.hang();
  }
  expect(await store.head()).toBe(follower.seen.at(-1)!.position);
  await follower.stop();
  expect(follower.errors).toEqual([]);
  expect(follower.seen.map(({ id }) => id)).toEqual(sent.flatMap(({ events }) => events.map(({ id }) => id)));
});

test('nothing is begun any more when nobody waits for it', async () => {
  const server = await start();
  server.freeze();
  const connection = createConnection(server.url, 5000, {
    onError: () => undefined,
    onConnected: () => undefined,
  });
  leave.push(() => connection.close());
  const begun: string[] = [];
  const work = (name: string) =>
    connection.attempt(name === 'late' ? 50 : 5000, async () => void begun.push(name));
  const waiting = work('waiting');
  await expect(work('late')).rejects.toThrow(EventStoreUnavailable);
  server.thaw();
  await waiting;
  expect(begun).toEqual(['waiting']);
});

test('connections dropped again and again: a subscription loses and repeats nothing', async () => {
  const server = await start();
  const background: unknown[] = [];
  const store = await open(server, { onError: (error) => background.push(error) });
  const follower = follow(store);
  const writer = write(store, 4);
  for (let round = 0; round < 8; round++) {
    const before = { sent: writer.sent.size, background: background.length };
    await until(() => writer.sent.size > before.sent + 10 && follower.seen.length > before.sent, {
      timeoutMs: 15_000,
    });
    await server.order({ order: 'drop connections' });
    await until(() => background.length > before.background);
  }
  await writer.stop();
  await until(() => follower.seen.length >= writer.sent.size, { timeoutMs: 15_000 });
  await follower.stop();
  expect([writer.unknown, follower.errors]).toEqual([[], []]);
  await expectEverythingOnce(store, writer, follower.seen);
}, 60_000);

test('on a log without events, a subscription outlives its connection, and tries again at ever longer intervals', async () => {
  const file = logFile();
  let server = await start({ file });
  const told: unknown[] = [];
  const store = await open(server, { timeoutMs: 1000, onError: (error) => told.push(error) });
  let caughtUp = 0;
  const errors: unknown[] = [];
  const seen: string[] = [];
  store.subscribe(null, {
    handle: ({ events }) => Promise.resolve(void seen.push(...events.map(({ id }) => id))),
    onCaughtUp: () => void caughtUp++,
    onError: (error) => errors.push(error),
  });
  await until(() => caughtUp > 0);
  await server.kill();
  // nothing but the intervals keeps it from trying: so it is done by the clock
  const until1s = performance.now() + 1000;
  await until(() => performance.now() > until1s);
  expect(told.length).toBeLessThan(50);
  server = await start({ file, port: server.port });
  const next = batch(newStream(), NO_STREAM, 2);
  await settle(store, next);
  await until(() => seen.length === 2 || errors.length > 0, { timeoutMs: 15_000 });
  expect([errors, seen]).toEqual([[], next.events.map(({ id }) => id)]);
}, 60_000);

test('an older copy of the log, or another log, is refused loudly', async () => {
  const [file, copy] = [logFile(), logFile()];
  const server = await start({ file });
  const store = await open(server, { timeoutMs: 1000 });
  await store.append([batch(newStream(), NO_STREAM, 3)]);
  copyFileSync(file, copy);
  await store.append([batch(newStream(), NO_STREAM, 3)]);
  const follower = follow(store);
  await until(() => follower.seen.length === 6);
  await server.kill();
  const older = await start({ file: copy, port: server.port });
  await until(() => follower.errors.length > 0, { timeoutMs: 15_000 });
  await follower.stop();
  expect(String(follower.errors[0])).toContain('beyond the end of the log');

  await older.kill();
  await start({ port: server.port });
  const refusal: unknown = await settle(store, batch(newStream(), NO_STREAM, 1)).catch(
    (error: unknown) => error,
  );
  expect(String(refusal)).toContain('the log is another one now');
});
