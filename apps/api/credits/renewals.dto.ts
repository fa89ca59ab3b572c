import { MAX_RULE_LENGTH } from '#libs/calendar';
import {
  Field,
  IsFlag,
  IsInstant,
  IsNumberWithin,
  IsQueryNumber,
  IsText,
  IsWhole,
  ReadQuery,
} from '../http/index.js';
import { instant } from './credits.dto.js';
import { RenewalTermsDto } from './renewal-terms.dto.js';

/** Most occurrences that one preview tells. */
export const MAX_PREVIEW = 100;
export const DEFAULT_PREVIEW = 12;

class ReasonDto {
  @Field(IsText(1000), { optional: true, example: 'Invoice overdue' })
  reason?: string;
}

export class PauseRenewalDto extends ReasonDto {}

export class ResumeRenewalDto extends ReasonDto {
  @Field(IsInstant(), {
    ...instant,
    optional: true,
    description: 'end of the billing period that begins now; billing only',
  })
  periodEnd?: string;
}

export class CancelRenewalDto extends ReasonDto {
  @Field(IsFlag(), {
    optional: true,
    default: false,
    description: 'lets the grants live on to their own end',
  })
  keepGrants?: boolean;
}

export class AmendRenewalDto extends RenewalTermsDto {
  @Field(IsNumberWithin(0, 100), { optional: true, type: 'number', example: 50 })
  priority?: number;

  @Field(IsText(200), { optional: true })
  name?: string;

  @Field(IsText(1000), { optional: true })
  description?: string;

  @Field(IsText(1000), { optional: true })
  reason?: string;
}

/** The billing period `[periodStart, periodEnd)` has begun. */
export class RenewDto {
  @Field(IsInstant(), { ...instant, description: 'a period renews once: by its start it is told apart' })
  periodStart!: string;

  @Field(IsInstant(), instant)
  periodEnd!: string;
}

export class PreviewQuery extends ReadQuery {
  @Field(IsQueryNumber(1, MAX_PREVIEW), {
    optional: true,
    example: '12',
    description: `1 to ${MAX_PREVIEW}, default ${DEFAULT_PREVIEW}`,
  })
  limit?: string;
}

export class PreviewRuleDto {
  @Field(IsText(MAX_RULE_LENGTH), { example: 'FREQ=MONTHLY', description: 'RFC 5545 without TZID' })
  refillRrule!: string;

  @Field(IsText(64), { optional: true, example: 'Europe/Berlin', description: 'default UTC' })
  timezone?: string;

  @Field(IsInstant(), { ...instant, optional: true, description: 'from where the rule counts; default now' })
  startDate?: string;

  @Field(IsWhole(1, MAX_PREVIEW), { optional: true, default: DEFAULT_PREVIEW })
  limit?: number;
}
