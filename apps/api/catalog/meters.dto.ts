import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { AGGREGATIONS, SHORTAGE_POLICIES, UNIT_KINDS } from '#libs/catalog';
import type { Aggregation, ShortagePolicy, Unit } from '#libs/catalog';
import { Field, IsAmount, IsId, IsOneOf, IsText, IsWhole } from '../http/fields.js';
import { ListQuery } from '../http/pagination.js';

export class UnitBody {
  @Field(IsId(), { example: 'ai-credits' })
  code!: string;

  @Field(IsOneOf(UNIT_KINDS), {
    optional: true,
    enum: UNIT_KINDS,
    default: 'custom',
    description: 'monetary units are ISO 4217 and exist already',
  })
  kind?: Unit['kind'];

  @Field(IsWhole(0, 12), { optional: true, default: 6, description: 'decimals an amount keeps' })
  scale?: number;

  @Field(IsText(255), { optional: true, example: 'AI credits' })
  name?: string;
}

export class UnitListQuery extends ListQuery {
  @Field(IsOneOf(UNIT_KINDS), {
    optional: true,
    enum: UNIT_KINDS,
    description: 'monetary lists the ISO 4217 currencies',
  })
  kind?: Unit['kind'];
}

/** What every object of the catalogue says when it is answered. */
export class Times {
  @ApiProperty({ format: 'date-time', example: '2026-01-31T12:00:00.000Z' })
  createdAt!: string;

  @ApiProperty({ format: 'date-time', example: '2026-01-31T12:00:00.000Z' })
  updatedAt!: string;
}

export class UnitAnswer extends Times {
  @ApiProperty({ example: 'ai-credits' })
  id!: string;
  @ApiProperty({ example: 'ai-credits' })
  code!: string;
  @ApiProperty({ enum: UNIT_KINDS })
  kind!: string;
  @ApiProperty({ example: 6 })
  scale!: number;
  @ApiPropertyOptional({ example: 'AI credits' })
  name?: string;
  @ApiProperty()
  isActive!: boolean;
}

class MeterMembers {
  @Field(IsText(255), { optional: true, example: 'API calls' })
  name?: string;

  @Field(IsText(128), { optional: true, description: 'property of the event that is looked at' })
  valueProperty?: string;

  @Field(IsAmount(), { optional: true, type: String, description: 'bound of the whole debt in the unit' })
  debtLimit?: string | number;
}

export class MeterBody extends MeterMembers {
  @Field(IsId(), { optional: true, description: 'your own id' })
  id?: string;

  @Field(IsText(128), { example: 'api-calls' })
  eventName!: string;

  @Field(IsOneOf(AGGREGATIONS), {
    optional: true,
    enum: AGGREGATIONS,
    default: 'sum',
    description: 'only sum and count draw credit',
  })
  aggregation?: Aggregation;

  @Field(IsText(128), {
    optional: true,
    example: 'ai-credits',
    description: "absent: the meter's own unit, code = event name",
  })
  unit?: string;

  @Field(IsAmount({ positive: true }), {
    optional: true,
    type: String,
    example: '0.5',
    description: 'units per event value; goes with unit',
  })
  rate?: string | number;

  @Field(IsOneOf(SHORTAGE_POLICIES), { optional: true, enum: SHORTAGE_POLICIES, default: 'overage' })
  onShortage?: ShortagePolicy;
}

export class MeterUpdateBody extends MeterMembers {
  @Field(IsText(128), { optional: 'not-null', description: 'cannot change' })
  eventName?: string;

  @Field(IsOneOf(AGGREGATIONS), { optional: 'not-null', enum: AGGREGATIONS, description: 'cannot change' })
  aggregation?: Aggregation;

  @Field(IsText(128), { optional: 'not-null', description: 'cannot change' })
  unit?: string;

  @Field(IsAmount({ positive: true }), { optional: 'not-null', type: String, example: '0.5' })
  rate?: string | number;

  @Field(IsOneOf(SHORTAGE_POLICIES), { optional: 'not-null', enum: SHORTAGE_POLICIES })
  onShortage?: ShortagePolicy;
}

export class MeterAnswer extends Times {
  @ApiProperty({ example: 'mtr_01h455vb4pex5vsknk084sn02q' })
  id!: string;
  @ApiProperty({ example: 'api-calls' })
  eventName!: string;
  @ApiPropertyOptional({ example: 'API calls' })
  name?: string;
  @ApiProperty({ enum: AGGREGATIONS })
  aggregation!: string;
  @ApiPropertyOptional()
  valueProperty?: string;
  @ApiProperty({ example: 'api-calls' })
  unit!: string;
  @ApiProperty({ example: '1' })
  rate!: string;
  @ApiProperty({ enum: SHORTAGE_POLICIES })
  onShortage!: string;
  @ApiPropertyOptional({ example: '1000' })
  debtLimit?: string;
  @ApiProperty({ enum: ['active', 'archived'] })
  status!: string;
}
