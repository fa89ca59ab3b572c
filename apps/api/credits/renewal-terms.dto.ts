import { MAX_EXPIRY_DAYS, MAX_LIFETIME_PERIODS } from '#libs/catalog';
import { RolloverDto } from '../catalog/definitions.dto.js';
import { Field, IsAmount, IsObjectOf, IsWhole } from '../http/index.js';

/** What a renewal is, in whatever rhythm. */
export class RenewalTermsDto {
  @Field(IsAmount({ positive: true }), {
    optional: true,
    oneOf: [{ type: 'string' }, { type: 'integer' }],
    example: '2000',
    description: 'amount of a renewal; default the grant’s',
  })
  refillAmount?: string | number;

  @Field(IsObjectOf(() => RolloverDto), { optional: true, type: RolloverDto })
  rollover?: RolloverDto;

  @Field(IsWhole(1, MAX_EXPIRY_DAYS), { optional: true, description: 'lifetime of a grant in days' })
  expiryDays?: number;

  @Field(IsWhole(1, MAX_LIFETIME_PERIODS), {
    optional: true,
    description: 'lifetime of a grant in renewals; default 1, not together with expiryDays',
  })
  lifetimePeriods?: number;
}
