import { Body, Controller, Inject, Post, Query } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Attributes, EnrollmentRule, PricingTable } from '#libs/catalog';
import { Enroll, type EnrollmentRequest } from '#libs/commands/subscriptions';
import { CATALOG_QUERIES, type CatalogQueries } from '../catalog/index.js';
import { BillingMembers } from '../catalog/customers.dto.js';
import { allOf } from '../catalog/plan-answers.js';
import { answered, plain } from '../credits/answered.js';
import {
  ApiIdempotencyKey,
  Field,
  IsEmailAddress,
  IsId,
  IsText,
  NoQuery,
  Write,
  type WriteCall,
} from '../http/index.js';
import { RuntimeRef } from '../runtime-ref.js';

class EnrollmentBody extends BillingMembers {
  @Field(IsText(255), { example: 'user_ext_456', description: 'your own id of the user' })
  userId!: string;

  @Field(IsEmailAddress(), { example: 'ada@acme.example', description: 'which rules look at' })
  customerEmail!: string;

  @Field(IsText(255), { example: 'Ada Lovelace' })
  customerName!: string;

  @Field(IsId(), { optional: true, example: 'plan_free', description: 'goes before every rule' })
  planId?: string;
}

@ApiTags('Enrolment')
@ApiBearerAuth()
@Controller('v1/enrollment')
export class EnrollmentController {
  constructor(
    private readonly commands: CommandBus,
    @Inject(CATALOG_QUERIES) private readonly queries: CatalogQueries,
    private readonly runtime: RuntimeRef,
  ) {}

  @Post('enroll')
  @ApiOperation({
    summary: 'Give a user a free plan',
    description:
      'The plan asked for, else that of the oldest rule the address matches, else the first free one of an active ' +
      'pricing table. Makes the customer, where there is none, and the subscription.',
  })
  @ApiIdempotencyKey()
  async enroll(@Write() { context, reply }: WriteCall, @Query() _: NoQuery, @Body() body: EnrollmentBody) {
    const minPosition = await this.runtime.current.eventStore.head();
    const inForce = <T>(kind: 'enrollmentRule' | 'pricingTable') =>
      allOf<Attributes & T>(this.queries, context.tenant, kind, { archived: 'false' }, { minPosition });
    const [rules, tables] = await Promise.all([
      inForce<EnrollmentRule>('enrollmentRule'),
      inForce<PricingTable>('pricingTable'),
    ]);
    const offers = { rules, tables: tables.filter(({ isActive }) => isActive) };
    return answered(
      reply,
      await this.commands.execute(new Enroll(context, plain<EnrollmentRequest>(body), offers)),
    );
  }
}
