import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { MAX_BODY_BYTES, readJsonBody } from './body.js';
import { problemBody, ProblemFilter, sendProblem, toProblem } from './problem.js';
import { InputPipe } from './validation.js';

export interface HttpEdge {
  /** For `NestFactory.create(module, edge.adapter, { bodyParser: false })`. */
  readonly adapter: FastifyAdapter;
  /** Installs the filter and the pipe; before the application listens. */
  apply(app: INestApplication): void;
}

/** Everything between the socket and the controllers: body parser, request ids, input rules, problems. */
export function createHttpEdge(log: (error: unknown, instance: string) => void): HttpEdge {
  const adapter = new FastifyAdapter({
    bodyLimit: MAX_BODY_BYTES,
    // the longest id a path may carry: 128 characters, percent-encoded
    routerOptions: { maxParamLength: 2000 },
    // quietly, so that closing does not wait for idle connections
    forceCloseConnections: 'idle',
    genReqId: (request: IncomingMessage) => readRequestId(request.headers['x-request-id']) ?? randomUUID(),
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) =>
      sendProblem(reply, problemBody(toProblem(error), request.id)),
  });
  const fastify = adapter.getInstance<FastifyInstance>();
  const methodsOf = watchRoutes(fastify);
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (_, body, done) => {
    try {
      done(null, readJsonBody(body));
    } catch (error) {
      done(error as Error);
    }
  });
  return {
    adapter,
    apply(app) {
      app.useGlobalFilters(new ProblemFilter({ methodsOf, log }));
      app.useGlobalPipes(new InputPipe());
    },
  };
}

/** A caller's request id is kept when it is plain; it becomes the correlation id of what the request writes. */
function readRequestId(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && /^[A-Za-z0-9_.:-]{1,128}$/.test(header) ? header : undefined;
}

/** Remembers which methods each route has; Fastify itself answers 404 where 405 is meant. */
function watchRoutes(fastify: FastifyInstance): (path: string) => readonly string[] {
  const routes = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();
  fastify.addHook('onRoute', ({ url, method }) => {
    if (url.includes('*')) return;
    const route = routes.get(url) ?? { pattern: toPattern(url), methods: new Set<string>() };
    for (const name of [method].flat()) route.methods.add(name);
    routes.set(url, route);
  });
  return (path) => {
    const methods = new Set<string>();
    for (const route of routes.values())
      if (route.pattern.test(path)) route.methods.forEach((name) => methods.add(name));
    return [...methods].sort();
  };
}

function toPattern(url: string): RegExp {
  const steps = url
    .split('/')
    .map((step) => (step.startsWith(':') ? '[^/]+' : step.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')));
  return new RegExp(`^${steps.join('/')}$`);
}
