import { Body, Controller, Get, Inject, Param, Patch, Post, Query } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { customerKind } from '#libs/catalog';
import { Problem } from '#libs/kernel';
import { CATALOG_PORTS, CreateCustomer, UpdateCustomer } from '#libs/commands/catalog';
import type { CatalogPorts, CatalogReader } from '#libs/commands/catalog';
import { Read, Write } from '../http/caller.js';
import type { ReadCall, WriteCall } from '../http/caller.js';
import { ApiIdempotencyKey } from '../http/idempotency.js';
import { NoQuery } from '../http/pagination.js';
import { answerDocument, answerList, answerOne } from './catalog-answers.js';
import { CATALOG_QUERIES } from './catalog-queries.js';
import type { CatalogQueries } from './catalog-queries.js';
import {
  CustomerAnswer,
  CustomerBody,
  CustomerListQuery,
  CustomerReadQuery,
  CustomerUpdateBody,
  CustomerWriteQuery,
} from './customers.dto.js';

@ApiTags('Customers')
@Controller('v1/customers')
export class CustomersController {
  constructor(
    private readonly commands: CommandBus,
    @Inject(CATALOG_QUERIES) private readonly queries: CatalogQueries,
    @Inject(CATALOG_PORTS) private readonly ports: CatalogPorts,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Create a customer' })
  @ApiCreatedResponse({ type: CustomerAnswer })
  @ApiIdempotencyKey()
  async create(@Write() { context, reply }: WriteCall, @Query() _: NoQuery, @Body() body: CustomerBody) {
    return answerDocument(
      reply,
      customerKind,
      await this.commands.execute(new CreateCustomer(context, { ...body })),
    );
  }

  @Get()
  @ApiOperation({ summary: 'List customers', description: 'Members of organisations only when asked for.' })
  @ApiOkResponse({ type: [CustomerAnswer] })
  list(@Read() call: ReadCall, @Query() query: CustomerListQuery) {
    const { includeMembers, customerOrganizationId, email, externalCustomerId } = query;
    const filters = { includeMembers, customerOrganizationId, email, externalCustomerId };
    return answerList(this.queries, call, 'customer', query, filters);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a customer' })
  @ApiOkResponse({ type: CustomerAnswer })
  async get(@Read() call: ReadCall, @Query() query: CustomerReadQuery, @Param('id') id: string) {
    const customerId = await customerIdOf(this.ports.reader, call.tenant, id, query.isExtCustId);
    return answerOne(this.queries, call, {
      kind: 'customer',
      id: customerId,
      query,
      missing: 'customer_not_found',
    });
  }

  @Patch(':id')
  @ApiOperation({
    summary: 'Change a customer',
    description: 'Members that are left out stay; null clears an optional one.',
  })
  @ApiOkResponse({ type: CustomerAnswer })
  @ApiIdempotencyKey()
  async update(
    @Write() { context, reply }: WriteCall,
    @Query() query: CustomerWriteQuery,
    @Param('id') id: string,
    @Body() body: CustomerUpdateBody,
  ) {
    const customerId = await customerIdOf(this.ports.reader, context.tenant, id, query.isExtCustId);
    const command = new UpdateCustomer(context, customerId, { ...body });
    return answerDocument(reply, customerKind, await this.commands.execute(command));
  }
}

/** The customer's id, from what a path or body holds. @throws Problem `customer_not_found` for an unknown external id */
export async function customerIdOf(
  reader: CatalogReader,
  tenant: string,
  id: string,
  isExtCustId: 'true' | 'false' | undefined,
): Promise<string> {
  if (isExtCustId !== 'true') return id;
  const customer = await reader.customerByExternalId(tenant, id);
  if (!customer)
    throw new Problem('customer_not_found', `No customer has the external id ${JSON.stringify(id)}.`);
  return customer.id;
}
