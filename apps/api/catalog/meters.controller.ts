import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { currencyUnit, currencyUnits, meterKind, presentDocument, unitKind } from '#libs/catalog';
import { ArchiveMeter, CreateMeter, CreateUnit, UpdateMeter } from '#libs/commands/catalog';
import { Read, Write } from '../http/caller.js';
import type { ReadCall, WriteCall } from '../http/caller.js';
import { answerRead, ApiIdempotencyKey } from '../http/idempotency.js';
import {
  answerPage,
  foreignCursor,
  ListQuery,
  minPositionOf,
  NoBody,
  NoQuery,
  pageOf,
  ReadQuery,
} from '../http/pagination.js';
import { answerDocument, answerList, answerOne } from './catalog-answers.js';
import { CATALOG_QUERIES } from './catalog-queries.js';
import type { CatalogQueries } from './catalog-queries.js';
import {
  MeterAnswer,
  MeterBody,
  MeterUpdateBody,
  UnitAnswer,
  UnitBody,
  UnitListQuery,
} from './meters.dto.js';

@ApiTags('Units and meters')
@Controller('v1/units')
export class UnitsController {
  constructor(
    private readonly commands: CommandBus,
    @Inject(CATALOG_QUERIES) private readonly queries: CatalogQueries,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Create a unit that amounts count' })
  @ApiCreatedResponse({ type: UnitAnswer })
  @ApiIdempotencyKey()
  async create(@Write() { context, reply }: WriteCall, @Query() _: NoQuery, @Body() body: UnitBody) {
    return answerDocument(reply, unitKind, await this.commands.execute(new CreateUnit(context, { ...body })));
  }

  @Get()
  @ApiOperation({
    summary: 'List units',
    description: 'Currencies exist from the start and are listed with kind=monetary.',
  })
  @ApiOkResponse({ type: [UnitAnswer] })
  async list(@Read() call: ReadCall, @Query() query: UnitListQuery) {
    if (query.kind !== 'monetary') return answerList(this.queries, call, 'unit', query, { kind: query.kind });
    await this.reflect(call, query);
    const { limit, cursor } = pageOf(call, query);
    // units of one's own are listed on the same path, in another order
    if (cursor !== null && !/^[A-Z]{3}$/.test(cursor)) throw foreignCursor();
    const rest = currencyUnits().filter(({ id }) => cursor === null || id > cursor);
    const page = rest.slice(0, limit);
    return answerPage(
      call,
      page.map((unit) => presentDocument(unitKind, unit)),
      rest.length > limit ? page.at(-1)!.id : null,
    );
  }

  @Get(':code')
  @ApiOperation({ summary: 'Read a unit' })
  @ApiOkResponse({ type: UnitAnswer })
  async get(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('code') code: string) {
    const currency = currencyUnit(code);
    if (!currency) return answerOne(this.queries, call, { kind: 'unit', id: code, query });
    await this.reflect(call, query);
    return presentDocument(unitKind, currency);
  }

  /** Currencies stand in no read model; their answers say how far the others are, as every read does. */
  private async reflect({ tenant, request, reply }: ReadCall, query: ReadQuery): Promise<void> {
    const page = { limit: 1, cursor: null, minPosition: minPositionOf(request, query) };
    answerRead(reply, (await this.queries.list(tenant, 'unit', {}, page)).position);
  }
}

@ApiTags('Units and meters')
@Controller('v1/meters')
export class MetersController {
  constructor(
    private readonly commands: CommandBus,
    @Inject(CATALOG_QUERIES) private readonly queries: CatalogQueries,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Create a meter: it counts usage events and draws credit' })
  @ApiCreatedResponse({ type: MeterAnswer })
  @ApiIdempotencyKey()
  async create(@Write() { context, reply }: WriteCall, @Query() _: NoQuery, @Body() body: MeterBody) {
    return answerDocument(
      reply,
      meterKind,
      await this.commands.execute(new CreateMeter(context, { ...body })),
    );
  }

  @Get()
  @ApiOperation({ summary: 'List meters' })
  @ApiOkResponse({ type: [MeterAnswer] })
  list(@Read() call: ReadCall, @Query() query: ListQuery) {
    return answerList(this.queries, call, 'meter', query);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a meter' })
  @ApiOkResponse({ type: MeterAnswer })
  get(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('id') id: string) {
    return answerOne(this.queries, call, { kind: 'meter', id, query });
  }

  @Post(':id/update')
  @HttpCode(200)
  @ApiOperation({ summary: 'Change a meter', description: 'eventName, aggregation and unit cannot change.' })
  @ApiOkResponse({ type: MeterAnswer })
  @ApiIdempotencyKey()
  async update(
    @Write() { context, reply }: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() body: MeterUpdateBody,
  ) {
    return answerDocument(
      reply,
      meterKind,
      await this.commands.execute(new UpdateMeter(context, id, { ...body })),
    );
  }

  @Post(':id/archive')
  @HttpCode(200)
  @ApiOperation({ summary: 'Archive a meter: it takes no more usage' })
  @ApiOkResponse({ type: MeterAnswer })
  @ApiIdempotencyKey()
  async archive(
    @Write() { context, reply }: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() _body: NoBody,
  ) {
    return answerDocument(reply, meterKind, await this.commands.execute(new ArchiveMeter(context, id)));
  }
}
