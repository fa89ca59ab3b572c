import { Field, IsAmount, IsInstant, IsMetadata, IsNumberWithin, IsText } from '../http/index.js';
import { amount, instant } from './credits.dto.js';

export class EndGrantDto {
  @Field(IsText(2000), { optional: true, example: 'Contract ended' })
  notes?: string;
}

export class AdjustGrantDto {
  @Field(IsAmount({ signed: true }), { ...amount, example: '-5', description: 'signed, not 0' })
  amount!: string | number;

  @Field(IsText(1000), { example: 'Goodwill' })
  reason!: string;

  @Field(IsText(256), { optional: true })
  reference?: string;
}

export class AmendGrantDto {
  @Field(IsAmount({ positive: true }), {
    ...amount,
    optional: 'not-null',
    description: 'the initial amount as it is to count',
  })
  amount?: string | number;

  @Field(IsInstant(), { ...instant, optional: 'not-null' })
  startDate?: string;

  @Field(IsInstant(), { ...instant, optional: true, nullable: true, description: 'null: never' })
  expiryDate?: string | null;

  @Field(IsText(1000), { optional: 'not-null' })
  reason?: string;
}

export class UpdateGrantDto {
  @Field(IsNumberWithin(0, 1_000_000), {
    optional: 'not-null',
    type: 'number',
    example: 50,
    description: 'lower burns first; from now on',
  })
  priority?: number;

  @Field(IsText(200), { optional: true, type: String, nullable: true })
  name?: string | null;

  @Field(IsText(1000), { optional: true, type: String, nullable: true })
  description?: string | null;

  @Field(IsText(2000), { optional: true, type: String, nullable: true })
  notes?: string | null;

  @Field(IsText(200), { optional: true, type: String, nullable: true })
  referenceCode?: string | null;

  @Field(IsMetadata(), {
    optional: true,
    type: 'object',
    additionalProperties: { type: 'string' },
    nullable: true,
  })
  metadata?: Record<string, string> | null;
}
