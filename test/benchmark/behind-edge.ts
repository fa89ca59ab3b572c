import 'reflect-metadata';
import { createHash } from 'node:crypto';
import type { CanActivate, ExecutionContext, Type } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import { createHttpEdge } from '../../apps/api/http/index.js';

/** One key, known by its hash. */
class KeyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<FastifyRequest>();
    const bearer = /^Bearer +(\S{1,300})$/i.exec(headers.authorization ?? '')?.[1] ?? '';
    return createHash('sha256').update(bearer).digest('hex') === process.env['KEY_HASH'];
  }
}

/** A module's provider that lets those in who know the key whose SHA-256 is in KEY_HASH. */
export const keyGuard = { provide: APP_GUARD, useClass: KeyGuard };

/** What a process that serves SQL by hand behind the HTTP edge of the product finds in its environment. */
export const sqlEnvironment = (databaseUrl: string, key: string): NodeJS.ProcessEnv => ({
  ...process.env,
  DATABASE_URL: databaseUrl,
  KEY_HASH: createHash('sha256').update(key).digest('hex'),
});

/** Serves a module behind the HTTP edge of the product, tells its parent the address, and ends with it. */
export async function serveBehindEdge(module: Type): Promise<void> {
  const edge = createHttpEdge(() => undefined);
  const app = await NestFactory.create<NestFastifyApplication>(module, edge.adapter, {
    bodyParser: false,
    logger: false,
  });
  edge.apply(app);
  await app.listen(0, '127.0.0.1');
  process.send!(await app.getUrl());
  process.on('disconnect', () => process.exit(0));
}
