import 'reflect-metadata';
import { Body, Controller, Headers, HttpCode, Inject, Module, Post, Query } from '@nestjs/common';
import { Field, IsAmount, IsId, IsText, NoQuery } from '../../apps/api/http/index.js';
import { keyGuard, serveBehindEdge } from './behind-edge.js';
import { openSqlApp, type SqlLedger } from './sql-ledger.js';

const LEDGER = Symbol('ledger');

/** What the product is sent. */
class ConsumeBody {
  @Field(IsId())
  customerId!: string;

  @Field(IsText(64))
  unit!: string;

  @Field(IsAmount({ positive: true }))
  amount!: string;
}

@Controller()
class ConsumeController {
  constructor(@Inject(LEDGER) private readonly ledger: SqlLedger) {}

  @Post('consume')
  @HttpCode(200)
  async consume(
    @Query() _: NoQuery,
    @Body() { customerId, amount }: ConsumeBody,
    @Headers('idempotency-key') key: string,
  ) {
    await this.ledger.consume(Number(customerId.slice(1)), Number(amount), key);
    return { consumed: amount };
  }
}

@Module({
  controllers: [ConsumeController],
  providers: [keyGuard, { provide: LEDGER, useFactory: () => openSqlApp(process.env['DATABASE_URL']!, 16) }],
})
class SqlModule {}

await serveBehindEdge(SqlModule);
