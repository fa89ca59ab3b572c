import { describe, expect, test } from '@jest/globals';
import { createLogger, createOutageLog, humanLine, nestLogger, redact } from './logging.js';

const capture = (level: 'info' | 'trace' = 'info') => {
  const lines: string[] = [];
  const logger = createLogger({ level, destination: { write: (line) => void lines.push(line) } });
  return { logger, entries: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>), lines };
};

describe('the logger', () => {
  test('writes one JSON line an entry, from its level up', () => {
    const { logger, entries } = capture();
    logger.debug('unseen');
    logger.info({ stream: 'creditAccount-t_c', events: 3 }, 'appended');
    expect(entries()).toEqual([
      { level: 'info', time: expect.any(Number), stream: 'creditAccount-t_c', events: 3, msg: 'appended' },
    ]);
  });

  test('writes no credential, wherever it stands', () => {
    const { logger, lines, entries } = capture();
    logger.info(
      {
        req: {
          headers: {
            authorization: 'Bearer alpha99"omega99',
            'x-api-key': 'apikey99',
            cookie: ['c=crumb99'],
          },
        },
      },
      'a',
    );
    logger.info('started with sk_live_abcdefghijklmnop and tk_test_0123456789abcdef');
    logger.error(new Error('connect postgres://me:hunter2@db:5432/x failed; sent Bearer first99.last99'));
    logger.info('a webhook signed with whsec_hook99HOOK99+/456=');
    const all = lines.join('');
    // so long that none is by chance in the path of the repository, which a stack names
    const secrets = ['alpha99', 'omega99', 'apikey99', 'crumb99', 'first99', 'last99', 'hook99', 'HOOK99'];
    for (const secret of [...secrets, 'klmnop', '0123456789', 'hunter2']) expect(all).not.toContain(secret);
    expect(entries()[1]!.msg).toBe('started with sk_live_[redacted] and tk_test_[redacted]');
    expect(all).toContain('postgres://me:[redacted]@db:5432/x');
  });

  test('leaves other text alone', () => {
    const line = '{"level":"info","url":"http://host:3000/a@b","author":"x","msg":"task_live is fine"}';
    expect(redact(line)).toBe(line);
  });
});

test('an outage is logged when it begins, once a minute while it goes on, and when it is over', () => {
  const { logger, entries } = capture();
  let now = 0;
  const outage = createOutageLog(logger, 'the store', () => now);
  outage.back();
  for (now = 1; now <= 60_001; now += 100) outage.away(new Error('refused'));
  outage.back();
  outage.back();
  outage.away(new Error('refused'));
  expect(entries().map(({ level, msg }) => `${String(level)} ${String(msg)}`)).toEqual([
    'error the store does not answer',
    'error the store does not answer',
    'info the store answers again',
    'error the store does not answer',
  ]);
});

describe('the line for people', () => {
  test('is one line', () => {
    const json = JSON.stringify({ level: 'warn', time: 0, msg: 'slow', context: 'Http', ms: 12 });
    expect(humanLine(json)).toBe('00:00:00.000 WARN  [Http] slow {"ms":12}\n');
  });

  test('shows the stack of an error below it', () => {
    const json = JSON.stringify({ level: 'error', time: 0, msg: 'no', err: { stack: 'Error: no\n  at x' } });
    expect(humanLine(json)).toBe('00:00:00.000 ERROR no\nError: no\n  at x\n');
  });
});

describe("Nest's logger", () => {
  test('carries context, stack and level over', () => {
    const { logger, entries } = capture('trace');
    const nest = nestLogger(logger);
    nest.log('ready', 'NestFactory');
    nest.error('broken', 'Error: broken\n  at x', 'Router');
    nest.warn({ some: 'object' });
    nest.verbose?.('detail', 'Deep');
    nest.fatal?.(new Error('gone'), 'Main');
    expect(entries()).toMatchObject([
      { level: 'info', msg: 'ready', context: 'NestFactory' },
      { level: 'error', msg: 'broken', context: 'Router', stack: 'Error: broken\n  at x' },
      { level: 'warn', msg: '{"some":"object"}' },
      { level: 'trace', msg: 'detail', context: 'Deep' },
      { level: 'fatal', msg: 'gone', context: 'Main', err: { message: 'gone' } },
    ]);
  });
});
