import { Body, Controller, Get, Inject, Param, Post, Query } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { featureKind, planKind, priceKind } from '#libs/catalog';
import { CATALOG_PORTS, CreateFeature, CreatePlan, CreatePrice } from '#libs/commands/catalog';
import type { CatalogPorts } from '#libs/commands/catalog';
import { Read, Write } from '../http/caller.js';
import type { ReadCall, WriteCall } from '../http/caller.js';
import { ApiIdempotencyKey } from '../http/idempotency.js';
import { ListQuery, NoQuery, ReadQuery } from '../http/pagination.js';
import { answerDocument, answerList, answerOne } from './catalog-answers.js';
import { CATALOG_QUERIES } from './catalog-queries.js';
import type { CatalogQueries } from './catalog-queries.js';
import {
  FeatureAnswer,
  FeatureBody,
  PlanAnswer,
  PlanBody,
  PriceAnswer,
  PriceBody,
  PriceListQuery,
} from './plans.dto.js';

@ApiTags('Catalogue')
@Controller('v1/features')
export class FeaturesController {
  constructor(
    private readonly commands: CommandBus,
    @Inject(CATALOG_QUERIES) private readonly queries: CatalogQueries,
    @Inject(CATALOG_PORTS) private readonly ports: CatalogPorts,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Create a feature' })
  @ApiCreatedResponse({ type: FeatureAnswer })
  @ApiIdempotencyKey()
  async create(@Write() { context, reply }: WriteCall, @Query() _: NoQuery, @Body() body: FeatureBody) {
    return answerDocument(
      reply,
      featureKind,
      await this.commands.execute(new CreateFeature(context, { ...body })),
    );
  }

  @Get()
  @ApiOperation({ summary: 'List features' })
  @ApiOkResponse({ type: [FeatureAnswer] })
  list(@Read() call: ReadCall, @Query() query: ListQuery) {
    return answerList(this.queries, call, 'feature', query);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a feature by its id or slug' })
  @ApiOkResponse({ type: FeatureAnswer })
  async get(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('id') idOrSlug: string) {
    const { reader } = this.ports;
    const byId = await reader.feature(call.tenant, idOrSlug);
    const id = (byId ?? (await reader.featureBySlug(call.tenant, idOrSlug)))?.id ?? idOrSlug;
    return answerOne(this.queries, call, { kind: 'feature', id, query });
  }
}

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
  @ApiOperation({ summary: 'List plans' })
  @ApiOkResponse({ type: [PlanAnswer] })
  list(@Read() call: ReadCall, @Query() query: ListQuery) {
    return answerList(this.queries, call, 'plan', query);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a plan' })
  @ApiOkResponse({ type: PlanAnswer })
  get(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('id') id: string) {
    return answerOne(this.queries, call, { kind: 'plan', id, query });
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
  @ApiOperation({ summary: 'Create a price of a plan' })
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
    return answerList(this.queries, call, 'price', query, { planId: query.planId });
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a price' })
  @ApiOkResponse({ type: PriceAnswer })
  get(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('id') id: string) {
    return answerOne(this.queries, call, { kind: 'price', id, query });
  }
}
