import { Injectable, SetMetadata, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { Problem } from '#libs/kernel';
import { follow, type ApiKey, type KeyKind, type Lookup } from '#libs/commands';
import { findKey } from '../keys.js';
import { RuntimeRef } from './runtime-ref.js';
import { tenantOf } from './http/index.js';

const ALLOWED = 'keys that may call';

/** Routes that need no key: health, metrics, docs. */
export const Public = (): MethodDecorator & ClassDecorator => SetMetadata(ALLOWED, []);
/** Routes for other keys than secret ones. */
export const ForKeys = (...kinds: readonly KeyKind[]): MethodDecorator & ClassDecorator =>
  SetMetadata(ALLOWED, kinds);

const SECRET_ONLY: readonly KeyKind[] = ['secret'];

/**
 * Every route needs a secret key unless it says otherwise. Revoking a key takes effect within a second on every process.
 * @throws Problem `unauthorized`, `forbidden`
 */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly runtime: RuntimeRef,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const allowed =
      this.reflector.getAllAndOverride<readonly KeyKind[] | undefined>(ALLOWED, [
        context.getHandler(),
        context.getClass(),
      ]) ?? SECRET_ONLY;
    if (allowed.length === 0) return true;
    const request = context.getArgByIndex<FastifyRequest>(0);
    return follow(this.keyOf(request), (key) => this.admit(request, key, allowed));
  }

  private admit(
    request: FastifyRequest,
    key: ApiKey | null,
    allowed: readonly KeyKind[],
  ): boolean | Promise<boolean> {
    if (!key) throw new Problem('unauthorized', 'Send Authorization: Bearer with a key that is in force.');
    if (!allowed.includes(key.kind))
      throw new Problem(
        'forbidden',
        `A ${key.kind} key may not call this route; it is for ${allowed.join(' or ')} keys.`,
      );
    const { tenant, id, environment, kind } = key;
    request.caller = { tenant, actor: id, environment, kind };
    return environment === 'test'
      ? this.runtime.current.clocks.sync(tenantOf(request.caller)).then(() => true)
      : true;
  }

  private keyOf({ headers }: FastifyRequest): Lookup<ApiKey> {
    const bearer = /^Bearer +(\S{1,300})$/i.exec(headers.authorization ?? '')?.[1];
    if (headers.authorization !== undefined) return bearer ? findKey(this.runtime.current, bearer) : null;
    const header = headers['x-lumen-key'];
    const key = typeof header === 'string' && header.length <= 300 ? header : undefined;
    // a header that pages send is no place for secrets
    return key === undefined
      ? null
      : follow(findKey(this.runtime.current, key), (found) => (found?.kind === 'publishable' ? found : null));
  }
}
