import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { MAX_PLAN_FEATURES, MAX_TRIAL_DAYS } from '#libs/catalog';
import type { Metadata } from '#libs/catalog';
import {
  Field,
  IsFeatureValue,
  IsFlag,
  IsId,
  IsIdList,
  IsListOf,
  IsMetadata,
  IsQueryFlag,
  IsText,
  IsWhole,
} from '../http/fields.js';
import { ListQuery, ReadQuery } from '../http/pagination.js';
import { Times } from './meters.dto.js';
import { ChargeBody, PriceAnswer } from './prices.dto.js';

export class PlanFeatureBody {
  @Field(IsId(), { optional: true, description: 'or featureSlug' })
  featureId?: string;

  @Field(IsText(64), { optional: true, example: 'api-calls' })
  featureSlug?: string;

  @Field(IsFeatureValue(), {
    optional: true,
    oneOf: [{ type: 'boolean' }, { type: 'number' }, { type: 'string' }],
    example: 5000,
    description: 'of the type of the feature; absent: the feature’s own value',
  })
  value?: boolean | number | string;
}

const IN_PLACE = 'changed in place';
const VERSION = 'another value makes a version';

class PlanMembers {
  @Field(IsText(2000), { optional: true, description: IN_PLACE })
  planDescription?: string;

  @Field(IsText(2000), { optional: true, description: 'another name of planDescription' })
  description?: string;

  @Field(IsMetadata(), {
    optional: true,
    type: Object,
    additionalProperties: { type: 'string' },
    description: IN_PLACE,
  })
  metadata?: Metadata;

  @Field(IsText(500), { optional: true, example: 'More calls', description: 'why the version is made' })
  commitMessage?: string;

  @Field(IsWhole(1, 1_000_000), {
    optional: true,
    description: 'the number that the version must have: 409 when it would be another',
  })
  versionNumber?: number;

  @Field(IsFlag(), { optional: true, default: true, description: IN_PLACE })
  isVisibleInPricingTable?: boolean;

  @Field(IsFlag(), { optional: true, default: false, description: IN_PLACE })
  isEnterprisePlan?: boolean;

  @Field(IsText(100), { optional: true, example: 'Buy', description: IN_PLACE })
  buttonText?: string;

  @Field(IsText(2000), {
    optional: true,
    example: 'https://acme.example/contact',
    description: `of an enterprise plan; ${IN_PLACE}`,
  })
  enterpriseRedirectUrl?: string;

  @Field(IsListOf(() => PlanFeatureBody, 0, MAX_PLAN_FEATURES), {
    optional: true,
    type: [PlanFeatureBody],
    description: `all features; ${VERSION}`,
  })
  features?: PlanFeatureBody[];

  @Field(IsIdList(0, MAX_PLAN_FEATURES), {
    optional: true,
    type: [String],
    description: `features with the value they have; ${VERSION}`,
  })
  featureIds?: string[];

  @Field(IsListOf(() => ChargeBody, 0, 20), {
    optional: true,
    type: [ChargeBody],
    description: 'prices that are made with the version',
  })
  prices?: ChargeBody[];

  @Field(IsFlag(), { optional: true, default: false, description: VERSION })
  isTrialPlan?: boolean;

  @Field(IsId(), { optional: true, description: `the plan that a trial becomes; ${VERSION}` })
  trialParentPlanId?: string;

  @Field(IsWhole(1, MAX_TRIAL_DAYS), { optional: true, description: `of a trial; ${VERSION}` })
  trialDays?: number;
}

export class PlanBody extends PlanMembers {
  @Field(IsId(), { optional: true, example: 'plan_abc', description: 'your own id' })
  id?: string;

  @Field(IsId(), {
    optional: true,
    description: 'what all versions will share; default the id of this first',
  })
  stablePlanId?: string;

  @Field(IsText(255), { optional: true, example: 'Pro', description: 'required, under this name or as name' })
  planName?: string;

  @Field(IsText(255), { optional: true, description: 'another name of planName' })
  name?: string;
}

export class PlanUpdateBody extends PlanMembers {
  @Field(IsText(255), { optional: 'not-null', example: 'Pro', description: IN_PLACE })
  planName?: string;

  @Field(IsText(255), { optional: 'not-null', description: 'another name of planName' })
  name?: string;

  @Field(IsIdList(0, 200), {
    optional: true,
    type: [String],
    description: `the prices of this plan that it goes on using; absent: those it uses; ${VERSION}`,
  })
  priceIds?: string[];
}

