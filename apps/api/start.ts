import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import {
  createLogger,
  installShutdown,
  nestLogger,
  type Closer,
  type Config,
  type Role,
  parseConfig,
} from '#libs/platform';
import { failure } from '../failure.js';
import { bootstrapKeys } from '../keys.js';
import { startRuntime } from '../runtime.js';
import { ApiModule, WorkerModule } from './api.module.js';
import { createHttpEdge } from './http/index.js';
import { serveDocs } from './openapi.js';
import { createWaitingRoom } from './waiting-room.js';

export interface Started {
  /** Where it listens, such as `http://127.0.0.1:3000`. */
  readonly url: string;
}

/** Starts a process of the product in its role and stops it cleanly on SIGTERM or SIGINT. */
export async function start(config: Config): Promise<Started> {
  const logger = createLogger({ level: config.logLevel });
  const closers: Closer[] = [];
  const shutdown = installShutdown(closers, {
    log: (message, error) => logger.info(error ? { err: error } : {}, message),
  });
  const waitingRoom = createWaitingRoom(config, logger, closers);
  const runtime = await startRuntime(config, logger, waitingRoom.patiently, closers);
  void runtime.database.died.then((error) => {
    logger.fatal({ err: error }, 'the embedded Postgres ended');
    return shutdown.stop('Postgres ended', 1);
  });
  const generated = config.role === 'worker' ? [] : await waitingRoom.patiently(() => bootstrapKeys(runtime));

  const edge = createHttpEdge((error, instance) => logger.error({ err: error, instance }, 'unexpected'));
  const nest = nestLogger(logger); // its routine messages are for debugging
  const app = await NestFactory.create<NestFastifyApplication>(
    config.role === 'worker' ? WorkerModule.over(runtime) : ApiModule.over(runtime),
    edge.adapter,
    {
      bodyParser: false,
      logger: { ...nest, log: nest.verbose?.bind(nest) ?? nest.log },
      abortOnError: false,
    },
  );
  edge.apply(app);
  if (config.role !== 'worker') serveDocs(app);
  await app.listen(await waitingRoom.close(), config.host);
  closers.unshift({ name: 'http', close: () => app.close() });

  const url = await app.getUrl();
  announce(
    url,
    config.role,
    generated.map(({ key, value }) => `${`${key.environment} ${key.kind}`.padEnd(18)} ${value}`),
  );
  return { url };
}

/** Starts as the environment says, in a role of its own where one is given; where that is impossible, says why and ends the process. */
export async function startOrExit(env: NodeJS.ProcessEnv, role?: Role): Promise<void> {
  try {
    const config = parseConfig(env);
    await start(role === undefined ? config : { ...config, role });
  } catch (error) {
    const { text, exitCode } = failure(error);
    process.stderr.write(`${text}\n`);
    process.exit(exitCode);
  }
}

/** Printed for people, past the logger: it takes keys out of what it writes. */
function announce(url: string, role: Role, keys: readonly string[]): void {
  const lines = [`Drawdown listens on ${url}`];
  if (role !== 'worker') lines.push(`Documentation: ${url}/docs`);
  if (keys.length > 0)
    lines.push(
      '',
      'API keys; all but the publishable ones are shown this once and never again:',
      ...keys.map((line) => `  ${line}`),
    );
  process.stdout.write(`${lines.join('\n')}\n`);
}
