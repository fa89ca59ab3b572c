import { EventStoreUnavailable, TransferRefused } from '#libs/event-store';
import { Problem } from '#libs/kernel';
import { ConfigError, DatabaseUnusable, DataDirectoryInUse } from '#libs/platform';
import { NotInTheLog, ReadModelsOfAnotherLog, RebuildRunning } from '#libs/read-models';

/** Failures whose message says all that a person needs. */
const PLAIN = [
  DatabaseUnusable,
  DataDirectoryInUse,
  EventStoreUnavailable,
  ReadModelsOfAnotherLog,
  RebuildRunning,
  TransferRefused,
  NotInTheLog,
];

/**
 * What to tell a person when a start, or a command of the command line, failed: the message alone where it says what to do.
 * @param plain further failures of that kind, the caller's own
 * @returns the text, and the exit code: 2 for a bad configuration, 1 for everything else
 */
export function failure(
  error: unknown,
  plain: readonly (abstract new (...args: never[]) => Error)[] = [],
): { readonly text: string; readonly exitCode: 1 | 2 } {
  if (error instanceof ConfigError) return { text: error.message, exitCode: 2 };
  if (error instanceof Problem) return { text: error.detail, exitCode: 1 };
  if ([...PLAIN, ...plain].some((kind) => error instanceof kind))
    return { text: (error as Error).message, exitCode: 1 };
  if (isOfSystem(error)) return { text: error.message, exitCode: 1 };
  return { text: error instanceof Error ? (error.stack ?? error.message) : String(error), exitCode: 1 };
}

/** A port in use, a folder that is a file: what the operating system refused, it names. */
const isOfSystem = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'syscall' in error && 'code' in error;
