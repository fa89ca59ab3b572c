import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Order } from './server.js';

export interface ProtocolServerOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** Keeps the log here across restarts; default: in memory only. */
  readonly file?: string;
  readonly notReadyMs?: number;
  readonly stoppingMs?: number;
}

export interface ProtocolServer {
  readonly port: number;
  readonly url: string;
  /** Carries out an order; resolves when it is done. */
  order(order: Order): Promise<ServerView>;
  /** The process stands still: connections are taken by the system, nothing is answered. */
  freeze(): void;
  thaw(): void;
  kill(): Promise<void>;
  /** Slowly, as on SIGTERM. */
  stop(): Promise<void>;
}

export interface ServerView {
  readonly records: number;
  /** Taken since the start. */
  readonly connections: number;
  /** Open now. */
  readonly subscriptions: number;
  /** Position behind which the last subscription to the whole log began. */
  readonly subscribedBehind: string;
  /** Events handed to subscriptions of the whole log since the start. */
  readonly delivered: number;
  /** Data and metadata of the stream that was looked at, as they arrived. */
  readonly texts: readonly (readonly [data: string, metadata: string])[];
}

type Message = { readonly listening: number } | ({ readonly done: number } & ServerView);

/** Starts a protocol server as a child process; it ends with this process at the latest. */
export async function startProtocolServer(options: ProtocolServerOptions = {}): Promise<ProtocolServer> {
  // benchmarks are compiled into dist; the process compiles its sources itself
  const here = import.meta.url.replace('/dist/test/', '/test/');
  const script = fileURLToPath(new URL('./server-process.mjs', here));
  const { port: wanted = 0, file, notReadyMs = 0, stoppingMs = 200 } = options;
  const child = spawn(
    process.execPath,
    ['--enable-source-maps', script, JSON.stringify({ port: wanted, file, notReadyMs, stoppingMs })],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
  );
  const waiting = new Map<number, { resolve(view: ServerView): void; reject(error: Error): void }>();
  const ended = new Promise<void>((resolve) =>
    child.once('exit', (code) => {
      waiting.forEach(({ reject }) =>
        reject(new Error(`the protocol server has ended with ${String(code)}`)),
      );
      resolve();
    }),
  );
  const port = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the protocol server ended with ${String(code)}`)));
    child.on('message', (message: Message) => {
      if ('listening' in message) return resolve(message.listening);
      waiting.get(message.done)?.resolve(message);
      waiting.delete(message.done);
    });
  });
  let orders = 0;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (isRunning(child)) child.kill(signal);
    await ended;
  };
  return {
    port,
    url: `esdb://127.0.0.1:${port}?tls=false`,
    order: (order) =>
      new Promise((resolve, reject) => {
        const id = ++orders;
        waiting.set(id, { resolve, reject });
        child.send({ ...order, id }, (error) => error && reject(error));
      }),
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  };
}

const isRunning = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null;
