import { Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import { latest } from '#libs/event-store';
import { parseInstant, Problem, type Json } from '#libs/kernel';
import { type IngestedUsage, IngestUsage, resolveCustomer, type UsageRequest } from '#libs/commands/credits';
import { FindInvoiceLine, ListUsage } from '#libs/read-models/queries';
import {
  answerPage,
  answerRead,
  askForRetry,
  ApiIdempotencyKey,
  Field,
  IsInstant,
  IsQueryFlag,
  IsText,
  ListQuery,
  NoQuery,
  pageOf,
  Read,
  ReadQuery,
  WriteInput,
  type ReadCall,
} from '../http/index.js';
import { isExternal } from '../credits/answered.js';
import { ReadGate } from '../read-gate.js';
import { RuntimeRef } from '../runtime-ref.js';
import { batchAnswer } from './batch-answer.js';
import { readBatch, readUsage, USAGE_EVENT_SCHEMA } from './usage-input.js';

class UsageQuery extends ListQuery {
  @Field(IsText(128), { optional: true, description: 'your id of the customer with `isExtCustId=true`' })
  customerId?: string;

  @Field(IsQueryFlag(), { optional: true, example: 'false' })
  isExtCustId?: string;

  @Field(IsText(128), { optional: true })
  eventName?: string;

  @Field(IsInstant(), { optional: true, description: 'inclusive' })
  from?: string;

  @Field(IsInstant(), { optional: true, description: 'exclusive' })
  to?: string;
}

@ApiTags('Usage')
@ApiBearerAuth()
@Controller('v1/events')
export class UsageController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
    private readonly gate: ReadGate,
    private readonly runtime: RuntimeRef,
  ) {}

  @Post()
  @HttpCode(202)
  @ApiOperation({
    summary: 'Report usage',
    description:
      'What was drawn is in the answer; a refusal is no error. A negative value on a sum meter takes back what was ' +
      'drawn before it, the newest first; 409 when that is not enough.',
  })
  @ApiBody({ schema: USAGE_EVENT_SCHEMA as never })
  @ApiIdempotencyKey()
  async ingest(
    @WriteInput({ query: NoQuery }) { context, reply, body }: WriteInput<NoQuery, unknown>,
  ): Promise<IngestedUsage['body']> {
    const usage = readUsage(body);
    if (usage instanceof Problem) throw usage;
    const [result] = await this.commands.execute(
      new IngestUsage(context, [keyed(usage, context.idempotencyKey)]),
    );
    if (result instanceof Problem) throw result;
    void reply.header('Log-Position', result!.position.toString());
    if (result!.replayed) void reply.header('Idempotent-Replayed', 'true');
    if ('problem' in result!) throw result.problem;
    return result!.body;
  }

  @Post('batch')
  @HttpCode(202)
  @ApiOperation({
    summary: 'Report up to 1000 usage events',
    description:
      'Each is taken in or rejected by itself. `Retry-After` says that some were turned away for a reason that passes ' +
      'and may be sent again; where that is so of all, the answer is that problem, 503. Under an Idempotency-Key other ' +
      'events than the first time are refused with 422.',
  })
  @ApiBody({
    schema: {
      type: 'object',
      required: ['events'],
      properties: { events: { type: 'array', items: USAGE_EVENT_SCHEMA as never } },
    },
  })
  @ApiIdempotencyKey()
  async ingestBatch(@WriteInput({ query: NoQuery }) { context, reply, body }: WriteInput<NoQuery, unknown>) {
    const { idempotencyKey, correlationId } = context;
    const read = readBatch(body);
    const usable = read.flatMap((usage, index) =>
      usage instanceof Problem
        ? []
        : [keyed(usage, idempotencyKey === undefined ? undefined : `${idempotencyKey}#${index}`)],
    );
    const { events } = body as { readonly events: readonly Json[] };
    const done = (await this.commands.execute(new IngestUsage(context, usable, events))).values();
    const told = read.map((usage) => (usage instanceof Problem ? usage : done.next().value!));
    const position = latest(told.flatMap((result) => (result instanceof Problem ? [] : [result.position])));
    const answer = batchAnswer(
      told.map((result) => ('problem' in result ? result.problem : result)),
      correlationId,
    );
    if (answer.mayBeSentAgain) askForRetry(reply);
    if (answer.replayed) void reply.header('Idempotent-Replayed', 'true');
    // where nothing was taken in, the log as it stands
    answerRead(reply, position > 0n ? position : await this.runtime.current.eventStore.head());
    return answer.body;
  }

  @Get()
  @ApiOperation({ summary: 'List usage events' })
  async list(@Read() call: ReadCall, @Query() query: UsageQuery) {
    const { customerId: named, eventName, from, to } = query;
    const customerId =
      named !== undefined && isExternal(query)
        ? (await resolveCustomer(this.runtime.current.credits, call.tenant, { id: named, external: true })).id
        : named;
    await this.gate.pass(call, query, customerId);
    const { data, nextKey, position } = await this.queries.execute(
      new ListUsage(
        call.tenant,
        { customerId, eventName, from: instantOf(from), to: instantOf(to) },
        pageOf(call, query),
      ),
    );
    this.gate.answer(call, query, position);
    return answerPage(call, data, nextKey);
  }

  @Get(':id/invoice-line')
  @ApiOperation({ summary: 'The line of an invoice that charges a usage event' })
  async invoiceLine(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('id') id: string) {
    await this.gate.pass(call, query);
    const { readModels, eventStore } = this.runtime.current;
    const look = () => this.queries.execute(new FindInvoiceLine(call.tenant, id));
    let found = await look();
    if (!found.data) {
      // what was reported a moment ago is not missing
      await readModels.waitForPosition(await eventStore.head()).catch(() => undefined);
      found = await look();
    }
    const { data, position } = found;
    if (!data) throw new Problem('not_found', `There is no usage event ${JSON.stringify(id)}.`);
    this.gate.answer(call, query, position);
    return data;
  }
}

const instantOf = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : parseInstant(text)!;

/** The event's own key comes first; the header stands in for it. */
const keyed = (usage: UsageRequest, key: string | undefined): UsageRequest =>
  usage.idempotencyKey !== undefined || key === undefined ? usage : { ...usage, idempotencyKey: key };
