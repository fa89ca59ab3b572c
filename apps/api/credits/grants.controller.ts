import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Problem } from '#libs/kernel';
import {
  ChangeGrant,
  type GrantChange,
  type GrantChanges,
  type GrantRequest,
  IssueGrant,
} from '#libs/commands/credits';
import { FindGrant } from '#libs/read-models/queries';
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
import { answered, isExternal, plain, withNulls } from './answered.js';
import { CreateGrantDto, CustomerQuery } from './credits.dto.js';
import { AdjustGrantDto, AmendGrantDto, EndGrantDto, UpdateGrantDto } from './grants.dto.js';

@ApiTags('Credits')
@ApiBearerAuth()
@Controller('v1/credits/grants')
export class GrantsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
    private readonly gate: ReadGate,
    private readonly runtime: RuntimeRef,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Grant credits', description: 'From a definition, or ad hoc.' })
  @ApiIdempotencyKey()
  async grant(
    @Write() { context, reply }: WriteCall,
    @Query() query: CustomerQuery,
    @Body() body: CreateGrantDto,
  ) {
    return answered(
      reply,
      await this.commands.execute(new IssueGrant(context, plain<GrantRequest>(body), isExternal(query))),
    );
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a grant' })
  readGrant(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('id') id: string) {
    return this.gate.find(
      call,
      query,
      () =>
        this.queries.execute(new FindGrant(call.tenant, id, this.runtime.current.clocks.now(call.tenant))),
      () => new Problem('grant_not_found', `There is no grant ${JSON.stringify(id)}.`),
    );
  }

  @Post(':id/revoke')
  @HttpCode(200)
  @ApiOperation({ summary: 'Revoke what remains of a grant' })
  @ApiIdempotencyKey()
  revoke(@Write() call: WriteCall, @Query() _: NoQuery, @Param('id') id: string, @Body() body: EndGrantDto) {
    return this.change(call, id, { action: 'revoke', request: plain<GrantChanges['revoke']>(body) });
  }

  @Post(':id/expire')
  @HttpCode(200)
  @ApiOperation({ summary: 'Let what remains of a grant expire now' })
  @ApiIdempotencyKey()
  expire(@Write() call: WriteCall, @Query() _: NoQuery, @Param('id') id: string, @Body() body: EndGrantDto) {
    return this.change(call, id, { action: 'expire', request: plain<GrantChanges['expire']>(body) });
  }

  @Post(':id/adjust')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Add to a grant by hand, or take from it',
    description: 'Downward at most what remains and is not held.',
  })
  @ApiIdempotencyKey()
  adjust(
    @Write() call: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() body: AdjustGrantDto,
  ) {
    return this.change(call, id, { action: 'adjust', request: plain<GrantChanges['adjust']>(body) });
  }

  @Post(':id/amend')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Set the initial amount or the window of a grant anew',
    description:
      'The amount not below what was drawn and is held; the start only before it; the end after now and all usage.',
  })
  @ApiIdempotencyKey()
  amend(@Write() call: WriteCall, @Query() _: NoQuery, @Param('id') id: string, @Body() body: AmendGrantDto) {
    return this.change(call, id, { action: 'amend', request: withNulls<GrantChanges['amend']>(body) });
  }

  @Post(':id/update')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Change what a grant says about itself, or its priority',
    description: 'null takes away what is there.',
  })
  @ApiIdempotencyKey()
  update(
    @Write() call: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() body: UpdateGrantDto,
  ) {
    return this.change(call, id, { action: 'update', request: withNulls<GrantChanges['update']>(body) });
  }

  private async change({ context, reply }: WriteCall, id: string, change: GrantChange) {
    return answered(reply, await this.commands.execute(new ChangeGrant(context, id, change)));
  }
}
