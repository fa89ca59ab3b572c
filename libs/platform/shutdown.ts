/** One thing to close, by a name for the log. */
export interface Closer {
  readonly name: string;
  readonly close: () => Promise<void> | void;
}

export interface ShutdownOptions {
  /** Milliseconds for all closers together; 10000 by default. Then the process exits with 1. */
  readonly deadlineMs?: number;
  readonly log?: (message: string, error?: unknown) => void;
  /** Replaced by tests; the process by default. */
  readonly process?: Pick<NodeJS.Process, 'on' | 'off' | 'exit'>;
  /** Milliseconds that only grow. Replaced by tests. */
  readonly monotonic?: () => number;
}

/** Milliseconds in which the same signal again is the same wish: one Ctrl-C comes from the terminal, and from npm. */
const ONE_PRESS_MS = 500;

export interface Shutdown {
  /** Closes everything and exits with `exitCode`, or with 1 when a closer failed. A second call changes nothing. */
  stop(reason: string, exitCode?: number): Promise<void>;
}

/**
 * Closes in the order of the list on SIGTERM or SIGINT and exits with 0; the list is read when it is needed, so
 * things may be pushed while starting. A closer that fails does not keep the next from running. A second signal
 * ({@link ONE_PRESS_MS} aside), or the deadline, ends the process at once with 1.
 */
export function installShutdown(closers: readonly Closer[], options: ShutdownOptions = {}): Shutdown {
  const { deadlineMs = 10_000, log = () => undefined, process: host = process } = options;
  const monotonic = options.monotonic ?? (() => performance.now());
  let first: { readonly signal: NodeJS.Signals; readonly at: number } | undefined;
  let stopping: Promise<void> | undefined;

  const run = async (reason: string, exitCode: number) => {
    log(`stopping: ${reason}`);
    const deadline = setTimeout(() => {
      log(`still not stopped after ${deadlineMs} ms`);
      host.exit(1);
    }, deadlineMs);
    let code = exitCode;
    for (const { name, close } of closers) {
      try {
        await close();
      } catch (error) {
        log(`could not close ${name}`, error);
        code = 1;
      }
    }
    clearTimeout(deadline);
    log('stopped');
    host.exit(code);
  };

  const stop = (reason: string, exitCode = 0) => (stopping ??= run(reason, exitCode));
  const onSignal = (signal: NodeJS.Signals) => {
    if (first?.signal === signal && monotonic() - first.at < ONE_PRESS_MS) return;
    first ??= { signal, at: monotonic() };
    if (stopping !== undefined) {
      log(`${signal} again: exit now`);
      host.exit(1);
    } else void stop(signal);
  };
  host.on('SIGTERM', onSignal);
  host.on('SIGINT', onSignal);
  return { stop };
}
