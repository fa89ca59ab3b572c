import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Problem } from '#libs/kernel';
import { runOnce } from '#libs/commands';
import { resolveCustomer } from '#libs/commands/credits';
import {
  ChangeSubscription,
  CreateSubscription,
  MigrateSubscriptions,
  subscriptions,
  type MigrationRequest,
  type SubscriptionChange,
  type SubscriptionChanges,
  type SubscriptionRequest,
} from '#libs/commands/subscriptions';
import { FindSubscription, ListSubscriptions } from '#libs/read-models/queries';
import type { SubscriptionAnswer } from '#libs/subscriptions';
import {
  answerPage,
  answerRead,
  ApiIdempotencyKey,
  minPositionOf,
  NoBody,
  NoQuery,
  pageOf,
  Read,
  ReadQuery,
  Write,
  type ReadCall,
  type WriteCall,
} from '../http/index.js';
import { answered, isExternal, plain } from '../credits/answered.js';
import { CustomerQuery } from '../credits/credits.dto.js';
import { ReadGate } from '../read-gate.js';
import { RuntimeRef } from '../runtime-ref.js';
import {
  CancelBody,
  ChangeBody,
  FeatureOverrideBody,
  MigrateAllBody,
  MigrateBody,
  PriceOverrideBody,
  ReasonBody,
  RevokeOverrideBody,
  SubscriptionBody,
  SubscriptionsQuery,
} from './subscriptions.dto.js';

