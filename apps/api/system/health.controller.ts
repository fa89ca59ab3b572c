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

  /** Ready: the log answers and every read model is being projected. */
  @Get('health/ready')
  async ready(@Res({ passthrough: true }) reply: FastifyReply) {
    const { eventStore, readModels } = this.runtime.current;
    const [head, models] = await Promise.all([
      eventStore.head().catch((error: unknown) => error),
      readModels.status().catch((error: unknown) => error),
    ]);
    const stopped = Array.isArray(models)
      ? models.filter((model: { stopped: string | null }) => model.stopped !== null)
      : [];
    const ready = typeof head === 'bigint' && Array.isArray(models) && stopped.length === 0;
    void reply.code(ready ? 200 : 503);
    if (!ready) void reply.header('Retry-After', '1');
    return {
      status: ready ? 'ok' : 'unavailable',
      log: typeof head === 'bigint' ? { position: Number(head) } : { error: 'does not answer' },
      readModels: Array.isArray(models)
        ? (models as { name: string; position: bigint; stopped: string | null }[]).map(
            ({ name, position, stopped: why }) => ({
              name,
              position: Number(position),
              stopped: why,
            }),
          )
        : { error: 'do not answer' },
      timeZoneData: process.versions['tz'] ?? null,
    };
  }

  @Get('metrics')
  @Header('Content-Type', 'text/plain; version=0.0.4; charset=utf-8')
  metrics(): Promise<string> {
    return this.runtime.current.metrics.metrics();
  }
}
