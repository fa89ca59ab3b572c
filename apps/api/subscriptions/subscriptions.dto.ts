import { MAX_TRIAL_DAYS, type Metadata } from '#libs/catalog';
import { MOST_MIGRATED } from '#libs/commands/subscriptions';
import { SUBSCRIPTION_STATUSES, type Proration, type SubscriptionStatus } from '#libs/subscriptions';
import {
  Field,
  IsFeatureValue,
  IsFlag,
  IsId,
  IsInstant,
  IsJson,
  IsMetadata,
  IsOneOf,
  IsPattern,
  IsQueryFlag,
  IsText,
  IsWhole,
  ListQuery,
} from '../http/index.js';
import { instant } from '../credits/credits.dto.js';

const PRORATIONS = ['immediate', 'next_cycle'] as const;
const WHEN = ['now', 'next_cycle'] as const;
const MOST_UNITS = 1_000_000_000;
const MOST_CYCLES = 1_000;

const quantityField = { optional: true, description: 'units of what is charged per unit' } as const;
const priceField = {
  optional: true,
  example: 'price_123',
  description: 'default the latest price of the plan in the currency',
} as const;

export class SubscriptionBody {
  @Field(IsId(), { optional: true, description: 'your own id' })
  id?: string;

  @Field(IsText(128), { example: 'cust_123' })
  customerId!: string;

  @Field(IsId(), { example: 'plan_abc', description: 'the version of the plan' })
  planId!: string;

  @Field(IsId(), priceField)
  effectivePriceId?: string;

  @Field(IsId(), { optional: true, description: 'another name of effectivePriceId' })
  priceId?: string;

  @Field(IsText(3, 3), { optional: true, example: 'USD', description: 'default the customer’s' })
  currency?: string;

  @Field(IsWhole(0, MOST_UNITS), quantityField)
  quantity?: number;

  @Field(IsWhole(1, MAX_TRIAL_DAYS), { optional: true, description: 'default the trial plan’s' })
  trialDays?: number;

  @Field(IsInstant(), { ...instant, optional: true, description: 'not after now; default now' })
  startDate?: string;

  @Field(IsMetadata(), { optional: true, type: Object, additionalProperties: { type: 'string' } })
  metadata?: Metadata;

  @Field(IsFlag(), {
    optional: true,
    default: false,
    description: 'lets the customer have it beside another one',
  })
  dangerouslyAllowMultipleSubscriptions?: boolean;
}

export class SubscriptionsQuery extends ListQuery {
  @Field(IsText(128), { optional: true })
  customerId?: string;

  @Field(IsText(128), { optional: true, description: 'the version of the plan' })
  planId?: string;

  @Field(IsOneOf(SUBSCRIPTION_STATUSES), { optional: true, enum: SUBSCRIPTION_STATUSES })
  status?: SubscriptionStatus;

  @Field(IsQueryFlag(), { optional: true, example: 'true' })
  includeFeatures?: 'true' | 'false';

  @Field(IsQueryFlag(), { optional: true, description: 'customerId is the caller’s own id' })
  isExtCustId?: 'true' | 'false';
}

export class ReasonBody {
  @Field(IsText(1000), { optional: true })
  reason?: string;
}

export class CancelBody extends ReasonBody {
  @Field(IsFlag(), { optional: true, default: false, description: 'not before the current period ends' })
  atPeriodEnd?: boolean;
}

class WhenBody {
  @Field(IsOneOf(PRORATIONS), {
    optional: true,
    enum: PRORATIONS,
    description:
      'when the difference of what is left of the period, by days, is charged: at once or on the next invoice',
  })
  proration?: Proration;

  @Field(IsOneOf(WHEN), { optional: true, enum: WHEN })
  when?: 'now' | 'next_cycle';
}

export class ChangeBody extends WhenBody {
  @Field(IsId(), { optional: true, example: 'plan_def' })
  planId?: string;

  @Field(IsId(), priceField)
  priceId?: string;

  @Field(IsId(), { optional: true, description: 'another name of priceId' })
  effectivePriceId?: string;

  @Field(IsWhole(0, MOST_UNITS), quantityField)
  quantity?: number;
}

export class MigrateBody extends WhenBody {
  @Field(IsId(), { optional: true, description: 'a version of the same plan; default the newest' })
  planId?: string;
}

export class MigrateAllBody extends WhenBody {
  @Field(IsId(), { example: 'plan_abc' })
  fromPlanId!: string;

  @Field(IsId(), { example: 'plan_def' })
  toPlanId!: string;

  @Field(IsWhole(1, MOST_MIGRATED), {
    optional: true,
    default: MOST_MIGRATED,
    description: `subscriptions of this request, 1 to ${MOST_MIGRATED}`,
  })
  limit?: number;

  @Field(IsId(), { optional: true, description: '`nextCursor` of the answer before' })
  cursor?: string;
}

const slug = () => IsPattern(/^[a-z0-9-]{1,64}$/, 'slug_invalid', 'must be 1 to 64 of a-z, 0-9 and "-"');

export class FeatureOverrideBody extends ReasonBody {
  @Field(slug(), { example: 'api-calls' })
  featureSlug!: string;

  @Field(IsFeatureValue(), {
    oneOf: [{ type: 'boolean' }, { type: 'number' }, { type: 'string' }],
    example: 5000,
    description: 'of the feature’s type',
  })
  value!: boolean | number | string;

  @Field(IsInstant(), { ...instant, optional: true, description: 'default now' })
  effectiveFrom?: string;

  @Field(IsInstant(), { ...instant, optional: true, description: 'default: until it is revoked' })
  effectiveUntil?: string;
}

export class RevokeOverrideBody {
  @Field(slug(), { example: 'api-calls' })
  featureSlug!: string;
}

export class PriceOverrideBody extends ReasonBody {
  @Field(IsJson(), { type: [Object], description: 'as in pricingData of a price' })
  components!: object[];

  @Field(IsWhole(1, MOST_CYCLES), { description: 'periods it holds for, the current one included' })
  expiresAfterBillingCycles!: number;
}
