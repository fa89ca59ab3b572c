/** The operator ended the command; nothing is wrong. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** Runs work that SIGINT and SIGTERM end in good order; a second signal ends the process at once. */
export async function interruptible<Result>(
  work: (signal: AbortSignal) => Promise<Result>,
  message = 'interrupted; the same command may be run again',
): Promise<Result> {
  const interrupt = new AbortController();
  const abort = () => interrupt.abort(new Interrupted(message));
  process.once('SIGINT', abort).once('SIGTERM', abort);
  try {
    return await work(interrupt.signal);
  } finally {
    process.off('SIGINT', abort).off('SIGTERM', abort);
  }
}
