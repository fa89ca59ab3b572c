import { setTimeout as pause } from 'node:timers/promises';
import { Controller, Get, Header, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Public } from '../auth.js';
import { RuntimeRef } from '../runtime-ref.js';

@ApiExcludeController()
@Public()
@Controller()
export class HealthController {
  constructor(private readonly runtime: RuntimeRef) {}

  @Get('health/live')
  live() {
    return { status: 'ok' };
  }

  /** Ready: the log answers, and no read model has stopped. One that is merely behind says so in every answer. */
  @Get('health/ready')
  async ready(@Res({ passthrough: true }) reply: FastifyReply) {
    const { eventStore, readModels } = this.runtime.current;
    const [head, models] = await Promise.all([answerOf(eventStore.head()), answerOf(readModels.status())]);
    const ready =
      head !== undefined && models !== undefined && models.every(({ stopped }) => stopped === null);
    void reply.code(ready ? 200 : 503);
    if (!ready) void reply.header('Retry-After', '1');
    return {
      status: ready ? 'ok' : 'unavailable',
      log: head === undefined ? { error: 'does not answer' } : { position: Number(head) },
      readModels: models?.map(({ name, position, stopped }) => ({
        name,
        position: Number(position),
        stopped,
      })) ?? { error: 'do not answer' },
      timeZoneData: process.versions['tz'] ?? null,
    };
  }

  @Get('metrics')
  @Header('Content-Type', 'text/plain; version=0.0.4; charset=utf-8')
  metrics(): Promise<string> {
    return this.runtime.current.metrics.metrics();
  }
}

/** Milliseconds in which whatever is asked must answer, or it does not. */
const PATIENCE = 2_000;

async function answerOf<T>(asked: Promise<T>): Promise<T | undefined> {
  const waiting = new AbortController();
  try {
    return await Promise.race([asked, pause(PATIENCE, undefined, { signal: waiting.signal })]);
  } catch {
    return undefined;
  } finally {
    waiting.abort();
  }
}
