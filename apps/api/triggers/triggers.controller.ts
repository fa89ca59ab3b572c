import { Body, Controller, HttpCode, Post, Query } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { formatInstant, parseInstant, Problem, type Instant } from '#libs/kernel';
import { isTest, runOnce, type CommandContext } from '#libs/commands';
import { countSettled, SettleDueGrants } from '#libs/commands/credits';
import { collectPayments, processInvoices } from '#libs/commands/invoices';
import { settleSubscriptions } from '#libs/commands/subscriptions';
import { ForKeys } from '../auth.js';
import {
  answerRead,
  ApiIdempotencyKey,
  Field,
  IsInstant,
  NoQuery,
  Write,
  type WriteCall,
} from '../http/index.js';
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
@Controller('v1/trigger')
export class TriggersController {
  constructor(
    private readonly commands: CommandBus,
    private readonly runtime: RuntimeRef,
  ) {}

  @Post('credits/process-expirations')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Record what time has made due',
    description:
      'On every account, all kinds of it, in order; `processed` counts expiries. Again records nothing.',
  })
  @ApiIdempotencyKey()
  processExpirations(@Write() call: WriteCall, @Query() _: NoQuery, @Body() body: TriggerDto) {
    return this.run(call, 'trigger.expirations', body, async (at) => {
      const counts = await this.settle(call.context, at, 'all');
      return { processed: counts.expired, ...counts };
    });
  }

  @Post('credits/process-grant-renewals')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Renew grants that are due',
    description:
      'Subscriptions whose period or trial is over; then accounts where a series renews, with all that fell due there, in order. `processed` counts renewals.',
  })
  @ApiIdempotencyKey()
  processRenewals(@Write() call: WriteCall, @Query() _: NoQuery, @Body() body: TriggerDto) {
    return this.run(call, 'trigger.renewals', body, async (at) => {
      const counts = await this.settle(call.context, at, 'renewing');
      return { processed: counts.renewed, ...counts };
    });
  }

  @Post('billing/process-invoices')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Invoice what is due',
    description:
      'Every subscription of which a period is over, or terms have changed, after what time made due; `processed` counts invoices. Again makes none.',
  })
  @ApiIdempotencyKey()
  processInvoices(@Write() call: WriteCall, @Query() _: NoQuery, @Body() body: TriggerDto) {
    return this.run(call, 'trigger.invoices', body, async (at) => {
      await this.settle(call.context, at, 'all');
      const counts = await processInvoices(this.runtime.current.invoices, call.context);
      return { processed: counts.invoices, ...counts };
    });
  }

  @Post('billing/process-payments')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Collect what is due',
    description:
      'Of every invoice under a dunning policy: payments to be asked for, due dates that passed, and the end. `processed` counts invoices. Again records nothing.',
  })
  @ApiIdempotencyKey()
  processPayments(@Write() call: WriteCall, @Query() _: NoQuery, @Body() body: TriggerDto) {
    return this.run(call, 'trigger.payments', body, async (at) => {
      const counts = await collectPayments(this.runtime.current.invoices, call.context, at);
      return { processed: counts.invoices, ...counts };
    });
  }

  /** Subscriptions first: what they tell accounts is due there too. */
  private async settle(context: CommandContext, at: Instant, which: 'all' | 'renewing') {
    const { subscriptions, events } = await settleSubscriptions(
      this.runtime.current.subscriptions,
      context,
      at,
    );
    const counts = await this.commands.execute(new SettleDueGrants(context, at, which));
    for (const { type } of events) countSettled(counts, type);
    return { ...counts, subscriptions };
  }

  private async run(
    { context, reply }: WriteCall,
    operation: string,
    body: TriggerDto,
    job: (at: Instant) => Promise<Readonly<Record<string, number>>>,
  ) {
    const { writer, eventStore, holdSchedules } = this.runtime.current;
    // what this job makes due is recorded, and counted, by this job
    const { answer, replayed } = await runOnce(writer, context, operation, { ...body }, () =>
      holdSchedules(context.tenant, async () => {
        const at = await this.asOf(body, context);
        return { timestamp: formatInstant(at), ...(await job(at)) };
      }),
    );
    // a job writes to many streams; the end of the log is behind all of it
    answerRead(reply, await eventStore.head());
    if (replayed) void reply.header('Idempotent-Replayed', 'true');
    return answer;
  }

  /** The time a job runs as of; in test one that lies ahead moves the test clock there first. */
  private async asOf({ timestamp }: TriggerDto, context: CommandContext): Promise<Instant> {
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
