import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { MATCHER_TYPES, MAX_TABLE_PLANS } from '#libs/catalog';
import type { EnrollmentRule } from '#libs/catalog';
import { Field, IsFlag, IsId, IsIdList, IsListOf, IsOneOf, IsText, IsWhole } from '../http/fields.js';
import { ListQuery } from '../http/pagination.js';
import { IsSlug } from './features.dto.js';
import { Times } from './meters.dto.js';
import { PlanFeatureAnswer, TrialAnswer } from './plans.dto.js';
import { PriceAnswer } from './prices.dto.js';

export class PlanConfigBody {
  @Field(IsId(), { example: 'plan_abc', description: 'one of planIds' })
  planId!: string;

  @Field(IsWhole(0, 1_000_000), { optional: true, description: 'lower first' })
  displayOrder?: number;

  @Field(IsFlag(), { optional: true, default: false })
  isPopular?: boolean;

  @Field(IsText(100), { optional: true, example: 'Most popular' })
  popularText?: string;

  @Field(IsText(100), { optional: true, description: 'default the plan’s own' })
  buttonText?: string;

  @Field(IsFlag(), { optional: true, default: false })
  buttonOutline?: boolean;
}

class PricingTableMembers {
  @Field(IsListOf(() => PlanConfigBody, 0, MAX_TABLE_PLANS), {
    optional: true,
    type: [PlanConfigBody],
    description: 'how each plan is shown',
  })
  planConfigs?: PlanConfigBody[];

  @Field(IsText(255), { optional: true })
  heading?: string;

  @Field(IsText(500), { optional: true })
  subheading?: string;
}

export class PricingTableBody extends PricingTableMembers {
  @Field(IsText(255), { example: 'Public prices' })
  name!: string;

  @Field(IsSlug(), { example: 'public', description: 'unique among pricing tables' })
  slug!: string;

  @Field(IsIdList(1, MAX_TABLE_PLANS), {
    type: [String],
    example: ['plan_abc'],
    description: 'any version of each plan; the newest is shown',
  })
  planIds!: string[];

  @Field(IsFlag(), { optional: true, default: true, description: 'whether the public can read it' })
  isActive?: boolean;
}

export class PricingTableUpdateBody extends PricingTableMembers {
  @Field(IsText(255), { optional: 'not-null' })
  name?: string;

  @Field(IsSlug(), { optional: 'not-null', description: 'cannot change' })
  slug?: string;

  @Field(IsIdList(1, MAX_TABLE_PLANS), { optional: 'not-null', type: [String], example: ['plan_abc'] })
  planIds?: string[];

  @Field(IsFlag(), { optional: 'not-null' })
  isActive?: boolean;
}

export class PricingTableAnswer extends Times {
  @ApiProperty({ example: 'ptab_01h455vb4pex5vsknk084sn02q' })
  id!: string;
  @ApiProperty({ example: 'Public prices' })
  name!: string;
  @ApiProperty({ example: 'public' })
  slug!: string;
  @ApiPropertyOptional()
  heading?: string;
  @ApiPropertyOptional()
  subheading?: string;
  @ApiProperty({ type: [String], example: ['plan_abc'] })
  planIds!: string[];
  @ApiPropertyOptional({ type: [PlanConfigBody] })
  planConfigs?: PlanConfigBody[];
  @ApiProperty()
  isActive!: boolean;
}

class PublicFeature extends PlanFeatureAnswer {
  @ApiPropertyOptional({
    example: '10000',
    description: 'credit that a subscription is granted for it, in the feature’s units',
  })
  creditAmount?: string;
}

class PublicPlan {
  @ApiProperty({ example: 'plan_abc', description: 'the newest version' })
  planId!: string;
  @ApiProperty({ example: 'plan_abc' })
  stablePlanId!: string;
  @ApiProperty({ example: 1 })
  versionNumber!: number;
  @ApiProperty({ example: 'Pro' })
  planName!: string;
  @ApiPropertyOptional()
  planDescription?: string;
  @ApiProperty({ description: 'it has a price, and none of them ever charges anything' })
  isFree!: boolean;
  @ApiPropertyOptional()
  isEnterprisePlan?: boolean;
  @ApiPropertyOptional()
  enterpriseRedirectUrl?: string;
  @ApiPropertyOptional()
  displayOrder?: number;
  @ApiPropertyOptional()
  isPopular?: boolean;
  @ApiPropertyOptional()
  popularText?: string;
  @ApiPropertyOptional()
  buttonText?: string;
  @ApiPropertyOptional()
  buttonOutline?: boolean;
  @ApiProperty({ type: [PriceAnswer], description: 'the latest of each currency' })
  prices!: PriceAnswer[];
  @ApiProperty({ type: [PublicFeature] })
  features!: PublicFeature[];
  @ApiProperty({ type: TrialAnswer, nullable: true })
  trial!: TrialAnswer | null;
}

export class PublicPricingTableAnswer {
  @ApiProperty({ example: 'public' })
  slug!: string;
  @ApiProperty({ example: 'Public prices' })
  name!: string;
  @ApiPropertyOptional()
  heading?: string;
  @ApiPropertyOptional()
  subheading?: string;
  @ApiProperty({ type: [PublicPlan] })
  plans!: PublicPlan[];
}

export class EnrollmentRuleBody {
  @Field(IsId(), { example: 'plan_free' })
  planId!: string;

  @Field(IsOneOf(MATCHER_TYPES), { enum: MATCHER_TYPES })
  matcherType!: EnrollmentRule['matcherType'];

  @Field(IsText(320), {
    example: 'acme.example',
    description: 'a domain, or an e-mail address; capitals aside',
  })
  matcherValue!: string;
}

export class EnrollmentRuleAnswer extends Times {
  @ApiProperty({ example: 'erul_01h455vb4pex5vsknk084sn02q' })
  id!: string;
  @ApiProperty({ example: 'plan_free' })
  planId!: string;
  @ApiProperty({ enum: MATCHER_TYPES })
  matcherType!: string;
  @ApiProperty({ example: 'acme.example' })
  matcherValue!: string;
  @ApiProperty()
  isActive!: boolean;
}

export class EnrollmentRuleListQuery extends ListQuery {
  @Field(IsText(128), { optional: true, example: 'plan_free' })
  planId?: string;
}
