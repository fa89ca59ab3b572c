import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { formatAmount, formatInstant, parseInstant, Problem, type Instant } from '#libs/kernel';
import {
  ChangeRenewal,
  plannedRenewals,
  previewRule,
  type RenewalChange,
  type RenewalChanges,
} from '#libs/commands/credits';
import { FindSeries } from '#libs/read-models/queries';
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
import { answered, plain } from './answered.js';
import {
  AmendRenewalDto,
  CancelRenewalDto,
  DEFAULT_PREVIEW,
  PauseRenewalDto,
  PreviewQuery,
  PreviewRuleDto,
  RenewDto,
  ResumeRenewalDto,
} from './renewals.dto.js';

/** Series of grants that renew. A series has the id of its first grant. */
@ApiTags('Credits')
@ApiBearerAuth()
@Controller('v1/credits/renewals')
export class RenewalsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
    private readonly gate: ReadGate,
    private readonly runtime: RuntimeRef,
  ) {}

  @Post('preview')
  @HttpCode(200)
  @ApiOperation({ summary: 'Say when a rule that nothing renews by yet would occur' })
  previewRule(@Write() { context }: WriteCall, @Query() _: NoQuery, @Body() body: PreviewRuleDto) {
    const { refillRrule, timezone, startDate, limit } = plain<PreviewRuleDto>(body);
    const anchor = startDate === undefined ? this.now(context.tenant) : parseInstant(startDate)!;
    const asked = { refillRrule, timezone: timezone ?? 'UTC', anchor, limit: limit ?? DEFAULT_PREVIEW };
    const { canonical, occurrences } = previewRule(asked);
    return {
      refillRrule: canonical,
      timezone: asked.timezone,
      anchor: formatInstant(anchor),
      occurrences: occurrences.map(formatInstant),
    };
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a series of renewals' })
  read(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('id') id: string) {
    return this.gate.find(
      call,
      query,
      () => this.queries.execute(new FindSeries(call.tenant, id)),
      () => new Problem('not_found', `There is no renewal ${JSON.stringify(id)}.`),
    );
  }

  @Get(':id/preview')
  @ApiOperation({ summary: 'Say when a series renews next, and what with' })
  async preview(@Read() call: ReadCall, @Query() query: PreviewQuery, @Param('id') id: string) {
    const { limit } = query;
    await this.gate.passLog(call, query);
    const { planned, position } = await plannedRenewals(
      this.runtime.current.credits,
      call.tenant,
      id,
      limit === undefined ? DEFAULT_PREVIEW : Number(limit),
    );
    answerRead(call.reply, position);
    return {
      data: planned.map(({ amount, at, expiresAt, ...renewal }) => ({
        ...renewal,
        amount: formatAmount(amount),
        renewsAt: formatInstant(at),
        expiryDate: expiresAt === Infinity ? null : formatInstant(expiresAt),
      })),
    };
  }

  @Post(':id/pause')
  @HttpCode(200)
  @ApiOperation({ summary: 'Stop renewing for now', description: 'The grants stay as they are.' })
  @ApiIdempotencyKey()
  pause(
    @Write() call: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() body: PauseRenewalDto,
  ) {
    return this.change(call, id, { action: 'pause', request: plain<RenewalChanges['pause']>(body) });
  }

  @Post(':id/resume')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Begin the cycle anew',
    description: 'The old grants expire, a fresh one is issued now.',
  })
  @ApiIdempotencyKey()
  resume(
    @Write() call: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() body: ResumeRenewalDto,
  ) {
    return this.change(call, id, { action: 'resume', request: plain<RenewalChanges['resume']>(body) });
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Stop renewing for good',
    description: 'The grants of the series expire, unless they are kept.',
  })
  @ApiIdempotencyKey()
  cancel(
    @Write() call: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() body: CancelRenewalDto,
  ) {
    return this.change(call, id, { action: 'cancel', request: plain<RenewalChanges['cancel']>(body) });
  }

  @Post(':id/amend')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Change what later renewals are',
    description: 'Grants that were issued stay as they are.',
  })
  @ApiIdempotencyKey()
  amend(
    @Write() call: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() body: AmendRenewalDto,
  ) {
    return this.change(call, id, { action: 'amend', request: plain<RenewalChanges['amend']>(body) });
  }

  @Post(':id/renew')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Renew for a billing period that has begun',
    description: 'For series that renew on billing; the same period again does nothing.',
  })
  @ApiIdempotencyKey()
  renew(@Write() call: WriteCall, @Query() _: NoQuery, @Param('id') id: string, @Body() body: RenewDto) {
    return this.change(call, id, { action: 'renew', request: plain<RenewalChanges['renew']>(body) });
  }

  private async change({ context, reply }: WriteCall, id: string, change: RenewalChange) {
    return answered(reply, await this.commands.execute(new ChangeRenewal(context, id, change)));
  }

  private now(tenant: string): Instant {
    return this.runtime.current.clocks.now(tenant);
  }
}
