import { ConfigError } from './config.js';
import { DatabaseUnusable } from './database.js';
import { DataDirectoryInUse } from './data-directory-lock.js';

/**
 * What to tell a person when the start failed: the message alone where it says what to do, else the whole error.
 * @returns the text, and the exit code: 2 for a bad configuration, 1 for everything else
 */
export function startFailure(error: unknown): { readonly text: string; readonly exitCode: 1 | 2 } {
  if (error instanceof ConfigError) return { text: error.message, exitCode: 2 };
  if (error instanceof DatabaseUnusable || error instanceof DataDirectoryInUse)
    return { text: error.message, exitCode: 1 };
  return { text: error instanceof Error ? (error.stack ?? error.message) : String(error), exitCode: 1 };
}
