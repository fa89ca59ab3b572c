import { ApiProperty, IntersectionType } from '@nestjs/swagger';
import type { Metadata } from '#libs/catalog';
import { Field, IsEmailAddress, IsId, IsMetadata, IsQueryFlag, IsText } from '../http/fields.js';
import { ReadQuery } from '../http/pagination.js';
import { Times } from './meters.dto.js';

class CustomerMembers {
  @Field(IsText(255), {
    optional: true,
    example: 'user_ext_456',
    description: 'your own name for it; unique',
  })
  externalCustomerId?: string;

  @Field(IsEmailAddress(), { optional: true, example: 'billing@acme.example' })
  email?: string;

  @Field(IsText(255), { optional: true, example: 'Acme Inc.' })
  businessName?: string;

  @Field(IsText(64), { optional: true })
  taxId?: string;

  @Field(IsText(64), { optional: true, example: 'Europe/Berlin', description: 'IANA time zone' })
  timezone?: string;

  @Field(IsText(3, 3), { optional: true, example: 'USD', description: 'ISO 4217' })
  preferredCurrency?: string;

  @Field(IsMetadata(), {
    optional: true,
    type: Object,
    additionalProperties: { type: 'string' },
    example: { tier: 'gold' },
  })
  metadata?: Metadata;
}

export class CustomerBody extends CustomerMembers {
  @Field(IsId(), { optional: true, example: 'cust_123', description: 'your own id' })
  id?: string;

  @Field(IsText(255), { example: 'Acme' })
  name!: string;
}

export class CustomerUpdateBody extends CustomerMembers {
  @Field(IsText(255), { optional: 'not-null', example: 'Acme' })
  name?: string;
}

class CustomerAnswerMembers extends Times {
  @ApiProperty({ example: 'cust_123' })
  id!: string;
  @ApiProperty()
  isActive!: boolean;
}

export class CustomerAnswer extends IntersectionType(CustomerBody, CustomerAnswerMembers) {}

/** How a customer is named in the path. */
export class CustomerWriteQuery {
  @Field(IsQueryFlag(), {
    optional: true,
    enum: ['true', 'false'],
    description: 'the path holds an external id',
  })
  isExtCustId?: 'true' | 'false';
}

export class CustomerReadQuery extends ReadQuery {
  @Field(IsQueryFlag(), {
    optional: true,
    enum: ['true', 'false'],
    description: 'the path holds an external id',
  })
  isExtCustId?: 'true' | 'false';
}
