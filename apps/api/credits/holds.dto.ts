import type { HoldPolicy, ShortagePolicy } from '#libs/credits';
import { Field, IsAmount, IsId, IsInstant, IsObjectOf, IsOneOf, IsText, IsWhole } from '../http/index.js';
import { amount, DrawnDto, instant, SHORTAGE_POLICIES } from './credits.dto.js';

const HOLD_POLICIES = ['refuse', 'partial'];
/** A year. */
const MAX_TIMEOUT = 31_536_000;

export class PlaceHoldDto extends DrawnDto {
  @Field(IsId(), { optional: true, example: 'hold_job_123' })
  id?: string;

  @Field(IsOneOf(HOLD_POLICIES), { optional: true, enum: HOLD_POLICIES, default: 'refuse' })
  onShortage?: HoldPolicy;

  @Field(IsInstant(), {
    ...instant,
    optional: true,
    description: 'first instant at which it is no longer held; without a time-out: until somebody ends it',
  })
  expiresAt?: string;

  @Field(IsWhole(1, MAX_TIMEOUT), { optional: true, description: 'instead of expiresAt' })
  timeoutSeconds?: number;
}

class AllowMoreDto {
  @Field(IsOneOf(SHORTAGE_POLICIES), { optional: true, enum: SHORTAGE_POLICIES, default: 'refuse' })
  onShortage?: ShortagePolicy;

  @Field(IsAmount(), { ...amount, optional: true, description: 'most the account may owe in this unit' })
  debtLimit?: string | number;
}

export class CaptureHoldDto {
  @Field(IsAmount({ positive: true }), {
    ...amount,
    optional: true,
    example: '5',
    description: 'default: all that is held; the rest comes back',
  })
  amount?: string | number;

  @Field(IsObjectOf(() => AllowMoreDto), {
    optional: true,
    type: AllowMoreDto,
    description: 'lets amount be more than is held: the rest is a consumption of its own',
  })
  allowMore?: AllowMoreDto;

  @Field(IsText(256), { optional: true })
  reference?: string;
}

export class ReleaseHoldDto {
  @Field(IsText(256), { optional: true })
  reference?: string;
}
