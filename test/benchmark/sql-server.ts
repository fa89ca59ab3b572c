import 'reflect-metadata';
import { Body, Controller, Inject, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { openSqlApp, type SqlLedger } from './sql-ledger.js';

const LEDGER = Symbol('ledger');

@Controller()
class ConsumeController {
  constructor(@Inject(LEDGER) private readonly ledger: SqlLedger) {}

  @Post('consume')
  async consume(@Body() { customer, amount, key }: { customer: number; amount: number; key: string }) {
    await this.ledger.consume(customer, amount, key);
    return { consumed: amount };
  }
}

@Module({
  controllers: [ConsumeController],
  providers: [{ provide: LEDGER, useFactory: () => openSqlApp(process.env['DATABASE_URL']!, 16) }],
})
class SqlModule {}

// SQL-app behind the HTTP stack of the product, in a process of its own; tells its address and ends with its parent
const app = await NestFactory.create<NestFastifyApplication>(SqlModule, new FastifyAdapter(), {
  logger: false,
});
await app.listen(0, '127.0.0.1');
process.send!(await app.getUrl());
process.on('disconnect', () => process.exit(0));
