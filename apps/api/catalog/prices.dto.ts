import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { COMPONENT_TYPES, TIER_MODES } from '#libs/catalog';
import { BILLING_INTERVALS, SIMPLE_PRICING_MODELS, type ChargeInput } from '#libs/commands/catalog';
import type { Json } from '#libs/kernel';
import { Field, IsAmount, IsId, IsJson, IsOneOf, IsText } from '../http/fields.js';
import { ListQuery } from '../http/pagination.js';
import { Times } from './meters.dto.js';

// What follows up to PricingData only documents: libs/catalog checks all of it at once, so that every issue is listed.

const CENTS = 'in minor units of the currency; fractions as a decimal string';

class Tier {
  @ApiProperty({
    type: String,
    nullable: true,
    example: '1000',
    description: 'largest quantity in the tier; null in the last tier, and only there',
  })
  upTo!: string | null;
  @ApiProperty({ example: '0.5', description: `a unit's charge, ${CENTS}` })
  unit_cost_cents!: string;
  @ApiPropertyOptional({ description: `charged once for the tier, ${CENTS}` })
  flat_cents?: string;
}

class Tiers {
  @ApiProperty({
    enum: TIER_MODES,
    description:
      'graduated: each unit at the price of its own tier; volume: all at that of the tier the quantity ends in',
  })
  mode!: string;
  @ApiProperty({ type: [Tier], description: 'ascending' })
  tiers!: Tier[];
}

class Component {
  @ApiPropertyOptional({
    example: 'comp_usage_xyz',
    description: 'your own id, unique among all components',
  })
  id?: string;
  @ApiProperty({ enum: COMPONENT_TYPES })
  type!: string;
  @ApiProperty({ example: 'API calls' })
  label!: string;
  @ApiPropertyOptional({
    example: 'RRULE:FREQ=MONTHLY;INTERVAL=1',
    description: 'RFC 5545 without TZID; DAILY needs COUNT or UNTIL; absent: once',
  })
  recurrence_rule?: string;
  @ApiPropertyOptional({
    example: 'Europe/Berlin',
    description: 'zone of the rule’s wall clocks; absent: the subscription’s',
  })
  timezone?: string;
  @ApiPropertyOptional({ example: '1000', description: `fixed: the charge, ${CENTS}` })
  amount_cents?: string;
  @ApiPropertyOptional({ description: `per_unit: a seat's charge, ${CENTS}; also as amount_cents` })
  unit_amount_cents?: string;
  @ApiPropertyOptional({ description: 'per_unit: seats charged at least' })
  minimum_seats?: number;
  @ApiPropertyOptional({ default: true, description: 'per_unit: whether an added seat is charged at once' })
  bill_immediately?: boolean;
  @ApiPropertyOptional({ description: `usage: a unit's charge, ${CENTS}; instead of tiers` })
  unit_cost_cents?: string;
  @ApiPropertyOptional({ type: Tiers, description: 'usage: instead of unit_cost_cents' })
  tiers?: Tiers;
  @ApiPropertyOptional({ description: 'usage: units of each period that cost nothing' })
  free_units?: string;
  @ApiPropertyOptional({ example: 'call', description: 'usage, per_unit' })
  unit_label?: string;
  @ApiPropertyOptional({ description: 'the meter: required for usage, may be given for per_unit' })
  metric_id?: string;
}

export class PricingData {
  @ApiProperty({ enum: [1] })
  dsl_version!: number;
  @ApiProperty({ type: [Component], description: '1 to 50' })
  components!: Component[];
}

export class ChargeBody {
  @Field(IsId(), { optional: true, example: 'price_123', description: 'your own id' })
  id?: string;

  @Field(IsText(64), { example: 'USD' })
  currency!: string;

  @Field(IsJson(), { optional: true, type: PricingData, description: 'required without unitAmountCents' })
  pricingData?: Json;

  @Field(IsAmount(), {
    optional: true,
    type: String,
    example: '1000',
    description: 'instead of pricingData: the charge of one interval, in minor units',
  })
  unitAmountCents?: string | number;

  @Field(IsOneOf(BILLING_INTERVALS), {
    optional: true,
    enum: BILLING_INTERVALS,
    description: 'goes with unitAmountCents',
  })
  billingInterval?: NonNullable<ChargeInput['billingInterval']>;

  @Field(IsOneOf(SIMPLE_PRICING_MODELS), {
    optional: true,
    enum: SIMPLE_PRICING_MODELS,
    default: 'flat',
    description: 'goes with unitAmountCents; per_seat charges it for each seat',
  })
  pricingModel?: NonNullable<ChargeInput['pricingModel']>;
}

export class PriceBody extends ChargeBody {
  @Field(IsId(), { example: 'plan_abc', description: 'the version of a plan' })
  planId!: string;
}

export class PriceAnswer extends Times {
  @ApiProperty({ example: 'price_123' })
  id!: string;
  @ApiProperty({ example: 'plan_abc' })
  planId!: string;
  @ApiProperty({ example: 'USD' })
  currency!: string;
  @ApiProperty({ type: PricingData })
  pricingData!: PricingData;
  @ApiProperty()
  isActive!: boolean;
}

export class PriceListQuery extends ListQuery {
  @Field(IsText(128), { optional: true, example: 'plan_abc', description: 'made for this version of a plan' })
  planId?: string;

  @Field(IsText(3, 3), { optional: true, example: 'USD' })
  currency?: string;
}
