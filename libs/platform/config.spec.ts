import { describe, expect, test } from '@jest/globals';
import { ConfigError, parseConfig, parseDuration } from './config.js';

const problemsOf = (env: NodeJS.ProcessEnv): readonly string[] => {
  try {
    parseConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
};

describe('durations', () => {
  test.each([
    ['0', 0],
    ['250ms', 250],
    ['30s', 30_000],
    ['5m', 300_000],
    ['12h', 43_200_000],
    ['34d', 2_937_600_000],
    ['3650d', 315_360_000_000],
  ])('%s is %d ms', (text, milliseconds) => expect(parseDuration(text)).toBe(milliseconds));

  test.each(['', '5', '-5s', '1.5h', '5 m', '5M', '1w', '3651d', '999999999999d', 'm', '0x5s'])(
    '%j is none',
    (text) => expect(() => parseDuration(text)).toThrow(/^must be/),
  );
});

describe('the configuration', () => {
  const DEFAULTS = {
    port: 3000,
    host: '127.0.0.1',
    dataDir: './data',
    databaseUrl: undefined,
    allowUnsafeDatabase: false,
    eventStore: 'postgres',
    bootstrapSecretKey: undefined,
    bootstrapPublishableKey: undefined,
    bootstrapTriggerKey: undefined,
    secretsKey: undefined,
    expiryGrace: 0,
    maxEventAge: 2_937_600_000,
    logLevel: 'info',
    role: 'all',
  };

  test('has a default for everything', () => expect(parseConfig({})).toEqual(DEFAULTS));

  test('takes empty variables as absent', () =>
    expect(parseConfig({ PORT: '', DATABASE_URL: '', EVENT_STORE_URL: '', ROLE: '' })).toEqual(DEFAULTS));

  test('does not change with NODE_ENV', () =>
    expect(parseConfig({ NODE_ENV: 'test' })).toEqual(parseConfig({ NODE_ENV: 'production' })));

  test('reads everything', () => {
    const key = 'abcdefghijklmnop';
    expect(
      parseConfig({
        PORT: '0',
        HOST: '::1',
        DATA_DIR: '/var/lib/drawdown',
        DATABASE_URL: 'postgresql://me:secret@db:5432/drawdown',
        ALLOW_UNSAFE_DATABASE: '1',
        EVENT_STORE_URL: 'memory:',
        BOOTSTRAP_SECRET_KEY: `sk_live_${key}`,
        BOOTSTRAP_PUBLISHABLE_KEY: `pk_live_${key}`,
        BOOTSTRAP_TRIGGER_KEY: `tk_live_${key}`,
        SECRETS_KEY: '0f'.repeat(32),
        EXPIRY_GRACE: '5m',
        MAX_EVENT_AGE: '12h',
        LOG_LEVEL: 'debug',
        ROLE: 'worker',
      }),
    ).toEqual({
      port: 0,
      host: '::1',
      dataDir: '/var/lib/drawdown',
      databaseUrl: 'postgresql://me:secret@db:5432/drawdown',
      allowUnsafeDatabase: true,
      eventStore: 'memory',
      bootstrapSecretKey: `sk_live_${key}`,
      bootstrapPublishableKey: `pk_live_${key}`,
      bootstrapTriggerKey: `tk_live_${key}`,
      secretsKey: Buffer.alloc(32, 0x0f),
      expiryGrace: 300_000,
      maxEventAge: 43_200_000,
      logLevel: 'debug',
      role: 'worker',
    });
  });

  test('lists every problem at once', () => {
    const problems = problemsOf({ PORT: '65536', ROLE: 'boss', LOG_LEVEL: 'loud', MAX_EVENT_AGE: '1y' });
    expect(problems.map((problem) => problem.split(' ')[0]).sort()).toEqual([
      'LOG_LEVEL',
      'MAX_EVENT_AGE',
      'PORT',
      'ROLE',
    ]);
    expect(new ConfigError(problems).message.split('\n')).toHaveLength(5);
  });

  test.each(['-1', '3000.5', 'http', '0x10', '100000'])('refuses PORT=%s', (PORT) =>
    expect(problemsOf({ PORT })).toHaveLength(1),
  );

  test.each(['mysql://a/b', 'localhost', 'postgres://', 'postgres://host', 'postgres://host/'])(
    'refuses DATABASE_URL=%s',
    (DATABASE_URL) => expect(problemsOf({ DATABASE_URL })).toHaveLength(1),
  );

  test.each([
    'esdb://localhost:2113?tls=false',
    'esdb+discover://cluster:2113',
    'esdb://admin:changeit@one:2113,two:2113,three:2113/?tls=true&keepAliveTimeout=10000',
    'esdb://localhost',
  ])('takes the EventStoreDB at %s', (url) =>
    expect(parseConfig({ EVENT_STORE_URL: url }).eventStore).toBe(url),
  );

  test.each([
    'kafka://x',
    'memory',
    'esdb://',
    'esdb:',
    'esdb://host:port',
    'esdb://a b',
    'esdbs://me:hunter2@x',
  ])('refuses the event store %s, and repeats no password', (url) => {
    const problems = problemsOf({ EVENT_STORE_URL: url });
    expect(problems).toHaveLength(1);
    expect(problems[0]).not.toContain('hunter2');
  });

  test.each([
    'pk_live_abcdefghijklmnop',
    'sk_prod_abcdefghijklmnop',
    'sk_live_short',
    'sk_live_abcdefghijklmno!',
    ' sk_live_abcdefghijklmnop',
    `sk_live_${'a'.repeat(201)}`,
  ])('refuses the secret key %s and does not repeat it', (key) => {
    const problems = problemsOf({ BOOTSTRAP_SECRET_KEY: key });
    expect(problems).toHaveLength(1);
    expect(problems[0]).not.toContain(key);
  });

  test.each(['0f', 'g'.repeat(64), '0f'.repeat(33)])(
    'refuses SECRETS_KEY=%s and does not repeat it',
    (key) => {
      const problems = problemsOf({ SECRETS_KEY: key });
      expect(problems).toHaveLength(1);
      expect(problems[0]).not.toContain(key);
    },
  );

  test('refuses keys of the wrong kind', () => {
    const key = 'sk_test_abcdefghijklmnop';
    expect(problemsOf({ BOOTSTRAP_PUBLISHABLE_KEY: key, BOOTSTRAP_TRIGGER_KEY: key })).toHaveLength(2);
  });

  test('does not repeat the password of a bad DATABASE_URL', () =>
    expect(problemsOf({ DATABASE_URL: 'mysql://me:hunter2@host/db' })[0]).not.toContain('hunter2'));
});
