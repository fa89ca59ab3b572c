import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { createClient, type Client } from './client.js';
import { until } from './wait.js';

/** The built product; benchmarks are built into it. */
const BUILT = new URL(import.meta.url.includes('/dist/test/') ? '../../' : '../../dist/', import.meta.url);
const API = fileURLToPath(new URL('apps/api/main.js', BUILT));
const CLI = fileURLToPath(new URL('apps/cli/main.js', BUILT));

/** How `npm start` runs it. */
const { scripts } = JSON.parse(readFileSync(new URL('../package.json', BUILT), 'utf8')) as {
  readonly scripts: { readonly start: string };
};
const NODE_OPTIONS = scripts.start.match(/--\S+/g)!;

export type Environment = Readonly<Record<string, string>>;

/** The product as a process of its own. */
export interface Server {
  readonly url: string;
  readonly pid: number;
  readonly output: Output;
  /** Exit code, or null when a signal ended it. */
  readonly exited: Promise<number | null>;
  client(key?: string): Client;
  /** SIGTERM. @returns the exit code */
  stop(): Promise<number | null>;
  /** SIGKILL, which nothing can prepare for. */
  kill(): Promise<void>;
}

export interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

/** Keys of the default tenant, for the environment in their names. */
export interface Keys {
  readonly secret: string;
  readonly publishable: string;
  readonly trigger: string;
}

export function makeKeys(environment: 'live' | 'test' = 'test'): Keys {
  const key = (prefix: string) => `${prefix}_${environment}_${randomBytes(24).toString('base64url')}`;
  return { secret: key('sk'), publishable: key('pk'), trigger: key('tk') };
}

export const bootstrapOf = (keys: Keys): Environment => ({
  BOOTSTRAP_SECRET_KEY: keys.secret,
  BOOTSTRAP_PUBLISHABLE_KEY: keys.publishable,
  BOOTSTRAP_TRIGGER_KEY: keys.trigger,
});

/** Nothing of the caller's own configuration reaches the product. */
function environmentOf(env: Environment): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, TMPDIR, LOG_LEVEL: 'warn', ALLOW_UNSAFE_DATABASE: '1', ...env };
}

const running = new Set<ChildProcess>();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

interface Launched {
  readonly child: ChildProcess;
  readonly output: { stdout: string; stderr: string };
  readonly exited: Promise<number | null>;
}

function launch(script: string, args: readonly string[], env: Environment): Launched {
  const child = spawn(process.execPath, [...NODE_OPTIONS, script, ...args], {
    cwd: tmpdir(),
    env: environmentOf(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const exited = new Promise<number | null>((done, failed) => {
    child.once('error', failed);
    child.once('close', (code) => {
      running.delete(child);
      done(code);
    });
  });
  return { child, output, exited };
}

/** Runs the product until it ends by itself. */
export async function runToEnd(env: Environment): Promise<Output & { readonly code: number | null }> {
  const { output, exited } = launch(API, [], { PORT: '0', ...env });
  const code = await exited;
  return { ...output, code };
}

/** Runs a command of the command line. */
export async function runCli(
  args: readonly string[],
  env: Environment,
): Promise<Output & { readonly code: number | null }> {
  const { output, exited } = launch(CLI, args, env);
  const code = await exited;
  return { ...output, code };
}

/** Starts a command of the command line, to be signalled. */
export function startCli(args: readonly string[], env: Environment) {
  const { child, output, exited } = launch(CLI, args, env);
  return { output, exited, signal: (signal: NodeJS.Signals) => void child.kill(signal) };
}

/**
 * Starts the product on a free port of the loopback interface and waits until it is ready.
 * @throws Error with everything it printed, when it ends before that
 */
export async function startServer(env: Environment): Promise<Server> {
  const { child, output, exited } = launch(API, [], { PORT: '0', ...env });
  let ended = false;
  void exited.finally(() => (ended = true)).catch(() => undefined);
  const server = (url: string): Server => ({
    url,
    pid: child.pid!,
    output,
    exited,
    client: (key) => createClient(url, key),
    async stop() {
      child.kill('SIGTERM');
      return exited;
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  });
  try {
    const url = await until(
      async () => {
        if (ended) return 'ended';
        const found = /Drawdown listens on (\S+)/.exec(output.stdout)?.[1];
        if (found === undefined) return undefined;
        const ready = await fetch(`${found}/health/ready`);
        await ready.arrayBuffer();
        return ready.ok ? found : undefined;
      },
      { timeoutMs: 25_000, intervalMs: 25, what: 'the server to be ready' },
    );
    if (url === 'ended') throw new Error('the server ended before it was ready');
    return server(url);
  } catch (error) {
    child.kill('SIGKILL');
    throw new Error(`${String(error)}\n${output.stdout}\n${output.stderr}`, { cause: error });
  }
}
