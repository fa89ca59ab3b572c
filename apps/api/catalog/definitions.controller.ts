import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { creditDefinitionKind } from '#libs/catalog';
import { CreateCreditDefinition, UpdateCreditDefinition } from '#libs/commands/catalog';
import { Read, Write } from '../http/caller.js';
import type { ReadCall, WriteCall } from '../http/caller.js';
import { ApiIdempotencyKey } from '../http/idempotency.js';
import { NoQuery, ReadQuery } from '../http/pagination.js';
import { answerDocument, answerList, answerOne } from './catalog-answers.js';
import { CATALOG_QUERIES } from './catalog-queries.js';
import type { CatalogQueries } from './catalog-queries.js';
import {
  DefinitionAnswer,
  DefinitionBody,
  DefinitionListQuery,
  DefinitionUpdateBody,
} from './definitions.dto.js';

@ApiTags('Credits')
@Controller('v1/credits/definitions')
export class DefinitionsController {
  constructor(
    private readonly commands: CommandBus,
    @Inject(CATALOG_QUERIES) private readonly queries: CatalogQueries,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Create a credit definition: the template of grants' })
  @ApiCreatedResponse({ type: DefinitionAnswer })
  @ApiIdempotencyKey()
  async create(@Write() { context, reply }: WriteCall, @Query() _: NoQuery, @Body() body: DefinitionBody) {
    const written = await this.commands.execute(new CreateCreditDefinition(context, { ...body }));
    return answerDocument(reply, creditDefinitionKind, written);
  }

  @Get()
  @ApiOperation({ summary: 'List credit definitions' })
  @ApiOkResponse({ type: [DefinitionAnswer] })
  list(@Read() call: ReadCall, @Query() query: DefinitionListQuery) {
    const { scope, applicationType } = query;
    return answerList(this.queries, call, 'creditDefinition', query, { scope, applicationType });
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a credit definition' })
  @ApiOkResponse({ type: DefinitionAnswer })
  get(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('id') id: string) {
    return answerOne(this.queries, call, { kind: 'creditDefinition', id, query });
  }

  @Post(':id/update')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Change a credit definition',
    description: 'Grants that were issued keep what they were issued with.',
  })
  @ApiOkResponse({ type: DefinitionAnswer })
  @ApiIdempotencyKey()
  async update(
    @Write() { context, reply }: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() body: DefinitionUpdateBody,
  ) {
    const written = await this.commands.execute(new UpdateCreditDefinition(context, id, { ...body }));
    return answerDocument(reply, creditDefinitionKind, written);
  }
}
