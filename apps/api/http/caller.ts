import { createParamDecorator } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { CommandContext } from '../../../libs/commands/stream-kind.js';
import { Problem } from '#libs/kernel';

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

/** The caller of the request. A route without authentication has none: 401. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): ApiCaller => {
  const { caller, id } = context.switchToHttp().getRequest<FastifyRequest>();
  if (!caller) throw new Problem('unauthorized', 'This route needs an API key.');
  return { ...caller, correlationId: id };
});

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
