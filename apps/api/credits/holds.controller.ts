import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Problem } from '#libs/kernel';
import {
  CaptureHold,
  type CaptureRequest,
  type HoldRequest,
  PlaceHold,
  ReleaseHold,
} from '#libs/commands/credits';
import { FindHold } from '#libs/read-models/queries';
import {
  ApiIdempotencyKey,
  NoQuery,
  Read,
  ReadQuery,
  Write,
  type ReadCall,
  type WriteCall,
} from '../http/index.js';
import { ReadGate } from '../read-gate.js';
import { RuntimeRef } from '../runtime-ref.js';
import { answered, isExternal, plain } from './answered.js';
import { CustomerQuery } from './credits.dto.js';
import { CaptureHoldDto, PlaceHoldDto, ReleaseHoldDto } from './holds.dto.js';

/** Credit set aside for work under way. */
@ApiTags('Credits')
@ApiBearerAuth()
@Controller('v1/credits/holds')
export class HoldsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
    private readonly gate: ReadGate,
    private readonly runtime: RuntimeRef,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Set credit aside', description: '402 when refused.' })
  @ApiIdempotencyKey()
  async place(
    @Write() { context, reply }: WriteCall,
    @Query() query: CustomerQuery,
    @Body() body: PlaceHoldDto,
  ) {
    return answered(
      reply,
      await this.commands.execute(new PlaceHold(context, plain<HoldRequest>(body), isExternal(query))),
    );
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a hold' })
  read(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('id') id: string) {
    return this.gate.find(
      call,
      query,
      () => this.queries.execute(new FindHold(call.tenant, id, this.runtime.current.clocks.now(call.tenant))),
      () => new Problem('not_found', `There is no hold ${JSON.stringify(id)}.`),
    );
  }

  @Post(':id/capture')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Draw what is held',
    description: 'Once: all or part of it, the rest comes back. 402 when more than is held was refused.',
  })
  @ApiIdempotencyKey()
  async capture(
    @Write() { context, reply }: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() body: CaptureHoldDto,
  ) {
    const request = plain<CaptureRequest>(body);
    return answered(reply, await this.commands.execute(new CaptureHold(context, id, request)));
  }

  @Post(':id/release')
  @HttpCode(200)
  @ApiOperation({ summary: 'Give all that is held back' })
  @ApiIdempotencyKey()
  async release(
    @Write() { context, reply }: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() body: ReleaseHoldDto,
  ) {
    const request = plain<{ reference?: string }>(body);
    return answered(reply, await this.commands.execute(new ReleaseHold(context, id, request)));
  }
}
