import type { LoggerService } from '@nestjs/common';
import { pino, type DestinationStream, type Logger } from 'pino';
import type { LogLevel } from './config.js';

export type { Logger } from 'pino';

const SECRET_FIELDS = 'authorization|proxy-authorization|cookie|set-cookie|password|x-api-key|apiKey|secret';
const FIELD = new RegExp(`("(?:${SECRET_FIELDS})":)(?:"(?:[^"\\\\]|\\\\.)*"|\\[[^\\]]*\\])`, 'gi');
const API_KEY = /\b((?:sk|pk|tk)_(?:live|test)_)[A-Za-z0-9_-]+/g;
const WEBHOOK_SECRET = /\bwhsec_[A-Za-z0-9+/=_-]+/g;
const BEARER = /\b(Bearer|Basic) +[A-Za-z0-9._~+/=-]+/gi;
const URL_PASSWORD = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@"\\]*:)[^\s/@"\\]+@/gi;

/** Takes credentials out of a finished log line, wherever in it they are. */
export const redact = (line: string): string =>
  line
    .replace(FIELD, '$1"[redacted]"')
    .replace(API_KEY, '$1[redacted]')
    .replace(WEBHOOK_SECRET, 'whsec_[redacted]')
    .replace(BEARER, '$1 [redacted]')
    .replace(URL_PASSWORD, '$1[redacted]@');

/** The same entry for people: one line, unless there is an error stack to show. */
export function humanLine(json: string): string {
  const { level, time, msg, context, err, ...rest } = JSON.parse(json) as Record<string, unknown> & {
    time: number;
    err?: { message?: string; stack?: string };
  };
  const parts = [
    new Date(time).toISOString().slice(11, 23),
    String(level).toUpperCase().padEnd(5),
    ...(typeof context === 'string' ? [`[${context}]`] : []),
    ...(typeof msg === 'string' ? [msg] : []),
    ...(Object.keys(rest).length > 0 ? [JSON.stringify(rest)] : []),
  ];
  const stack = err ? `\n${err.stack ?? err.message ?? JSON.stringify(err)}` : '';
  return `${parts.join(' ')}${stack}\n`;
}

function plainError(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack, code, cause } = error as Error & { code?: unknown };
  return {
    name,
    message,
    ...(typeof code === 'string' ? { code } : {}),
    stack,
    ...(cause === undefined ? {} : { cause: plainError(cause) }),
  };
}

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Where lines go; standard output by default, in human form when that is a terminal. */
  readonly destination?: DestinationStream;
}

/** The logger of this process: JSON lines (level, time in UTC milliseconds, msg, fields), credentials redacted. */
export function createLogger({ level, destination }: LoggerOptions): Logger {
  const terminal: DestinationStream | undefined = process.stdout.isTTY
    ? { write: (line) => void process.stdout.write(humanLine(line)) }
    : undefined;
  const options = {
    level,
    base: null,
    // a database error carries its whole client
    serializers: { err: plainError },
    formatters: { level: (label: string) => ({ level: label }) },
    hooks: { streamWrite: redact },
  };
  // synchronous, so that nothing is lost when the process ends
  return pino(options, destination ?? terminal ?? pino.destination({ dest: 1, sync: true }));
}

/** Milliseconds between two entries of one outage, at least. */
const STILL_AWAY = 60_000;

/**
 * Logs that something the product needs is away and that it is back, however many callers find that out; while it stays away
 * again once a minute.
 * @param what the subject of the entry
 * @param now milliseconds that never go back
 */
export function createOutageLog(logger: Logger, what: string, now = (): number => performance.now()) {
  let logged: number | null = null;
  return {
    away(error: unknown): void {
      if (logged !== null && now() - logged < STILL_AWAY) return;
      logged = now();
      logger.error({ err: error }, `${what} does not answer`);
    },
    back(): void {
      if (logged !== null) logger.info(`${what} answers again`);
      logged = null;
    },
  };
}

/** Nest's own messages, through our logger. Nest passes the context last, and for errors the stack before it. */
export function nestLogger(logger: Logger): LoggerService {
  const write =
    (level: 'info' | 'error' | 'warn' | 'debug' | 'trace' | 'fatal') =>
    (message: unknown, ...params: unknown[]): void => {
      const context = params.length > 0 ? params.at(-1) : undefined;
      const stack = level === 'error' || level === 'fatal' ? params.slice(0, -1).at(-1) : undefined;
      const fields = {
        ...(typeof context === 'string' ? { context } : {}),
        ...(message instanceof Error ? { err: message } : typeof stack === 'string' ? { stack } : {}),
      };
      const text = message instanceof Error ? message.message : message;
      logger[level](fields, typeof text === 'string' ? text : JSON.stringify(text));
    };
  return {
    log: write('info'),
    error: write('error'),
    warn: write('warn'),
    debug: write('debug'),
    verbose: write('trace'),
    fatal: write('fatal'),
  };
}
