import 'reflect-metadata';
import { Controller, Get, Inject, Module, NotFoundException, Param, Query } from '@nestjs/common';
import pg from 'pg';
import { NoQuery } from '../../apps/api/http/index.js';
import { keyGuard, serveBehindEdge } from './behind-edge.js';

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
    keyGuard,
    {
      provide: POOL,
      useFactory: () =>
        new pg.Pool({ connectionString: process.env['DATABASE_URL']!, max: 10 }).on('error', () => undefined),
    },
  ],
})
class CheckModule {}

await serveBehindEdge(CheckModule);
