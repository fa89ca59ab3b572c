import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { resolveCustomer } from '#libs/commands/credits';
import { changePaymentMethods, readPaymentMethods, type PaymentMethodChange } from '#libs/commands/payments';
import { CustomerWriteQuery } from '../catalog/customers.dto.js';
import { answered, isExternal, plain } from '../credits/answered.js';
import {
  answerPage,
  answerRead,
  ApiIdempotencyKey,
  offsetOf,
  pageOf,
  Read,
  Write,
  type ReadCall,
  type WriteCall,
} from '../http/index.js';
import { ReadGate } from '../read-gate.js';
import { RuntimeRef } from '../runtime-ref.js';
import { PaymentMethodBody, PaymentMethodOrderBody, PaymentMethodsQuery } from './payment-methods.dto.js';

/** How a customer pays, in the order in which methods are tried. */
@ApiTags('Payments')
@ApiBearerAuth()
@Controller('v1/customers/:id/payment-methods')
export class PaymentMethodsController {
  constructor(
    private readonly gate: ReadGate,
    private readonly runtime: RuntimeRef,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List the payment methods of a customer' })
  async list(@Read() call: ReadCall, @Query() query: PaymentMethodsQuery, @Param('id') name: string) {
    const { credits, eventStore } = this.runtime.current;
    const { tenant, reply } = call;
    const page = pageOf(call, query);
    const from = offsetOf(page);
    await this.gate.passLog(call, query);
    // read from the log itself, so it reflects every position that anybody knows
    const position = await eventStore.head();
    const { id } = await resolveCustomer(credits, tenant, { id: name, external: isExternal(query) });
    const methods = await readPaymentMethods(credits, tenant, id);
    answerRead(reply, position);
    const to = from + page.limit;
    return answerPage(call, methods.slice(from, to), to < methods.length ? String(to) : null);
  }

  @Post()
  @HttpCode(201)
  @ApiOperation({
    summary: 'Add a payment method',
    description: 'After those that are there. Only what the provider calls it is kept.',
  })
  @ApiIdempotencyKey()
  async add(
    @Write() call: WriteCall,
    @Query() query: CustomerWriteQuery,
    @Param('id') id: string,
    @Body() body: PaymentMethodBody,
  ) {
    const methods = await this.change(call, query, id, { action: 'add', request: plain(body) });
    return methods.find(({ providerReference }) => providerReference === body.providerReference);
  }

  @Delete(':methodId')
  @HttpCode(200)
  @ApiOperation({ summary: 'Remove a payment method', description: 'Answers with those that are left.' })
  @ApiIdempotencyKey()
  async remove(
    @Write() call: WriteCall,
    @Query() query: CustomerWriteQuery,
    @Param('id') id: string,
    @Param('methodId') methodId: string,
  ) {
    const data = await this.change(call, query, id, { action: 'remove', request: { id: methodId } });
    return { data, nextCursor: null };
  }

  @Post('reorder')
  @HttpCode(200)
  @ApiOperation({ summary: 'Change the order in which payment methods are tried' })
  @ApiIdempotencyKey()
  async reorder(
    @Write() call: WriteCall,
    @Query() query: CustomerWriteQuery,
    @Param('id') id: string,
    @Body() { methodIds }: PaymentMethodOrderBody,
  ) {
    const data = await this.change(call, query, id, { action: 'reorder', request: { methodIds } });
    return { data, nextCursor: null };
  }

  private async change(
    { context, reply }: WriteCall,
    query: CustomerWriteQuery,
    name: string,
    change: PaymentMethodChange,
  ) {
    const { credits } = this.runtime.current;
    const { id } = await resolveCustomer(credits, context.tenant, { id: name, external: isExternal(query) });
    return answered(reply, await changePaymentMethods(credits, context, id, change));
  }
}
