import {
  checkLog,
  exportLog,
  importLog,
  type EventStore,
  type ImportResult,
  type TransferSummary,
} from '#libs/event-store';
import { interruptible } from './interrupt.js';
import { readCompressedLines, writeCompressed } from './log-file.js';

/** What the operator sees of a transfer while it runs. */
export interface TransferBar {
  update(done: bigint, of: bigint, perSecond: number): void;
  stop(): void;
}

export interface TransferContext {
  readonly eventStore: EventStore;
  readonly bar: (label: string, unit: string) => TransferBar;
}

export const IMPORT_HELP = `
The store must be empty: import before the first start of a server, and start none before the import is done.
A server that writes meanwhile makes an operator's mistake that the import finds out and cannot mend: begin again then
with an empty database. An import that was interrupted is run again with the same file and goes on where it was.
The whole file is checked before the first event is appended, and what was appended is read back and compared.`;

/** Writes the whole log into a new file. */
export const exportToFile = ({ eventStore, bar }: TransferContext, file: string): Promise<TransferSummary> =>
  interruptible(async (signal) => {
    const head = await eventStore.head();
    const shown = bar('export', 'events');
    const rate = perSecond();
    return writeCompressed(file, (write) =>
      exportLog({
        eventStore,
        write,
        signal,
        onProgress: (events) => shown.update(BigInt(events), head, rate(events)),
      }),
    ).finally(() => shown.stop());
  });

/** Checks the file to its end, then appends it to an empty store, or what an interrupted import left out. */
export const importFromFile = ({ eventStore, bar }: TransferContext, file: string): Promise<ImportResult> =>
  interruptible(async (signal) => {
    const checking = bar('check', 'bytes');
    const bytesRate = perSecond();
    const { events: total } = await checkLog({
      lines: readCompressedLines(file, (bytes, of) =>
        checking.update(BigInt(bytes), BigInt(of), bytesRate(bytes)),
      ),
      signal,
    }).finally(() => checking.stop());
    const importing = bar('import', 'events');
    const rate = perSecond();
    return importLog({
      eventStore,
      lines: readCompressedLines(file),
      // one statement writes all of a call, in the order in which it was given
      callsKeepOrder: true,
      signal,
      onProgress: (events) => importing.update(BigInt(events), BigInt(total), rate(events)),
    }).finally(() => importing.stop());
  });

function perSecond(): (done: number) => number {
  const begun = performance.now();
  return (done) => (1000 * done) / Math.max(performance.now() - begun, 1);
}
