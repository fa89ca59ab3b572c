import { randomUUID } from 'node:crypto';
import { STATUS_CODES, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { INestApplication } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '#libs/kernel';
import { MAX_BODY_BYTES, readJsonBody } from './body.js';
import { PROBLEM_TYPE, problemBody, ProblemFilter, sendProblem, toProblem } from './problem.js';
import { InputPipe } from './validation.js';

export interface HttpEdge {
  /** For `NestFactory.create(module, edge.adapter, { bodyParser: false })`. */
  readonly adapter: FastifyAdapter;
  /** Installs the filter and the pipe; before the application listens. */
  apply(app: INestApplication): void;
}

/** For routes that take the bytes of the body as they came: what is signed must not be written anew. */
export const RAW_BODY = { rawBody: true } as const;

/** Milliseconds in which a request must have arrived as a whole. */
const REQUEST_MS = 60_000;

/** Everything between the socket and the controllers: body parser, request ids, input rules, problems. */
export function createHttpEdge(log: (error: unknown, instance: string) => void): HttpEdge {
  const adapter = new FastifyAdapter({
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_MS,
    // the longest id a path may carry: 128 characters, percent-encoded
    routerOptions: { maxParamLength: 2000 },
    // quietly, so that closing does not wait for idle connections
    forceCloseConnections: 'idle',
    // what still arrives while closing is answered, and its connection closed after it
    return503OnClosing: false,
    genReqId: (request: IncomingMessage) => readRequestId(request.headers['x-request-id']) ?? randomUUID(),
    clientErrorHandler: refuseMalformed,
    // Node's own refusal has no body
    http: { requireHostHeader: false },
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) =>
      sendProblem(reply, problemBody(toProblem(error), request.id)),
  });
  const fastify = adapter.getInstance<FastifyInstance>();
  const methodsOf = watchRoutes(fastify);
  closeQuietConnections(fastify);
  keepOutOfCaches(fastify);
  refuseIncomplete(fastify);
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      refuseEncoded(request.headers);
      done(null, 'rawBody' in request.routeOptions.config ? body : readJsonBody(body));
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

/** What a customer has is for who asked: nobody on the way keeps it. */
function keepOutOfCaches(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    if (request.url.startsWith('/v1/')) void reply.header('Cache-Control', 'no-store');
    done();
  });
}

const OTHER_CHARSET = /;\s*charset=(?!"?utf-8"?\s*(?:;|$))/i;

/** @throws Problem `unsupported_media_type` for a body that is packed, or not said to be UTF-8 */
function refuseEncoded(headers: IncomingHttpHeaders): void {
  const { 'content-encoding': encoding = 'identity', 'content-type': type = '' } = headers;
  if (OTHER_CHARSET.test(type))
    throw new Problem('unsupported_media_type', 'A body is UTF-8, as JSON always is.');
  if (encoding !== 'identity')
    throw new Problem(
      'unsupported_media_type',
      `A body is sent as it is, without Content-Encoding ${encoding}.`,
    );
}

/** Requests that are well formed, but that HTTP does not let anybody answer to; as of Node's, their connections end. */
function refuseIncomplete(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', ({ raw, headers, id }, reply, done) => {
    if (headers.host !== undefined || raw.httpVersion !== '1.1') return done();
    const problem = new Problem('malformed_request', 'A request has a Host header.');
    sendProblem(reply.header('Connection', 'close'), problemBody(problem, id));
  });
  fastify.server.on('checkExpectation', (_, response: ServerResponse) => {
    const problem = new Problem('expectation_failed', 'No expectation is met here but Expect: 100-continue.');
    response.writeHead(problem.status, { 'Content-Type': PROBLEM_TYPE, Connection: 'close' });
    response.end(JSON.stringify(problemBody(problem, randomUUID())));
  });
}

/** What the HTTP parser does not understand never becomes a request; its sender is told all the same. */
function refuseMalformed({ code }: Error & { readonly code?: string }, socket: Socket): void {
  if (code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const problem =
    code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? new Problem('request_timeout', 'The request did not arrive within a minute.')
      : new Problem(
          'malformed_request',
          code === 'HPE_HEADER_OVERFLOW'
            ? 'The headers are too large.'
            : 'This is not a well-formed HTTP request.',
        );
  const body = JSON.stringify(problemBody(problem, randomUUID()));
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nConnection: close\r\nContent-Type: ${PROBLEM_TYPE}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** A caller's request id is kept when it is plain; it becomes the correlation id of what the request writes. */
function readRequestId(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && /^[A-Za-z0-9_.:-]{1,128}$/.test(header) ? header : undefined;
}

/** How long (ms) clients may still use the connections they keep open; each answer closes its own. */
const FAREWELL = 100;

/**
 * A client that keeps connections open does not keep the server from stopping. Closing first lets what is on its way
 * arrive, then takes no more; from then on quiet connections are cut, and all of them once nobody waits for an answer.
 */
function closeQuietConnections(fastify: FastifyInstance): void {
  let active = 0;
  const { server } = fastify;
  server.on('request', (_, response) => {
    active++;
    response.once('close', () => active--);
  });
  fastify.addHook('preClose', (done) => {
    server.getConnections((_, count) => setTimeout(takeNoMore, count > 0 ? FAREWELL : 0));
    function takeNoMore(): void {
      const sweep = setInterval(
        () => (active === 0 ? server.closeAllConnections() : server.closeIdleConnections()),
        50,
      );
      server.once('close', () => clearInterval(sweep));
      done();
    }
  });
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
