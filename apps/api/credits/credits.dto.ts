import { MAX_RULE_LENGTH } from '#libs/calendar';
import type { GrantCategory, ShortagePolicy } from '#libs/credits';
import {
  Field,
  IsAmount,
  IsFlag,
  IsId,
  IsIdList,
  IsInstant,
  IsListOf,
  IsMetadata,
  IsNumberWithin,
  IsObjectOf,
  IsOneOf,
  IsPattern,
  IsQueryFlag,
  IsText,
  IsTextList,
  ListQuery,
  ReadQuery,
  type FieldOptions,
} from '../http/index.js';
import { RenewalTermsDto } from './renewal-terms.dto.js';

export const GRANT_SOURCES = [
  'manual',
  'subscription',
  'topup',
  'promotion',
  'refund',
  'rollover',
  'plan',
  'seat',
  'api',
];
export const SHORTAGE_POLICIES = ['refuse', 'partial', 'overage', 'pending'];
/** Most targets one list of an applicability may name. */
const MOST_TARGETS = 100;

export const amount: FieldOptions = { oneOf: [{ type: 'string' }, { type: 'integer' }], example: '2000' };
export const instant: FieldOptions = {
  type: 'string',
  format: 'date-time',
  example: '2026-12-31T00:00:00.000Z',
};
const optionalList: FieldOptions = { optional: true, type: [String] };

export class CustomerQuery {
  @Field(IsQueryFlag(), {
    optional: true,
    example: 'false',
    description: 'customerId is the caller’s own id',
  })
  isExtCustId?: string;
}

export class ExcludedTagsDto {
  @Field(IsTextList(1, MOST_TARGETS), { type: [String] })
  productTags!: string[];
}

export class SpecifierDto {
  @Field(IsText(128), { optional: true })
  productId?: string;

  @Field(IsTextList(1, MOST_TARGETS), { ...optionalList, description: 'the usage must carry all of them' })
  productTags?: string[];

  @Field(IsMetadata(), { optional: true, type: 'object', additionalProperties: { type: 'string' } })
  properties?: Record<string, string>;

  @Field(IsListOf(() => ExcludedTagsDto, 0, MOST_TARGETS), { optional: true, type: [ExcludedTagsDto] })
  exclude?: ExcludedTagsDto[];
}

export class ApplicabilityDto {
  @Field(IsTextList(0, MOST_TARGETS), { ...optionalList, description: 'feature slugs' })
  features?: string[];

  @Field(IsIdList(0, MOST_TARGETS), optionalList)
  prices?: string[];

  @Field(IsIdList(0, MOST_TARGETS), optionalList)
  components?: string[];

  @Field(IsTextList(0, MOST_TARGETS), optionalList)
  products?: string[];

  @Field(IsTextList(0, MOST_TARGETS), optionalList)
  productTags?: string[];

  @Field(IsListOf(() => SpecifierDto, 0, MOST_TARGETS), { optional: true, type: [SpecifierDto] })
  specifiers?: SpecifierDto[];

  @Field(IsTextList(0, MOST_TARGETS), optionalList)
  contracts?: string[];

  @Field(IsTextList(0, MOST_TARGETS), optionalList)
  subscriptions?: string[];

  @Field(IsFlag(), { optional: true })
  meteredOnly?: boolean;
}

export class SegmentDto {
  @Field(IsAmount({ positive: true }), amount)
  amount!: string | number;

  @Field(IsInstant(), { ...instant, optional: true })
  startDate?: string;

  @Field(IsInstant(), { ...instant, optional: true })
  expiryDate?: string;
}

/** How grants renew: by a rule, or with each billing period that is told. */
export class RenewalDto extends RenewalTermsDto {
  @Field(IsText(MAX_RULE_LENGTH), {
    optional: true,
    example: 'FREQ=MONTHLY',
    description: 'RFC 5545 without TZID; not together with renewOnBilling',
  })
  refillRrule?: string;

  @Field(IsFlag(), { optional: true })
  renewOnBilling?: boolean;

  @Field(IsText(64), {
    optional: true,
    example: 'Europe/Berlin',
    description: 'zone of the rule’s wall clocks; default the customer’s, else UTC',
  })
  timezone?: string;
}

