import { ApiProperty, IntersectionType } from '@nestjs/swagger';
import { MAX_RULE_LENGTH } from '#libs/calendar';
import {
  APPLICATION_TYPES,
  MAX_EXPIRY_DAYS,
  MAX_LIFETIME_PERIODS,
  ROLLOVER_POLICIES,
  SCOPES,
  SEAT_CREDITS,
} from '#libs/catalog';
import type { ApplicationType, Rollover, Scope, SeatCredits } from '#libs/catalog';
import {
  Field,
  IsAmount,
  IsFlag,
  IsId,
  IsNumberWithin,
  IsObjectOf,
  IsOneOf,
  IsText,
  IsWhole,
} from '../http/fields.js';
import { ListQuery } from '../http/pagination.js';
import { Times } from './meters.dto.js';

export class RolloverDto {
  @Field(IsOneOf(ROLLOVER_POLICIES), {
    enum: ROLLOVER_POLICIES,
    description: 'reset forfeits what is left at a renewal, carry keeps it',
  })
  policy!: Rollover['policy'];

  @Field(IsAmount({ positive: true }), { optional: true, type: String, description: 'most that is carried' })
  upTo?: string | number;

  @Field(IsAmount({ positive: true }), {
    optional: true,
    type: String,
    example: '0.5',
    description: 'most that is carried, as a part of the ended grant’s amount',
  })
  fraction?: string | number;
}

class DefinitionMembers {
  @Field(IsOneOf(SEAT_CREDITS), {
    optional: true,
    enum: SEAT_CREDITS,
    description:
      'who has the grant that a seat of the plan brings: the seat’s customer (default), or the organisation',
  })
  seatCredits?: SeatCredits;

  @Field(IsText(2000), { optional: true })
  description?: string;

  @Field(IsId(), { optional: true, example: 'plan_abc', description: 'required for scope plan' })
  planId?: string;

  @Field(IsId(), { optional: true })
  featureId?: string;

  @Field(IsText(64), { optional: true, example: 'api-calls' })
  featureSlug?: string;

  @Field(IsId(), { optional: true, example: 'price_123' })
  priceId?: string;

  @Field(IsId(), { optional: true, example: 'comp_usage_xyz' })
  priceComponentId?: string;

  @Field(IsAmount({ positive: true }), {
    optional: true,
    type: String,
    description: 'amount of a renewal; absent: the default amount',
  })
  refillAmount?: string | number;

  @Field(IsWhole(1, MAX_EXPIRY_DAYS), { optional: true, description: 'lifetime of a grant in days' })
  expiryDays?: number;

  @Field(IsText(MAX_RULE_LENGTH), {
    optional: true,
    example: 'FREQ=MONTHLY',
    description: 'RFC 5545 without TZID; not together with renewOnBilling',
  })
  refillRrule?: string;

  @Field(IsText(64), {
    optional: true,
    example: 'Europe/Berlin',
    description: 'zone of the rule’s wall clocks; default the customer’s, else UTC',
  })
  timezone?: string;

  @Field(IsObjectOf(() => RolloverDto), { optional: true, type: RolloverDto })
  rollover?: RolloverDto;

  @Field(IsWhole(1, MAX_LIFETIME_PERIODS), {
    optional: true,
    description: 'lifetime of a grant in renewals; default 1, not together with expiryDays',
  })
  lifetimePeriods?: number;

  @Field(IsText(255), { optional: true, description: 'text of the invoice line' })
  billingDescription?: string;
}

const SCOPE = { enum: SCOPES, description: 'orders monetary credits on the invoice' } as const;
const AMOUNT = { type: String, example: '10000', description: 'amount of a grant' } as const;
const PRIORITY = {
  default: 50,
  minimum: 0,
  maximum: 100,
  description: 'lower draws first; decimals allowed',
} as const;

export class DefinitionBody extends DefinitionMembers {
  @Field(IsId(), { optional: true, example: 'cd_api_credits', description: 'your own id' })
  id?: string;

  @Field(IsText(255), { example: 'Monthly API credits' })
  name!: string;

  @Field(IsOneOf(SCOPES), SCOPE)
  scope!: Scope;

  @Field(IsOneOf(APPLICATION_TYPES), { enum: APPLICATION_TYPES })
  applicationType!: ApplicationType;

  @Field(IsAmount({ positive: true }), AMOUNT)
  defaultAmount!: string | number;

  @Field(IsFlag(), { optional: true, default: false })
  renewOnBilling?: boolean;

  @Field(IsFlag(), { optional: true, default: false, description: 'must be true for monetary' })
  billingVisible?: boolean;

  @Field(IsText(3, 3), { optional: true, example: 'USD', description: 'ISO 4217; required for monetary' })
  currency?: string;

  @Field(IsNumberWithin(0, 100), { optional: true, ...PRIORITY })
  priority?: number;

  @Field(IsFlag(), { optional: true, default: true })
  isActive?: boolean;
}

export class DefinitionUpdateBody extends DefinitionMembers {
  @Field(IsText(255), { optional: 'not-null' })
  name?: string;

  @Field(IsOneOf(SCOPES), { optional: 'not-null', enum: SCOPES, description: 'cannot change' })
  scope?: Scope;

  @Field(IsOneOf(APPLICATION_TYPES), {
    optional: 'not-null',
    enum: APPLICATION_TYPES,
    description: 'cannot change',
  })
  applicationType?: ApplicationType;

  @Field(IsAmount({ positive: true }), { ...AMOUNT, optional: 'not-null' })
  defaultAmount?: string | number;

  @Field(IsFlag(), { optional: 'not-null' })
  renewOnBilling?: boolean;

  @Field(IsFlag(), { optional: 'not-null', description: 'cannot change' })
  billingVisible?: boolean;

  @Field(IsText(3, 3), { optional: true, description: 'cannot change' })
  currency?: string;

  @Field(IsNumberWithin(0, 100), { optional: 'not-null', ...PRIORITY })
  priority?: number;

  @Field(IsFlag(), { optional: 'not-null' })
  isActive?: boolean;
}

class DefinitionAnswerMembers extends Times {
  @ApiProperty({ example: 'cd_api_credits' })
  id!: string;
  @ApiProperty({ example: 'api-calls', description: 'what the amounts are counted in' })
  unit!: string;
  @ApiProperty({ type: [String] })
  linkedMeters!: string[];
}

export class DefinitionAnswer extends IntersectionType(DefinitionBody, DefinitionAnswerMembers) {}

export class DefinitionListQuery extends ListQuery {
  @Field(IsOneOf(SCOPES), { optional: true, enum: SCOPES })
  scope?: Scope;

  @Field(IsOneOf(APPLICATION_TYPES), { optional: true, enum: APPLICATION_TYPES })
  applicationType?: ApplicationType;
}
