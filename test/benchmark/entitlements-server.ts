import 'reflect-metadata';
import { Controller, Get, Inject, Module, NotFoundException, Param, Query } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import { createHash } from 'node:crypto';
import pg from 'pg';
import { createHttpEdge, NoQuery } from '../../apps/api/http/index.js';

const POOL = Symbol('pool');

/** What is given and left, and the usage of the month, as somebody would write it who has these three tables. */
const CHECK = `
  select coalesce(o.value, f.value) as value, u.used::text, g.allowance::text, g.remaining::text, g.ends
  from bench.plan_features f
  left join bench.overrides o on o.customer = f.customer and o.slug = f.slug and now() >= o.starts and now() < o.ends
  left join lateral (select coalesce(sum(quantity), 0) as used from bench.usage_days d
    where d.customer = f.customer and d.slug = f.slug and d.day >= date_trunc('month', now())) u on true
  left join lateral (select sum(amount) as allowance, sum(remaining) as remaining, min(expires) as ends from bench.grants g
    where g.customer = f.customer and g.slug = f.slug and g.remaining > 0 and g.starts <= now()
      and (g.expires is null or g.expires > now())) g on true
  where f.customer = $1 and f.slug = $2`;

interface Row {
  readonly value: string;
  readonly used: string;
  readonly allowance: string | null;
  readonly remaining: string | null;
  readonly ends: Date | null;
}

/** One key, known by its hash. */
class KeyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<FastifyRequest>();
    const bearer = /^Bearer +(\S{1,300})$/i.exec(headers.authorization ?? '')?.[1] ?? '';
    return createHash('sha256').update(bearer).digest('hex') === process.env['KEY_HASH'];
  }
}

@Controller()
class CheckController {
  constructor(@Inject(POOL) private readonly pool: pg.Pool) {}

  @Get('check/:customer/:slug')
  async check(@Query() _: NoQuery, @Param('customer') customer: string, @Param('slug') slug: string) {
    const { rows } = await this.pool.query<Row>({ name: 'check', text: CHECK, values: [customer, slug] });
    const [row] = rows;
    if (!row) throw new NotFoundException();
    const { value, used, allowance, remaining, ends } = row;
    return {
      entitled: remaining === null ? Number(used) < Number(value) : Number(remaining) > 0,
      feature: { slug, value: allowance ?? value },
      source: allowance === null ? 'plan' : 'credits',
      usages: [{ metricId: slug, usage: used }],
      creditInfo: {
        creditAllowance: allowance ?? '0',
        creditsRemaining: remaining ?? '0',
        nextExpiryDate: ends?.toISOString() ?? null,
      },
    };
  }
}

@Module({
  controllers: [CheckController],
  providers: [
    { provide: APP_GUARD, useClass: KeyGuard },
    {
      provide: POOL,
      useFactory: () =>
        new pg.Pool({ connectionString: process.env['DATABASE_URL']!, max: 10 }).on('error', () => undefined),
    },
  ],
})
class CheckModule {}

// the query behind the HTTP stack of the product, in a process of its own; tells its address and ends with its parent
const edge = createHttpEdge(() => undefined);
const app = await NestFactory.create<NestFastifyApplication>(CheckModule, edge.adapter, {
  bodyParser: false,
  logger: false,
});
edge.apply(app);
await app.listen(0, '127.0.0.1');
process.send!(await app.getUrl());
process.on('disconnect', () => process.exit(0));
