import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { MAX_RULE_LENGTH } from '#libs/calendar';
import { COMPONENT_TYPES, MAX_COMPONENTS } from '#libs/catalog';
import type { Metadata, PriceComponent } from '#libs/catalog';
import {
  Field,
  IsAmount,
  IsFeatureValue,
  IsFlag,
  IsId,
  IsIdList,
  IsListOf,
  IsMetadata,
  IsObjectOf,
  IsOneOf,
  IsOne,
  IsPattern,
  IsText,
  IsWhole,
} from '../http/fields.js';
import { ListQuery } from '../http/pagination.js';
import { Times } from './meters.dto.js';

export class FeatureBody {
  @Field(IsId(), { optional: true, description: 'your own id' })
  id?: string;

  @Field(IsPattern(/^[a-z0-9-]{1,64}$/, 'slug_invalid', 'must be 1 to 64 of a-z, 0-9 and "-"'), {
    example: 'api-calls',
  })
  slug!: string;

  @Field(IsText(255), { example: 'API calls' })
  displayName!: string;

  @Field(IsText(2000), { optional: true })
  description?: string;

  @Field(IsFeatureValue(), {
    oneOf: [{ type: 'boolean' }, { type: 'number' }, { type: 'string' }],
    example: 1000,
    description: 'decides the type: boolean, number (whole, or a decimal string) or string',
  })
  featureValue!: boolean | number | string;

  @Field(IsId(), {
    optional: true,
    description: 'a numeric feature without a meter gets one whose event name is its slug',
  })
  meterId?: string;

  @Field(IsIdList(1, 1), {
    optional: true,
    type: [String],
    description: 'another name of meterId: a list of one',
  })
  metricIds?: string[];
}

export class FeatureAnswer extends Times {
  @ApiProperty({ example: 'feat_01h455vb4pex5vsknk084sn02q' })
  id!: string;
  @ApiProperty({ example: 'api-calls' })
  slug!: string;
  @ApiProperty({ example: 'API calls' })
  displayName!: string;
  @ApiPropertyOptional()
  description?: string;
  @ApiProperty({ oneOf: [{ type: 'boolean' }, { type: 'string' }], example: '1000' })
  featureValue!: boolean | string;
  @ApiProperty({ enum: ['boolean', 'number', 'string'] })
  featureType!: string;
  @ApiPropertyOptional({ example: 'mtr_01h455vb4pex5vsknk084sn02q' })
  meterId?: string;
  @ApiProperty()
  isActive!: boolean;
}

export class PlanBody {
  @Field(IsId(), { optional: true, example: 'plan_abc', description: 'your own id' })
  id?: string;

  @Field(IsText(255), { optional: true, example: 'Pro', description: 'required, under this name or as name' })
  planName?: string;

  @Field(IsText(255), { optional: true, description: 'another name of planName' })
  name?: string;

  @Field(IsText(2000), { optional: true })
  planDescription?: string;

  @Field(IsText(2000), { optional: true, description: 'another name of planDescription' })
  description?: string;

  @Field(IsMetadata(), { optional: true, type: Object, additionalProperties: { type: 'string' } })
  metadata?: Metadata;
}

export class PlanAnswer extends Times {
  @ApiProperty({ example: 'plan_abc' })
  id!: string;
  @ApiProperty({ example: 'Pro' })
  planName!: string;
  @ApiPropertyOptional()
  planDescription?: string;
  @ApiPropertyOptional({ type: Object })
  metadata?: Metadata;
  @ApiProperty()
  isActive!: boolean;
}

const CENTS = {
  optional: true,
  type: String,
  description: 'minor units of the currency; fractions as a decimal string',
} as const;

export class ComponentBody {
  @Field(IsId(), {
    optional: true,
    example: 'comp_usage_xyz',
    description: 'your own id, unique among all components',
  })
  id?: string;

  @Field(IsOneOf(COMPONENT_TYPES), { enum: COMPONENT_TYPES })
  type!: PriceComponent['type'];

  @Field(IsText(255), { example: 'API calls' })
  label!: string;

  @Field(IsText(MAX_RULE_LENGTH), {
    optional: true,
    example: 'RRULE:FREQ=MONTHLY;INTERVAL=1',
    description: 'RFC 5545 without TZID; absent: once',
  })
  recurrence_rule?: string;

  @Field(IsAmount(), { ...CENTS, description: `fixed: the charge, in ${CENTS.description}` })
  amount_cents?: string | number;

  @Field(IsAmount(), { ...CENTS, description: `per_unit: a seat's charge, in ${CENTS.description}` })
  unit_amount_cents?: string | number;

  @Field(IsWhole(0, 1_000_000_000), { optional: true, description: 'per_unit: seats charged at least' })
  minimum_seats?: number;

  @Field(IsFlag(), {
    optional: true,
    default: true,
    description: 'per_unit: whether an added seat is charged at once',
  })
  bill_immediately?: boolean;

  @Field(IsAmount(), { ...CENTS, description: `usage: a unit's charge, in ${CENTS.description}` })
  unit_cost_cents?: string | number;

  @Field(IsText(64), { optional: true, example: 'call' })
  unit_label?: string;

  @Field(IsId(), { optional: true, description: 'usage: the meter' })
  metric_id?: string;
}

export class PricingDataBody {
  @Field(IsOne(), { enum: [1] })
  dsl_version!: 1;

  @Field(IsListOf(() => ComponentBody, 1, MAX_COMPONENTS), { type: [ComponentBody] })
  components!: ComponentBody[];
}

export class PriceBody {
  @Field(IsId(), { optional: true, example: 'price_123', description: 'your own id' })
  id?: string;

  @Field(IsId(), { example: 'plan_abc' })
  planId!: string;

  @Field(IsText(3, 3), { example: 'USD' })
  currency!: string;

  @Field(IsObjectOf(() => PricingDataBody), { type: PricingDataBody })
  pricingData!: PricingDataBody;
}

export class PriceAnswer extends Times {
  @ApiProperty({ example: 'price_123' })
  id!: string;
  @ApiProperty({ example: 'plan_abc' })
  planId!: string;
  @ApiProperty({ example: 'USD' })
  currency!: string;
  @ApiProperty({ type: PricingDataBody })
  pricingData!: PricingDataBody;
  @ApiProperty()
  isActive!: boolean;
}

export class PriceListQuery extends ListQuery {
  @Field(IsText(128), { optional: true, example: 'plan_abc' })
  planId?: string;
}
