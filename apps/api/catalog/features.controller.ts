import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Inject,
  Param,
  Patch,
  Post,
  Put,
  Query,
} from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { featureKind } from '#libs/catalog';
import { ArchiveFeature, CATALOG_PORTS, CreateFeature, UpdateFeature } from '#libs/commands/catalog';
import type { CatalogPorts } from '#libs/commands/catalog';
import { Read, Write } from '../http/caller.js';
import type { ReadCall, WriteCall } from '../http/caller.js';
import { answerRead, ApiIdempotencyKey } from '../http/idempotency.js';
import { NoBody, NoQuery, ReadQuery } from '../http/pagination.js';
import { answerDocument, answerList, answerOne } from './catalog-answers.js';
import { CATALOG_QUERIES } from './catalog-queries.js';
import type { CatalogQueries } from './catalog-queries.js';
import {
  FeatureAnswer,
  FeatureBody,
  FeatureListQuery,
  FeatureUpdateBody,
  SlugAnswer,
  SlugBody,
} from './features.dto.js';

const CHANGE = {
  summary: 'Change a feature',
  description: 'Members that are left out stay. Slug, type and meter cannot change.',
};

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

  @Post('checkSlug')
  @HttpCode(200)
  @ApiOperation({ summary: 'Ask whether a slug is taken', description: 'That of a deleted feature is.' })
  @ApiOkResponse({ type: SlugAnswer })
  async checkSlug(@Read() { tenant, reply }: ReadCall, @Query() _: NoQuery, @Body() { slug }: SlugBody) {
    const page = { limit: 1, cursor: null };
    answerRead(reply, (await this.queries.list(tenant, 'feature', { slug }, page)).position);
    return { conflict: (await this.ports.reader.featureBySlug(tenant, slug)) !== null };
  }

  @Get()
  @ApiOperation({ summary: 'List features', description: 'Deleted ones are left out.' })
  @ApiOkResponse({ type: [FeatureAnswer] })
  list(@Read() call: ReadCall, @Query() query: FeatureListQuery) {
    return answerList(this.queries, call, 'feature', query, { search: query.search, archived: 'false' });
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a feature by its id or slug', description: 'Also a deleted one.' })
  @ApiOkResponse({ type: FeatureAnswer })
  async get(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('id') idOrSlug: string) {
    const id = await this.idOf(call.tenant, idOrSlug);
    return answerOne(this.queries, call, { kind: 'feature', id, query });
  }

  @Put(':id')
  @ApiOperation(CHANGE)
  @ApiOkResponse({ type: FeatureAnswer })
  @ApiIdempotencyKey()
  put(
    @Write() call: WriteCall,
    @Query() query: NoQuery,
    @Param('id') id: string,
    @Body() body: FeatureUpdateBody,
  ) {
    return this.update(call, query, id, body);
  }

  @Patch(':id')
  @ApiOperation(CHANGE)
  @ApiOkResponse({ type: FeatureAnswer })
  @ApiIdempotencyKey()
  async update(
    @Write() { context, reply }: WriteCall,
    @Query() _: NoQuery,
    @Param('id') idOrSlug: string,
    @Body() body: FeatureUpdateBody,
  ) {
    const id = await this.idOf(context.tenant, idOrSlug);
    const written = await this.commands.execute(new UpdateFeature(context, id, { ...body }));
    return answerDocument(reply, featureKind, written);
  }

  @Delete(':id')
  @ApiOperation({
    summary: 'Delete a feature',
    description:
      'It leaves every plan and every new subscription; existing ones keep their copy. Its history and slug stay.',
  })
  @ApiOkResponse({ type: FeatureAnswer })
  @ApiIdempotencyKey()
  async archive(
    @Write() { context, reply }: WriteCall,
    @Query() _: NoQuery,
    @Param('id') idOrSlug: string,
    @Body() _body: NoBody,
  ) {
    const id = await this.idOf(context.tenant, idOrSlug);
    return answerDocument(reply, featureKind, await this.commands.execute(new ArchiveFeature(context, id)));
  }

  private async idOf(tenant: string, idOrSlug: string): Promise<string> {
    const { reader } = this.ports;
    const byId = await reader.feature(tenant, idOrSlug);
    return (byId ?? (await reader.featureBySlug(tenant, idOrSlug)))?.id ?? idOrSlug;
  }
}
