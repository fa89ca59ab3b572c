import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { SLUG } from '#libs/catalog';
import { Field, IsFeatureValue, IsId, IsIdList, IsPattern, IsText } from '../http/fields.js';
import { ListQuery } from '../http/pagination.js';
import { Times } from './meters.dto.js';

/** How features and pricing tables are named. Code `slug_invalid`. */
export const IsSlug = (): PropertyDecorator =>
  IsPattern(SLUG, 'slug_invalid', 'must be 1 to 64 of a-z, 0-9 and "-"');

export class FeatureBody {
  @Field(IsId(), { optional: true, description: 'your own id' })
  id?: string;

  @Field(IsSlug(), { example: 'api-calls' })
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

export class FeatureUpdateBody {
  @Field(IsText(255), { optional: 'not-null', example: 'API calls' })
  displayName?: string;

  @Field(IsText(2000), { optional: true })
  description?: string;

  @Field(IsFeatureValue(), {
    optional: 'not-null',
    oneOf: [{ type: 'boolean' }, { type: 'number' }, { type: 'string' }],
    example: 1000,
    description: 'of the type it has; plans and subscriptions keep what they copied',
  })
  featureValue?: boolean | number | string;

  @Field(IsSlug(), { optional: 'not-null', description: 'cannot change' })
  slug?: string;

  @Field(IsId(), { optional: 'not-null', description: 'cannot change' })
  meterId?: string;

  @Field(IsIdList(1, 1), { optional: 'not-null', type: [String], description: 'cannot change' })
  metricIds?: string[];
}

export class FeatureListQuery extends ListQuery {
  @Field(IsText(255), {
    optional: true,
    example: 'api',
    description: 'part of the slug or the display name, capitals aside',
  })
  search?: string;
}

export class SlugBody {
  @Field(IsSlug(), { example: 'api-calls' })
  slug!: string;
}

export class SlugAnswer {
  @ApiProperty({ description: 'whether a feature has it, or a deleted one had' })
  conflict!: boolean;
}
