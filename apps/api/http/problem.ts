import { Catch, HttpException } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EventStoreUnavailable } from '#libs/event-store';
import { ERRORS, Problem } from '#libs/kernel';
import type { ErrorCode, Issue } from '#libs/kernel';

/** RFC 9457, as the API answers it. `type` is a reference relative to the server. */
export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  /** Names this one answer, and the log knows it by the same id; or the recorded refusal that is repeated. */
  readonly instance: string;
  readonly errors?: readonly Issue[];
}

export interface ProblemFilterOptions {
  /** Methods that a path would answer to; none when there is no such route. */
  methodsOf(path: string): readonly string[];
  /** Told about everything that is answered with 500. */
  log(error: unknown, instance: string): void;
}

/** Turns whatever was thrown into `application/problem+json`. Nothing of an unknown error leaves the process. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly options: ProblemFilterOptions) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    if (reply.sent) return;
    let problem = toProblem(error);
    if (problem.code === 'route_not_found') {
      const methods = this.options.methodsOf(request.url.split('?', 1)[0]!);
      if (methods.length > 0) {
        void reply.header('Allow', methods.join(', '));
        problem = new Problem('method_not_allowed', `${request.method} is not among ${methods.join(', ')}.`);
      }
    }
    const body = problemBody(problem, request.id);
    if (problem.code === 'internal') this.options.log(error, body.instance);
    sendProblem(reply, body);
  }
}

/** Of every body that is a problem. */
export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** Sends a problem with the headers that go with its status. */
export function sendProblem(reply: FastifyReply, body: ProblemBody): void {
  if (body.status === 503) askForRetry(reply);
  if (body.status === 401) void reply.header('WWW-Authenticate', 'Bearer');
  void reply.code(body.status).header('Content-Type', PROBLEM_TYPE);
  void reply.send(JSON.stringify(body));
}

/** Tells when to send again what was turned away for a reason that passes. */
export const askForRetry = (reply: FastifyReply): void => {
  void reply.header('Retry-After', '1');
};

export function problemBody(
  { code, detail, errors, instance, members }: Problem,
  requestId: string,
): ProblemBody {
  const { status, title } = ERRORS[code];
  return {
    type: `/docs/errors.md#${code}`,
    title,
    status,
    code,
    detail,
    instance: instance ?? `/requests/${encodeURIComponent(requestId)}`,
    ...(errors && errors.length > 0 ? { errors } : {}),
    ...members,
  };
}

const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'malformed_request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'route_not_found',
  405: 'method_not_allowed',
  413: 'body_too_large',
  415: 'unsupported_media_type',
  503: 'overloaded',
};

/** The problem that any thrown value is to its caller. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof EventStoreUnavailable)
    return new Problem(
      'store_unavailable',
      'The event store did not answer; the outcome is settled by sending the same request again.',
    );
  const status = statusOf(error);
  const code = BY_STATUS[status] ?? (status >= 400 && status < 500 ? 'malformed_request' : 'internal');
  if (code === 'internal') return new Problem('internal', 'Something went wrong on our side.');
  const detail = code === 'route_not_found' ? 'No route has this path.' : ERRORS[code].advice;
  return new Problem(code, detail);
}

function statusOf(error: unknown): number {
  if (error instanceof HttpException) return error.getStatus();
  const status = (error as { readonly statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' ? status : 500;
}
