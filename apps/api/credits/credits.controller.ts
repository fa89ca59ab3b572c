import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Problem } from '#libs/kernel';
import {
  ConsumeCredits,
  IssueGrant,
  RevokeGrant,
  type Answered,
  type ConsumeRequest,
  type GrantRequest,
  type Refused,
} from '#libs/commands';
import { withoutUnset } from '#libs/catalog';
import { FindConsumption, FindGrant } from '#libs/read-models';
import {
  answerRead,
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
import { ConsumeDto, CreateGrantDto, CustomerQuery, RevokeGrantDto } from './credits.dto.js';

@ApiTags('Credits')
@ApiBearerAuth()
@Controller('v1/credits')
export class CreditsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
    private readonly gate: ReadGate,
    private readonly runtime: RuntimeRef,
  ) {}

  @Post('grants')
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

  @Get('grants/:id')
  @ApiOperation({ summary: 'Read a grant' })
  async readGrant(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('id') id: string) {
    const { tenant, reply } = call;
    const { data, position } = await this.gate.find(
      call,
      query,
      () => this.queries.execute(new FindGrant(tenant, id, this.runtime.current.clocks.now(tenant))),
      ({ customerId }) => customerId,
    );
    if (!data) throw new Problem('grant_not_found', `There is no grant ${JSON.stringify(id)}.`);
    answerRead(reply, position);
    return data;
  }

  @Post('grants/:id/revoke')
  @HttpCode(200)
  @ApiOperation({ summary: 'Revoke what remains of a grant' })
  @ApiIdempotencyKey()
  async revoke(
    @Write() { context, reply }: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() body: RevokeGrantDto,
  ) {
    return answered(
      reply,
      await this.commands.execute(new RevokeGrant(context, id, plain<{ notes?: string }>(body))),
    );
  }

  @Post('consume')
  @ApiOperation({
    summary: 'Draw credits',
    description: '402 when refused; 200 for a dry run, which writes nothing.',
  })
  @ApiIdempotencyKey()
  async consume(
    @Write() { context, reply }: WriteCall,
    @Query() query: CustomerQuery,
    @Body() body: ConsumeDto,
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
  async readConsumption(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('id') id: string) {
    const { data, position } = await this.gate.find(
      call,
      query,
      () => this.queries.execute(new FindConsumption(call.tenant, id)),
      ({ customerId }) => customerId,
    );
    if (!data) throw new Problem('not_found', `There is no consumption ${JSON.stringify(id)}.`);
    answerRead(call.reply, position);
    return data;
  }
}

const isExternal = ({ isExtCustId }: CustomerQuery): boolean => isExtCustId === 'true';

/** A request as the commands take it: null and absent mean the same. */
const plain = <T>(dto: object): T => withoutUnset(dto as never);

function answered<Body>(reply: FastifyReply, outcome: Answered<Body> | Refused): Body {
  if (outcome.replayed) void reply.header('Idempotent-Replayed', 'true');
  if (outcome.position > 0n) void reply.header('Log-Position', outcome.position.toString());
  if ('problem' in outcome) throw outcome.problem;
  void reply.code(outcome.status);
  return outcome.body;
}