/** From a definition (`creditDefinitionId`), or ad hoc (`unit` with `amount` or `accessSchedule`). */
export class CreateGrantDto {
  @Field(IsId(), { optional: true, example: 'grant_welcome_123' })
  id?: string;

  @Field(IsText(256), { example: 'cust_123' })
  customerId!: string;

  @Field(IsId(), { optional: true, example: 'cd_api_credits' })
  creditDefinitionId?: string;

  @Field(IsAmount({ positive: true }), {
    ...amount,
    optional: true,
    description: 'instead of the definition’s',
  })
  initialAmount?: string | number;

  @Field(IsText(128), { optional: true, example: 'api-calls' })
  unit?: string;

  @Field(IsAmount({ positive: true }), { ...amount, optional: true })
  amount?: string | number;

  @Field(IsListOf(() => SegmentDto, 1, 100), { optional: true, type: [SegmentDto] })
  accessSchedule?: SegmentDto[];

  @Field(IsOneOf(GRANT_SOURCES), { optional: true, enum: GRANT_SOURCES })
  source?: string;

  @Field(IsOneOf(['paid', 'promotional']), { optional: true, enum: ['paid', 'promotional'] })
  category?: GrantCategory;

  @Field(IsAmount(), { ...amount, optional: true, example: '0', description: 'paid / granted; 0 is free' })
  costBasis?: string | number;

  @Field(IsNumberWithin(0, 1_000_000), {
    optional: true,
    type: 'number',
    example: 50,
    description: 'lower burns first',
  })
  priority?: number;

  @Field(IsInstant(), {
    ...instant,
    optional: true,
    description: 'first instant it may be drawn; default now',
  })
  startDate?: string;

  @Field(IsInstant(), { ...instant, optional: true, description: 'first instant it may not' })
  expiryDate?: string;

  @Field(IsText(200), { optional: true })
  name?: string;

  @Field(IsText(1000), { optional: true })
  description?: string;

  @Field(IsText(200), { optional: true })
  referenceCode?: string;

  @Field(IsText(2000), { optional: true, example: 'Welcome boost' })
  notes?: string;

  @Field(IsFlag(), { optional: true })
  billingVisible?: boolean;

  @Field(IsObjectOf(() => ApplicabilityDto), { optional: true, type: ApplicabilityDto })
  applicability?: ApplicabilityDto;

  @Field(IsObjectOf(() => RenewalDto), {
    optional: true,
    type: RenewalDto,
    description: 'the grant begins a series; not with a definition, which brings its own',
  })
  renewal?: RenewalDto;

  @Field(IsText(128), { optional: true, description: 'a second grant with the same key is refused with 409' })
  uniquenessKey?: string;

  @Field(IsMetadata(), { optional: true, type: 'object', additionalProperties: { type: 'string' } })
  metadata?: Record<string, string>;
}

export class UsageContextDto {
  @Field(IsText(64), { optional: true })
  featureSlug?: string;

  @Field(IsText(128), { optional: true })
  componentId?: string;

  @Field(IsText(128), { optional: true })
  priceId?: string;

  @Field(IsText(128), { optional: true })
  productId?: string;

  @Field(IsTextList(0, MOST_TARGETS), optionalList)
  productTags?: string[];

  @Field(IsText(128), { optional: true })
  contractId?: string;

  @Field(IsText(128), { optional: true })
  subscriptionId?: string;

  @Field(IsMetadata(), { optional: true, type: 'object', additionalProperties: { type: 'string' } })
  properties?: Record<string, string>;
}

/** Exactly one of `unit`, `meterId` and `featureSlug`; `amount` in the unit, or with a meter `value`, times its rate. */
export class DrawnDto {
  @Field(IsText(256), { example: 'cust_123' })
  customerId!: string;

  @Field(IsText(128), { optional: true, example: 'api-calls' })
  unit?: string;

  @Field(IsId(), { optional: true })
  meterId?: string;

  @Field(IsText(64), { optional: true })
  featureSlug?: string;

  @Field(IsAmount({ positive: true }), { ...amount, optional: true, example: '10' })
  amount?: string | number;

