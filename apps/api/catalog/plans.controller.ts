import { Body, Controller, Get, Inject, Param, Post, Query } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { planKind, priceKind } from '#libs/catalog';
import { CreatePlan, CreatePrice, UpdatePlan } from '#libs/commands/catalog';
import { Problem } from '#libs/kernel';
import { Read, Write } from '../http/caller.js';
import type { ReadCall, WriteCall } from '../http/caller.js';
import { answerRead, ApiIdempotencyKey } from '../http/idempotency.js';
import { answerPage, minPositionOf, NoQuery, pageOf, ReadQuery } from '../http/pagination.js';
import { answerDocument, answerList, answerOne } from './catalog-answers.js';
import { CATALOG_QUERIES } from './catalog-queries.js';
import type { CatalogQueries } from './catalog-queries.js';
import { allOf, answerPlans, type PlanIncludes, type PlanRow } from './plan-answers.js';
import {
  PlanAnswer,
  PlanBody,
  PlanListQuery,
  PlanReadQuery,
  PlanUpdateBody,
  PlanWriteQuery,
} from './plans.dto.js';
import { PriceAnswer, PriceBody, PriceListQuery } from './prices.dto.js';

const CHANGE = {
  summary: 'Change a plan, or make a new version of it',
  description:
    'Members that are left out stay. Name, description and what is only shown change in place (200). Other features, ' +
    'prices or trial make version n + 1 of the same plan (201); subscriptions stay on their version.',
};

type Includes = Pick<PlanReadQuery, 'includeFeatures' | 'includePrices' | 'includeTrials'>;
const includesOf = ({ includeFeatures, includePrices, includeTrials }: Includes): PlanIncludes => ({
  features: includeFeatures === 'true',
  prices: includePrices === 'true',
  trials: includeTrials === 'true',
});

@ApiTags('Catalogue')
@Controller('v1/plans')
export class PlansController {
  constructor(
    private readonly commands: CommandBus,
    @Inject(CATALOG_QUERIES) private readonly queries: CatalogQueries,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Create a plan' })
  @ApiCreatedResponse({ type: PlanAnswer })
  @ApiIdempotencyKey()
  async create(@Write() { context, reply }: WriteCall, @Query() _: NoQuery, @Body() body: PlanBody) {
    return answerDocument(reply, planKind, await this.commands.execute(new CreatePlan(context, { ...body })));
  }

  @Get()
  @ApiOperation({
    summary: 'List plans',
    description: 'The newest version of each, unless allVersions=true.',
  })
  @ApiOkResponse({ type: [PlanAnswer] })
  async list(@Read() call: ReadCall, @Query() query: PlanListQuery) {
    const { tenant, request, reply } = call;
    const page = { ...pageOf(call, query), minPosition: minPositionOf(request, query) };
    const newest = query.allVersions === 'true' ? undefined : 'true';
    const { data, nextCursor, position } = await this.queries.list(tenant, 'plan', { newest }, page);
    answerRead(reply, position);
    const plans = await answerPlans(this.queries, tenant, data as readonly PlanRow[], includesOf(query));
    return answerPage(call, plans, nextCursor);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a version of a plan, or its newest' })
  @ApiOkResponse({ type: PlanAnswer })
  async get(@Read() call: ReadCall, @Query() query: PlanReadQuery, @Param('id') id: string) {
    const plan = await this.find(call, query, id, query.isStableId === 'true');
    return (await answerPlans(this.queries, call.tenant, [plan], includesOf(query)))[0];
  }

  @Get(':id/versions')
  @ApiOperation({ summary: 'List the versions of a plan, the first one first' })
  @ApiOkResponse({ type: [PlanAnswer] })
  async versions(@Read() call: ReadCall, @Query() query: PlanReadQuery, @Param('id') id: string) {
    const { stablePlanId } = await this.find(call, query, id, query.isStableId === 'true');
    const versions = await allOf<PlanRow>(this.queries, call.tenant, 'plan', { stablePlanId });
    return {
      data: await answerPlans(this.queries, call.tenant, versions, includesOf(query)),
      nextCursor: null,
    };
  }

  @Post(':id')
  @ApiOperation(CHANGE)
  @ApiOkResponse({ type: PlanAnswer, description: 'Changed in place' })
  @ApiCreatedResponse({ type: PlanAnswer, description: 'A version was made' })
  @ApiIdempotencyKey()
  async update(
    @Write() { context, reply }: WriteCall,
    @Query() { isStableId }: PlanWriteQuery,
    @Param('id') id: string,
    @Body() body: PlanUpdateBody,
  ) {
    const command = new UpdatePlan(context, { id, isStableId: isStableId === 'true' }, { ...body });
    return answerDocument(reply, planKind, await this.commands.execute(command));
  }

  /** @throws Problem `not_found` */
  private async find(call: ReadCall, query: ReadQuery, id: string, isStableId: boolean): Promise<PlanRow> {
    const { tenant, request, reply } = call;
    if (!isStableId) return (await answerOne(this.queries, call, { kind: 'plan', id, query })) as PlanRow;
    const page = { limit: 1, cursor: null, minPosition: minPositionOf(request, query) };
    const filters = { stablePlanId: id, newest: 'true' };
    const { data, position } = await this.queries.list(tenant, 'plan', filters, page);
    if (!data[0]) throw new Problem('not_found', `No plan ${JSON.stringify(id)} exists.`);
    answerRead(reply, position);
    return data[0] as PlanRow;
  }
}

@ApiTags('Catalogue')
@Controller('v1/prices')
export class PricesController {
  constructor(
    private readonly commands: CommandBus,
    @Inject(CATALOG_QUERIES) private readonly queries: CatalogQueries,
  ) {}

  @Post()
  @ApiOperation({
    summary: 'Create a price of a version of a plan',
    description: 'The latest of each currency counts.',
  })
  @ApiCreatedResponse({ type: PriceAnswer })
  @ApiIdempotencyKey()
  async create(@Write() { context, reply }: WriteCall, @Query() _: NoQuery, @Body() body: PriceBody) {
    return answerDocument(
      reply,
      priceKind,
      await this.commands.execute(new CreatePrice(context, { ...body })),
    );
  }

  @Get()
  @ApiOperation({ summary: 'List prices' })
  @ApiOkResponse({ type: [PriceAnswer] })
  list(@Read() call: ReadCall, @Query() query: PriceListQuery) {
    const { planId, currency } = query;
    return answerList(this.queries, call, 'price', query, { planId, currency });
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a price' })
  @ApiOkResponse({ type: PriceAnswer })
  get(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('id') id: string) {
    return answerOne(this.queries, call, { kind: 'price', id, query });
  }
}
