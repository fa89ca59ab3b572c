import { Body, Controller, Get, Header, HttpCode, Param, Post, Query, StreamableFile } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Instant } from '#libs/kernel';
import { resolveCustomer } from '#libs/commands/credits';
import {
  invoices,
  noInvoice,
  operateInvoice,
  readPayments,
  traceLine,
  upcomingInvoices,
  type InvoiceOperation,
} from '#libs/commands/invoices';
import { FindInvoice, ListInvoices } from '#libs/read-models/queries';
import { answered, isExternal, plain } from '../credits/answered.js';
import {
  answerPage,
  answerRead,
  ApiIdempotencyKey,
  ListQuery,
  minPositionOf,
  NoBody,
  NoQuery,
  offsetOf,
  pageOf,
  Read,
  ReadQuery,
  Write,
  type ReadCall,
  type WriteCall,
} from '../http/index.js';
import { ReadGate } from '../read-gate.js';
import { RuntimeRef } from '../runtime-ref.js';
import { invoicePdf } from './invoice-pdf.js';
import {
  CreditNoteDto,
  InvoiceReasonBody,
  InvoicesQuery,
  PaidBody,
  UnpaidBody,
  UpcomingQuery,
} from './invoices.dto.js';

/** What was charged, why, and what became of it. */
@ApiTags('Invoices')
@ApiBearerAuth()
@Controller('v1/invoices')
export class InvoicesController {
  constructor(
    private readonly queries: QueryBus,
    private readonly gate: ReadGate,
    private readonly runtime: RuntimeRef,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List issued invoices' })
  async list(@Read() call: ReadCall, @Query() query: InvoicesQuery) {
    const { customerId: named, subscriptionId, status, from, to } = query;
    await this.gate.pass(call, query);
    const customerId = named === undefined ? undefined : (await this.customer(call, named, query)).id;
    const filters = { customerId, subscriptionId, status, from, to };
    const { data, nextKey, position } = await this.queries.execute(
      new ListInvoices(call.tenant, this.now(call), filters, pageOf(call, query)),
    );
    this.gate.answer(call, query, position);
    return answerPage(call, data, nextKey);
  }

  @Get('upcoming')
  @ApiOperation({
    summary: 'The next invoices of a customer as they would be now',
    description:
      'Made from the log up to this moment, for the end of the current period; of a subscription that has ended, for what came late for it. Written nowhere.',
  })
  async upcoming(@Read() call: ReadCall, @Query() query: UpcomingQuery) {
    const { invoices: deps, readModels, eventStore } = this.runtime.current;
    await this.gate.passLog(call, query);
    const customer = await this.customer(call, query.customerId, query);
    const open = await readModels.invoices.subscriptionsCharged(call.tenant, customer.id);
    const drafts = await Promise.all(open.map((id) => upcomingInvoices(deps, call.tenant, id)));
    answerRead(call.reply, await eventStore.head());
    return { data: drafts.flat().map(({ invoiceId: id, ...draft }) => ({ id, status: 'draft', ...draft })) };
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read an invoice with its lines, sources and credits' })
  async get(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('id') id: string) {
    const { data, position } = await this.find(call, query, id);
    this.gate.answer(call, query, position);
    return data;
  }

  @Get(':id/pdf')
  @ApiOperation({ summary: 'An invoice as a PDF' })
  @ApiProduces('application/pdf')
  @Header('content-type', 'application/pdf')
  async pdf(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('id') id: string) {
    const { data, position } = await this.find(call, query, id);
    this.gate.answer(call, query, position);
    const pdf = await invoicePdf(data);
    const disposition = `inline; filename="${data.number}.pdf"`;
    return new StreamableFile(pdf, { type: 'application/pdf', disposition });
  }

  @Get(':id/lines/:lineId/trace')
  @ApiOperation({
    summary: 'The usage behind a line of an invoice',
    description:
      'Read from the log again: usage events, and the grants that gave something for each; of a usage credit, the usage that its grant covered.',
  })
  async trace(
    @Read() call: ReadCall,
    @Query() query: ListQuery,
    @Param('id') id: string,
    @Param('lineId') lineId: string,
  ) {
    const { invoices: deps, eventStore } = this.runtime.current;
    const page = pageOf(call, query);
    const asked = { limit: page.limit, after: offsetOf(page) };
    await this.gate.passLog(call, query);
    // read from the log itself, so it reflects every position that anybody knows
    const position = await eventStore.head();
    const { line, usage, nextKey } = await traceLine(deps, call.tenant, id, lineId, asked);
    answerRead(call.reply, position);
    return { line, ...answerPage(call, usage, nextKey) };
  }

  @Get(':id/payments')
  @ApiOperation({
    summary: 'How an invoice is collected: attempts that are asked for, payments, failures',
    description:
      'Nobody is charged from here: an integration charges the method of the attempt that is `requested`, with `invoiceId` in the metadata of the payment, and the provider tells the outcome by its webhook.',
  })
  async payments(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('id') id: string) {
    const { invoices: deps, eventStore } = this.runtime.current;
    await this.gate.passLog(call, query);
    // read from the log itself, so it reflects every position that anybody knows
    const position = await eventStore.head();
    const answer = await readPayments(deps, call.tenant, id);
    answerRead(call.reply, position);
    return answer;
  }

  @Post(':id/finalize')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Issue an invoice whose charges are fixed',
    description: 'Invoices are issued when their period ends; this goes on with one that was interrupted.',
  })
  @ApiIdempotencyKey()
  finalize(@Write() call: WriteCall, @Query() _: NoQuery, @Param('id') id: string, @Body() __: NoBody) {
    return this.operate(call, id, { action: 'finalize', request: {} });
  }

