import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiBody, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { Problem } from '#libs/kernel';
import {
  ConsumeCredits,
  type ConsumeRequest,
  ReverseConsumption,
  type ReverseRequest,
} from '#libs/commands/credits';
import { FindConsumption } from '#libs/read-models/queries';
import {
  ApiIdempotencyKey,
  NoQuery,
  Read,
  ReadQuery,
  Write,
  WriteInput,
  type ReadCall,
  type WriteCall,
} from '../http/index.js';
import { ReadGate } from '../read-gate.js';
import { answered, isExternal, plain } from './answered.js';
import { ConsumeDto, CustomerQuery, ReverseDto } from './credits.dto.js';

@ApiTags('Credits')
@ApiBearerAuth()
@Controller('v1/credits')
export class CreditsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
    private readonly gate: ReadGate,
  ) {}

  @Post('consume')
  @ApiOperation({
    summary: 'Draw credits',
    description: '402 when refused; 200 for a dry run, which writes nothing.',
  })
  @ApiBody({ type: ConsumeDto })
  @ApiIdempotencyKey()
  @ApiQuery({ type: CustomerQuery })
  async consume(
    @WriteInput({ query: CustomerQuery, body: ConsumeDto })
    { context, reply, query, body }: WriteInput<CustomerQuery, ConsumeDto>,
  ) {
    return answered(
      reply,
      await this.commands.execute(
        new ConsumeCredits(context, plain<ConsumeRequest>(body), isExternal(query)),
      ),
    );
  }

  @Post('preview')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Say what a consumption would draw',
    description: 'The same as consume with dryRun.',
  })
  async preview(
    @Write() { context, reply }: WriteCall,
    @Query() query: CustomerQuery,
    @Body() body: ConsumeDto,
  ) {
    const request = { ...plain<ConsumeRequest>(body), dryRun: true };
    return answered(
      reply,
      await this.commands.execute(new ConsumeCredits(context, request, isExternal(query))),
    );
  }

  @Get('consumptions/:id')
  @ApiOperation({ summary: 'Read a consumption, refused ones too' })
  readConsumption(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('id') id: string) {
    return this.gate.find(
      call,
      query,
      () => this.queries.execute(new FindConsumption(call.tenant, id)),
      () => new Problem('not_found', `There is no consumption ${JSON.stringify(id)}.`),
    );
  }

  @Post('consumptions/:id/reverse')
  @HttpCode(201)
  @ApiOperation({
    summary: 'Take back a consumption, or part of it',
    description: 'Back to the same grants, the last taken first; what has ended loses it at once.',
  })
  @ApiIdempotencyKey()
  async reverse(
    @Write() { context, reply }: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() body: ReverseDto,
  ) {
    return answered(
      reply,
      await this.commands.execute(new ReverseConsumption(context, id, plain<ReverseRequest>(body))),
    );
  }
}
