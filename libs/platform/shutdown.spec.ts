import { describe, expect, test } from '@jest/globals';
import { EventEmitter } from 'node:events';
import { installShutdown, type Closer, type ShutdownOptions } from './shutdown.js';

const setUp = (closers: readonly Closer[], deadlineMs = 1_000) => {
  const signals = new EventEmitter();
  const exits: number[] = [];
  const host = Object.assign(signals, { exit: (code: number) => void exits.push(code) });
  const log: string[] = [];
  const clock = { now: 0 };
  const shutdown = installShutdown(closers, {
    deadlineMs,
    log: (message) => void log.push(message),
    process: host as unknown as NonNullable<ShutdownOptions['process']>,
    monotonic: () => clock.now,
  });
  return { signals, exits, log, shutdown, clock };
};

describe('shutdown', () => {
  test('closes in order, once, and exits with 0', async () => {
    const closed: string[] = [];
    const closers: Closer[] = [
      {
        name: 'http',
        close: async () => {
          await new Promise((done) => setTimeout(done, 20));
          closed.push('http');
        },
      },
    ];
    const { signals, exits, shutdown } = setUp(closers);
    closers.push({ name: 'database', close: () => void closed.push('database') });
    signals.emit('SIGTERM', 'SIGTERM');
    await shutdown.stop('again');
    expect(closed).toEqual(['http', 'database']);
    expect(exits).toEqual([0]);
  });

  test('goes on after a closer failed, and exits with 1', async () => {
    const closed: string[] = [];
    const { exits, log, shutdown } = setUp([
      { name: 'http', close: () => Promise.reject(new Error('stuck')) },
      { name: 'database', close: () => void closed.push('database') },
    ]);
    await shutdown.stop('test');
    expect(closed).toEqual(['database']);
    expect(log).toContain('could not close http');
    expect(exits).toEqual([1]);
  });

  test('exits with 1 at the second signal', () => {
    const { signals, exits } = setUp([{ name: 'slow', close: () => new Promise(() => undefined) }], 20);
    signals.emit('SIGINT', 'SIGINT');
    expect(exits).toEqual([]);
    signals.emit('SIGTERM', 'SIGTERM');
    expect(exits).toEqual([1]);
  });

  test('takes the same signal a moment later for the same one: npm passes on what the terminal has sent', () => {
    const { signals, exits, clock } = setUp(
      [{ name: 'slow', close: () => new Promise(() => undefined) }],
      20,
    );
    signals.emit('SIGINT', 'SIGINT');
    clock.now = 499;
    signals.emit('SIGINT', 'SIGINT');
    expect(exits).toEqual([]);
    clock.now = 500;
    signals.emit('SIGINT', 'SIGINT');
    expect(exits).toEqual([1]);
  });

  test('exits with 1 at the deadline', async () => {
    const { signals, exits } = setUp([{ name: 'slow', close: () => new Promise(() => undefined) }], 20);
    signals.emit('SIGTERM', 'SIGTERM');
    await new Promise((done) => setTimeout(done, 60));
    expect(exits).toEqual([1]);
  });

  test('stops for a reason of our own with its exit code', async () => {
    const { exits, shutdown } = setUp([]);
    await shutdown.stop('Postgres ended', 3);
    expect(exits).toEqual([3]);
  });
});