  @Post(':id/void')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Void an invoice',
    description: 'Only where nothing was paid or credited. It keeps its number; its credits go back.',
  })
  @ApiIdempotencyKey()
  void(
    @Write() call: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() body: InvoiceReasonBody,
  ) {
    return this.operate(call, id, { action: 'void', request: { ...body } });
  }

  @Post(':id/credit-note')
  @HttpCode(201)
  @ApiOperation({
    summary: 'Take back an invoice, or part of it',
    description: 'First what was left to pay, then what credits paid, which goes back to the same grants.',
  })
  @ApiIdempotencyKey()
  creditNote(
    @Write() call: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() body: CreditNoteDto,
  ) {
    return this.operate(call, id, { action: 'credit-note', request: plain(body) });
  }

  @Post(':id/mark-paid')
  @HttpCode(200)
  @ApiOperation({ summary: 'Record that all that is due was paid' })
  @ApiIdempotencyKey()
  markPaid(@Write() call: WriteCall, @Query() _: NoQuery, @Param('id') id: string, @Body() body: PaidBody) {
    return this.operate(call, id, { action: 'mark-paid', request: plain(body) });
  }

  @Post(':id/mark-unpaid')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Record that a payment failed',
    description:
      'The customer’s next payment method is asked for, and where there is a policy dunning begins.',
  })
  @ApiIdempotencyKey()
  markUnpaid(
    @Write() call: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() body: UnpaidBody,
  ) {
    return this.operate(call, id, { action: 'mark-unpaid', request: plain(body) });
  }

  @Post(':id/mark-uncollectible')
  @HttpCode(200)
  @ApiOperation({ summary: 'Record that payment is not expected any more' })
  @ApiIdempotencyKey()
  markUncollectible(
    @Write() call: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() body: InvoiceReasonBody,
  ) {
    return this.operate(call, id, { action: 'mark-uncollectible', request: { ...body } });
  }

  private now({ tenant }: ReadCall): Instant {
    return this.runtime.current.clocks.now(tenant);
  }

  private customer({ tenant }: ReadCall, id: string, query: { readonly isExtCustId?: string }) {
    return resolveCustomer(this.runtime.current.credits, tenant, {
      id,
      external: isExternal(query),
    });
  }

  /** @throws Problem `not_found` for one that is not issued */
  private async find(call: ReadCall, query: ReadQuery, id: string) {
    const { readModels, writer } = this.runtime.current;
    const look = () => this.queries.execute(new FindInvoice(call.tenant, this.now(call), id));
    await this.gate.pass(call, query);
    let found = await look();
    const own = writer.knownPosition(invoices.category, call.tenant, id);
    if (minPositionOf(call.request, query) === undefined && found.position < own) {
      await readModels.waitForPosition(own).catch(() => undefined);
      found = await look();
    }
    const { data, position } = found;
    if (!data) throw noInvoice(id);
    return { data, position };
  }

  private async operate({ context, reply }: WriteCall, id: string, operation: InvoiceOperation) {
    return answered(reply, await operateInvoice(this.runtime.current.invoices, context, id, operation));
  }
}