/** What customers have agreed to, and the grants that follow from it. */
@ApiTags('Subscriptions')
@ApiBearerAuth()
@Controller('v1/subscriptions')
export class SubscriptionsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
    private readonly gate: ReadGate,
    private readonly runtime: RuntimeRef,
  ) {}

  @Post()
  @ApiOperation({
    summary: 'Create a subscription',
    description: 'Copies the plan’s features and its price, and issues the grants of its credit definitions.',
  })
  @ApiIdempotencyKey()
  async create(
    @Write() { context, reply }: WriteCall,
    @Query() query: CustomerQuery,
    @Body() body: SubscriptionBody,
  ) {
    const request = plain<SubscriptionRequest>(body);
    return answered(
      reply,
      await this.commands.execute(new CreateSubscription(context, request, isExternal(query))),
    );
  }

  @Get()
  @ApiOperation({ summary: 'List subscriptions' })
  async list(@Read() call: ReadCall, @Query() query: SubscriptionsQuery) {
    const { clocks, credits } = this.runtime.current;
    const { planId, status, includeFeatures, customerId: named } = query;
    await this.gate.pass(call, query);
    const customerId =
      named === undefined
        ? undefined
        : (await resolveCustomer(credits, call.tenant, { id: named, external: isExternal(query) })).id;
    const { data, nextKey, position } = await this.queries.execute(
      new ListSubscriptions(
        call.tenant,
        { customerId, planId, status },
        pageOf(call, query),
        clocks.now(call.tenant),
      ),
    );
    this.gate.answer(call, query, position);
    return answerPage(call, includeFeatures === 'true' ? data : data.map(withoutFeatures), nextKey);
  }

  @Post('migrate')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Change all subscriptions of one version of a plan to another',
    description:
      'By default when their next period begins; up to `limit` of them, and those behind `nextCursor` by the next request. Again finds those that were not changed, or planned to be, yet.',
  })
  @ApiIdempotencyKey()
  async migrateAll(
    @Write() { context, reply }: WriteCall,
    @Query() _: NoQuery,
    @Body() body: MigrateAllBody,
  ) {
    const { writer, eventStore } = this.runtime.current;
    const { answer, replayed } = await runOnce(
      writer,
      context,
      'subscriptions.migrateAll',
      { ...body },
      async () => {
        const { failed, ...counts } = await this.commands.execute(
          new MigrateSubscriptions(context, plain<MigrationRequest>(body)),
        );
        return { ...counts, failed: failed.map((one) => ({ ...one })) };
      },
    );
    answerRead(reply, await eventStore.head());
    if (replayed) void reply.header('Idempotent-Replayed', 'true');
    return answer;
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a subscription' })
  async get(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('id') id: string) {
    const { readModels, writer, clocks, eventStore } = this.runtime.current;
    const look = () => this.queries.execute(new FindSubscription(call.tenant, id, clocks.now(call.tenant)));
    await this.gate.pass(call, query);
    let found = await look();
    if (minPositionOf(call.request, query) === undefined) {
      const own = writer.knownPosition(subscriptions.category, call.tenant, id);
      const behind = found.data ? own : await eventStore.head();
      if (found.position < behind) {
        await readModels.waitForPosition(behind).catch(() => undefined);
        found = await look();
      }
    }
    if (!found.data) throw new Problem('not_found', `There is no subscription ${JSON.stringify(id)}.`);
    this.gate.answer(call, query, found.position);
    return found.data;
  }

  @Delete(':id')
  @HttpCode(200)
  @ApiOperation({ summary: 'Cancel a subscription now', description: 'Its grants expire.' })
  @ApiIdempotencyKey()
  delete(@Write() call: WriteCall, @Query() _: NoQuery, @Param('id') id: string) {
    return this.change(call, id, { action: 'cancel', request: {} });
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @ApiOperation({ summary: 'Cancel a subscription, now or when its period ends' })
  @ApiIdempotencyKey()
  cancel(@Write() call: WriteCall, @Query() _: NoQuery, @Param('id') id: string, @Body() body: CancelBody) {
    return this.change(call, id, { action: 'cancel', request: plain<SubscriptionChanges['cancel']>(body) });
  }

  @Post(':id/uncancel')
  @HttpCode(200)
  @ApiOperation({ summary: 'Let a subscription go on that would end with its period' })
  @ApiIdempotencyKey()
  uncancel(@Write() call: WriteCall, @Query() _: NoQuery, @Param('id') id: string, @Body() __: NoBody) {
    return this.change(call, id, { action: 'uncancel', request: {} });
  }

  @Post(':id/pause')
  @HttpCode(200)
  @ApiOperation({ summary: 'Pause a subscription', description: 'No period begins and nothing renews.' })
  @ApiIdempotencyKey()
  pause(@Write() call: WriteCall, @Query() _: NoQuery, @Param('id') id: string, @Body() body: ReasonBody) {
    return this.change(call, id, { action: 'pause', request: plain<SubscriptionChanges['pause']>(body) });
  }

  @Post(':id/resume')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Resume a paused subscription',
    description: 'The billing cycle begins anew: old grants expire, fresh ones are issued.',
  })
  @ApiIdempotencyKey()
  resume(@Write() call: WriteCall, @Query() _: NoQuery, @Param('id') id: string, @Body() body: ReasonBody) {
    return this.change(call, id, { action: 'resume', request: plain<SubscriptionChanges['resume']>(body) });
  }

  @Post(':id/change')
  @HttpCode(200)
  @ApiOperation({ summary: 'Change plan, price or quantity, now or with the next period' })
  @ApiIdempotencyKey()
  changePlan(
    @Write() call: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() body: ChangeBody,
  ) {
    return this.change(call, id, { action: 'change', request: plain<SubscriptionChanges['change']>(body) });
  }

  @Post(':id/migrate')
  @HttpCode(200)
  @ApiOperation({ summary: 'Move a subscription to another version of its plan' })
  @ApiIdempotencyKey()
  migrate(@Write() call: WriteCall, @Query() _: NoQuery, @Param('id') id: string, @Body() body: MigrateBody) {
    return this.change(call, id, { action: 'migrate', request: plain<SubscriptionChanges['migrate']>(body) });
  }

  @Post(':id/overrides/features')
  @HttpCode(200)
  @ApiOperation({ summary: 'Give a feature another value for this subscription' })
  @ApiIdempotencyKey()
  overrideFeature(
    @Write() call: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() body: FeatureOverrideBody,
  ) {
    const request = plain<SubscriptionChanges['overrideFeature']>(body);
    return this.change(call, id, { action: 'overrideFeature', request });
  }

  @Post(':id/overrides/features/revoke')
  @HttpCode(200)
  @ApiOperation({ summary: 'Take the overrides of a feature back' })
  @ApiIdempotencyKey()
  revokeFeatureOverride(
    @Write() call: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() body: RevokeOverrideBody,
  ) {
    return this.change(call, id, { action: 'revokeFeatureOverride', request: { ...body } });
  }

  @Post(':id/overrides/prices')
  @HttpCode(200)
  @ApiOperation({ summary: 'Charge other components for some periods' })
  @ApiIdempotencyKey()
  overridePrice(
    @Write() call: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() body: PriceOverrideBody,
  ) {
    const request = plain<SubscriptionChanges['overridePrice']>(body);
    return this.change(call, id, { action: 'overridePrice', request });
  }

  private async change({ context, reply }: WriteCall, id: string, change: SubscriptionChange) {
    return answered(reply, await this.commands.execute(new ChangeSubscription(context, id, change)));
  }
}

const withoutFeatures = ({
  subscriptionFeatures: _,
  ...answer
}: SubscriptionAnswer): Omit<SubscriptionAnswer, 'subscriptionFeatures'> => answer;