export class PlanFeatureAnswer {
  @ApiProperty({ example: 'feat_01h455vb4pex5vsknk084sn02q' })
  featureId!: string;
  @ApiProperty({ oneOf: [{ type: 'boolean' }, { type: 'string' }], example: '5000' })
  value!: boolean | string;
  @ApiPropertyOptional({ example: 'api-calls', description: 'this and what follows with includeFeatures' })
  slug?: string;
  @ApiPropertyOptional({ example: 'API calls' })
  displayName?: string;
  @ApiPropertyOptional({ enum: ['boolean', 'number', 'string'] })
  featureType?: string;
}

export class TrialAnswer {
  @ApiProperty({ example: 'plan_trial' })
  planId!: string;
  @ApiProperty({ example: 'Pro, 14 days' })
  planName!: string;
  @ApiProperty({ example: 14 })
  trialDays!: number;
}

export class PlanAnswer extends Times {
  @ApiProperty({ example: 'plan_abc' })
  id!: string;
  @ApiProperty({ example: 'plan_abc' })
  stablePlanId!: string;
  @ApiProperty({ example: 1 })
  versionNumber!: number;
  @ApiPropertyOptional()
  commitMessage?: string;
  @ApiProperty({ example: 'Pro' })
  planName!: string;
  @ApiPropertyOptional()
  planDescription?: string;
  @ApiPropertyOptional({ type: Object })
  metadata?: Metadata;
  @ApiPropertyOptional({ type: [PlanFeatureAnswer] })
  features?: PlanFeatureAnswer[];
  @ApiPropertyOptional({ type: [String], description: 'prices of other versions that it goes on using' })
  priceIds?: string[];
  @ApiPropertyOptional({
    type: [PriceAnswer],
    description: 'the latest of each currency, with includePrices',
  })
  prices?: PriceAnswer[];
  @ApiPropertyOptional({
    type: [TrialAnswer],
    description: 'trials that become this plan, with includeTrials',
  })
  trials?: TrialAnswer[];
  @ApiPropertyOptional({
    description: 'in reads: it has a price, and none of the latest ever charges anything',
  })
  isFree?: boolean;
  @ApiPropertyOptional()
  isTrialPlan?: boolean;
  @ApiPropertyOptional()
  trialParentPlanId?: string;
  @ApiPropertyOptional()
  trialDays?: number;
  @ApiPropertyOptional()
  isVisibleInPricingTable?: boolean;
  @ApiPropertyOptional()
  isEnterprisePlan?: boolean;
  @ApiPropertyOptional()
  buttonText?: string;
  @ApiPropertyOptional()
  enterpriseRedirectUrl?: string;
  @ApiProperty()
  isActive!: boolean;
}

const FLAG = { optional: true, enum: ['true', 'false'] } as const;
type QueryFlag = 'true' | 'false';

/** How a plan is named in the path. */
export class PlanWriteQuery {
  @Field(IsQueryFlag(), {
    ...FLAG,
    description: 'the path holds a stablePlanId; its newest version is meant',
  })
  isStableId?: QueryFlag;
}

export class PlanReadQuery extends ReadQuery {
  @Field(IsQueryFlag(), {
    ...FLAG,
    description: 'the path holds a stablePlanId; its newest version is meant',
  })
  isStableId?: QueryFlag;

  @Field(IsQueryFlag(), { ...FLAG, description: 'with what each feature is' })
  includeFeatures?: QueryFlag;

  @Field(IsQueryFlag(), { ...FLAG, description: 'with the latest price of each currency' })
  includePrices?: QueryFlag;

  @Field(IsQueryFlag(), { ...FLAG, description: 'with the trials that become the plan' })
  includeTrials?: QueryFlag;
}

export class PlanListQuery extends ListQuery {
  @Field(IsQueryFlag(), { ...FLAG, description: 'with what each feature is' })
  includeFeatures?: QueryFlag;

  @Field(IsQueryFlag(), { ...FLAG, description: 'with the latest price of each currency' })
  includePrices?: QueryFlag;

  @Field(IsQueryFlag(), { ...FLAG, description: 'with the trials that become each plan' })
  includeTrials?: QueryFlag;

  @Field(IsQueryFlag(), { ...FLAG, description: 'not only the newest version of each plan' })
  allVersions?: QueryFlag;
}
