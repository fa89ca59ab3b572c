import { cleanEnv, makeExactValidator } from 'envalid';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const ROLES = ['all', 'api', 'worker'] as const;
/** What this process does: serve HTTP, work off subscriptions and schedules, or both. */
export type Role = (typeof ROLES)[number];

export interface Config {
  /** 0 takes any free port. */
  readonly port: number;
  readonly host: string;
  /** Where the embedded Postgres and its password live. */
  readonly dataDir: string;
  /** Absent: the embedded Postgres in `dataDir`. */
  readonly databaseUrl: string | undefined;
  /** Run although the outside Postgres may forget committed events in a crash. For trying out only. */
  readonly allowUnsafeDatabase: boolean;
  /** Where the log is: in the Postgres of the read models, in this process, or in the EventStoreDB of the connection string. */
  readonly eventStore: 'postgres' | 'memory' | `esdb${string}`;
  /** Absent keys are made at first start. */
  readonly bootstrapSecretKey: string | undefined;
  readonly bootstrapPublishableKey: string | undefined;
  readonly bootstrapTriggerKey: string | undefined;
  /** 32 bytes that encrypt the secrets of payment providers; absent: none can be set. */
  readonly secretsKey: Buffer | undefined;
  /** Milliseconds for which expired credit still covers usage from before its expiry. */
  readonly expiryGrace: number;
  /** Milliseconds back from now that usage is accepted. */
  readonly maxEventAge: number;
  readonly logLevel: LogLevel;
  readonly role: Role;
}

/** The environment is not acceptable; the message lists every problem, one a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly problems: readonly string[]) {
    super(`The configuration is not acceptable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  }
}

const MILLISECONDS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const LONGEST = 3650 * MILLISECONDS.d;

/**
 * Reads `0`, `250ms`, `30s`, `5m`, `12h` or `34d` as milliseconds, at most 3650 days.
 * @throws Error for anything else
 */
export function parseDuration(text: string): number {
  const match = /^(?:0|(\d{1,12})(ms|s|m|h|d))$/.exec(text);
  if (!match) throw new Error(`must be a duration such as 0, 250ms, 30s, 5m, 12h or 34d, not "${text}"`);
  const [, count = '0', unit = 'ms'] = match;
  const duration = Number(count) * MILLISECONDS[unit as keyof typeof MILLISECONDS];
  if (duration > LONGEST) throw new Error(`must be at most 3650d, not "${text}"`);
  return duration;
}

const oneOf = <const T extends readonly string[]>(...choices: T) =>
  makeExactValidator<T[number]>((text) => {
    if (!choices.includes(text)) throw new Error(`must be one of ${choices.join(', ')}, not "${text}"`);
    return text;
  });

const port = makeExactValidator<number>((text) => {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (!(number <= 65_535)) throw new Error(`must be a port from 0 (any free one) to 65535, not "${text}"`);
  return number;
});

const text = makeExactValidator<string>((input) => input);
const duration = makeExactValidator<number>(parseDuration);

// the address may hold a password, so it is never repeated
const databaseUrl = makeExactValidator<string>((input) => {
  const url = URL.canParse(input) ? new URL(input) : undefined;
  if (!url || !/^postgres(ql)?:$/.test(url.protocol) || url.hostname === '' || url.pathname.length < 2)
    throw new Error('must look like postgres://user:password@host:5432/database');
  return input;
});

/** One or several hosts; like the other address it may hold a password. */
const EVENT_STORE_DB =
  /^esdb(\+discover)?:\/\/([^@/?\s]+@)?[^@/?,:\s]+(:\d+)?(,[^@/?,:\s]+(:\d+)?)*\/?(\?\S*)?$/;

const eventStore = makeExactValidator<Config['eventStore']>((input) => {
  if (input === 'memory:') return 'memory';
  if (EVENT_STORE_DB.test(input)) return input as `esdb${string}`;
  throw new Error(
    'must be absent (events in Postgres), memory: or a connection string of EventStoreDB such as ' +
      'esdb://user:password@host:2113?tls=true or esdb+discover://host',
  );
});

const apiKey = (prefix: 'sk' | 'pk' | 'tk') =>
  makeExactValidator<string>((input) => {
    if (!new RegExp(`^${prefix}_(live|test)_[A-Za-z0-9_-]{16,200}$`).test(input))
      throw new Error(
        `must be ${prefix}_live_ or ${prefix}_test_ and then 16 to 200 letters, digits, "_" or "-"`,
      );
    return input;
  });

const secretsKey = makeExactValidator<Buffer>((input) => {
  if (!/^[0-9a-fA-F]{64}$/.test(input)) throw new Error('must be 64 hexadecimal digits');
  return Buffer.from(input, 'hex');
});

const flag = makeExactValidator<boolean>((input) => {
  if (input !== '0' && input !== '1') throw new Error(`must be 0 or 1, not "${input}"`);
  return input === '1';
});

/**
 * Reads the whole configuration out of the environment. An empty variable counts as absent.
 * @throws ConfigError listing every problem
 */
export function parseConfig(env: NodeJS.ProcessEnv): Config {
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const specs = {
    PORT: port({ default: 3000 }),
    HOST: text({ default: '127.0.0.1' }),
    DATA_DIR: text({ default: './data' }),
    DATABASE_URL: databaseUrl({ default: undefined }),
    ALLOW_UNSAFE_DATABASE: flag({ default: false }),
    EVENT_STORE_URL: eventStore({ default: 'postgres' }),
    BOOTSTRAP_SECRET_KEY: apiKey('sk')({ default: undefined }),
    BOOTSTRAP_PUBLISHABLE_KEY: apiKey('pk')({ default: undefined }),
    BOOTSTRAP_TRIGGER_KEY: apiKey('tk')({ default: undefined }),
    SECRETS_KEY: secretsKey({ default: undefined }),
    EXPIRY_GRACE: duration({ default: 0 }),
    MAX_EVENT_AGE: duration({ default: 34 * MILLISECONDS.d }),
    LOG_LEVEL: oneOf(...LOG_LEVELS)({ default: 'info' }),
    ROLE: oneOf(...ROLES)({ default: 'all' }),
  };
  const parsed = cleanEnv(present, specs, {
    reporter: ({ errors }) => {
      const problems = Object.entries(errors).map(([name, error]) => `${name} ${error.message}`);
      if (problems.length > 0) throw new ConfigError(problems);
    },
  });
  return {
    port: parsed.PORT,
    host: parsed.HOST,
    dataDir: parsed.DATA_DIR,
    databaseUrl: parsed.DATABASE_URL,
    allowUnsafeDatabase: parsed.ALLOW_UNSAFE_DATABASE,
    eventStore: parsed.EVENT_STORE_URL,
    bootstrapSecretKey: parsed.BOOTSTRAP_SECRET_KEY,
    bootstrapPublishableKey: parsed.BOOTSTRAP_PUBLISHABLE_KEY,
    bootstrapTriggerKey: parsed.BOOTSTRAP_TRIGGER_KEY,
    secretsKey: parsed.SECRETS_KEY,
    expiryGrace: parsed.EXPIRY_GRACE,
    maxEventAge: parsed.MAX_EVENT_AGE,
    logLevel: parsed.LOG_LEVEL,
    role: parsed.ROLE,
  };
}
