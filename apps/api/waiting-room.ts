import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { EventStoreUnavailable } from '#libs/event-store';
import { backOff, Problem } from '#libs/kernel';
import type { Closer, Config, Logger } from '#libs/platform';
import { PROBLEM_TYPE, problemBody } from './http/index.js';

const SLOWEST_RETRY = 5_000;

/** Callers while the event store does not answer at start: the process lives, and says that it is not ready. */
export function createWaitingRoom(
  { port, host }: Pick<Config, 'port' | 'host'>,
  logger: Logger,
  closers: Closer[],
) {
  let server: Server | undefined;

  async function open(): Promise<void> {
    server = createServer((request, response) => {
      if (request.url === '/health/live')
        return response.writeHead(200, JSON_TYPE).end(JSON.stringify({ status: 'ok' }));
      const problem = new Problem('store_unavailable', 'The event store has not answered since the start.');
      return response
        .writeHead(503, { 'Content-Type': PROBLEM_TYPE, 'Retry-After': '5' })
        .end(JSON.stringify(problemBody(problem, 'start')));
    });
    server.listen(port, host);
    await once(server, 'listening');
    closers.unshift({ name: 'waiting room', close: () => void server?.closeAllConnections() });
  }

  return {
    /** Does something, again and again until the event store answers. @throws whatever is not its absence */
    async patiently<T>(work: () => Promise<T>): Promise<T> {
      for (let failures = 0; ; failures++) {
        try {
          return await work();
        } catch (error) {
          if (!(error instanceof EventStoreUnavailable)) throw error;
          if (!server) {
            logger.warn({ err: error }, 'the event store does not answer yet');
            await open();
          }
          await pause(backOff(failures, 250, SLOWEST_RETRY));
        }
      }
    },

    /** @returns the port to go on listening on */
    async close(): Promise<number> {
      if (!server) return port;
      const { port: taken } = server.address() as AddressInfo;
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      return taken;
    },
  };
}

const JSON_TYPE = { 'Content-Type': 'application/json; charset=utf-8' };