  @Field(IsAmount({ positive: true }), { ...amount, optional: true, example: '10' })
  value?: string | number;

  @Field(IsInstant(), { ...instant, optional: true, description: 'the usage’s own time; default now' })
  effectiveAt?: string;

  @Field(IsText(256), { optional: true })
  reference?: string;

  @Field(IsObjectOf(() => UsageContextDto), { optional: true, type: UsageContextDto })
  context?: UsageContextDto;
}

export class ConsumeDto extends DrawnDto {
  @Field(IsOneOf(SHORTAGE_POLICIES), { optional: true, enum: SHORTAGE_POLICIES })
  onShortage?: ShortagePolicy;

  @Field(IsAmount(), { ...amount, optional: true, description: 'most the account may owe in this unit' })
  debtLimit?: string | number;

  @Field(IsFlag(), { optional: true, description: 'say what would happen, write nothing' })
  dryRun?: boolean;
}

export class ReverseDto {
  @Field(IsAmount({ positive: true }), {
    ...amount,
    optional: true,
    example: '5',
    description: 'default: all that was not taken back yet',
  })
  amount?: string | number;

  @Field(IsText(1000), { example: 'Charged twice' })
  reason!: string;
}

export class CustomerReadQuery extends ReadQuery {
  @Field(IsQueryFlag(), { optional: true, example: 'false' })
  isExtCustId?: string;
}

class CustomerListQuery extends ListQuery {
  @Field(IsQueryFlag(), { optional: true, example: 'false' })
  isExtCustId?: string;
}

export const GRANT_STATUSES = ['ACTIVE', 'SCHEDULED', 'DEPLETED', 'EXPIRED', 'REVOKED'] as const;
export const MOVEMENTS = [
  'grant',
  'consumption',
  'expiration',
  'void',
  'adjustment',
  'rollover',
  'reversal',
  'hold',
  'capture',
  'release',
  'debt',
  'settlement',
] as const;

export class GrantsQuery extends CustomerListQuery {
  @Field(IsOneOf(GRANT_STATUSES), { optional: true, enum: GRANT_STATUSES })
  status?: (typeof GRANT_STATUSES)[number];

  @Field(IsOneOf(['usage', 'monetary']), { optional: true, enum: ['usage', 'monetary'] })
  applicationType?: 'usage' | 'monetary';
}

export const HOLD_STATUSES = ['held', 'captured', 'released', 'expired'] as const;
export const SERIES_STATUSES = ['active', 'paused', 'cancelled', 'ended'] as const;

export class HoldsQuery extends CustomerListQuery {
  @Field(IsOneOf(HOLD_STATUSES), { optional: true, enum: HOLD_STATUSES })
  status?: (typeof HOLD_STATUSES)[number];

  @Field(IsText(128), { optional: true })
  unit?: string;
}

export class RenewalsQuery extends CustomerListQuery {
  @Field(IsOneOf(SERIES_STATUSES), { optional: true, enum: SERIES_STATUSES })
  status?: (typeof SERIES_STATUSES)[number];
}

export class TransactionsQuery extends CustomerListQuery {
  @Field(IsOneOf(MOVEMENTS), { optional: true, enum: MOVEMENTS })
  type?: (typeof MOVEMENTS)[number];

  @Field(IsText(160), { optional: true })
  grantId?: string;

  @Field(IsText(128), { optional: true })
  unit?: string;

  @Field(IsInstant(), { ...instant, optional: true, description: 'inclusive' })
  fromDate?: string;

  @Field(IsInstant(), { ...instant, optional: true, description: 'exclusive' })
  toDate?: string;
}

export class BalancesQuery extends CustomerReadQuery {
  @Field(IsText(128), { optional: true })
  unit?: string;

  @Field(IsInstant(), {
    ...instant,
    optional: true,
    description: 'the balances at this instant; default now',
  })
  at?: string;

  @Field(IsPattern(/^(\d{1,15}|\d{4}-.*)$/, 'instant_invalid', 'must be a time or a position'), {
    optional: true,
    example: '2026-11-20T12:00:00.000Z',
    description: 'as was known then: a time, or a position that an answer named',
  })
  knownAt?: string;
}
