import { Body, Controller, HttpCode, Post, Query, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { formatInstant, parseInstant, Problem, type Instant } from '#libs/kernel';
import { isTest, SettleDueGrants } from '#libs/commands';
import { ForKeys } from '../auth.js';
import { Caller, contextOf, Field, IsInstant, NoQuery, type ApiCaller } from '../http/index.js';
import { RuntimeRef } from '../runtime-ref.js';

class TriggerDto {
  @Field(IsInstant(), {
    optional: true,
    example: '2024-01-01T00:00:00Z',
    description:
      'The job runs as of this time; default now. In test a time ahead moves the test clock, in live it is refused.',
  })
  timestamp?: string;
}

/** Jobs, run by hand or by a scheduler outside, with the trigger key. */
@ApiTags('Triggers')
@ApiBearerAuth()
@ForKeys('trigger')
@Controller('v1/trigger/credits')
export class TriggersController {
  constructor(
    private readonly commands: CommandBus,
    private readonly runtime: RuntimeRef,
  ) {}

  @Post('process-expirations')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Record what time has made due',
    description: 'Expiries and activations; again records nothing.',
  })
  async processExpirations(
    @Body() body: TriggerDto,
    @Query() _query: NoQuery,
    @Caller() caller: ApiCaller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const at = await this.asOf(body, caller);
    const counts = await this.commands.execute(new SettleDueGrants(contextOf(caller), at));
    await this.answerPosition(reply);
    return { timestamp: formatInstant(at), processed: counts.expired, ...counts };
  }

  @Post('process-grant-renewals')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Renew grants that are due',
    description: 'No definition renews yet: the count is 0.',
  })
  async processRenewals(
    @Body() body: TriggerDto,
    @Query() _query: NoQuery,
    @Caller() caller: ApiCaller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const at = await this.asOf(body, caller);
    await this.answerPosition(reply);
    return { timestamp: formatInstant(at), processed: 0, renewed: 0 };
  }

  /** A job writes to many streams; the end of the log is behind all of it. */
  private async answerPosition(reply: FastifyReply): Promise<void> {
    void reply.header('Log-Position', (await this.runtime.current.eventStore.head()).toString());
  }

  /** The time a job runs as of; in test one that lies ahead moves the test clock there first. */
  private async asOf({ timestamp }: TriggerDto, caller: ApiCaller): Promise<Instant> {
    const context = contextOf(caller);
    const { clocks } = this.runtime.current;
    const now = clocks.now(context.tenant);
    const at = timestamp === undefined || timestamp === null ? now : parseInstant(timestamp)!;
    if (at <= now) return at;
    if (!isTest(context.tenant))
      throw new Problem('timestamp_in_future', 'In live, time cannot be moved ahead.', [
        { pointer: '/timestamp', code: 'timestamp_in_future', message: 'timestamp lies ahead of now.' },
      ]);
    await clocks.advance(context, at);
    return at;
  }
}
