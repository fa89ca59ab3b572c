import { ApiProperty, IntersectionType } from '@nestjs/swagger';
import type { Metadata } from '#libs/catalog';
import { ORG_ROLES, type Customer } from '#libs/catalog';
import {
  Field,
  IsAmount,
  IsEmailAddress,
  IsFlag,
  IsId,
  IsMetadata,
  IsOneOf,
  IsQueryFlag,
  IsText,
} from '../http/fields.js';
import { ListQuery, ReadQuery } from '../http/pagination.js';
import { Times } from './meters.dto.js';

/** What is known of who pays. */
export class BillingMembers {
  @Field(IsText(255), { optional: true, example: 'Acme Inc.' })
  businessName?: string;

  @Field(IsText(64), { optional: true })
  taxId?: string;

  @Field(IsText(64), { optional: true, example: 'Europe/Berlin', description: 'IANA time zone' })
  timezone?: string;

  @Field(IsText(3, 3), { optional: true, example: 'USD', description: 'ISO 4217' })
  preferredCurrency?: string;

  @Field(IsText(35), { optional: true, example: 'en-GB', description: 'BCP 47' })
  preferredLanguage?: string;

  @Field(IsText(255), { optional: true })
  addressLine1?: string;

  @Field(IsText(255), { optional: true })
  addressLine2?: string;

  @Field(IsText(255), { optional: true })
  city?: string;

  @Field(IsText(255), { optional: true })
  state?: string;

  @Field(IsText(32), { optional: true })
  postalCode?: string;

  @Field(IsText(2, 2), { optional: true, example: 'DE', description: 'ISO 3166-1' })
  country?: string;

  @Field(IsFlag(), { optional: true, default: false })
  taxExempt?: boolean;

  @Field(IsText(255), { optional: true, description: 'why it is exempt' })
  taxExemptReason?: string;

  @Field(IsAmount(), {
    optional: true,
    type: String,
    example: '0.19',
    description: 'a tax rate of its own, 0 to 1',
  })
  taxRate?: string | number;

  @Field(IsText(20), { optional: true, example: 'ACME', description: 'begins the numbers of its invoices' })
  invoicePrefix?: string;

  @Field(IsMetadata(), {
    optional: true,
    type: Object,
    additionalProperties: { type: 'string' },
    example: { tier: 'gold' },
  })
  metadata?: Metadata;
}

class CustomerMembers extends BillingMembers {
  @Field(IsText(255), {
    optional: true,
    example: 'user_ext_456',
    description: 'your own name for it; unique',
  })
  externalCustomerId?: string;

  @Field(IsEmailAddress(), { optional: true, example: 'billing@acme.example' })
  email?: string;

  @Field(IsOneOf(ORG_ROLES), {
    optional: true,
    enum: ORG_ROLES,
    description: 'a primary customer has seats, a member holds one',
  })
  orgRole?: NonNullable<Customer['orgRole']>;

  @Field(IsId(), {
    optional: true,
    example: 'cust_123',
    description: 'of a member: the primary customer of its organisation',
  })
  customerOrganizationId?: string;
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

export class CustomerListQuery extends ListQuery {
  @Field(IsQueryFlag(), {
    optional: true,
    enum: ['true', 'false'],
    description: 'with members of organisations, which are left out otherwise',
  })
  includeMembers?: 'true' | 'false';

  @Field(IsText(128), { optional: true, description: 'the members of this customer’s organisation' })
  customerOrganizationId?: string;

  @Field(IsText(320), { optional: true, example: 'billing@acme.example', description: 'capitals aside' })
  email?: string;

  @Field(IsText(255), { optional: true, example: 'user_ext_456' })
  externalCustomerId?: string;
}
