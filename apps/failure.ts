import { EventStoreUnavailable, TransferRefused } from '#libs/event-store';
import { Problem } from '#libs/kernel';
import { ConfigError, DatabaseUnusable, DataDirectoryInUse } from '#libs/platform';
import { NotInTheLog, ReadModelsOfAnotherLog, RebuildRunning } from '#libs/read-models';
import { Interrupted } from './cli/interrupt.js';
import { FileUnusable } from './cli/log-file.js';

/** Failures whose message says all that a person needs. */
const PLAIN = [
  DatabaseUnusable,
  DataDirectoryInUse,
  EventStoreUnavailable,
  ReadModelsOfAnotherLog,
  RebuildRunning,
  TransferRefused,
  FileUnusable,
  Interrupted,
  NotInTheLog,
];

/**
 * What to tell a person when a start, or a command of the command line, failed: the message alone where it says what to do.
 * @returns the text, and the exit code: 2 for a bad configuration, 1 for everything else
 */
export function failure(error: unknown): { readonly text: string; readonly exitCode: 1 | 2 } {
  if (error instanceof ConfigError) return { text: error.message, exitCode: 2 };
  if (error instanceof Problem) return { text: error.detail, exitCode: 1 };
  if (PLAIN.some((kind) => error instanceof kind)) return { text: (error as Error).message, exitCode: 1 };
  return { text: error instanceof Error ? (error.stack ?? error.message) : String(error), exitCode: 1 };
}
