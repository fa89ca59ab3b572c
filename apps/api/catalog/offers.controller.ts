import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Query } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { enrollmentRuleKind, pricingTableKind } from '#libs/catalog';
import {
  ArchiveEnrollmentRule,
  ArchivePricingTable,
  CreateEnrollmentRule,
  CreatePricingTable,
  UpdatePricingTable,
} from '#libs/commands/catalog';
import { Read, Write } from '../http/caller.js';
import type { ReadCall, WriteCall } from '../http/caller.js';
import { ApiIdempotencyKey } from '../http/idempotency.js';
import { ListQuery, NoBody, NoQuery, ReadQuery } from '../http/pagination.js';
import { answerDocument, answerList, answerOne } from './catalog-answers.js';
import { CATALOG_QUERIES } from './catalog-queries.js';
import type { CatalogQueries } from './catalog-queries.js';
import {
  EnrollmentRuleAnswer,
  EnrollmentRuleBody,
  EnrollmentRuleListQuery,
  PricingTableAnswer,
  PricingTableBody,
  PricingTableUpdateBody,
} from './offers.dto.js';

@ApiTags('Pricing tables')
@Controller('v1/pricing-tables')
export class PricingTablesController {
  constructor(
    private readonly commands: CommandBus,
    @Inject(CATALOG_QUERIES) private readonly queries: CatalogQueries,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Create a pricing table: plans side by side for a public page' })
  @ApiCreatedResponse({ type: PricingTableAnswer })
  @ApiIdempotencyKey()
  async create(@Write() { context, reply }: WriteCall, @Query() _: NoQuery, @Body() body: PricingTableBody) {
    const written = await this.commands.execute(new CreatePricingTable(context, { ...body }));
    return answerDocument(reply, pricingTableKind, written);
  }

  @Get()
  @ApiOperation({ summary: 'List pricing tables', description: 'Archived ones are left out.' })
  @ApiOkResponse({ type: [PricingTableAnswer] })
  list(@Read() call: ReadCall, @Query() query: ListQuery) {
    return answerList(this.queries, call, 'pricingTable', query, { archived: 'false' });
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a pricing table' })
  @ApiOkResponse({ type: PricingTableAnswer })
  get(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('id') id: string) {
    return answerOne(this.queries, call, { kind: 'pricingTable', id, query });
  }

  @Patch(':id')
  @ApiOperation({
    summary: 'Change a pricing table',
    description: 'Members that are left out stay. The slug cannot change.',
  })
  @ApiOkResponse({ type: PricingTableAnswer })
  @ApiIdempotencyKey()
  async update(
    @Write() { context, reply }: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() body: PricingTableUpdateBody,
  ) {
    const written = await this.commands.execute(new UpdatePricingTable(context, id, { ...body }));
    return answerDocument(reply, pricingTableKind, written);
  }

  @Post(':id/archive')
  @HttpCode(200)
  @ApiOperation({ summary: 'Archive a pricing table: the public cannot read it any more' })
  @ApiOkResponse({ type: PricingTableAnswer })
  @ApiIdempotencyKey()
  async archive(
    @Write() { context, reply }: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() _body: NoBody,
  ) {
    const written = await this.commands.execute(new ArchivePricingTable(context, id));
    return answerDocument(reply, pricingTableKind, written);
  }
}

@ApiTags('Enrolment')
@Controller('v1/enrollment/rules')
export class EnrollmentRulesController {
  constructor(
    private readonly commands: CommandBus,
    @Inject(CATALOG_QUERIES) private readonly queries: CatalogQueries,
  ) {}

  @Post()
  @ApiOperation({
    summary: 'Create an enrolment rule',
    description:
      'Who enrols with such an address, and asks for no plan, gets that of the oldest rule that matches.',
  })
  @ApiCreatedResponse({ type: EnrollmentRuleAnswer })
  @ApiIdempotencyKey()
  async create(
    @Write() { context, reply }: WriteCall,
    @Query() _: NoQuery,
    @Body() body: EnrollmentRuleBody,
  ) {
    const written = await this.commands.execute(new CreateEnrollmentRule(context, { ...body }));
    return answerDocument(reply, enrollmentRuleKind, written);
  }

  @Get()
  @ApiOperation({ summary: 'List the enrolment rules in force, in the order in which they are tried' })
  @ApiOkResponse({ type: [EnrollmentRuleAnswer] })
  list(@Read() call: ReadCall, @Query() query: EnrollmentRuleListQuery) {
    const filters = { planId: query.planId, archived: 'false' };
    return answerList(this.queries, call, 'enrollmentRule', query, filters);
  }

  @Delete(':id')
  @ApiOperation({ summary: 'Delete an enrolment rule', description: 'Its history stays.' })
  @ApiOkResponse({ type: EnrollmentRuleAnswer })
  @ApiIdempotencyKey()
  async archive(
    @Write() { context, reply }: WriteCall,
    @Query() _: NoQuery,
    @Param('id') id: string,
    @Body() _body: NoBody,
  ) {
    const written = await this.commands.execute(new ArchiveEnrollmentRule(context, id));
    return answerDocument(reply, enrollmentRuleKind, written);
  }
}
