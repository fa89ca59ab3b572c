import { createParamDecorator } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CommandContext } from '#libs/commands';
import { Problem } from '#libs/kernel';
import { readIdempotencyKey } from './idempotency.js';
import { readBody, readPathParameter, readQuery } from './validation.js';

/** Who a request's key belongs to. Authentication puts it on the request. */
export interface CallerIdentity {
  /** Without the environment. */
  readonly tenant: string;
  /** Id of the key. */
  readonly actor: string;
  readonly environment: 'live' | 'test';
  readonly kind: 'secret' | 'publishable' | 'trigger';
}

export interface ApiCaller extends CallerIdentity {
  /** Id of the request. */
  readonly correlationId: string;
}

declare module 'fastify' {
  interface FastifyRequest {
    caller?: CallerIdentity;
  }
}

/** Of a request over HTTP; `switchToHttp` would make three functions to tell them. */
const argumentsOf = (context: ExecutionContext): [FastifyRequest, FastifyReply] => context.getArgs();

/** The caller of the request. A route without authentication has none: 401. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext) =>
  callerOf(argumentsOf(context)[0]),
);

/** @throws Problem `unauthorized` */
export function callerOf({ caller, id }: FastifyRequest): ApiCaller {
  if (!caller) throw new Problem('unauthorized', 'This route needs an API key.');
  const { tenant, actor, environment, kind } = caller;
  return { tenant, actor, environment, kind, correlationId: id };
}

/** Tenant and environment in one, as streams and rows carry it. */
export const tenantOf = ({ tenant, environment }: CallerIdentity): string =>
  environment === 'test' ? `${tenant}.test` : tenant;

/** The context of a command the caller sends. */
export const contextOf = (caller: ApiCaller, idempotencyKey?: string): CommandContext => ({
  tenant: tenantOf(caller),
  actor: caller.actor,
  correlationId: caller.correlationId,
  idempotencyKey,
});

/** What a route that writes works with, beside its input. */
export interface WriteCall {
  readonly context: CommandContext;
  readonly reply: FastifyReply;
}

/** Caller, idempotency key and reply of a request that writes: a {@link WriteCall}. */
export const Write = createParamDecorator((_: unknown, context: ExecutionContext): WriteCall => {
  const [request, reply] = argumentsOf(context);
  return { context: commandContextOf(request), reply };
});

function commandContextOf(request: FastifyRequest): CommandContext {
  const key = readIdempotencyKey(request.headers['idempotency-key']);
  return contextOf(callerOf(request), key);
}

export interface WriteInput<Query, Body> extends WriteCall {
  readonly query: Query;
  readonly body: Body;
}

/** A {@link WriteCall} and its input in one, for busy routes: Nest makes promises for every decorator. Documents nothing. */
export const WriteInput = createParamDecorator(
  (
    { query, body }: { readonly query: new () => object; readonly body?: new () => object },
    context: ExecutionContext,
  ): WriteInput<object, unknown> => {
    const [request, reply] = argumentsOf(context);
    return {
      context: commandContextOf(request),
      reply,
      query: readQuery(query, request.query),
      body: body ? readBody(body, request.body) : request.body,
    };
  },
);

/** What a route that reads works with, beside its query. */
export interface ReadCall {
  readonly tenant: string;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** Tenant, request and reply of a request that reads: a {@link ReadCall}. */
export const Read = createParamDecorator((_: unknown, context: ExecutionContext): ReadCall => {
  const [request, reply] = argumentsOf(context);
  return { tenant: tenantOf(callerOf(request)), request, reply };
});

export interface ReadInput<Query, Name extends string> extends ReadCall {
  readonly query: Query;
  /** Of the path. */
  readonly params: Readonly<Record<Name, string>>;
}

/** A {@link ReadCall} and its input in one, for busy routes: Nest makes promises for every decorator. Documents nothing. */
export const ReadInput = createParamDecorator(
  (query: new () => object, context: ExecutionContext): ReadInput<object, string> => {
    const [request, reply] = argumentsOf(context);
    const tenant = tenantOf(callerOf(request));
    const given = readQuery(query, request.query);
    const params = request.params as Readonly<Record<string, string>>;
    for (const name in params) readPathParameter(params[name]);
    return { tenant, request, reply, query: given, params };
  },
);
